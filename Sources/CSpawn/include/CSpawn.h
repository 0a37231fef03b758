#ifndef VZCRI_CSPAWN_H
#define VZCRI_CSPAWN_H

#include <sys/types.h>

/// How a process is made. Everything here is read by the child between fork and exec.
struct vz_spawn {
    const char *executable;
    char *const *arguments;
    char *const *environment;
    /// Descriptors that become the child's 0, 1, 2 …; all others are closed.
    const int *descriptors;
    int descriptor_count;
    /// NULL keeps the parent's.
    const char *directory;
    /// A new session, so that signals to the parent's group pass it by.
    int new_session;
    /// SIGKILL when the thread that called vz_spawn_start ends. Linux only.
    int dies_with_parent;
    /// A descriptor of a network namespace to enter, or -1. Linux only.
    int network_namespace;
};

/// Starts a process. Returns its id, or -1 with errno set, also when the exec failed.
pid_t vz_spawn_start(const struct vz_spawn *request);

/// Makes a pipe that no program inherits. 0, or -1 with errno set.
int vz_pipe(int ends[2]);

/// This process's own environment.
char *const *vz_spawn_environment(void);

// Network namespaces of the calling thread; Linux, elsewhere ENOTSUP. 0, or -1 with errno.

// Gives the thread a new one.
int vz_network_unshare(void);
// Puts the thread into the one that `path` stands for.
int vz_network_enter(const char *path);
// Keeps the thread's by mounting it on the file `path`.
int vz_network_bind(const char *path);
// Brings the loopback device of the thread's up.
int vz_network_loopback(void);
// Takes a mount off at once; what still uses it keeps it alive.
int vz_unmount(const char *path);

#endif
