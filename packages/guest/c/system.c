#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Noreturn void die(const char *what, const char *which) {
    const char *why = errno ? strerror(errno) : "refused";
    dprintf(STDERR_FILENO, "%s%s%s: %s\n", what, *which ? " " : "", which, why);
    _exit(127);
}

pid_t clone_child(uint64_t flags, int cgroup, int *pidfd) {
    struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
    if (pidfd != NULL) {
        args.flags |= CLONE_PIDFD;
        args.pidfd = (uint64_t)(uintptr_t)pidfd;
    }
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

int pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int pidfd_getfd(int pidfd, int fd) { return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0); }

int pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static int set_mounts(const char *path, uint64_t attributes) {
    struct mount_attr change = { .attr_set = attributes };
    return (int)syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &change, sizeof change);
}

int mount_read_only(const char *path) { return set_mounts(path, MOUNT_ATTR_RDONLY); }

int mount_without_setuid(const char *path) { return set_mounts(path, MOUNT_ATTR_NOSUID); }

void close_from(unsigned first) { syscall(SYS_close_range, first, ~0U, 0); }

int set_capabilities(uint32_t set) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { .effective = set, .permitted = set } };
    return (int)syscall(SYS_capset, &header, data);
}

int become_user(uid_t uid, gid_t gid) {
    if (setgroups(1, &gid) != 0 || setresgid(gid, gid, gid) != 0) return -1;
    return setresuid(uid, uid, uid);
}

bool make_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) == 0) return true;
    ends[0] = ends[1] = -1;
    return false;
}

void close_one(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

ssize_t read_file(const char *path, char *text, size_t size) {
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t length = 0;
    while (length < size - 1) {
        ssize_t n = read(fd, text + length, size - 1 - length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        length += (size_t)n;
    }
    close(fd);
    text[length] = '\0';
    return (ssize_t)length;
}

bool write_all(int fd, const void *bytes, size_t size) {
    const char *next = bytes;
    while (size > 0) {
        ssize_t n = write(fd, next, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        next += n;
        size -= (size_t)n;
    }
    return true;
}

bool write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    bool written = write_all(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return written;
}

static void wake(int signal) { (void)signal; }

sigset_t catch_children(void) {
    sigset_t children, before;
    struct sigaction action = { .sa_handler = wake };
    sigaction(SIGCHLD, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &before);
    sigdelset(&before, SIGCHLD);
    return before;
}

void restore_signals(void) {
    static const int changed[] = { SIGCHLD, SIGPIPE, SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) signal(changed[i], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}
