#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>

#ifdef __linux__
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

int vz_network_unshare(void) { return unshare(CLONE_NEWNET); }

int vz_network_enter(const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return -1;
    int result = setns(descriptor, CLONE_NEWNET);
    int code = errno;
    close(descriptor);
    errno = code;
    return result;
}

int vz_network_bind(const char *path) { return mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL); }

int vz_unmount(const char *path) { return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW); }
#else
int vz_network_unshare(void) { errno = ENOTSUP; return -1; }
int vz_network_enter(const char *path) { (void)path; errno = ENOTSUP; return -1; }
int vz_network_bind(const char *path) { (void)path; errno = ENOTSUP; return -1; }
int vz_unmount(const char *path) { (void)path; errno = ENOTSUP; return -1; }
#endif
