/*
 * Calls of the kernel that the C library does not wrap, under the kernel's own names, and a few small wrappers of
 * what it does.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where programs of one sandbox run as: a root and a user of its own, or the host's own user alone. */
enum users { TWO_USERS, ONE_USER };

/* Says why on standard error, with the errno of the moment if there is one, and ends this process with code 127. */
_Noreturn void die(const char *what, const char *which);

/*
 * Makes a child as fork does, in the namespaces that the flags name, and on version 2 in the cgroup of that
 * descriptor (or -1).
 */
pid_t clone_child(uint64_t flags, int cgroup, int *pidfd);
int pidfd_open(pid_t pid);
int pidfd_send_signal(int pidfd, int signal);
/* A descriptor of that process's, as one of our own. */
int pidfd_getfd(int pidfd, int fd);
int pivot_root(const char *new_root, const char *put_old);
/* A mount and all below it. */
int mount_read_only(const char *path);
int mount_without_setuid(const char *path);
/* Closes every descriptor from this one on. */
void close_from(unsigned first);
/* The same capabilities, and no more, as permitted and effective; none inheritable. */
int set_capabilities(uint32_t set);
int become_user(uid_t uid, gid_t gid);

/* A pipe whose ends are closed by exec; both -1 where there is none. */
bool make_pipe(int ends[2]);
void close_one(int *fd);
void set_nonblocking(int fd);
/* A whole small file, ended by NUL. Gives its length, or -1. What does not fit is left out. */
ssize_t read_file(const char *path, char *text, size_t size);
bool write_file(const char *path, const char *text);
bool write_all(int fd, const void *bytes, size_t size);
/* SIGCHLD interrupts only ppoll with the mask that is given back, so that no child's end is missed. */
sigset_t catch_children(void);
/* What a child does that becomes another program. */
void restore_signals(void);
/* Milliseconds of the monotonic clock. */
int64_t now_ms(void);

#endif
