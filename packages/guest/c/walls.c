/*
 * Walls: theory of operation.
 *
 * The launcher makes once, in a mount namespace of its own, a root that all sandboxes share: a small tmpfs, read-only,
 * with the machine's /usr and a few more directories bound into it. A sandbox's process 1 is born in new
 * process, mount, network, IPC and UTS namespaces. It is still root of the machine and nothing of the sandbox runs,
 * so it can put into its copy of that root what is the sandbox's own: one tmpfs with a budget for everything that may
 * be written, /proc, /dev/pts, and the sandbox's cgroups, read-only. Below these cgroups it makes the one for programs,
 * and opens the files that let a process in, which the agent alone inherits. It makes the copy its only root, takes the
 * loopback device up, and joins a user namespace in which two kernel uids are root and user; nothing else on the
 * machine has these. What the kernel counts by user it counts for them, and for a third that made the namespace, so
 * that no sandbox uses up what another, or the machine's root, may have. Every other namespace belongs to the
 * machine's root, so that root of the sandbox has no power over any of them. Then it gives up its capabilities but
 * four, all chance to gain one, and the system calls that the filter
 * refuses, and becomes the agent by execve: with a layout of memory of its own and nothing of ours in it.
 *
 * Whatever fails is said on standard error, and the process ends: there is no sandbox with a wall missing.
 */
#include "walls.h"

#include "filter.h"
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

const uint64_t walls_namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

/* What starting and stopping other users' programs takes, and root's programs to give files away. */
static const int kept_capabilities[] = { CAP_CHOWN, CAP_KILL, CAP_SETGID, CAP_SETUID };

/*
 * Of the sandbox's own network: what no cgroup counts stays small. A connection that nobody has accepted, or that
 * has ended, is nobody's. Older kernels lack some of these, and have them lower for all.
 */
static const struct setting network[] = {
    { "/proc/sys/net/ipv4/tcp_rmem", "4096 65536 131072" },
    { "/proc/sys/net/ipv4/tcp_max_tw_buckets", "1024" },
    { "/proc/sys/net/core/optmem_max", "20480" }
};

enum { PATH_SIZE = 4096, MOUNTS_SIZE = 1 << 20 };

static char *join(char path[PATH_SIZE], const char *before, const char *after) {
    if ((size_t)snprintf(path, PATH_SIZE, "%s%s", before, after) >= PATH_SIZE) die("too long", before);
    return path;
}

static void mount_on(const char *source, const char *place, const char *type, unsigned long flags, const char *data) {
    if (mount(source, place, type, flags, data) != 0) die("mounting", place);
}

/* Where no device may be made, as in a container's user namespace, the machine's own is shown. */
static void make_device(const struct plan_place *device, const char *place) {
    if (mknod(place, S_IFCHR | 0666, makedev(device->major, device->minor)) == 0) {
        if (chmod(place, 0666) != 0) die("device", place);
        return;
    }
    if (!write_file(place, "")) die("device", place);
    mount_on(device->from, place, "none", MS_BIND, NULL);
}

static void install(const char *source, const char *place, mode_t mode) {
    int from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0) die("file", source);
    int to = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (to < 0) die("file", place);
    char bytes[1 << 16];
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) != 0;) {
        if (n < 0 || !write_all(to, bytes, (size_t)n)) die("file", place);
    }
    if (fchmod(to, mode) != 0) die("file", place);
    close(from);
    close(to);
}

static void copy_link(const char *source, const char *place) {
    char target[PATH_SIZE];
    ssize_t length = readlink(source, target, sizeof target - 1);
    if (length < 0) die("link", source);
    target[length] = '\0';
    if (symlink(target, place) != 0) die("link", place);
}

/* So that no path of the machine's stands in the sandbox's list of mounts. Into a directory that is there. */
static void copy_directory(const char *source, const char *place) {
    DIR *directory = opendir(source);
    if (directory == NULL) die("directory", source);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char name[300], from[PATH_SIZE], to[PATH_SIZE];
        snprintf(name, sizeof name, "/%s", entry->d_name);
        join(from, source, name);
        join(to, place, name);
        if (entry->d_type == DT_LNK) copy_link(from, to);
        else if (entry->d_type == DT_REG) install(from, to, 0644);
        else if (entry->d_type == DT_DIR && (mkdir(to, 0755) == 0 || errno == EEXIST)) copy_directory(from, to);
        else die("copying", from);
    }
    closedir(directory);
}

static bool is_octal(char c) { return c >= '0' && c <= '7'; }

/* As the kernel writes a path in mountinfo: blanks and backslashes as three octal digits. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        bool escaped = *from == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3]);
        *to++ = escaped ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
        if (escaped) from += 3;
    }
    *to = '\0';
}

static void remount_read_only(char *line, const char *place) {
    char *words[6];
    for (int i = 0; i < 6; i++) {
        if ((words[i] = strsep(&line, " ")) == NULL) return;
    }
    char *at = words[4];
    const char *options = words[5];
    unescape(at);
    size_t length = strlen(place);
    if (strncmp(at, place, length) != 0 || (at[length] != '\0' && at[length] != '/')) return;
    unsigned long kept = strstr(options, "noexec") != NULL ? MS_NOEXEC : 0;
    kept |= strstr(options, "noatime") != NULL ? MS_NOATIME : MS_RELATIME;
    mount_on("none", at, "none", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept, NULL);
}

/* With all that is mounted below it, each of which has flags of its own. */
static void bind_read_only(const char *source, const char *place) {
    mount_on(source, place, "none", MS_BIND | MS_REC, NULL);
    char *mounts = malloc(MOUNTS_SIZE);
    if (mounts == NULL || read_file("/proc/self/mountinfo", mounts, MOUNTS_SIZE) < 0) die("mountinfo", "");
    if (strlen(mounts) == MOUNTS_SIZE - 1) die("too many mounts", "");
    for (char *next = mounts, *line; (line = strsep(&next, "\n")) != NULL;) remount_read_only(line, place);
    free(mounts);
}

static void make_place(const char *root, const struct plan_place *each) {
    char place[PATH_SIZE];
    join(place, root, each->place);
    switch (each->kind) {
    case PLACE_DIRECTORY:
        if ((mkdir(place, 0755) != 0 && errno != EEXIST) || chmod(place, 0755) != 0) die("directory", place);
        break;
    case PLACE_LINK:
        if (symlink(each->from, place) != 0) die("link", place);
        break;
    case PLACE_DEVICE: make_device(each, place); break;
    case PLACE_BIND: bind_read_only(each->from, place); break;
    case PLACE_HIDE:
        mount_on("tmpfs", place, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=0755,size=4k,nr_inodes=2");
        break;
    case PLACE_MASK: break;
    case PLACE_COPY: copy_directory(each->from, place); break;
    case PLACE_PROGRAM: install(each->from, place, 0755); break;
    }
}

void walls_make_root(const struct plan *plan, const char *run_directory) {
    char root[PATH_SIZE], disk[PATH_SIZE];
    join(root, run_directory, "/root");
    join(disk, run_directory, "/disk");
    if (unshare(CLONE_NEWNS) != 0) die("mount namespace", "");
    mount_on("none", "/", "none", MS_REC | MS_SLAVE, NULL);
    if (mkdir(root, 0755) != 0 || mkdir(disk, 0700) != 0) die("directory", run_directory);
    mount_on("tmpfs", root, "tmpfs", MS_NOSUID, "mode=0755,size=64m");
    for (size_t i = 0; i < plan->place_count; i++) make_place(root, &plan->places[i]);
    mount_on("none", root, "none", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_RELATIME, NULL);
}

static bool write_map(pid_t pid, const char *name, uid_t uid) {
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    snprintf(map, sizeof map, "0 %u 1\n1000 %u 1\n", uid, uid + 1);
    return write_file(path, map);
}

void die_with_launcher(int launcher) {
    /* Whoever has become somebody else must ask for it again. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) die("parent's death", "");
    /*
     * Too late, if it has died meanwhile. The end of a pipe would not tell: sandboxes that begin now have copies of
     * it.
     */
    struct pollfd gone = { .fd = launcher, .events = POLLIN };
    if (poll(&gone, 1, 0) != 0) _exit(1);
}

/* With root's right to make it, the namespace is another user's: what is used in it is counted for that one. */
static _Noreturn void hold_users(uid_t owner, int launcher, int ready) {
    if (seteuid(owner) != 0 || set_capabilities(1 << CAP_SYS_ADMIN) != 0) _exit(127);
    if (unshare(CLONE_NEWUSER) != 0) _exit(127);
    die_with_launcher(launcher);
    if (!write_all(ready, "", 1)) _exit(127);
    for (;;) pause();
}

int walls_make_users(uid_t uid, int launcher) {
    int ready[2];
    if (!make_pipe(ready)) return -1;
    pid_t pid = fork();
    if (pid == 0) hold_users(uid + 2, launcher, ready[1]);
    int error = errno, users = -1;
    close(ready[1]);
    char path[64], byte;
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    if (pid > 0 && read(ready[0], &byte, 1) == 1 && write_map(pid, "uid_map", uid) && write_map(pid, "gid_map", uid)) {
        users = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (pid > 0) {
        error = errno;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    }
    close(ready[0]);
    errno = error;
    return users;
}

void walls_join_cgroups(const struct plan *plan, uint32_t id) {
    char path[PATH_SIZE];
    for (size_t i = 0; i < plan->cgroup_count; i++) {
        snprintf(path, sizeof path, "%s/%u/%s", plan->cgroups[i].parent, id, plan->cgroups[i].join);
        if (!write_file(path, "0")) die("joining", path);
    }
    /* A machine without memory loses sandboxes before its own processes: where root wrote it, nobody goes below. */
    write_file("/proc/self/oom_score_adj", "100");
}

bool walls_join_keepers(const struct plan *plan, uint32_t id) {
    char path[PATH_SIZE];
    for (size_t i = 0; i < plan->cgroup_count; i++) {
        const struct plan_cgroup *cgroup = &plan->cgroups[i];
        const char *between = *cgroup->keepers == '\0' ? "" : "/";
        snprintf(path, sizeof path, "%s/%u/%s%s%s", cgroup->parent, id, cgroup->keepers, between, cgroup->join);
        if (!write_file(path, "0")) return false;
    }
    return true;
}

static void make_below(const char *directory, const char *name) {
    char path[PATH_SIZE];
    if (mkdir(join(path, directory, name), 0755) != 0) die("cgroup", path);
}

static int open_below(const char *directory, const char *file) {
    char path[PATH_SIZE];
    return group_open(join(path, directory, file));
}

static void write_below(const char *directory, const char *file, const char *value) {
    char path[PATH_SIZE];
    if (!write_file(join(path, directory, file), value)) die("cgroup", path);
}

/* On version 2 a cgroup hands its controllers on only once no process is in it: hence this order. */
static void make_group_in(const struct plan_cgroup *cgroup, uint32_t id, struct group *group) {
    char directory[PATH_SIZE], file[PATH_SIZE];
    snprintf(directory, sizeof directory, "%s/%u/", cgroup->parent, id);
    make_below(directory, GROUP_NAME);
    if (*cgroup->keepers != '\0') {
        make_below(directory, cgroup->keepers);
        snprintf(file, sizeof file, "%s/%s", cgroup->keepers, cgroup->join);
        write_below(directory, file, "0");
    }
    for (size_t i = 0; i < cgroup->inner_count; i++) {
        write_below(directory, cgroup->inner[i].file, cgroup->inner[i].value);
    }
    snprintf(file, sizeof file, GROUP_NAME "/%s", cgroup->join);
    int entry = open_below(directory, file), births = open_below(directory, GROUP_NAME "/pids.max");
    if (entry < 0) die("cgroup", directory);
    group->joins[group->join_count++] = entry;
    if (births >= 0) group->births = births;
}

void walls_make_group(const struct plan *plan, uint32_t id, struct group *group) {
    *group = (struct group){ .births = -1 };
    for (size_t i = 0; i < plan->cgroup_count; i++) {
        if (plan->cgroups[i].has_program) make_group_in(&plan->cgroups[i], id, group);
    }
    if (group->join_count > 0 && group->births < 0) die("cgroup", "of programs without a limit of processes");
}

static void make_directory(const char *disk, const char *name, mode_t mode, uid_t owner) {
    char place[PATH_SIZE];
    join(place, disk, name);
    if (mkdir(place, mode) != 0 || chmod(place, mode) != 0 || chown(place, owner, owner) != 0) die("directory", place);
}

static void show(const char *disk, const char *name, const char *root, const char *place) {
    char from[PATH_SIZE], to[PATH_SIZE];
    mount_on(join(from, disk, name), join(to, root, place), "none", MS_BIND, NULL);
}

static void show_cgroup(const struct birth *birth, const struct plan_cgroup *cgroup, const char *root) {
    char from[PATH_SIZE], to[PATH_SIZE];
    snprintf(from, sizeof from, "%s/%u", cgroup->parent, birth->id);
    mount_on(from, join(to, root, cgroup->place), "none", MS_BIND, NULL);
    unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;
    mount_on("none", to, "none", MS_REMOUNT | MS_BIND | flags, NULL);
}

/* What /proc tells of the machine alone reads as empty. */
static void mask(const struct plan *plan, const char *root) {
    char null[PATH_SIZE], place[PATH_SIZE];
    join(null, root, "/dev/null");
    for (size_t i = 0; i < plan->place_count; i++) {
        if (plan->places[i].kind != PLACE_MASK) continue;
        mount_on(null, join(place, root, plan->places[i].place), "none", MS_BIND, NULL);
    }
}

/* A listener may keep half of the connections waiting that all may: so no single one reaches what they are ended at. */
static void bound_network(const struct plan *plan, const char *root) {
    char place[PATH_SIZE], backlog[32];
    snprintf(backlog, sizeof backlog, "%ld", strtol(plan->connections, NULL, 10) / 2);
    if (strcmp(backlog, "0") == 0) return;
    for (size_t i = 0; i < sizeof network / sizeof *network; i++) {
        if (access(join(place, root, network[i].file), F_OK) != 0) continue;
        if (!write_file(place, network[i].value)) die("setting", network[i].file);
    }
    if (!write_file(join(place, root, "/proc/sys/net/core/somaxconn"), backlog)) die("setting", "somaxconn");
}

/* One file system, so one budget, for all that a sandbox may write; and what it reads of itself. */
static void make_own_places(const struct birth *birth, const char *root) {
    char disk[PATH_SIZE], place[PATH_SIZE], options[PATH_SIZE];
    const struct plan *plan = birth->plan;
    uid_t guest_root = birth->uid, user = birth->uid + 1;
    join(disk, birth->run_directory, "/disk");
    snprintf(options, sizeof options, "mode=0755,uid=%u,gid=%u,%s", guest_root, guest_root, plan->disk);
    mount_on("tmpfs", disk, "tmpfs", MS_NOSUID | MS_NODEV, options);
    make_directory(disk, "/home", 0755, guest_root);
    make_directory(disk, "/home/user", 0755, user);
    make_directory(disk, "/home/root", 0700, guest_root);
    make_directory(disk, "/tmp", 01777, guest_root);
    make_directory(disk, "/shm", 01777, guest_root);
    show(disk, "/home", root, "/home");
    show(disk, "/tmp", root, "/tmp");
    show(disk, "/shm", root, "/dev/shm");
    const char *terminals = "newinstance,ptmxmode=0666,mode=620,max=64";
    mount_on("devpts", join(place, root, "/dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC, terminals);
    mount_on("proc", join(place, root, "/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    bound_network(plan, root);
    mask(plan, root);
    for (size_t i = 0; i < plan->cgroup_count; i++) {
        if (*plan->cgroups[i].place != '\0') show_cgroup(birth, &plan->cgroups[i], root);
    }
}

/* Nothing of the machine's file systems is left but what the root shows. */
static void make_only_root(const char *root) {
    if (chdir(root) != 0 || pivot_root(".", ".") != 0) die("root", root);
    if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) die("the machine's root", "");
}

/* With it the kernel gives the loopback device its address. */
static void take_loopback_up(void) {
    struct ifreq request = { .ifr_name = "lo" };
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (any < 0 || ioctl(any, SIOCGIFFLAGS, &request) != 0) die("loopback", "");
    request.ifr_flags |= IFF_UP;
    if (ioctl(any, SIOCSIFFLAGS, &request) != 0) die("loopback", "");
    close(any);
}

static void become_guest_root(int users) {
    if (setns(users, CLONE_NEWUSER) != 0) die("user namespace", "");
    if (become_user(0, 0) != 0) die("root of the sandbox", "");
}

static void give_up_privileges(void) {
    uint64_t kept = 0;
    for (size_t i = 0; i < sizeof kept_capabilities / sizeof *kept_capabilities; i++) {
        kept |= 1ULL << kept_capabilities[i];
    }
    for (int capability = 0; capability < 64; capability++) {
        if (kept >> capability & 1 || prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        /* The kernel knows no more. */
        if (errno == EINVAL) break;
        die("bounding capabilities", "");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no new privileges", "");
    struct sock_fprog program = filter();
    if (prctl(PR_SET_SECCOMP, 2, &program, 0, 0) != 0) die("seccomp filter", "");
    if (set_capabilities((uint32_t)kept) != 0) die("capabilities", "");
}

/* Nothing, nothing, what it says to us, the host, the cgroup of programs; and no other. */
static void lay_out_descriptors(const struct birth *birth, const struct group *group) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) die("/dev/null", "");
    int line = fcntl(birth->line, F_DUPFD_CLOEXEC, 100);
    if (line < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(line, 3) < 0) die("descriptors", "");
    if (!group_lay_out(group)) die("descriptors", "");
    for (int fd = 4; fd < GROUP_FIRST; fd++) close(fd);
}

_Noreturn void walls_become_agent(const struct birth *birth) {
    const struct plan *plan = birth->plan;
    if (dup2(birth->errors, STDERR_FILENO) < 0) _exit(127);
    restore_signals();
    umask(022);
    walls_join_cgroups(plan, birth->id);
    if (unshare(CLONE_NEWCGROUP) != 0) die("cgroup namespace", "");
    struct group group;
    walls_make_group(plan, birth->id, &group);
    char root[PATH_SIZE];
    umask(0);
    make_own_places(birth, join(root, birth->run_directory, "/root"));
    umask(022);
    make_only_root(root);
    take_loopback_up();
    if (sethostname(plan->hostname, strlen(plan->hostname)) != 0) die("host name", "");
    if (setsid() < 0) die("session", "");
    become_guest_root(birth->users);
    die_with_launcher(birth->launcher);
    give_up_privileges();
    lay_out_descriptors(birth, &group);
    char descriptors[16];
    snprintf(descriptors, sizeof descriptors, "%zu", group_descriptors(&group));
    char *const words[] = {
        (char *)plan->agent, "agent", "two", (char *)plan->processes, (char *)plan->data_bytes,
        (char *)plan->descriptors, (char *)plan->connections, descriptors, NULL
    };
    char *const nothing[] = { NULL };
    execve(plan->agent, words, nothing);
    die("agent", plan->agent);
}
