#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/btrfs.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* The C library's list for arm64 leaves it out; its number is the same on every processor. */
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

/*
 * Always allowed: what Docker's default profile allows a container without capabilities, less io_uring, less what
 * takes memory that no cgroup counts, and less the calls whose arguments decide.
 */
static const uint32_t allowed[] = {
    /* Files and directories */
    SYS_chdir, SYS_close, SYS_close_range, SYS_copy_file_range, SYS_dup, SYS_dup3, SYS_faccessat, SYS_faccessat2,
    SYS_fallocate, SYS_fanotify_mark, SYS_fchdir, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_fgetxattr,
    SYS_flistxattr, SYS_flock, SYS_fremovexattr, SYS_fsetxattr, SYS_fstat, SYS_fstatfs, SYS_ftruncate, SYS_getcwd,
    SYS_getdents64, SYS_getxattr, SYS_inotify_init1, SYS_inotify_rm_watch, SYS_lgetxattr, SYS_linkat, SYS_listxattr,
    SYS_llistxattr, SYS_lremovexattr, SYS_lseek, SYS_lsetxattr, SYS_mkdirat, SYS_mknodat, SYS_newfstatat, SYS_openat,
    SYS_openat2, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_read,
    SYS_readahead, SYS_readlinkat, SYS_readv, SYS_removexattr, SYS_renameat, SYS_renameat2, SYS_sendfile,
    SYS_setxattr, SYS_splice, SYS_statfs, SYS_statx, SYS_symlinkat, SYS_sync_file_range, SYS_tee, SYS_truncate,
    SYS_umask, SYS_unlinkat, SYS_utimensat, SYS_vmsplice, SYS_write, SYS_writev,
    /* Waiting, pipes and events */
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2, SYS_pipe2,
    SYS_ppoll, SYS_pselect6, SYS_signalfd4,
    /* Sockets */
    SYS_accept, SYS_accept4, SYS_bind, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt, SYS_listen,
    SYS_recvfrom, SYS_recvmmsg, SYS_recvmsg, SYS_shutdown,
    /* Memory */
    SYS_brk, SYS_membarrier, SYS_memfd_secret, SYS_mincore, SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_mprotect,
    SYS_mremap, SYS_munlock, SYS_munlockall, SYS_munmap, SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect,
    SYS_remap_file_pages,
    /* Processes and threads */
    SYS_capget, SYS_capset, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_futex, SYS_futex_waitv,
    SYS_get_robust_list, SYS_getcpu, SYS_getegid, SYS_geteuid, SYS_getgid, SYS_getgroups, SYS_getpgid, SYS_getpid,
    SYS_getppid, SYS_getpriority, SYS_getresgid, SYS_getresuid, SYS_getrlimit, SYS_getrusage, SYS_getsid, SYS_gettid,
    SYS_getuid, SYS_ioprio_get, SYS_ioprio_set, SYS_kill, SYS_landlock_add_rule, SYS_landlock_create_ruleset,
    SYS_landlock_restrict_self, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_process_mrelease, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_ptrace, SYS_rseq, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
    SYS_sched_getaffinity, SYS_sched_getattr, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_rr_get_interval,
    SYS_sched_setaffinity, SYS_sched_setattr, SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_yield,
    SYS_set_robust_list, SYS_set_tid_address, SYS_setfsgid, SYS_setfsuid, SYS_setgid, SYS_setgroups, SYS_setpgid,
    SYS_setpriority, SYS_setregid, SYS_setresgid, SYS_setresuid, SYS_setreuid, SYS_setsid, SYS_setuid, SYS_tgkill,
    SYS_tkill, SYS_wait4, SYS_waitid,
    /* Signals and time */
    SYS_adjtimex, SYS_clock_adjtime, SYS_clock_getres, SYS_clock_gettime, SYS_clock_nanosleep, SYS_getitimer,
    SYS_gettimeofday, SYS_nanosleep, SYS_restart_syscall, SYS_rt_sigaction, SYS_rt_sigpending, SYS_rt_sigprocmask,
    SYS_rt_sigqueueinfo, SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_rt_tgsigqueueinfo,
    SYS_setitimer, SYS_sigaltstack, SYS_timer_create, SYS_timer_delete, SYS_timer_getoverrun, SYS_timer_gettime,
    SYS_timer_settime, SYS_timerfd_create, SYS_timerfd_gettime, SYS_timerfd_settime, SYS_times,
    /* System V and POSIX messaging */
    SYS_mq_getsetattr, SYS_mq_notify, SYS_mq_open, SYS_mq_timedreceive, SYS_mq_timedsend, SYS_mq_unlink, SYS_msgctl,
    SYS_msgget, SYS_msgrcv, SYS_msgsnd, SYS_semctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_shmat, SYS_shmctl,
    SYS_shmdt,
    /* About the system */
    SYS_getrandom, SYS_sysinfo, SYS_uname,
#ifdef __x86_64__
    /* Older calls, which other processors never had. */
    SYS_access, SYS_alarm, SYS_arch_prctl, SYS_chmod, SYS_chown, SYS_creat, SYS_dup2, SYS_epoll_create,
    SYS_epoll_ctl_old, SYS_epoll_wait, SYS_epoll_wait_old, SYS_eventfd, SYS_fork, SYS_futimesat, SYS_get_thread_area,
    SYS_getdents, SYS_getpgrp, SYS_inotify_init, SYS_lchown, SYS_link, SYS_lstat, SYS_mkdir, SYS_mknod,
    SYS_modify_ldt, SYS_name_to_handle_at, SYS_open, SYS_pause, SYS_pipe, SYS_poll, SYS_readlink, SYS_rename,
    SYS_rmdir, SYS_select, SYS_set_thread_area, SYS_signalfd, SYS_stat, SYS_symlink, SYS_time, SYS_unlink, SYS_utime,
    SYS_utimes, SYS_vfork,
#endif
};

/* Newer than some C libraries' lists, or in headers that bear no other beside them. */
#ifndef SO_RCVTIMEO_NEW
#define SO_RCVTIMEO_NEW 66
#define SO_SNDTIMEO_NEW 67
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#define IP_LOCAL_PORT_RANGE_OPTION 51
#define PR_SET_VMA_OPTION 0x53564d41
#define PR_SCHED_CORE_OPTION 62
/* The others of a socket's type say how its descriptor is. */
#define SOCKET_TYPE_BITS 0xf

/*
 * All that may be set of a socket. What else there is costs memory that is nobody's (packet filters, error queues,
 * multicast groups, held-back datagrams) or has no meaning on a loopback device.
 */
static const struct {
    uint32_t level, options[32];
} socket_options[] = {
    { SOL_SOCKET,
      { SO_REUSEADDR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY, SO_LINGER,
        SO_REUSEPORT, SO_PASSCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, SO_BINDTODEVICE, SO_TIMESTAMP,
        SO_TIMESTAMPNS, SO_PEEK_OFF, SO_BUSY_POLL, SO_INCOMING_CPU, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW, SO_PASSPIDFD } },
    { IPPROTO_TCP,
      { TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2,
        TCP_DEFER_ACCEPT, TCP_WINDOW_CLAMP, TCP_QUICKACK, TCP_CONGESTION, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT,
        TCP_INQ } },
    { IPPROTO_UDP, { UDP_SEGMENT, UDP_GRO } },
    { IPPROTO_IP,
      { IP_TOS, IP_TTL, IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVTTL, IP_RECVTOS, IP_FREEBIND, IP_RECVORIGDSTADDR,
        IP_BIND_ADDRESS_NO_PORT, IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_MULTICAST_ALL,
        IP_LOCAL_PORT_RANGE_OPTION } },
    { IPPROTO_IPV6,
      { IPV6_UNICAST_HOPS, IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_MULTICAST_ALL,
        IPV6_MTU_DISCOVER, IPV6_V6ONLY, IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_TCLASS,
        IPV6_DONTFRAG, IPV6_AUTOFLOWLABEL, IPV6_FREEBIND } },
};

#ifdef __x86_64__
#define THIS_PROCESSOR AUDIT_ARCH_X86_64
#else
#define THIS_PROCESSOR AUDIT_ARCH_AARCH64
#endif

/* Numbers of the x32 ABI have this bit. */
#define X32_BIT 0x40000000U
/* set_mempolicy_home_node. Of calls after it, programs are told that the kernel does not have them. */
#define LAST_KNOWN 450U
#define NEW_NAMESPACES \
    ((uint32_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC) | \
     (uint32_t)(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET))

#define REFUSE(error) (SECCOMP_RET_ERRNO | (error))
/* The call does nothing, and succeeds. */
#define PRETEND SECCOMP_RET_ERRNO

static struct sock_filter code[FILTER_MOST_INSTRUCTIONS];
static unsigned short length;

static void emit(uint16_t operation, uint8_t if_true, uint8_t if_false, uint32_t operand) {
    if (length == FILTER_MOST_INSTRUCTIONS) abort();
    code[length++] = (struct sock_filter){ operation, if_true, if_false, operand };
}

static void give(uint32_t action) { emit(BPF_RET | BPF_K, 0, 0, action); }
static void load(size_t offset) { emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset); }

static void give_when_equal(uint32_t value, uint32_t action) {
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
    give(action);
}

static void give_when_set(uint32_t bits, uint32_t action) {
    emit(BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
    give(action);
}

static void load_argument(int argument) { load(offsetof(struct seccomp_data, args) + 8 * (size_t)argument); }

/* What follows, up to end_call, is for this call alone, with the low word of one of its arguments loaded. */
static unsigned short begin_call(uint32_t number, int argument) {
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, number);
    unsigned short at = length;
    load_argument(argument);
    return at;
}

/* For when it does not hold, the jump just before `at` leads to what comes next. */
static void land(unsigned short at) {
    if (length - at > UINT8_MAX) abort();
    code[at - 1].jf = (uint8_t)(length - at);
}

static void end_call(unsigned short at, uint32_t otherwise) {
    give(otherwise);
    land(at);
}

static void refuse_when_set(uint32_t number, int argument, uint32_t bits, int error) {
    unsigned short at = begin_call(number, argument);
    give_when_set(bits, REFUSE((uint32_t)error));
    end_call(at, SECCOMP_RET_ALLOW);
}

/* What is loaded is the type of a socket. Of this one, this protocol alone is allowed. */
static void give_for_protocol(uint32_t type, uint32_t protocol) {
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, type);
    unsigned short at = length;
    load_argument(2);
    give_when_equal(0, SECCOMP_RET_ALLOW);
    give_when_equal(protocol, SECCOMP_RET_ALLOW);
    end_call(at, REFUSE(EPROTONOSUPPORT));
}

/* Families, types and protocols whose buffers the cgroup counts. */
static void judge_sockets(void) {
    unsigned short at = begin_call(SYS_socket, 0);
    give_when_equal(AF_UNIX, SECCOMP_RET_ALLOW);
    emit(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, AF_INET);
    emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_INET6);
    give(REFUSE(EAFNOSUPPORT));
    /* For a type or protocol that it does not have, the kernel would start a program of root's that loads modules. */
    load_argument(1);
    emit(BPF_ALU | BPF_AND | BPF_K, 0, 0, SOCKET_TYPE_BITS);
    give_for_protocol(SOCK_STREAM, IPPROTO_TCP);
    give_for_protocol(SOCK_DGRAM, IPPROTO_UDP);
    end_call(at, REFUSE(EPROTONOSUPPORT));
    at = begin_call(SYS_socketpair, 0);
    give_when_equal(AF_UNIX, SECCOMP_RET_ALLOW);
    end_call(at, REFUSE(EAFNOSUPPORT));
    /* A datagram that waits for more of it is counted by nobody. */
    refuse_when_set(SYS_sendto, 3, MSG_MORE, EOPNOTSUPP);
    refuse_when_set(SYS_sendmsg, 2, MSG_MORE, EOPNOTSUPP);
    refuse_when_set(SYS_sendmmsg, 3, MSG_MORE, EOPNOTSUPP);
}

static void judge_level(uint32_t level, const uint32_t *options) {
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, level);
    unsigned short at = length;
    load_argument(2);
    /*
     * As large as the kernel lets it be, it would hold megabytes of each connection that nobody has accepted, and
     * which thus belongs to nobody. Programs take the size for a wish anyhow.
     */
    if (level == SOL_SOCKET) give_when_equal(SO_RCVBUF, PRETEND);
    for (; *options != 0; options++) give_when_equal(*options, SECCOMP_RET_ALLOW);
    end_call(at, REFUSE(ENOPROTOOPT));
}

static void judge_socket_options(void) {
    unsigned short at = begin_call(SYS_setsockopt, 1);
    for (size_t i = 0; i < sizeof socket_options / sizeof *socket_options; i++) {
        judge_level(socket_options[i].level, socket_options[i].options);
    }
    end_call(at, REFUSE(ENOPROTOOPT));
}

/* Huge pages come from a pool of the machine's, which looks empty from here. */
static void judge_memory(void) {
    refuse_when_set(SYS_mmap, 3, MAP_HUGETLB, ENOMEM);
    refuse_when_set(SYS_memfd_create, 1, MFD_HUGETLB, ENOMEM);
    refuse_when_set(SYS_shmget, 2, SHM_HUGETLB, ENOMEM);
    /* Pages that are merged tell what others have in theirs; the kernel seems not to merge any. */
    unsigned short at = begin_call(SYS_madvise, 2);
    give_when_equal(MADV_MERGEABLE, REFUSE(EINVAL));
    end_call(at, SECCOMP_RET_ALLOW);
}

/* All that can be written is memory. What is done for its sake would be done to the machine's own disk. */
static void judge_syncs(void) {
    give_when_equal(SYS_sync, PRETEND);
    give_when_equal(SYS_syncfs, PRETEND);
    give_when_equal(SYS_fsync, PRETEND);
    give_when_equal(SYS_fdatasync, PRETEND);
    unsigned short at = begin_call(SYS_msync, 2);
    give_when_set(MS_SYNC, PRETEND);
    end_call(at, SECCOMP_RET_ALLOW);
    at = begin_call(SYS_fadvise64, 3);
    give_when_equal(POSIX_FADV_DONTNEED, PRETEND);
    end_call(at, SECCOMP_RET_ALLOW);
}

static void judge_processes(void) {
    unsigned short at = begin_call(SYS_clone, 0);
    give_when_set(NEW_NAMESPACES, REFUSE(EPERM));
    /* Only threads share descriptors: a process that did, and ended, would leave locks that nobody is seen to hold. */
    emit(BPF_ALU | BPF_AND | BPF_K, 0, 0, CLONE_FILES | CLONE_THREAD);
    give_when_equal(CLONE_FILES, REFUSE(EPERM));
    end_call(at, SECCOMP_RET_ALLOW);
    /* Its flags lie in memory, out of a filter's sight; programs fall back to clone when it is missing. */
    give_when_equal(SYS_clone3, REFUSE(ENOSYS));
    at = begin_call(SYS_personality, 0);
    static const uint32_t harmless[] = { PER_LINUX, PER_LINUX32, UNAME26, PER_LINUX32 | UNAME26, 0xffffffff };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) give_when_equal(harmless[i], SECCOMP_RET_ALLOW);
    end_call(at, REFUSE(EPERM));
    /* Limits of others may be read, but set are only one's own: of process 0, or of none. */
    at = begin_call(SYS_prlimit64, 2);
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0);
    load(offsetof(struct seccomp_data, args[2]) + 4);
    give_when_equal(0, SECCOMP_RET_ALLOW);
    load_argument(0);
    emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
    give(REFUSE(EPERM));
    /* Cores stay at one byte: of less the kernel would start the machine's own program for them. */
    load_argument(1);
    give_when_equal(RLIMIT_CORE, PRETEND);
    end_call(at, SECCOMP_RET_ALLOW);
    at = begin_call(SYS_setrlimit, 0);
    give_when_equal(RLIMIT_CORE, PRETEND);
    end_call(at, SECCOMP_RET_ALLOW);
    /* Filters lie in memory that nobody counts; the kernel seems to have none. */
    at = begin_call(SYS_seccomp, 0);
    give_when_equal(SECCOMP_SET_MODE_FILTER, REFUSE(EINVAL));
    end_call(at, SECCOMP_RET_ALLOW);
    at = begin_call(SYS_prctl, 0);
    give_when_equal(PR_SET_SECCOMP, REFUSE(EINVAL));
    /* Names of mappings are counted by nobody either. */
    give_when_equal(PR_SET_VMA_OPTION, REFUSE(EINVAL));
    /* One thread would keep everybody else from the whole core that it runs on. */
    give_when_equal(PR_SCHED_CORE_OPTION, REFUSE(EINVAL));
    end_call(at, SECCOMP_RET_ALLOW);
}

/*
 * Locks of open files have no process that is seen to hold them; the kernel seems not to know them. Nor does it tell
 * who reads what, since all sandboxes and the machine itself read the same files of /usr.
 */
static void judge_files(void) {
    refuse_when_set(SYS_inotify_add_watch, 2, IN_ACCESS | IN_OPEN | IN_CLOSE_NOWRITE, EPERM);
    unsigned short at = begin_call(SYS_fcntl, 1);
    give_when_equal(F_NOTIFY, REFUSE(EINVAL));
    give_when_equal(F_OFD_GETLK, REFUSE(EINVAL));
    give_when_equal(F_OFD_SETLK, REFUSE(EINVAL));
    give_when_equal(F_OFD_SETLKW, REFUSE(EINVAL));
    end_call(at, SECCOMP_RET_ALLOW);
}

/* Calls whose arguments decide. */
static void judge_calls(void) {
    judge_processes();
    judge_memory();
    judge_syncs();
    judge_files();
    judge_sockets();
    judge_socket_options();
    unsigned short at = begin_call(SYS_ioctl, 1);
    /* Both would let a program type into the terminal that it was started from. */
    give_when_equal(TIOCSTI, REFUSE(EPERM));
    give_when_equal(TIOCLINUX, REFUSE(EPERM));
    /* These have root load a module into the kernel, if it is not there: a line discipline, bridges and VLANs. */
    give_when_equal(TIOCSETD, REFUSE(EPERM));
    give_when_equal(SIOCGIFBR, REFUSE(EPERM));
    give_when_equal(SIOCSIFBR, REFUSE(EPERM));
    give_when_equal(SIOCBRADDBR, REFUSE(EPERM));
    give_when_equal(SIOCBRDELBR, REFUSE(EPERM));
    give_when_equal(SIOCGIFVLAN, REFUSE(EPERM));
    give_when_equal(SIOCSIFVLAN, REFUSE(EPERM));
    /* Some of Btrfs's write all that waits to the machine's disk. It is there for nobody who sees memory alone. */
    emit(BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xff00);
    give_when_equal(BTRFS_IOCTL_MAGIC << 8, REFUSE(ENOTTY));
    end_call(at, SECCOMP_RET_ALLOW);
    /* The whole machine shares one number of contexts; programs fall back when the kernel has none. */
    give_when_equal(SYS_io_setup, REFUSE(ENOSYS));
}

static void sort(uint32_t *numbers, size_t count) {
    for (size_t i = 1; i < count; i++) {
        uint32_t number = numbers[i];
        size_t at = i;
        for (; at > 0 && numbers[at - 1] > number; at--) numbers[at] = numbers[at - 1];
        numbers[at] = number;
    }
}

/* In ranges of neighbours, so that the filter stays short. */
static void allow_calls(void) {
    enum { COUNT = sizeof allowed / sizeof *allowed };
    uint32_t sorted[COUNT];
    memcpy(sorted, allowed, sizeof sorted);
    sort(sorted, COUNT);
    for (size_t first = 0, last; first < COUNT; first = last + 1) {
        last = first;
        while (last + 1 < COUNT && sorted[last + 1] <= sorted[last] + 1) last++;
        emit(BPF_JMP | BPF_JGT | BPF_K, 3, 0, sorted[last]);
        emit(BPF_JMP | BPF_JGE | BPF_K, 0, 1, sorted[first]);
        give(SECCOMP_RET_ALLOW);
        give(REFUSE(EPERM));
    }
    give(REFUSE(EPERM));
}

static void make(void) {
    load(offsetof(struct seccomp_data, arch));
    emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, THIS_PROCESSOR);
    give(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(struct seccomp_data, nr));
    emit(BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    give(REFUSE(EPERM));
    emit(BPF_JMP | BPF_JGT | BPF_K, 0, 1, LAST_KNOWN);
    give(REFUSE(ENOSYS));
    judge_calls();
    allow_calls();
}

struct sock_fprog filter(void) {
    if (length == 0) make();
    return (struct sock_fprog){ length, code };
}
