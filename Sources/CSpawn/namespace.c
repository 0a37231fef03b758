#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>

#ifdef __linux__
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
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

int vz_network_loopback(void) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    struct ifreq request = {.ifr_name = "lo"};
    int result = ioctl(descriptor, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP;
    if (result == 0) result = ioctl(descriptor, SIOCSIFFLAGS, &request);
    int code = errno;
    close(descriptor);
    errno = code;
    return result;
}

int vz_unmount(const char *path) { return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW); }
#else
int vz_network_unshare(void) { errno = ENOTSUP; return -1; }
int vz_network_enter(const char *path) { (void)path; errno = ENOTSUP; return -1; }
int vz_network_bind(const char *path) { (void)path; errno = ENOTSUP; return -1; }
int vz_network_loopback(void) { errno = ENOTSUP; return -1; }
int vz_unmount(const char *path) { (void)path; errno = ENOTSUP; return -1; }
#endif
