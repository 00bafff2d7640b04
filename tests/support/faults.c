/* Faults for the program under test, by LD_PRELOAD: it ends at a chosen call, its calls fail, its clock is another.
 * Nothing of this is in the program itself. What is wished for stands in a file that is mapped here (FAULTS names it),
 * so that a test changes its mind while the program runs; tests/support/faults.rs writes it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The order is that of `Place` in faults.rs. */
enum place { SYNC, RENAME, REMOVE, WRITE, NETLINK, ANSWER, PLACES };

struct board {
    int64_t clock_seconds;    /* added to the clock */
    int32_t kill_at;          /* a place; -1: none */
    int32_t kill_after;       /* 0: before the call, 1: after it */
    int32_t countdown;        /* the how manieth call; 1: the next */
    int32_t errors[PLACES];   /* errno that every call there fails with; 0: none; -1: what is sent is lost on the way */
    uint32_t calls[PLACES];   /* how many there were */
    int32_t no_wireguard;     /* the kernel has none: what is asked of it by that name has another there */
    int32_t only_changes;     /* only changes of links, addresses and routes are calls of NETLINK; looking is none */
};

static struct board *board;
/* What is done to the files of one file system, in order, for a test that takes the power away: POWER_LOG names the
 * record, POWER_DIR the file system. -1: nobody wants to know. */
static int record = -1;
static dev_t recorded;

/* One entry of the record; `length` bytes follow: what was written, or of a folder its names, each after its inode. */
struct entry {
    uint64_t inode;
    uint64_t at;
    uint32_t length;
    uint32_t kind; /* 0: written, 1: cut off at `at`, 2: a file is on disk, 3: a folder is */
};

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS");
    if (!path || strcmp(program_invocation_short_name, "postern")) return; /* nft and others inherit the environment */
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void *mapped = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    close(fd);
    board = mapped;
    const char *log = getenv("POWER_LOG"), *dir = getenv("POWER_DIR");
    struct stat found;
    if (!log || !dir || stat(dir, &found)) return;
    recorded = found.st_dev;
    record = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void put(struct entry entry, const void *bytes) {
    struct iovec parts[] = {{&entry, sizeof entry}, {(void *)bytes, entry.length}};
    if (syscall(SYS_writev, record, parts, 2) < 0) abort();
}

/* The inode of a recorded file or folder; 0: it is none. */
static ino_t recorded_inode(int fd, mode_t type) {
    struct stat found;
    if (record < 0 || fstat(fd, &found) || found.st_dev != recorded || (found.st_mode & S_IFMT) != type) return 0;
    return found.st_ino;
}

static void wrote(int fd, const void *bytes, ssize_t count, off64_t at) {
    ino_t inode = count > 0 ? recorded_inode(fd, S_IFREG) : 0;
    if (!inode) return;
    if (at < 0) at = lseek64(fd, 0, SEEK_CUR) - count;
    put((struct entry){inode, at, count, 0}, bytes);
}

static void cut(int fd, int result, off64_t length) {
    ino_t inode = result ? 0 : recorded_inode(fd, S_IFREG);
    if (inode) put((struct entry){inode, length, 0, 1}, NULL);
}

static void synced(int fd, int result) {
    if (result || record < 0) return;
    ino_t inode = recorded_inode(fd, S_IFREG);
    if (inode) return put((struct entry){inode, 0, 0, 2}, NULL);
    inode = recorded_inode(fd, S_IFDIR);
    if (!inode) return;
    char names[65536], path[64];
    size_t length = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    DIR *dir = opendir(path);
    for (struct dirent *one; dir && (one = readdir(dir));)
        length += snprintf(names + length, sizeof names - length, "%lu %s\n", (unsigned long)one->d_ino, one->d_name);
    if (!dir || length >= sizeof names) abort();
    closedir(dir);
    put((struct entry){inode, 0, length, 3}, names);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Counts a call. -1: it is to fail, errno says how; -2: it is to seem to succeed; 1: the program ends once it is done;
 * 0: nothing of that. */
static int enter(enum place place) {
    if (!board || place == PLACES) return 0;
    __atomic_add_fetch(&board->calls[place], 1, __ATOMIC_SEQ_CST);
    if (board->kill_at == (int32_t)place && __atomic_sub_fetch(&board->countdown, 1, __ATOMIC_SEQ_CST) == 0) {
        if (!board->kill_after) die();
        return 1;
    }
    if (!board->errors[place]) return 0;
    if (board->errors[place] < 0) return -2;
    errno = board->errors[place];
    return -1;
}

/* What a descriptor leads to; PLACES: nothing that is counted. */
static enum place place_of(int fd) {
    struct stat found;
    if (!board || fd <= 2 || fstat(fd, &found)) return PLACES;
    if (S_ISREG(found.st_mode)) return WRITE;
    if (!S_ISSOCK(found.st_mode)) return PLACES;
    int domain = 0;
    socklen_t length = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length)) return PLACES;
    if (domain == AF_NETLINK) return NETLINK;
    return domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX ? ANSWER : PLACES;
}

/* The same for what is sent to it. */
static enum place place_of_sent(int fd, const void *bytes, size_t count) {
    enum place place = place_of(fd);
    const struct nlmsghdr *head = bytes;
    if (place != NETLINK || !board->only_changes || count < sizeof *head) return place;
    int protocol = -1;
    socklen_t length = sizeof protocol;
    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    int is_asked = (head->nlmsg_type & 3) == 2; /* of four types in a row the third: RTM_GETLINK and so on */
    return protocol == NETLINK_ROUTE && !is_asked ? NETLINK : PLACES;
}

/* What is sent to the kernel with the name of its WireGuard, a link's kind or a family, in it, while it is to have none: a copy
 * in which the kernel does not know the name, as if the module were not there. */
static const void *as_known(int fd, const void *bytes, size_t count) {
    static const char name[] = "wireguard";
    static __thread char *copy;
    if (!board || !board->no_wireguard || place_of(fd) != NETLINK) return bytes;
    if (!memmem(bytes, count, name, sizeof name - 1)) return bytes;
    copy = realloc(copy, count);
    if (!copy) abort();
    memcpy(copy, bytes, count);
    for (char *at; (at = memmem(copy, count, name, sizeof name - 1));) *at = 'W';
    return copy;
}

/* `afterwards` may look at the result; `seeming` is the result of what only seems to succeed. */
#define WRAP_SENDING(type, name, place, parameters, arguments, afterwards, seeming) \
    type name parameters {                                                      \
        static type(*real) parameters;                                          \
        if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name);          \
        int wish = enter(place);                                                \
        if (wish < 0) return wish == -2 ? (type)(seeming) : -1;                 \
        type result = real arguments;                                           \
        afterwards;                                                             \
        if (wish > 0) die();                                                    \
        return result;                                                          \
    }
#define WRAP(type, name, place, parameters, arguments, afterwards)              \
    WRAP_SENDING(type, name, place, parameters, arguments, afterwards, -1)

WRAP(int, fsync, SYNC, (int fd), (fd), synced(fd, result))
WRAP(int, fdatasync, SYNC, (int fd), (fd), synced(fd, result))
WRAP(int, rename, RENAME, (const char *from, const char *to), (from, to), )
WRAP(int, unlink, REMOVE, (const char *path), (path), )
WRAP(ssize_t, write, place_of(fd), (int fd, const void *bytes, size_t count), (fd, bytes, count),
     wrote(fd, bytes, result, -1))
WRAP(ssize_t, pwrite, place_of(fd), (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at),
     wrote(fd, bytes, result, at))
WRAP(ssize_t, pwrite64, place_of(fd), (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at),
     wrote(fd, bytes, result, at))
WRAP(ssize_t, writev, place_of(fd), (int fd, const struct iovec *parts, int count), (fd, parts, count), )
WRAP(int, ftruncate, place_of(fd), (int fd, off_t length), (fd, length), cut(fd, result, length))
WRAP(int, ftruncate64, place_of(fd), (int fd, off64_t length), (fd, length), cut(fd, result, length))
WRAP_SENDING(ssize_t, send, place_of_sent(fd, bytes, count), (int fd, const void *bytes, size_t count, int flags),
             (fd, as_known(fd, bytes, count), count, flags), , count)
WRAP_SENDING(ssize_t, sendto, place_of_sent(fd, bytes, count),
             (int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t length),
             (fd, as_known(fd, bytes, count), count, flags, to, length), , count)
WRAP(ssize_t, sendmsg, place_of(fd), (int fd, const struct msghdr *message, int flags), (fd, message, flags), )

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (!result && board && clock == CLOCK_REALTIME) now->tv_sec += board->clock_seconds;
    return result;
}
