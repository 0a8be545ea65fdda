/*
 * The supervisor: theory of operation.
 *
 * Runs one program inside a sandbox and watches over it: wall time, CPU time, memory, processes, disk, output, and
 * what it leaves running. It goes on when nobody listens any more. It is the same on the embedded host and in any E2B
 * image.
 *
 * Who it is: root where the sandbox has a root, and the program the sandbox's user, so that the program cannot touch
 * it, once the ways to root that an image may have are shut (ways.c). Where there is no root it is the program's own
 * user; then it is not dumpable, which keeps its memory its own, but a program can stop or kill it: the core takes the
 * silence for what it is. It can change our limits too, so that we see less; then we keep silent ourselves. Whether we
 * are within the program's reach is said before there is a program, so that nobody can take it back.
 *
 * What it is told comes in variables that begin with BULKHEAD_ (settings.h). It copies them at once and wipes its
 * environment, so that the nonce is in nothing that /proc shows. What it has to say goes out on its standard error,
 * in lines that begin with the nonce: one before the program is born, and a report in JSON when all is over
 * (GuestReport.ts). Who becomes root all the same finds the nonce in our memory: no secret withstands that. Between
 * the two, and on standard output, is the program's own output: the beginning as it comes, the end when all is over,
 * and what was left out between is counted.
 *
 * How it watches: once the program runs, it wakes for output, for a child's end, and every 50 ms to look at what is
 * used. Whatever must end the program asks it with SIGTERM, waits for the grace period, then kills everyone.
 * Orphans come to it, so their time counts too.
 *
 * How it proves that nobody is left when the program itself has ended. A process that is born, gives birth and dies
 * is never where one looks. So:
 *   - where the program has a cgroup of its own, that one's births are stopped first, by a limit of none. Then each
 *     member is killed, until the kernel counts none. Its count is one number, and falls only when a process has gone.
 *   - where it has none, SIGKILL to all of the user's is one step for the kernel, which no birth can cross. Then a
 *     look at /proc counts only if no process number was given out meanwhile: nobody can have been missed.
 * Where we made that cgroup ourselves, whoever becomes root can leave it, so that both must hold. In such a look
 * everyone counts who was born after us, whosever process it is. What cannot be proven in time is said to be unknown.
 * It is the limit of that cgroup, too, that memory runs out at, so that the kernel never has to choose between the
 * program and us.
 *
 * What it trusts: the host's settings, the kernel's /proc and cgroups. Of the program's it reads output, and when all
 * is over the names and dates of files, both of which it bounds, and nothing else.
 */
#include "evidence.h"
#include "guest.h"
#include "processes.h"
#include "settings.h"
#include "system.h"
#include "ways.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds, where nothing else is said. */
enum {
    LOOK_PERIOD = 50,
    /* What comes within this time goes out together: each piece costs those who carry it far more than its bytes do. */
    HOLD = 5,
    /* After less than half a piece nothing is read: a program that wakes us at each line is much slower. */
    REST = 2,
    /* How long killed processes may take to go, output to come to its end, and a reader may take nothing of it. */
    CLEAR_LIMIT = 2000,
    DRAIN_LIMIT = 1000,
    STALL_LIMIT = 30000,
    CHECK_SECONDS = 5,
    /* Bytes: what is read at once, room for what we say ourselves, and free disk that is as good as none. */
    PIECE = 1 << 16,
    OWN_ROOM = 16384,
    LEAST_DISK = 1 << 16,
    MOST_SIGNALS = 4,
    /* Of what lies outside the output directory: entries that are looked at, names that are told, and bytes of one. */
    MOST_OUTSIDE = 1000,
    NAMED_OUTSIDE = 5,
    NAME_OUTSIDE = 100,
    DEEPEST_OUTSIDE = 3,
    /* Before somebody who is never there counts as one. */
    MOST_LOOKS = 20,
    /* Of survivors: nobody can tell. */
    UNKNOWN = -1,
    /* Our exit code where not all that we had to say was taken (Supervision.ts). */
    NOT_ALL_SAID = 3
};

static const int64_t never = INT64_MAX;

struct stream {
    int reader, writer;
    /* Bytes in all, and those of the beginning. */
    int64_t total, head;
    /* What is to be written: room for the beginning, the end, and what we say. Nothing is ever taken out, only sent. */
    char *queue;
    size_t queued, sent;
    /* Nobody reads it any more. */
    bool is_refused;
    /* The last bytes beyond the beginning, as a ring. */
    char *tail;
};

enum { OUT, ERR };

static struct settings settings;
static struct account account;
static struct evidence evidence;
static bool is_root;
static sigset_t unblocked;

static struct stream streams[2];
static pid_t program;
static bool has_ended;
static int status;
/* In microseconds since the epoch, by the clock that files are dated by. */
static int64_t began_at;
static int64_t started, rest_until, flush_at, kill_at, over_at, deadline, look_at;

/* Findings. */
static const char *reason = "";
static bool disk_was_full, forks_were_refused, births_are_stopped, is_blind, limits_were_changed;
static int64_t peak;
static struct {
    const char *name;
    int64_t at;
} signals[MOST_SIGNALS];
static size_t signal_count;

/* What the cgroup counted before the program ran. */
static struct {
    int64_t oom_kills, refused_forks, cpu_us, memory, own_cpu_us;
} before;

static struct rlimit own_limits[RLIM_NLIMITS];

/* Of a process of its own user, a program can change the limits: with no file to open, we would see nobody. */
static void look_at_own_limits(void) {
    for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
        struct rlimit limit = own_limits[resource];
        getrlimit(resource, &limit);
        limits_were_changed |= memcmp(&limit, &own_limits[resource], sizeof limit) != 0;
    }
}

static void become_sandbox_user(void) {
    if (!is_root) return;
    if (become_user(account.uid, account.gid) != 0 || geteuid() != account.uid) {
        dprintf(STDERR_FILENO, "cannot become the sandbox's user\n");
        _exit(1);
    }
}

/* CPU microseconds, and the most bytes that one process had. */
static int64_t usage(int whose, int64_t *most_bytes) {
    struct rusage used;
    if (getrusage(whose, &used) != 0) return 0;
    if (most_bytes != NULL) *most_bytes = (int64_t)used.ru_maxrss * 1024;
    int64_t seconds = used.ru_utime.tv_sec + used.ru_stime.tv_sec;
    return seconds * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static void add_cpu(pid_t pid, const struct process_facts *facts, void *with) {
    (void)pid;
    *(int64_t *)with += process_cpu_us(facts);
}

static void add_resident(pid_t pid, const struct process_facts *facts, void *with) {
    (void)pid;
    *(int64_t *)with += process_resident_bytes(facts);
}

static void send_one(pid_t pid, const struct process_facts *facts, void *with) {
    (void)facts;
    kill(pid, *(int *)with);
}

static void kill_one(pid_t pid, void *with) {
    (void)with;
    kill(pid, SIGKILL);
}

/* What a cgroup counts, less our own; without one, of those that have been waited for, and of those that run. */
static int64_t cpu_used(void) {
    if (evidence.kind != CGROUP_NONE) {
        int64_t own = usage(RUSAGE_SELF, NULL) - before.own_cpu_us;
        return evidence_cpu_us(&evidence) - before.cpu_us - (evidence.own ? 0 : own);
    }
    int64_t used = usage(RUSAGE_CHILDREN, NULL);
    processes_of(account.uid, add_cpu, &used);
    return used;
}

static bool is_disk_full(void) {
    const char *const places[] = { account.home, "/tmp", "/dev/shm" };
    for (size_t i = 0; i < 3; i++) {
        struct statfs disk;
        if (statfs(places[i], &disk) != 0) continue;
        if (disk.f_blocks > 0 && disk.f_bavail * (uint64_t)disk.f_bsize < LEAST_DISK) return true;
        if (disk.f_files > 0 && disk.f_ffree == 0) return true;
    }
    return false;
}

static void reap(void) {
    int ended;
    for (pid_t pid; (pid = waitpid(-1, &ended, WNOHANG)) > 0;) {
        if (pid != program) continue;
        has_ended = true;
        status = ended;
    }
}

/*
 * To -1: every process of the user but the sender, whatever its session or parent, and none that is being born gets
 * by. From our own user it reaches all but us. As root we send a child, which the program may stop or kill, or leave no
 * room for, but it cannot reach us: then the next one tries.
 */
static void kill_user(void) {
    pid_t sender = is_root ? fork() : -1;
    if (sender == 0) {
        become_sandbox_user();
        kill(-1, SIGKILL);
        _exit(0);
    }
    if (!is_root) kill(-1, SIGKILL);
    if (sender < 0) return;
    int how = 0;
    while (waitpid(sender, &how, WUNTRACED) < 0 && errno == EINTR) {}
    if (!WIFSTOPPED(how)) return;
    kill(sender, SIGKILL);
    while (waitpid(sender, NULL, 0) < 0 && errno == EINTR) {}
}

/* Nobody of a group that we are given is outside it. */
static bool may_be_outside(void) { return evidence.own || !evidence_has_group(&evidence); }

/* Who could not be born once we had stopped that was not one too many. */
static void look_at_births(void) {
    if (!births_are_stopped) forks_were_refused |= evidence_refused_forks(&evidence) > before.refused_forks;
}

static void kill_all(void) {
    int signal = SIGKILL;
    look_at_births();
    births_are_stopped = true;
    if (group_limit_births(&evidence.group, "0")) evidence_members(&evidence, kill_one, NULL);
    if (!may_be_outside()) return;
    kill_user();
    processes_look(account.uid, send_one, &signal);
}

/* Processes of the program, and none only where that is certain. */
static int count_all(void) {
    reap();
    if (evidence_has_group(&evidence) && evidence_processes(&evidence) > 0) {
        int members = evidence_members(&evidence, NULL, NULL);
        return members > 0 ? members : UNKNOWN;
    }
    if (!may_be_outside()) return 0;
    struct look look = processes_look(account.uid, NULL, NULL);
    is_blind = !look.may_be_exact;
    return look.count > 0 || look.exact ? look.count : UNKNOWN;
}

/*
 * Who is on the way out is not left running; but where one is born at every look, there is one. A group's members are
 * not seen all at once, and who hops fast enough at no look, though the group has somebody for all that time.
 */
static int count_left(void) {
    for (int looks = 0; looks < MOST_LOOKS; looks++) {
        int count = count_all();
        if (count >= 0) return count;
        if (is_blind) return 0;
        if (!may_be_outside()) poll(NULL, 0, 1);
    }
    return 1;
}

/* Gives how many are left after all. */
static int clear(void) {
    int left;
    const int64_t until = now_ms() + CLEAR_LIMIT;
    while ((left = count_all()) != 0 && now_ms() < until) {
        kill_all();
        reap();
        /* Time would tell us nothing more. */
        if (left == UNKNOWN && is_blind) break;
        poll(NULL, 0, 2);
    }
    if (left == 0) group_limit_births(&evidence.group, evidence.most_births);
    return left;
}

/* SIGTERM asks, so whoever is there now is enough; SIGKILL must leave no one time to be born. */
static void send_signal(int signal) {
    if (signal == SIGTERM) processes_of(account.uid, send_one, &signal);
    else kill_all();
    if (signal_count == MOST_SIGNALS) return;
    signals[signal_count].name = signal == SIGTERM ? "SIGTERM" : "SIGKILL";
    signals[signal_count++].at = now_ms() - started;
}

/* Grace would let a fork bomb go on, with no process left for anyone else. */
static void stop(const char *why) {
    if (*reason != '\0') return;
    reason = why;
    if (strcmp(why, "processes") == 0) {
        send_signal(SIGKILL);
        over_at = now_ms() + CLEAR_LIMIT;
        return;
    }
    send_signal(SIGTERM);
    kill_at = now_ms() + settings.limits.grace;
}

static bool has_queue(const struct stream *stream) { return stream->sent < stream->queued && !stream->is_refused; }

static void enqueue(struct stream *stream, const void *bytes, size_t size) {
    memcpy(stream->queue + stream->queued, bytes, size);
    stream->queued += size;
}

static bool is_continuation(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

/*
 * How much of what comes is of the beginning: as many bytes as are kept of it, and then what is left of a character of
 * UTF-8 that ends there.
 */
static size_t of_head(const struct stream *stream, const char *bytes, size_t size) {
    int64_t room = settings.limits.keep_bytes - stream->head;
    if (stream->total > stream->head) return 0;
    size_t count = room <= 0 ? 0 : (uint64_t)room < size ? (size_t)room : size;
    while (count < size && room + 3 > (int64_t)count && is_continuation(bytes[count])) count++;
    return count;
}

static void keep_end(struct stream *stream, const char *bytes, size_t size) {
    size_t keep = (size_t)settings.limits.keep_bytes;
    size_t at = keep == 0 ? 0 : (size_t)(stream->total - stream->head) % keep;
    if (keep == 0) return;
    if (size > keep) {
        at = (at + size - keep) % keep;
        bytes += size - keep;
        size = keep;
    }
    size_t first = size < keep - at ? size : keep - at;
    memcpy(stream->tail + at, bytes, first);
    memcpy(stream->tail, bytes + first, size - first);
}

static void take(struct stream *stream, const char *bytes, size_t size) {
    size_t kept = of_head(stream, bytes, size);
    if (kept > 0 && !has_queue(&streams[OUT]) && !has_queue(&streams[ERR])) flush_at = now_ms() + HOLD;
    enqueue(stream, bytes, kept);
    stream->head += (int64_t)kept;
    stream->total += (int64_t)kept;
    if (kept < size) keep_end(stream, bytes + kept, size - kept);
    stream->total += (int64_t)(size - kept);
    if (streams[OUT].total + streams[ERR].total > settings.limits.output_bytes) stop("output");
}

/* The pipe is the user's, who may read from it before us: hence no read that waits. */
static void drain(struct stream *stream) {
    static char bytes[PIECE];
    ssize_t n = read(stream->reader, bytes, sizeof bytes);
    if (n > 0) take(stream, bytes, (size_t)n);
    if (n > 0 && n < PIECE / 2) rest_until = now_ms() + REST;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) close_one(&stream->reader);
}

/* Its writers are gone, or will not be waited for; but what it holds was written, however late we come to it. */
static void drain_rest(struct stream *stream) {
    int left = 0;
    if (stream->reader < 0 || ioctl(stream->reader, FIONREAD, &left) != 0) return;
    const int64_t until = stream->total + left;
    for (int64_t before = -1; stream->total < until && stream->total != before && stream->reader >= 0;) {
        before = stream->total;
        drain(stream);
    }
}

static void flush_queues(void) {
    if (now_ms() < flush_at) return;
    for (struct stream *stream = streams; stream < streams + 2; stream++) {
        if (!has_queue(stream)) continue;
        ssize_t n = write(stream->writer, stream->queue + stream->sent, stream->queued - stream->sent);
        if (n >= 0) stream->sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR) stream->is_refused = true;
    }
}

static void listen_until(int64_t until) {
    struct pollfd polls[4];
    bool is_held = now_ms() < flush_at, rests = now_ms() < rest_until;
    if (is_held && flush_at < until) until = flush_at;
    if (rests && rest_until < until) until = rest_until;
    for (int i = 0; i < 2; i++) {
        bool writes = !is_held && has_queue(&streams[i]);
        polls[i] = (struct pollfd){ .fd = rests ? -1 : streams[i].reader, .events = POLLIN };
        polls[2 + i] = (struct pollfd){ .fd = writes ? streams[i].writer : -1, .events = POLLOUT };
    }
    int64_t wait = until - now_ms();
    if (wait < 0) wait = 0;
    if (wait > 1000000) wait = 1000000;
    const struct timespec limit = { wait / 1000, wait % 1000 * 1000000 };
    if (ppoll(polls, 4, &limit, &unblocked) > 0) {
        for (int i = 0; i < 2; i++) {
            if (polls[i].revents != 0) drain(&streams[i]);
        }
    }
    flush_queues();
}

static void look_around(void) {
    look_at_own_limits();
    disk_was_full |= is_disk_full();
    look_at_births();
    if (forks_were_refused) stop("processes");
    if (cpu_used() > settings.limits.cpu * 1000) stop("cpu");
    if (evidence.kind != CGROUP_NONE) return;
    int64_t resident = 0;
    processes_of(account.uid, add_resident, &resident);
    if (resident > peak) peak = resident;
    if (resident > settings.limits.memory_bytes) stop("memory");
}

static int64_t earliest(void) {
    int64_t first = look_at;
    const int64_t others[] = { deadline, kill_at, over_at };
    for (size_t i = 0; i < 3; i++) {
        if (others[i] < first) first = others[i];
    }
    return first;
}

static void set_limit(int resource, int64_t soft, int64_t hard) {
    const struct rlimit limit = { (rlim_t)soft, (rlim_t)hard };
    setrlimit(resource, &limit);
}

/*
 * What a limit of processes refuses leaves no evidence, so it is for where no cgroup counts them. Of a core of one
 * byte nothing is written, and unlike of none nothing is piped to a program of the machine's either.
 */
static void limit_program(void) {
    const struct limits *limits = &settings.limits;
    set_limit(RLIMIT_CPU, 1 + limits->cpu / 1000, 2 + (limits->cpu + limits->grace) / 1000);
    set_limit(RLIMIT_FSIZE, limits->file_bytes, limits->file_bytes);
    set_limit(RLIMIT_CORE, 1, 1);
    if (!is_root && !evidence.counts_forks) set_limit(RLIMIT_NPROC, limits->processes, limits->processes);
}

/* Makes the directories of the output below the home. */
static void make_output(char path[4096]) {
    int length = snprintf(path, 4096, "%s", account.home);
    for (char *rest = settings.output, *part; (part = strsep(&rest, "/")) != NULL && length < 4096;) {
        if (strcmp(part, ".") == 0) continue;
        length += snprintf(path + length, 4096 - (size_t)length, "/%s", part);
        mkdir(path, 0777);
    }
}

static void put_variables(char **variables) {
    for (char **each = variables; *each != NULL; each++) putenv(*each);
}

static void set_environment(void) {
    char output[4096];
    clearenv();
    put_variables(settings.inherited);
    setenv("HOME", account.home, 1);
    setenv("PWD", account.home, 1);
    setenv("USER", account.name, 1);
    setenv("LOGNAME", account.name, 1);
    put_variables(settings.given);
    make_output(output);
    setenv("SANDBOX_OUTPUT_DIR", output, 1);
}

/*
 * What the program reads: nothing, or a file. A file waits for no one, so a program that never reads it holds up
 * nobody.
 */
static int open_input(char path[4096]) {
    if (settings.input == NULL) return open("/dev/null", O_RDONLY);
    snprintf(path, 4096, "%s/%s", account.home, settings.input);
    return open(path, O_RDONLY | O_NOFOLLOW);
}

static _Noreturn void become_program(int in, const char *input, int out, int err) {
    restore_signals();
    if (!group_join(&evidence.group)) {
        dprintf(STDERR_FILENO, "cannot enter the cgroup of programs\n");
        _exit(1);
    }
    /* Whoever started us may have closed our /proc entries. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    write_file("/proc/self/oom_score_adj", "500");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setsid();
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(1);
    close_from(3);
    limit_program();
    become_sandbox_user();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    set_environment();
    /* From here on it is the program's alone. Root may not take it out of the user's home everywhere. */
    if (*input != '\0') unlink(input);
    if (chdir(account.home) != 0) dprintf(STDERR_FILENO, "cannot enter %s: %s\n", account.home, strerror(errno));
    if (settings.code != NULL && !write_file(settings.file, settings.code)) {
        dprintf(STDERR_FILENO, "cannot write %s: %s\n", settings.file, strerror(errno));
    }
    execvp(settings.command[0], settings.command);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", settings.command[0], strerror(errno));
    _exit(1);
}

/* In the place of the program's file may be a pipe, at which whoever opens it waits. */
static _Noreturn void become_checker(void) {
    restore_signals();
    alarm(CHECK_SECONDS);
    if (!group_join(&evidence.group)) _exit(0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) _exit(0);
    close_from(3);
    become_sandbox_user();
    clearenv();
    put_variables(settings.inherited);
    if (chdir(account.home) != 0) _exit(0);
    struct stat facts;
    if (settings.code != NULL) {
        unlink(settings.file);
        if (lstat(settings.file, &facts) != 0) write_file(settings.file, settings.code);
    }
    if (stat(settings.file, &facts) != 0 || !S_ISREG(facts.st_mode)) _exit(0);
    execl("/bin/sh", "sh", "-c", settings.check, (char *)NULL);
    _exit(0);
}

/*
 * A program that failed by itself may be one that its language cannot even read. Asked afterwards, that costs valid
 * programs nothing.
 */
static bool is_invalid(void) {
    pid_t checker = fork();
    if (checker == 0) become_checker();
    int how = 0;
    for (int64_t until = now_ms() + (CHECK_SECONDS + 1) * 1000; checker > 0 && now_ms() < until;) {
        if (waitpid(checker, &how, WNOHANG) != 0) return WIFEXITED(how) && WEXITSTATUS(how) != 0;
        poll(NULL, 0, 2);
    }
    return false;
}

/* The user's own, so that the program may open /dev/stdout anew. */
static bool make_program_pipes(int out[2], int err[2]) {
    if (is_root && seteuid(account.uid) != 0) return false;
    bool made = make_pipe(out) && make_pipe(err);
    if (is_root && seteuid(0) != 0) return false;
    return made;
}

static bool make_stream(struct stream *stream, int reader, int writer) {
    size_t keep = (size_t)settings.limits.keep_bytes;
    *stream = (struct stream){ .reader = reader, .writer = writer };
    stream->queue = malloc(2 * keep + OWN_ROOM);
    stream->tail = malloc(keep + 1);
    set_nonblocking(reader);
    set_nonblocking(writer);
    return stream->queue != NULL && stream->tail != NULL;
}

static const char *inherited(const char *name) {
    size_t length = strlen(name);
    for (char **each = settings.inherited; *each != NULL; each++) {
        if (strncmp(*each, name, length) == 0 && (*each)[length] == '=') return *each + length + 1;
    }
    return "";
}

static void say(const char *text) { enqueue(&streams[ERR], text, strlen(text)); }

/* Whether we are within the program's reach, before there is one. */
static void say_first(void) {
    char text[OWN_ROOM / 2], left[128] = "user";
    if (is_root) ways_shut(&account, inherited("PATH"), left, sizeof left);
    snprintf(text, sizeof text, "\x1e%s started %s %s\n", settings.nonce, left, evidence_name(&evidence));
    say(text);
    flush_queues();
}

/* What is written from here on is dated no earlier. */
static int64_t file_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME_COARSE, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void start_program(void) {
    char input[4096] = "";
    int out[2], err[2], in = open_input(input);
    if (in < 0) die("the program's input", "");
    if (!make_program_pipes(out, err)) die("pipes", "");
    if (!make_stream(&streams[OUT], out[0], STDOUT_FILENO) || !make_stream(&streams[ERR], err[0], STDERR_FILENO)) {
        die("memory", "");
    }
    say_first();
    began_at = file_time();
    /* Before it begins, since whoever holds us up may not hold it up. */
    started = now_ms();
    program = fork();
    if (program == 0) become_program(in, input, out[1], err[1]);
    if (program < 0) die("fork", "");
    close(in), close(out[1]), close(err[1]);
}

static void watch_program(void) {
    const struct limits *limits = &settings.limits;
    deadline = started + limits->timeout;
    look_at = started + LOOK_PERIOD;
    kill_at = over_at = never;
    flush_queues();
    for (reap(); !has_ended; reap()) {
        int64_t now = now_ms();
        if (now >= deadline) {
            deadline = never;
            stop("timeout");
        }
        if (now >= look_at) {
            look_around();
            look_at = now + LOOK_PERIOD;
        }
        if (now >= kill_at) {
            kill_at = never;
            send_signal(SIGKILL);
            over_at = now_ms() + CLEAR_LIMIT;
        }
        if (now >= over_at) break;
        listen_until(earliest());
    }
}

/* The end that is kept, in the order in which it came; the rest of a character that has lost its beginning is not. */
struct end {
    size_t start, size;
};

static struct end end_of(const struct stream *stream) {
    size_t keep = (size_t)settings.limits.keep_bytes;
    int64_t beyond = stream->total - stream->head;
    if (keep == 0 || beyond <= (int64_t)keep) return (struct end){ 0, keep == 0 ? 0 : (size_t)beyond };
    struct end end = { (size_t)(beyond % (int64_t)keep), keep };
    for (int i = 0; i < 3 && end.size > 0 && is_continuation(stream->tail[end.start]); i++) {
        end.start = (end.start + 1) % keep;
        end.size--;
    }
    return end;
}

static int64_t dropped(const struct stream *stream) {
    return stream->total - stream->head - (int64_t)end_of(stream).size;
}

/* After the beginning, which has gone out or waits to: how much is missing, and the end. */
static void enqueue_end(struct stream *stream) {
    size_t keep = (size_t)settings.limits.keep_bytes;
    struct end end = end_of(stream);
    char said[64];
    if (dropped(stream) > 0) {
        int length = snprintf(said, sizeof said, "\n[%lld bytes left out]\n", (long long)dropped(stream));
        enqueue(stream, said, (size_t)length);
    }
    size_t first = end.size < keep - end.start ? end.size : keep - end.start;
    enqueue(stream, stream->tail + end.start, first);
    enqueue(stream, stream->tail, end.size - first);
}

static void say_signals(char *text, size_t size) {
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < signal_count && length < size; i++) {
        const char *between = i == 0 ? "" : ",";
        length += (size_t)snprintf(
            text + length, size - length, "%s{\"signal\":\"%s\",\"atMs\":%lld}", between, signals[i].name,
            (long long)signals[i].at
        );
    }
}

/* Whether the program has left anything where its artifacts are looked for, or something else in that place. */
static bool has_outputs(void) {
    char path[4096];
    struct stat facts;
    snprintf(path, sizeof path, "%s/%s", account.home, settings.output);
    if (strcmp(settings.output, ".") == 0) return true;
    if (lstat(path, &facts) != 0) return errno != ENOENT;
    if (!S_ISDIR(facts.st_mode)) return true;
    DIR *directory = opendir(path);
    if (directory == NULL) return true;
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(directory)) != NULL;) {
        found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(directory);
    return found;
}

/* Files that the program made or changed in its home, but not where its artifacts are looked for. */
static struct {
    int64_t count;
    /* There may be more. */
    bool is_cut;
    int looks, named;
    char names[NAMED_OUTSIDE][NAME_OUTSIDE];
} outside;

static bool is_output(const char *name) {
    size_t length = strcspn(settings.output, "/");
    return strlen(name) == length && strncmp(settings.output, name, length) == 0;
}

/* What nobody means to keep: hidden files, caches, packages, and the program itself. */
static bool is_passed_over(const char *name, const char *below) {
    static const char *const caches[] = { "__pycache__", "node_modules", "venv" };
    if (name[0] == '.') return true;
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
        if (strcmp(name, caches[i]) == 0) return true;
    }
    return *below == '\0' && (is_output(name) || strcmp(name, settings.file) == 0);
}

static void note_outside(const char *below, const char *name) {
    outside.count++;
    if (outside.named == NAMED_OUTSIDE) return;
    char *said = outside.names[outside.named];
    if (snprintf(said, NAME_OUTSIDE, "%s%s", below, name) < NAME_OUTSIDE) outside.named++;
}

static void look_outside(int fd, const char *below, int depth);

static void look_below(int at, const char *below, const char *name, int depth) {
    char path[NAME_OUTSIDE];
    bool has_room = snprintf(path, sizeof path, "%s%s/", below, name) < (int)sizeof path;
    if (has_room && depth < DEEPEST_OUTSIDE) {
        look_outside(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), path, depth + 1);
    } else outside.is_cut = true;
}

/*
 * A look of bounded length, since each program has to wait for it: first at the files of a directory, then below it.
 * Closes the directory.
 */
static void look_outside(int fd, const char *below, int depth) {
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) return;
    for (int looks_below = 0; looks_below < 2; looks_below++, rewinddir(directory)) {
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
            struct stat facts;
            const char *name = entry->d_name;
            if (is_passed_over(name, below)) continue;
            outside.is_cut |= outside.looks++ >= MOST_OUTSIDE;
            if (outside.looks > MOST_OUTSIDE) break;
            if (fstatat(fd, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
            int64_t changed = (int64_t)facts.st_ctim.tv_sec * 1000000 + facts.st_ctim.tv_nsec / 1000;
            if (!looks_below && S_ISREG(facts.st_mode) && changed >= began_at) note_outside(below, name);
            if (looks_below && S_ISDIR(facts.st_mode)) look_below(fd, below, name, depth);
        }
    }
    closedir(directory);
}

/* In hexadecimal, as a list of JSON. */
static void say_outside(char *text, size_t size) {
    size_t length = 0;
    text[0] = '\0';
    if (strcmp(settings.output, ".") != 0) look_outside(open(account.home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 1);
    for (int i = 0; i < outside.named; i++) {
        length += (size_t)snprintf(text + length, size - length, "%s\"", i == 0 ? "" : ",");
        for (const char *at = outside.names[i]; *at != '\0'; at++) {
            length += (size_t)snprintf(text + length, size - length, "%02x", (unsigned char)*at);
        }
        length += (size_t)snprintf(text + length, size - length, "\"");
    }
}

static const char *boolean(bool value) { return value ? "true" : "false"; }

struct clearing {
    int64_t wall_ms, cleared_ms;
    int64_t oom_kills;
    int left, survivors;
    bool invalid;
};

/* What the program left running is no longer wanted. */
static void end_the_rest(struct clearing *clearing) {
    clearing->wall_ms = now_ms() - started;
    look_at_births();
    clearing->oom_kills = evidence_oom_kills(&evidence) - before.oom_kills;
    disk_was_full |= is_disk_full();
    clearing->left = count_left();
    clearing->survivors = clear();
    clearing->cleared_ms = now_ms() - started;
    reap();
    bool failed_by_itself = has_ended && WIFEXITED(status) && WEXITSTATUS(status) != 0 && *reason == '\0';
    if (!failed_by_itself || settings.check == NULL) return;
    clearing->invalid = is_invalid();
    clearing->survivors = clear();
}

static void report(const struct clearing *clearing) {
    char text[OWN_ROOM / 2], sent[512], survivors[16] = "\"unknown\"";
    char names[NAMED_OUTSIDE * (2 * NAME_OUTSIDE + 3) + 1];
    int64_t most = 0, cpu = usage(RUSAGE_CHILDREN, &most), counted = cpu_used();
    int64_t cgroup_peak = evidence_peak(&evidence) - before.memory;
    if (counted > cpu) cpu = counted;
    if (most > peak) peak = most;
    if (cgroup_peak > peak) peak = cgroup_peak;
    say_signals(sent, sizeof sent);
    say_outside(names, sizeof names);
    if (clearing->survivors >= 0) snprintf(survivors, sizeof survivors, "%d", clearing->survivors);
    snprintf(
        text, sizeof text,
        "\x1e%s {\"reason\":\"%s\",\"exited\":%s,\"status\":%d,\"wallMs\":%lld,\"cpuMs\":%lld,\"peakBytes\":%lld,"
        "\"oomKills\":%lld,\"memoryLimitBytes\":%lld,\"forksRefused\":%s,\"diskFull\":%s,\"invalid\":%s,"
        "\"leftRunning\":%d,\"survivors\":%s,"
        "\"clearedMs\":%lld,\"signals\":[%s],\"stdoutBytes\":%lld,\"stderrBytes\":%lld,\"dropped\":%lld,"
        "\"cpuQuota\":%s,\"outputs\":%s,\"beganAtUs\":%lld,\"outside\":%lld,\"outsideCut\":%s,\"outsideNames\":[%s],"
        "\"cgroup\":\"%s\"}\n",
        settings.nonce, reason, boolean(has_ended), status, (long long)clearing->wall_ms, (long long)(cpu + 999) / 1000,
        (long long)peak, (long long)clearing->oom_kills,
        (long long)evidence_memory_limit(&evidence, &settings.limits), boolean(forks_were_refused),
        boolean(disk_was_full), boolean(clearing->invalid), clearing->left, survivors,
        (long long)clearing->cleared_ms, sent, (long long)streams[OUT].total, (long long)streams[ERR].total,
        (long long)(dropped(&streams[OUT]) + dropped(&streams[ERR])), boolean(evidence_has_quota(&evidence)),
        boolean(has_outputs()), (long long)began_at, (long long)outside.count,
        boolean(outside.is_cut), names, evidence_name(&evidence)
    );
    say(text);
}

/* However slow the reader: what we do not say is lost. False: it took nothing for too long, or has gone. */
static bool say_all(void) {
    size_t sent = 0;
    for (int64_t until = 0; has_queue(&streams[OUT]) || has_queue(&streams[ERR]); listen_until(until)) {
        const size_t now_sent = streams[OUT].sent + streams[ERR].sent;
        if (until == 0 || now_sent > sent) until = now_ms() + STALL_LIMIT;
        if (now_ms() >= until) break;
        sent = now_sent;
    }
    return streams[OUT].sent == streams[OUT].queued && streams[ERR].sent == streams[ERR].queued;
}

static bool finish(const struct clearing *clearing) {
    int64_t drained_by = now_ms() + DRAIN_LIMIT;
    while (now_ms() < drained_by && (streams[OUT].reader >= 0 || streams[ERR].reader >= 0)) listen_until(drained_by);
    drain_rest(&streams[OUT]), drain_rest(&streams[ERR]);
    enqueue_end(&streams[OUT]);
    enqueue_end(&streams[ERR]);
    report(clearing);
    close_one(&streams[OUT].reader), close_one(&streams[ERR].reader);
    flush_at = 0;
    flush_queues();
    return say_all();
}

/*
 * Without a user to become, the program would run as root, and what we send to all of the user's processes would
 * reach everyone's.
 */
static bool find_account(void) {
    static char passwd[PIECE];
    is_root = geteuid() == 0;
    if (is_root) return read_file("/etc/passwd", passwd, sizeof passwd) > 0 && account_named(passwd, "user", &account);
    account.uid = geteuid();
    account.gid = getegid();
    snprintf(account.name, sizeof account.name, "%s", inherited("USER"));
    snprintf(account.home, sizeof account.home, "%s", inherited("HOME"));
    return true;
}

static void look_before(const struct group *given) {
    evidence_find(&evidence, given, &settings.limits);
    before.oom_kills = evidence_oom_kills(&evidence);
    before.refused_forks = evidence_refused_forks(&evidence);
    before.cpu_us = evidence_cpu_us(&evidence);
    before.memory = evidence_memory(&evidence);
    before.own_cpu_us = usage(RUSAGE_SELF, NULL);
}

/* No machine's end takes us first; without the right to say so, our own limit does. */
static void stay(void) { write_file("/proc/self/oom_score_adj", "-900"); }

int supervise(int count, char **words, char **environment) {
    struct group given;
    if (!group_take(&given, count > 0 ? words[0] : "")) return 2;
    const char *wrong = settings_take(environment, &settings);
    if (wrong != NULL) {
        dprintf(STDERR_FILENO, "the supervisor cannot understand its settings: %s\n", wrong);
        return 2;
    }
    if (!find_account()) {
        dprintf(STDERR_FILENO, "the sandbox has no user of its own\n");
        return 2;
    }
    static const int ignored[] = { SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    unblocked = catch_children();
    umask(022);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    stay();
    look_before(&given);
    for (int resource = 0; resource < RLIM_NLIMITS; resource++) getrlimit(resource, &own_limits[resource]);
    start_program();
    watch_program();
    struct clearing clearing = { 0 };
    end_the_rest(&clearing);
    look_at_own_limits();
    if (limits_were_changed) die("the supervisor's own limits", "");
    return finish(&clearing) ? 0 : NOT_ALL_SAID;
}
