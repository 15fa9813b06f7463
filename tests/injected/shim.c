/* Faults at the system-call level, for LD_PRELOAD: calls of the C library that fail, are interrupted, give or
 * take less than was asked for, and clocks that jump. What is to happen stands in a file that is mapped, and
 * that the test rewrites while the server runs: see process.rs, which knows the same layout.
 *
 * It lies about nothing that the kernel promises. Above all, epoll(7) says that a short read or write of a
 * stream has emptied or filled the socket; so a call that is cut short here arms the socket's edge again, as
 * if the rest had come just after. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { ACCEPT, RECV, SEND, WAIT, REGISTER, OPTION, THREAD, EVENTFD, EPOLL, PAIR, KINDS };

struct fault {
    uint32_t every;    /* each so-many-th call; 0: none */
    uint32_t left;     /* injections left */
    int32_t error;     /* fails with it, unless 0 */
    uint32_t cap;      /* moves at most so many bytes, unless 0 */
    uint32_t skip;     /* calls that are let through first */
    uint32_t calls;    /* since the test has set it */
    uint32_t injected; /* of those */
    uint32_t unused;
};

struct control {
    int64_t wall;  /* nanoseconds ahead */
    int64_t steady;
    uint32_t port; /* only sockets whose peer has it, unless 0 */
    uint32_t unused[11];
    struct fault faults[KINDS];
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("TRIJET_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) control = mapped;
}

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

/* The fault to inject into this call, or NULL. */
static const struct fault *hit(enum kind kind) {
    if (!control) return NULL;
    struct fault *fault = &control->faults[kind];
    uint32_t call = __atomic_add_fetch(&fault->calls, 1, __ATOMIC_SEQ_CST);
    uint32_t every = __atomic_load_n(&fault->every, __ATOMIC_SEQ_CST);
    if (every == 0 || call <= fault->skip || (call - fault->skip) % every != 0) return NULL;
    uint32_t left = __atomic_load_n(&fault->left, __ATOMIC_SEQ_CST);
    do {
        if (left == 0) return NULL;
    } while (!__atomic_compare_exchange_n(&fault->left, &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    __atomic_add_fetch(&fault->injected, 1, __ATOMIC_SEQ_CST);
    return fault;
}

/* Whether it is a connection over TCP, and the one that is looked for. */
static int is_meant(int fd) {
    if (!control) return 0;
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int kept = errno;
    int found = getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET
        && (control->port == 0 || ntohs(peer.sin_port) == control->port);
    errno = kept;
    return found;
}

static const struct fault *hit_on(enum kind kind, int fd) {
    return is_meant(fd) ? hit(kind) : NULL;
}

/* What is registered where: epoll instance, events. */
#define FDS 4096
static struct { int epoll; struct epoll_event event; } registered[FDS];

static void arm_again(int fd) {
    if (fd >= FDS || registered[fd].epoll == 0) return;
    int kept = errno;
    REAL(epoll_ctl)(registered[fd].epoll, EPOLL_CTL_MOD, fd, &registered[fd].event);
    errno = kept;
}

#define FAIL(fault, value) if ((fault) && (fault)->error) { errno = (fault)->error; return (value); }

/* Cuts `size` short, makes `call`, and arms the edge again if it was cut short. */
#define MOVE(kind, fd, size, call) \
    const struct fault *fault = hit_on(kind, fd); \
    FAIL(fault, -1) \
    size_t asked = (size); \
    if (fault && fault->cap && asked > fault->cap) (size) = fault->cap; \
    ssize_t moved = (call); \
    if (moved == (ssize_t)(size) && (size) < asked) arm_again(fd); \
    return moved;

ssize_t recv(int fd, void *into, size_t size, int flags) {
    MOVE(RECV, fd, size, REAL(recv)(fd, into, size, flags))
}

ssize_t recvfrom(int fd, void *into, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
    MOVE(RECV, fd, size, REAL(recvfrom)(fd, into, size, flags, from, length))
}

ssize_t read(int fd, void *into, size_t size) {
    MOVE(RECV, fd, size, REAL(read)(fd, into, size))
}

ssize_t send(int fd, const void *from, size_t size, int flags) {
    MOVE(SEND, fd, size, REAL(send)(fd, from, size, flags))
}

ssize_t write(int fd, const void *from, size_t size) {
    MOVE(SEND, fd, size, REAL(write)(fd, from, size))
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    const struct fault *fault = hit_on(SEND, fd);
    FAIL(fault, -1)
    if (!fault || !fault->cap) return REAL(sendmsg)(fd, message, flags);
    size_t first = 0;
    while (first + 1 < message->msg_iovlen && message->msg_iov[first].iov_len == 0) first++;
    if (message->msg_iovlen == 0) return REAL(sendmsg)(fd, message, flags);
    struct iovec part = message->msg_iov[first];
    if (part.iov_len > fault->cap) part.iov_len = fault->cap;
    struct msghdr shorter = *message;
    shorter.msg_iov = &part;
    shorter.msg_iovlen = 1;
    ssize_t moved = REAL(sendmsg)(fd, &shorter, flags);
    if (moved > 0) arm_again(fd);
    return moved;
}

int accept4(int fd, struct sockaddr *peer, socklen_t *size, int flags) {
    const struct fault *fault = hit(ACCEPT);
    FAIL(fault, -1)
    return REAL(accept4)(fd, peer, size, flags);
}

int accept(int fd, struct sockaddr *peer, socklen_t *size) {
    const struct fault *fault = hit(ACCEPT);
    FAIL(fault, -1)
    return REAL(accept)(fd, peer, size);
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout) {
    const struct fault *fault = hit(WAIT);
    FAIL(fault, -1)
    return REAL(epoll_wait)(epoll, events, count, timeout);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    if (operation == EPOLL_CTL_ADD) {
        const struct fault *fault = hit_on(REGISTER, fd);
        FAIL(fault, -1)
    }
    int done = REAL(epoll_ctl)(epoll, operation, fd, event);
    if (done == 0 && fd < FDS) {
        registered[fd].epoll = operation == EPOLL_CTL_DEL ? 0 : epoll;
        if (operation != EPOLL_CTL_DEL) registered[fd].event = *event;
    }
    return done;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    const struct fault *fault = hit_on(OPTION, fd);
    FAIL(fault, -1)
    return REAL(setsockopt)(fd, level, name, value, size);
}

/* Threads of this process. */
static uint32_t threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    uint32_t count = 0;
    struct dirent *task;
    while (tasks && (task = readdir(tasks))) count += task->d_name[0] != '.';
    if (tasks) closedir(tasks);
    return count;
}

/* Here `cap` is how many there may be: then it is a limit such as a user has for processes. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *with) {
    const struct fault *fault = hit(THREAD);
    if (fault && (!fault->cap || threads() >= fault->cap)) return fault->error;
    return REAL(pthread_create)(thread, attributes, run, with);
}

int eventfd(unsigned int value, int flags) {
    const struct fault *fault = hit(EVENTFD);
    FAIL(fault, -1)
    return REAL(eventfd)(value, flags);
}

int epoll_create1(int flags) {
    const struct fault *fault = hit(EPOLL);
    FAIL(fault, -1)
    return REAL(epoll_create1)(flags);
}

int socketpair(int domain, int type, int protocol, int pair[2]) {
    const struct fault *fault = hit(PAIR);
    FAIL(fault, -1)
    return REAL(socketpair)(domain, type, protocol, pair);
}

#define SECOND 1000000000LL

static void move(struct timespec *time, int64_t by) {
    int64_t all = time->tv_sec * SECOND + time->tv_nsec + by;
    time->tv_sec = all / SECOND;
    time->tv_nsec = all % SECOND;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int done = REAL(clock_gettime)(clock, time);
    if (done == 0 && control && clock == CLOCK_REALTIME) move(time, control->wall);
    if (done == 0 && control && clock == CLOCK_MONOTONIC) move(time, control->steady);
    return done;
}

/* The kernel's clock has not jumped: a wait until a time of ours is told in its. */
long syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    struct timespec until;
    if (number == SYS_futex && control && control->steady && a[3] && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET
        && !(a[1] & FUTEX_CLOCK_REALTIME)) {
        until = *(struct timespec *)a[3];
        move(&until, -control->steady);
        if (until.tv_sec < 0) until = (struct timespec){0, 0};
        a[3] = (long)&until;
    }
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
