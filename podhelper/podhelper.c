/* The program inside our pause image: one static file without a libc, for Linux on x86_64 and aarch64.
 *
 *   pause                  holds a sandbox's namespaces; as PID 1 of a shared PID namespace it reaps orphans.
 *                          Ends at once, with 0, on SIGTERM or SIGINT.
 *   pause enter FILE [UID GID]
 *                          before that, enters the network namespace that FILE stands for, becomes that user, and gives
 *                          up every capability. Says "entered" on stdout; 1 and a message on stderr when it cannot.
 *   pause forward PORT     connects to 127.0.0.1:PORT, then [::1]:PORT, and copies stdin and stdout to and from it.
 *                          The end of stdin half-closes the connection; the peer's end ends the program with 0.
 *                          1 and a message on stderr when nothing listens.
 *   pause kill PID ID      kills PID and its descendants if PID belongs to the container ID (its cgroup names it).
 *                          0 also when PID is gone. Runs in the engine's PID namespace.
 */

typedef unsigned long ulong_t;
typedef long long_t;

#if defined(__x86_64__)
#define SYS_read 0
#define SYS_write 1
#define SYS_close 3
#define SYS_sendto 44
#define SYS_socket 41
#define SYS_connect 42
#define SYS_shutdown 48
#define SYS_fcntl 72
#define SYS_kill 62
#define SYS_wait4 61
#define SYS_getdents64 217
#define SYS_openat 257
#define SYS_ppoll 271
#define SYS_exit_group 231
#define SYS_rt_sigprocmask 14
#define SYS_rt_sigtimedwait 128
#define SYS_setns 308
#define SYS_setuid 105
#define SYS_setgid 106
#define SYS_setgroups 116
#define SYS_capset 126
static long_t syscall6(long_t n, long_t a, long_t b, long_t c, long_t d, long_t e, long_t f) {
    long_t result;
    register long_t r10 __asm__("r10") = d;
    register long_t r8 __asm__("r8") = e;
    register long_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#elif defined(__aarch64__)
#define SYS_read 63
#define SYS_write 64
#define SYS_close 57
#define SYS_sendto 206
#define SYS_socket 198
#define SYS_connect 203
#define SYS_shutdown 210
#define SYS_fcntl 25
#define SYS_kill 129
#define SYS_wait4 260
#define SYS_getdents64 61
#define SYS_openat 56
#define SYS_ppoll 73
#define SYS_exit_group 94
#define SYS_rt_sigprocmask 135
#define SYS_rt_sigtimedwait 137
#define SYS_setns 268
#define SYS_setuid 146
#define SYS_setgid 144
#define SYS_setgroups 159
#define SYS_capset 91
static long_t syscall6(long_t n, long_t a, long_t b, long_t c, long_t d, long_t e, long_t f) {
    register long_t x8 __asm__("x8") = n;
    register long_t x0 __asm__("x0") = a;
    register long_t x1 __asm__("x1") = b;
    register long_t x2 __asm__("x2") = c;
    register long_t x3 __asm__("x3") = d;
    register long_t x4 __asm__("x4") = e;
    register long_t x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n bl begin\n");
#else
#error "neither x86_64 nor aarch64"
#endif

#define call1(n, a) syscall6(n, (long_t)(a), 0, 0, 0, 0, 0)
#define call2(n, a, b) syscall6(n, (long_t)(a), (long_t)(b), 0, 0, 0, 0)
#define call3(n, a, b, c) syscall6(n, (long_t)(a), (long_t)(b), (long_t)(c), 0, 0, 0)
#define call4(n, a, b, c, d) syscall6(n, (long_t)(a), (long_t)(b), (long_t)(c), (long_t)(d), 0, 0)

#define EINTR 4
#define EAGAIN 11
#define ESRCH 3
#define SIGINT 2
#define SIGKILL 9
#define SIGTERM 15
#define SIGCHLD 17
#define SIGSTOP 19

__attribute__((noreturn)) static void leave(int code) {
    for (;;) call1(SYS_exit_group, code);
}

/* The compiler may call these for copies and initialisers. */
void *memset(void *to, int byte, ulong_t count) {
    volatile unsigned char *at = to;
    while (count--) *at++ = (unsigned char)byte;
    return to;
}
void *memcpy(void *to, const void *from, ulong_t count) {
    volatile unsigned char *at = to;
    const unsigned char *source = from;
    while (count--) *at++ = *source++;
    return to;
}

static ulong_t length(const char *text) {
    ulong_t count = 0;
    while (text[count]) count++;
    return count;
}

static int same(const char *left, const char *right) {
    while (*left && *left == *right) left++, right++;
    return *left == *right;
}

static void say(const char *text) { call3(SYS_write, 2, text, length(text)); }

static void sayNumber(long_t value) {
    char digits[24];
    int at = sizeof digits;
    digits[--at] = 0;
    do digits[--at] = (char)('0' + value % 10); while ((value /= 10) > 0);
    say(digits + at);
}

/* A decimal number, or -1. */
static long_t number(const char *text) {
    long_t value = 0;
    if (!*text) return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > 1000000000) return -1;
        value = value * 10 + (*text - '0');
    }
    return value;
}

/* ---- pause: the signals stay blocked and are waited for, so PID 1 needs no handlers and misses none. */

static ulong_t blockedSignals(ulong_t set) {
    call4(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &set, 0, 8);
    return set;
}

__attribute__((noreturn)) static void hold(void) {
    ulong_t set = blockedSignals(1ul << (SIGTERM - 1) | 1ul << (SIGINT - 1) | 1ul << (SIGCHLD - 1));
    for (;;) {
        while (call4(SYS_wait4, -1, 0, 1 /* WNOHANG */, 0) > 0) {}
        long_t got = call4(SYS_rt_sigtimedwait, &set, 0, 0, 8);
        if (got == SIGTERM || got == SIGINT) leave(0);
    }
}

/* ---- enter */

static void giveUp(const char *what, const char *file, long_t result) {
    say(what);
    say(file);
    say(": error ");
    sayNumber(-result);
    say("\n");
    leave(1);
}

__attribute__((noreturn)) static void enter(const char *file, long_t user, long_t group) {
    blockedSignals(1ul << (13 - 1) /* SIGPIPE */);
    long_t opened = call4(SYS_openat, -100 /* AT_FDCWD */, file, 02000000 /* O_CLOEXEC */, 0);
    if (opened < 0) giveUp("cannot open ", file, opened);
    long_t result = call2(SYS_setns, opened, 0x40000000 /* CLONE_NEWNET */);
    if (result < 0) giveUp("cannot enter the network namespace ", file, result);
    call1(SYS_close, opened);
    if (user >= 0) {
        result = call2(SYS_setgroups, 0, 0);
        if (result >= 0) result = call1(SYS_setgid, group);
        if (result >= 0) result = call1(SYS_setuid, user);
        if (result < 0) giveUp("cannot become the pod's user", "", result);
    }
    struct { unsigned version; int pid; } header = {0x20080522 /* version 3 */, 0};
    struct { unsigned effective, permitted, inheritable; } none[2] = {{0, 0, 0}, {0, 0, 0}};
    result = call2(SYS_capset, &header, none);
    if (result < 0) giveUp("cannot give up capabilities", "", result);
    call3(SYS_write, 1, "entered\n", 8);
    hold();
}

/* ---- forward */

struct flow {
    int from, to, ended, shut;
    ulong_t start, end;
    unsigned char bytes[32768];
};
static struct flow outward, inward;

struct pollfd { int descriptor; short wanted, got; };
#define POLLIN 1
#define POLLOUT 4
#define POLLERR 8
#define POLLHUP 16

static long_t dial(int port) {
    struct { unsigned short family, port; unsigned char rest[24]; } address;
    unsigned short wire = (unsigned short)((port >> 8) | (port << 8));
    for (int attempt = 0; attempt < 2; attempt++) {
        memset(&address, 0, sizeof address);
        address.family = attempt ? 10 : 2;
        address.port = wire;
        if (attempt) {
            address.rest[4 + 15] = 1;
        } else {
            address.rest[0] = 127;
            address.rest[3] = 1;
        }
        long_t made = call3(SYS_socket, address.family, 1 /* SOCK_STREAM */, 0);
        if (made < 0) continue;
        long_t result;
        do result = call3(SYS_connect, made, &address, attempt ? 28 : 16); while (result == -EINTR);
        if (result == 0) return made;
        call1(SYS_close, made);
    }
    return -1;
}

static void unblock(int descriptor) {
    long_t flags = call3(SYS_fcntl, descriptor, 3 /* F_GETFL */, 0);
    if (flags >= 0) call3(SYS_fcntl, descriptor, 4 /* F_SETFL */, flags | 04000 /* O_NONBLOCK */);
}

static void fill(struct flow *flow) {
    if (flow->ended || flow->start != flow->end) return;
    long_t got = call3(SYS_read, flow->from, flow->bytes, sizeof flow->bytes);
    if (got == -EAGAIN || got == -EINTR) return;
    if (got <= 0) {
        flow->ended = 1;
    } else {
        flow->start = 0;
        flow->end = (ulong_t)got;
    }
}

/* False when the other side takes no more. A vanished peer of a socket must not raise SIGPIPE: it is blocked. */
static int empty(struct flow *flow) {
    while (flow->start < flow->end) {
        long_t sent = call3(SYS_write, flow->to, flow->bytes + flow->start, flow->end - flow->start);
        if (sent == -EINTR) continue;
        if (sent == -EAGAIN) return 1;
        if (sent < 0) return 0;
        flow->start += (ulong_t)sent;
    }
    return 1;
}

static int forward(int port) {
    blockedSignals(1ul << (13 - 1) /* SIGPIPE */);
    long_t made = dial(port);
    if (made < 0) {
        say("nothing accepts connections on port ");
        sayNumber(port);
        say(" of 127.0.0.1 or [::1] in this pod\n");
        return 1;
    }
    outward.from = 0, outward.to = (int)made;
    inward.from = (int)made, inward.to = 1;
    unblock(0), unblock(1), unblock((int)made);
    for (;;) {
        struct pollfd polled[3] = {{-1, POLLIN, 0}, {(int)made, 0, 0}, {-1, POLLOUT, 0}};
        if (!outward.ended && outward.start == outward.end) polled[0].descriptor = 0;
        if (outward.start < outward.end) polled[1].wanted |= POLLOUT;
        if (!inward.ended && inward.start == inward.end) polled[1].wanted |= POLLIN;
        if (!polled[1].wanted) polled[1].descriptor = -1;
        if (inward.start < inward.end) polled[2].descriptor = 1;
        long_t ready = syscall6(SYS_ppoll, (long_t)polled, 3, 0, 0, 8, 0);
        if (ready == -EINTR) continue;
        if (ready < 0) return 1;
        if (polled[0].got) fill(&outward);
        if (polled[1].got & (POLLIN | POLLHUP | POLLERR)) fill(&inward);
        if (!empty(&inward)) return 0;
        if (!empty(&outward)) outward.ended = 1, outward.start = outward.end;
        if (outward.ended && outward.start == outward.end && !outward.shut) {
            outward.shut = 1;
            call2(SYS_shutdown, made, 1 /* SHUT_WR */);
        }
        if (inward.ended && inward.start == inward.end) return 0;
    }
}

/* ---- kill */

#define MOST 4096
static int found[MOST];
static int foundCount;
static char page[8192];

static char *digitsInto(char *at, long_t value) {
    char digits[24];
    int count = 0;
    do digits[count++] = (char)('0' + value % 10); while ((value /= 10) > 0);
    while (count) *at++ = digits[--count];
    return at;
}

/* Reads /proc/PID/NAME into `page`, NUL-terminated; its length or a negative error. */
static long_t readProc(int pid, const char *name) {
    char path[64] = "/proc/";
    char *at = digitsInto(path + 6, pid);
    *at++ = '/';
    while (*name) *at++ = *name++;
    *at = 0;
    long_t file = call4(SYS_openat, -100 /* AT_FDCWD */, path, 0, 0);
    if (file < 0) return file;
    ulong_t total = 0;
    long_t got;
    while (total < sizeof page - 1 && (got = call3(SYS_read, file, page + total, sizeof page - 1 - total)) > 0)
        total += (ulong_t)got;
    call1(SYS_close, file);
    page[total] = 0;
    return (long_t)total;
}

static int contains(const char *text, const char *part) {
    for (; *text; text++) {
        ulong_t at = 0;
        while (part[at] && text[at] == part[at]) at++;
        if (!part[at]) return 1;
    }
    return 0;
}

static int parentOf(int pid) {
    if (readProc(pid, "stat") <= 0) return -1;
    char *at = page + length(page);
    while (at > page && *at != ')') at--; /* the name may hold anything but ends at the last parenthesis */
    if (*at != ')' || !at[1] || !at[2] || !at[3]) return -1;
    long_t value = 0;
    for (at += 4; *at >= '0' && *at <= '9'; at++) value = value * 10 + (*at - '0');
    return (int)value;
}

static int isFound(int pid) {
    for (int index = 0; index < foundCount; index++)
        if (found[index] == pid) return 1;
    return 0;
}

/* Adds and stops every process whose parent was found; the number added. */
static int addChildren(void) {
    static char entries[32768] __attribute__((aligned(8)));
    int added = 0;
    long_t directory = call4(SYS_openat, -100, "/proc", 0200000 /* O_DIRECTORY */, 0);
    if (directory < 0) directory = call4(SYS_openat, -100, "/proc", 0, 0);
    if (directory < 0) return 0;
    long_t got;
    while ((got = call3(SYS_getdents64, directory, entries, sizeof entries)) > 0) {
        for (long_t at = 0; at < got;) {
            unsigned short size = *(unsigned short *)(entries + at + 16);
            long_t pid = number(entries + at + 19);
            at += size;
            if (pid <= 0 || foundCount == MOST || isFound((int)pid) || !isFound(parentOf((int)pid))) continue;
            call2(SYS_kill, pid, SIGSTOP);
            found[foundCount++] = (int)pid;
            added++;
        }
    }
    call1(SYS_close, directory);
    return added;
}

static int killTree(int pid, const char *container) {
    long_t got = readProc(pid, "cgroup");
    if (got < 0) return 0; /* gone */
    if (!contains(page, container)) {
        say("process ");
        sayNumber(pid);
        say(" does not belong to the container; it is left alone\n");
        return 1;
    }
    call2(SYS_kill, pid, SIGSTOP);
    found[foundCount++] = pid;
    while (addChildren() > 0) {}
    int code = 0;
    for (int index = 0; index < foundCount; index++) {
        long_t result = call2(SYS_kill, found[index], SIGKILL);
        if (result < 0 && result != -ESRCH) code = 1;
    }
    return code;
}

__attribute__((used, noreturn)) void begin(ulong_t *stack) {
    long_t count = (long_t)stack[0];
    char **words = (char **)(stack + 1);
    if (count == 1) hold();
    if (count == 3 && same(words[1], "enter")) enter(words[2], -1, -1);
    if (count == 5 && same(words[1], "enter")) {
        long_t user = number(words[3]), group = number(words[4]);
        if (user >= 0 && group >= 0) enter(words[2], user, group);
    }
    if (count == 3 && same(words[1], "forward")) {
        long_t port = number(words[2]);
        if (port >= 1 && port <= 65535) leave(forward((int)port));
    }
    if (count == 4 && same(words[1], "kill")) {
        long_t pid = number(words[2]);
        if (pid >= 1 && length(words[3]) >= 12) leave(killTree((int)pid, words[3]));
    }
    say("usage: pause | pause enter FILE [UID GID] | pause forward PORT | pause kill PID CONTAINER\n");
    leave(2);
}
