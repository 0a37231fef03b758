#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

static void close_from(int first, int keep) {
#if defined(__linux__) && defined(SYS_close_range)
    unsigned int low = (unsigned int)first, stop = (unsigned int)keep;
    if (syscall(SYS_close_range, low, stop - 1, 0) == 0 && syscall(SYS_close_range, stop + 1, ~0U, 0) == 0) return;
#endif
    long limit = sysconf(_SC_OPEN_MAX);
    if (limit < 0 || limit > 65536) limit = 65536;
    for (int descriptor = first; descriptor < limit; descriptor++)
        if (descriptor != keep) close(descriptor);
}

// In the child: never returns. Only async-signal-safe calls.
static void become(const struct vz_spawn *request, int report, pid_t parent) {
    int count = request->descriptor_count;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    if (request->new_session && setsid() < 0) goto failed;
#ifdef __linux__
    if (request->dies_with_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) goto failed;
        // The parent may have gone before that took effect.
        if (getppid() != parent) _exit(127);
    }
    if (request->network_namespace >= 0 && setns(request->network_namespace, CLONE_NEWNET) != 0) goto failed;
#endif
    // First out of the way of the numbers they are to have, then onto them.
    report = fcntl(report, F_DUPFD_CLOEXEC, count);
    if (report < 0) _exit(127);
    for (int target = 0; target < count; target++) {
        int moved = fcntl(request->descriptors[target], F_DUPFD, count + 1);
        if (moved < 0) goto failed;
        ((int *)request->descriptors)[target] = moved;
    }
    for (int target = 0; target < count; target++)
        if (dup2(request->descriptors[target], target) < 0) goto failed;
    close_from(count, report);
    if (request->directory != NULL && chdir(request->directory) != 0) goto failed;
    execve(request->executable, request->arguments, request->environment);
failed:;
    int code = errno;
    ssize_t written = write(report, &code, sizeof code);
    (void)written;
    _exit(127);
}

int vz_pipe(int ends[2]) {
#ifdef __linux__
    // At once: a program that another thread starts in between would keep the pipe open for as long as it runs.
    return pipe2(ends, O_CLOEXEC);
#else
    if (pipe(ends) != 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

pid_t vz_spawn_start(const struct vz_spawn *request) {
    int report[2];
    // Far above the child's own numbers; dup2 onto it would lose the report.
    if (vz_pipe(report) != 0) return -1;

    int *descriptors = NULL;
    if (request->descriptor_count > 0) {
        descriptors = malloc(sizeof(int) * (size_t)request->descriptor_count);
        if (descriptors == NULL) {
            close(report[0]);
            close(report[1]);
            return -1;
        }
        for (int i = 0; i < request->descriptor_count; i++) descriptors[i] = request->descriptors[i];
    }
    struct vz_spawn copy = *request;
    copy.descriptors = descriptors;

    // No handler of ours may run in the child before it has reset them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        close(report[0]);
        become(&copy, report[1], parent);
    }
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    free(descriptors);
    close(report[1]);
    if (child > 0) {
        ssize_t count;
        do count = read(report[0], &code, sizeof code);
        while (count < 0 && errno == EINTR);
        if (count == (ssize_t)sizeof code) {
            while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
            child = -1;
        }
    }
    close(report[0]);
    if (child < 0) errno = code;
    return child;
}

#ifdef __APPLE__
#include <crt_externs.h>
char *const *vz_spawn_environment(void) { return *_NSGetEnviron(); }
#else
char *const *vz_spawn_environment(void) { return environ; }
#endif
