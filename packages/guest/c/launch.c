/*
 * The launcher: theory of operation.
 *
 * The host starts one of these. It makes sandboxes when told to, and proves their deaths; when it dies, every sandbox
 * dies with it, and when the host dies, it ends them and itself. A small process with one thread, it makes a child
 * far more cheaply than the host could.
 *
 * Frames come on standard input and go out on standard output (frames.h): SPAWN(id, slot), KILL(id), RELAY(id, most
 * connections), for a sandbox whose agent is ready; READY once, DIED(id, what was said). A sandbox's line to the host is a socket that the launcher connects and first writes the
 * id on. What it is made from is in the plan.
 *
 * Below a sandbox's cgroup is one for its programs, so that no limit of theirs is ever its keepers' (group.h).
 *
 * As root ("two" users) the child is process 1 of the sandbox at once, born in its namespaces and, on version 2, in
 * its cgroup; walls.c tells what it does then. The kernel kills everyone else in a process namespace before its
 * process 1 can be waited for: so a sandbox is proven dead when its process 1 has been waited for.
 *
 * As any other user ("one" user) the child joins its cgroups and becomes bubblewrap, which builds the walls and
 * starts process 1. It tells us that one's id. A sandbox is proven dead when both have ended: bubblewrap waits for
 * its child, and a child that it leaves behind becomes ours.
 *
 * Arguments: "two" or "one", the socket, the run directory; for "one", bubblewrap and its arguments, of which
 * EVIDENCE stands for what shows a sandbox its cgroups. In the run directory: "plan".
 */
#include "filter.h"
#include "frames.h"
#include "guest.h"
#include "plan.h"
#include "relay.h"
#include "system.h"
#include "walls.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MOST_SANDBOXES = 2048,
    MOST_SAID = 4096,
    /* Milliseconds that a cgroup may stay busy after its last process, that we then let go by; and between looks. */
    REMOVAL_LIMIT = 5000,
    REMOVAL_PAUSE = 10,
    /* Milliseconds for everything to end once the host is gone. */
    FAREWELL_LIMIT = 10000
};

/*
 * Kernel uids, in a range above systemd-nspawn's that nothing else uses. A slot has four: root, user, who made their
 * user namespace, and one to spare; a launcher has a block of them, for as many slots as there may be sandboxes.
 */
#define FIRST_UID 0x70000000U
enum { SLOT_UIDS = 4, BLOCK_UIDS = SLOT_UIDS * MOST_SANDBOXES, BLOCKS = (1 << 28) / BLOCK_UIDS, MOST_TRIES = 64 };

struct sandbox {
    struct sandbox *next;
    uint32_t id;
    /* Our child: process 1 itself, or the bubblewrap that has started it. 0 once it has been waited for. */
    pid_t child;
    /* What a death is dealt by: process 1's, or -1 while it is not known. */
    int pidfd;
    /* Where bubblewrap alone knows process 1: its id (0: not yet known), and the pipe that tells. */
    pid_t inner;
    bool inner_dead;
    /* What carries its connections to the host's gate, or 0; and the slot that its users come from. */
    pid_t relay;
    unsigned slot;
    int info;
    char told[256];
    size_t told_length;
    /* Where errors are said; read when it has ended. */
    int errors;
    bool doomed;
    /* Set when it is dead and its cgroups are being removed. */
    bool dead;
    int64_t remove_by;
};

static enum users users;
static const char *run_directory, *bwrap;
static char **bwrap_arguments;
static struct plan plan;
static struct sockaddr_un host_address = { .sun_family = AF_UNIX };
static struct sandbox *sandboxes;
static int user_namespaces[MOST_SANDBOXES];
static int own_pidfd;
static uid_t first_uid;

static uint8_t in_bytes[1 << 16], out_bytes[1 << 20];
static struct inbox in = { .bytes = in_bytes, .capacity = sizeof in_bytes };
static struct outbox out = { .bytes = out_bytes, .capacity = sizeof out_bytes };

/*
 * The host is gone, however it ended. A bubblewrap that is still setting up has not asked to die with us, and one of
 * its two processes waits for the other for ever; who loses its parent becomes our child. So we end children until
 * there are none.
 */
static _Noreturn void follow_host(void) {
    char path[64];
    static char children[1 << 16];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    for (int64_t until = now_ms() + FAREWELL_LIMIT; now_ms() < until;) {
        for (struct sandbox *each = sandboxes; each != NULL; each = each->next) {
            if (each->child > 0) kill(each->child, SIGKILL);
        }
        read_file(path, children, sizeof children);
        for (char *next = children, *word; (word = strsep(&next, " ")) != NULL;) {
            if (*word != '\0') kill((pid_t)strtol(word, NULL, 10), SIGKILL);
        }
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (pid < 0 && errno == ECHILD) break;
        poll(NULL, 0, 10);
    }
    _exit(0);
}

static void send_frame(uint8_t type, uint32_t id, const char *text, size_t size) {
    while (!outbox_add(&out, type, id, text, size)) {
        struct pollfd host = { .fd = STDOUT_FILENO, .events = POLLOUT };
        poll(&host, 1, -1);
        if (!outbox_flush(&out, STDOUT_FILENO)) follow_host();
    }
}

static void cgroup_path(char *path, size_t size, const struct plan_cgroup *cgroup, uint32_t id, const char *file) {
    snprintf(path, size, "%s/%u%s%s", cgroup->parent, id, *file ? "/" : "", file);
}

static const char *make_cgroups(uint32_t id) {
    static char path[4096];
    for (size_t i = 0; i < plan.cgroup_count; i++) {
        const struct plan_cgroup *cgroup = &plan.cgroups[i];
        cgroup_path(path, sizeof path, cgroup, id, "");
        if (mkdir(path, 0755) != 0) return path;
        for (size_t j = 0; j < cgroup->setting_count; j++) {
            cgroup_path(path, sizeof path, cgroup, id, cgroup->settings[j].file);
            if (!write_file(path, cgroup->settings[j].value)) return path;
        }
    }
    return NULL;
}

static bool remove_cgroup(const struct plan_cgroup *cgroup, uint32_t id, const char *below) {
    char path[4096];
    cgroup_path(path, sizeof path, cgroup, id, below);
    return rmdir(path) == 0 || errno != EBUSY;
}

/* True when none is left, or none can be removed. */
static bool remove_cgroups(uint32_t id) {
    bool removed = true;
    for (size_t i = 0; i < plan.cgroup_count; i++) {
        const struct plan_cgroup *cgroup = &plan.cgroups[i];
        if (cgroup->has_program) removed &= remove_cgroup(cgroup, id, GROUP_NAME);
        if (cgroup->has_program && *cgroup->keepers != '\0') removed &= remove_cgroup(cgroup, id, cgroup->keepers);
        removed &= remove_cgroup(cgroup, id, "");
    }
    return removed;
}

/* On version 2 a child can be born in its cgroup; -1 elsewhere. */
static int open_cgroup(uint32_t id) {
    if (plan.cgroup_count != 1 || strcmp(plan.cgroups[0].join, "cgroup.procs") != 0) return -1;
    char path[4096];
    cgroup_path(path, sizeof path, &plan.cgroups[0], id, "");
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int connect_host(uint32_t id) {
    int line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t greeting[4];
    put_number(greeting, id);
    bool connected = connect(line, (struct sockaddr *)&host_address, sizeof host_address) == 0;
    if (!connected || !write_all(line, greeting, sizeof greeting)) close_one(&line);
    return line;
}

static void move_up(int *fd) {
    if ((*fd = fcntl(*fd, F_DUPFD_CLOEXEC, 100)) < 0) die("descriptors", "");
}

/* The same bytes for every reader: each bubblewrap reads from where its own copy stands. */
static int filter_file(void) {
    struct sock_fprog program = filter();
    int file = memfd_create("filter", MFD_CLOEXEC);
    size_t size = program.len * sizeof *program.filter;
    if (file < 0 || !write_all(file, program.filter, size) || lseek(file, 0, SEEK_SET) != 0) die("filter", "");
    return file;
}

static void lay_out_for_bwrap(int line, int errors, int info, const struct group *group) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), seccomp = filter_file();
    if (null < 0) die("/dev/null", "");
    move_up(&null), move_up(&line), move_up(&errors), move_up(&info), move_up(&seccomp);
    int places[] = { null, null, errors, line, info, seccomp };
    for (int fd = 0; fd < 6; fd++) {
        if (dup2(places[fd], fd) < 0) die("descriptors", "");
    }
    if (!group_lay_out(group)) die("descriptors", "");
}

static _Noreturn void become_bwrap(uint32_t id, int line, int errors, int info) {
    if (dup2(errors, STDERR_FILENO) < 0) _exit(127);
    restore_signals();
    struct group group;
    walls_join_cgroups(&plan, id);
    walls_make_group(&plan, id, &group);
    size_t given = 0, count = 1;
    while (bwrap_arguments[given] != NULL) given++;
    char **words = calloc(given + 3 * PLAN_MOST_CGROUPS + 2, sizeof *words);
    static char sources[PLAN_MOST_CGROUPS][4096];
    if (words == NULL) die("memory", "");
    words[0] = "bwrap";
    for (size_t i = 0; i < given; i++) {
        if (strcmp(bwrap_arguments[i], "EVIDENCE") != 0) {
            words[count++] = bwrap_arguments[i];
            continue;
        }
        for (size_t j = 0; j < plan.cgroup_count; j++) {
            if (*plan.cgroups[j].place == '\0') continue;
            cgroup_path(sources[j], sizeof *sources, &plan.cgroups[j], id, "");
            words[count++] = "--ro-bind";
            words[count++] = sources[j];
            words[count++] = (char *)plan.cgroups[j].place;
        }
    }
    lay_out_for_bwrap(line, errors, info, &group);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) die("parent's death", "");
    char *const nothing[] = { NULL };
    execve(bwrap, words, nothing);
    die("starting", bwrap);
}

/* Whether no process of this machine but us and the children made here has this uid, in whatever container it is. */
static bool is_only_one(uid_t uid) {
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit ourselves = { 3, 3 };
        if (setresuid(uid, uid, uid) != 0 || setrlimit(RLIMIT_NPROC, &ourselves) != 0) _exit(1);
        pid_t third = fork();
        if (third > 0) waitpid(third, NULL, 0);
        _exit(third < 0);
    }
    int how = 1;
    while (child > 0 && waitpid(child, &how, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

/*
 * A block that no other launcher on the machine has: its spare uid is our real one, and the kernel counts processes
 * by it. Where it counts otherwise, before version 5.14, a block by chance must do.
 */
static uid_t claim_uids(void) {
    uid_t first = FIRST_UID;
    for (int i = 0; i < MOST_TRIES; i++) {
        uint32_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number) die("random number", "");
        first = FIRST_UID + number % BLOCKS * BLOCK_UIDS;
        if (setresuid(first + SLOT_UIDS - 1, 0, 0) != 0) die("real user", "");
        if (is_only_one(first + SLOT_UIDS - 1)) break;
    }
    return first;
}

/* A slot's user namespace is made once; a sandbox has it for itself while it lives. */
static int users_of(unsigned slot) {
    if (user_namespaces[slot] < 0) user_namespaces[slot] = walls_make_users(first_uid + SLOT_UIDS * slot, own_pidfd);
    return user_namespaces[slot];
}

/*
 * Runtimes size themselves by the processors that they may run on. Slots take turns at these; where they cannot be had,
 * the cgroup still limits the time.
 */
static void take_processors(unsigned slot) {
    cpu_set_t all, taken;
    if (plan.processors == 0 || sched_getaffinity(0, sizeof all, &all) != 0) return;
    unsigned count = (unsigned)CPU_COUNT(&all), nth = 0;
    if (plan.processors >= count) return;
    CPU_ZERO(&taken);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all)) continue;
        unsigned behind = (nth++ + count - slot * plan.processors % count) % count;
        if (behind < plan.processors) CPU_SET(cpu, &taken);
    }
    sched_setaffinity(0, sizeof taken, &taken);
}

/* Only the child does not come back from here. */
static pid_t bear(struct sandbox *sandbox, unsigned slot, int namespace, int line, int errors, int info) {
    int cgroup = open_cgroup(sandbox->id);
    uint64_t namespaces = users == TWO_USERS ? walls_namespaces : 0;
    pid_t pid = clone_child(namespaces, cgroup, &sandbox->pidfd);
    if (pid == 0) take_processors(slot);
    if (pid == 0 && users == ONE_USER) become_bwrap(sandbox->id, line, errors, info);
    if (pid == 0) {
        const struct birth birth = {
            &plan, run_directory, sandbox->id, first_uid + SLOT_UIDS * slot, namespace, line, errors, own_pidfd
        };
        walls_become_agent(&birth);
    }
    int error = errno;
    close_one(&cgroup);
    /* Bubblewrap's own: to kill it would leave process 1. */
    if (users == ONE_USER) close_one(&sandbox->pidfd);
    errno = error;
    return pid;
}

static const char *start(struct sandbox *sandbox, unsigned slot, int line) {
    int errors[2], info[2] = { -1, -1 }, namespace = -1;
    if (!make_pipe(errors)) return "pipe";
    const char *wrong = NULL;
    if (users == ONE_USER && !make_pipe(info)) wrong = "pipe";
    if (users == TWO_USERS && (namespace = users_of(slot)) < 0) wrong = "user namespace";
    pid_t pid = wrong == NULL ? bear(sandbox, slot, namespace, line, errors[1], info[1]) : 0;
    if (pid < 0) wrong = "clone";
    else sandbox->child = pid;
    int error = errno;
    close_one(&errors[1]), close_one(&info[1]);
    sandbox->errors = errors[0];
    sandbox->info = info[0];
    set_nonblocking(sandbox->errors);
    if (sandbox->info >= 0) set_nonblocking(sandbox->info);
    errno = error;
    return wrong;
}

/* The last word about a sandbox, once the kernel has let go of its cgroups too. */
static void bury(struct sandbox *sandbox) {
    char said[MOST_SAID];
    ssize_t length = sandbox->errors >= 0 ? read(sandbox->errors, said, sizeof said) : 0;
    send_frame(DIED, sandbox->id, said, length > 0 ? (size_t)length : 0);
    close_one(&sandbox->errors);
    for (struct sandbox **link = &sandboxes; *link != NULL; link = &(*link)->next) {
        if (*link != sandbox) continue;
        *link = sandbox->next;
        break;
    }
    free(sandbox);
}

static void end_relay(struct sandbox *sandbox) {
    if (sandbox->relay <= 0) return;
    kill(sandbox->relay, SIGKILL);
    while (waitpid(sandbox->relay, NULL, 0) < 0 && errno == EINTR) {}
    sandbox->relay = 0;
}

static void end(struct sandbox *sandbox) {
    end_relay(sandbox);
    close_one(&sandbox->pidfd), close_one(&sandbox->info);
    sandbox->dead = true;
    sandbox->remove_by = now_ms() + REMOVAL_LIMIT;
}

static void spawn(uint32_t id, unsigned slot) {
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (sandbox == NULL || slot >= MOST_SANDBOXES) {
        send_frame(DIED, id, "no room\n", 8);
        free(sandbox);
        return;
    }
    *sandbox = (struct sandbox){
        .next = sandboxes, .id = id, .slot = slot, .pidfd = -1, .info = -1, .errors = -1
    };
    sandboxes = sandbox;
    int line = connect_host(id);
    const char *wrong = line < 0 ? "connecting to the host" : make_cgroups(id);
    if (wrong == NULL) wrong = start(sandbox, slot, line);
    int error = errno;
    close_one(&line);
    if (wrong == NULL) return;
    char said[MOST_SAID];
    int length = snprintf(said, sizeof said, "%s: %s\n", wrong, strerror(error));
    int ends[2];
    close_one(&sandbox->errors);
    if (make_pipe(ends)) {
        (void)!write(ends[1], said, (size_t)length < sizeof said ? (size_t)length : sizeof said);
        close(ends[1]);
        sandbox->errors = ends[0];
    }
    end(sandbox);
}

/* With process 1 the kernel ends everyone in its namespace, and a bubblewrap that waits for it. */
static void strike(struct sandbox *sandbox) {
    sandbox->doomed = true;
    if (sandbox->pidfd >= 0) pidfd_send_signal(sandbox->pidfd, SIGKILL);
}

/* Beside the host's own socket; a host that hears of no relay takes the sandbox for one that did not start. */
static void start_relay(struct sandbox *sandbox, unsigned most) {
    char directory[sizeof host_address.sun_path + 32];
    const char *end = strrchr(host_address.sun_path, '/');
    int length = end == NULL ? 0 : (int)(end - host_address.sun_path);
    snprintf(directory, sizeof directory, "%.*s/gate-%u", length, host_address.sun_path, sandbox->id);
    if (sandbox->relay != 0 || sandbox->pidfd < 0) return;
    sandbox->relay = fork();
    if (sandbox->relay != 0) return;
    const struct relay relay = {
        &plan, users, sandbox->id, first_uid + SLOT_UIDS * sandbox->slot + SLOT_UIDS - 1, directory, most,
        sandbox->pidfd, own_pidfd
    };
    relay_run(&relay);
}

static void take_frame(const struct frame *frame) {
    if (frame->type == SPAWN) return spawn(frame->id, frame_number(frame));
    for (struct sandbox *each = sandboxes; each != NULL; each = each->next) {
        if (each->id != frame->id || each->dead) continue;
        if (frame->type == KILL) strike(each);
        if (frame->type == RELAY) start_relay(each, frame_number(frame));
    }
}

static void read_host(void) {
    if (!inbox_fill(&in, STDIN_FILENO)) follow_host();
    struct frame frame;
    enum inbox_state state;
    while ((state = inbox_next(&in, &frame)) != INBOX_PARTIAL) {
        if (state == INBOX_FRAME) take_frame(&frame);
    }
}

/*
 * Kept open, since bubblewrap would die of writing to a pipe that is closed; but what comes after the process id is
 * nothing to us.
 */
static void read_info(struct sandbox *sandbox) {
    size_t room = sizeof sandbox->told - 1 - sandbox->told_length;
    ssize_t n = read(sandbox->info, sandbox->told + sandbox->told_length, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        close_one(&sandbox->info);
        return;
    }
    sandbox->told_length += (size_t)n;
    const char *at = strstr(sandbox->told, "\"child-pid\": ");
    if (at == NULL || strchr(at, ',') == NULL) return;
    sandbox->inner = (pid_t)strtol(at + strlen("\"child-pid\": "), NULL, 10);
    sandbox->pidfd = pidfd_open(sandbox->inner);
    if (sandbox->doomed) strike(sandbox);
}

/* Whether process 1 is gone, whoever waits for it. */
static bool inner_is_gone(struct sandbox *sandbox) {
    if (users == TWO_USERS || sandbox->inner == 0 || sandbox->inner_dead) return true;
    if (waitpid(sandbox->inner, NULL, WNOHANG) != 0) return true;
    kill(sandbox->inner, SIGKILL);
    return false;
}

static void note_end_of(pid_t pid) {
    for (struct sandbox *each = sandboxes; each != NULL; each = each->next) {
        if (each->child == pid) {
            each->child = 0;
            if (each->info >= 0 && each->inner == 0) read_info(each);
        } else if (each->inner == pid) {
            each->inner_dead = true;
        } else if (each->relay == pid) {
            each->relay = 0;
            return;
        } else {
            continue;
        }
        if (each->child == 0 && !each->dead && inner_is_gone(each)) end(each);
        return;
    }
}

/* Gives how long the next look may wait: for ever, unless a cgroup is still busy. */
static int bury_the_dead(void) {
    int wait = -1;
    for (struct sandbox *each = sandboxes, *next; each != NULL; each = next) {
        next = each->next;
        if (!each->dead) continue;
        if (remove_cgroups(each->id) || now_ms() >= each->remove_by) bury(each);
        else wait = REMOVAL_PAUSE;
    }
    return wait;
}

static size_t watch(struct pollfd polls[2 + MOST_SANDBOXES], struct sandbox *of[2 + MOST_SANDBOXES]) {
    size_t count = 2;
    polls[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
    polls[1] = (struct pollfd){ .fd = outbox_length(&out) > 0 ? STDOUT_FILENO : -1, .events = POLLOUT };
    for (struct sandbox *each = sandboxes; each != NULL && count < 2 + MOST_SANDBOXES; each = each->next) {
        if (each->info < 0 || each->inner != 0) continue;
        of[count] = each;
        polls[count++] = (struct pollfd){ .fd = each->info, .events = POLLIN };
    }
    return count;
}

static _Noreturn void loop(const sigset_t *unblocked) {
    static struct pollfd polls[2 + MOST_SANDBOXES];
    static struct sandbox *of[2 + MOST_SANDBOXES];
    for (;;) {
        int wait = bury_the_dead();
        if (!outbox_flush(&out, STDOUT_FILENO)) follow_host();
        size_t count = watch(polls, of);
        struct timespec limit = { 0, wait * 1000000L };
        if (ppoll(polls, count, wait < 0 ? NULL : &limit, unblocked) < 0) count = 0;
        for (size_t i = 2; i < count; i++) {
            if (polls[i].revents != 0) read_info(of[i]);
        }
        for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) note_end_of(pid);
        if (count > 0 && polls[0].revents != 0) read_host();
    }
}

static void read_plan(void) {
    char path[4096];
    static char text[PLAN_MOST_BYTES];
    snprintf(path, sizeof path, "%s/plan", run_directory);
    ssize_t length = read_file(path, text, sizeof text);
    errno = 0;
    if (length < 0 || (size_t)length != strlen(text) || (size_t)length == sizeof text - 1) die("plan", path);
    const char *wrong = plan_parse(text, &plan);
    if (wrong != NULL) die("plan", wrong);
}

int launch(int count, char **words) {
    if (count < 3 || strlen(words[1]) >= sizeof host_address.sun_path) return 2;
    users = strcmp(words[0], "two") == 0 ? TWO_USERS : ONE_USER;
    if (users == ONE_USER && count < 4) return 2;
    strcpy(host_address.sun_path, words[1]);
    run_directory = words[2];
    bwrap = users == ONE_USER ? words[3] : "";
    bwrap_arguments = users == ONE_USER ? words + 4 : NULL;
    pid_t parent = getppid();
    const struct rlimit one_byte = { 1, 1 };
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) die("subreaper", "");
    /*
     * Nothing is written of a core of one byte, and unlike of none nothing piped to a program of the machine's. Who is
     * not root and may have none at all cannot have that.
     */
    if (setrlimit(RLIMIT_CORE, &one_byte) != 0 && errno != EPERM) die("core limit", "");
    if (getppid() != parent) return 0;
    umask(022);
    sigset_t unblocked = catch_children();
    set_nonblocking(STDIN_FILENO);
    own_pidfd = pidfd_open(getpid());
    if (own_pidfd < 0) die("own process", "");
    fcntl(own_pidfd, F_SETFD, FD_CLOEXEC);
    if (users == TWO_USERS) first_uid = claim_uids();
    for (unsigned slot = 0; slot < MOST_SANDBOXES; slot++) user_namespaces[slot] = -1;
    read_plan();
    if (users == TWO_USERS) walls_make_root(&plan, run_directory);
    send_frame(LAUNCHER_READY, 0, "", 0);
    loop(&unblocked);
}
