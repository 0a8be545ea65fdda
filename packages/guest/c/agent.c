/*
 * The agent: theory of operation.
 *
 * Process 1 of a sandbox, and the host's hands in it. It starts programs and file operations, carries their bytes,
 * sends them signals, measures, and reaps orphans. Its line to the host is descriptor 3 (frames.h, AgentSession.ts).
 * When the host goes, it ends, and the kernel ends everyone else in the sandbox.
 *
 * Who it is: where the sandbox has users of its own ("two") it is the sandbox's root with four capabilities (CHOWN,
 * KILL, SETGID, SETUID), and each child becomes the asking user before it does anything; elsewhere ("one") it is the
 * one user there is, without any. Programs of the sandbox can neither trace it nor read its memory (it is not
 * dumpable), nor kill it (it is process 1).
 *
 * What it trusts: the host's frames, up to their sizes, which are checked. Of what programs do it takes only bytes,
 * up to the credit that the host has given, and exit codes; a program that floods or stalls holds up nobody but
 * itself.
 *
 * A program's life: forked with a pipe on which it says why it could not start, and that exec closes: then it has
 * STARTED. Only from then on is its output read, so no bytes come before the start. When it has been waited for, what
 * its pipes hold at that moment is still sent, then EXITED; what descendants write later is read and dropped.
 * Readiness belongs to a program, never to a descriptor's number, which the next program may get.
 *
 * Whatever it starts, file operations too, begins in the cgroup of programs (group.h), whose limit lies below the
 * sandbox's by what the agent and the supervisor need. Only a supervisor stays outside with the agent, and gets the
 * files of that cgroup, to put its program there. So when memory runs out, the kernel has no reason to take a keeper.
 *
 * What programs may hold in sockets and locks without a cgroup's counting it, it looks at while anybody is there, and
 * kills them all when it is too much.
 *
 * Arguments: "two" or "one"; limits for each of the user's programs where no cgroup sets them: processes, bytes of
 * data (0 for none); how many descriptors each program may have; how many connections may wait to be accepted
 * (0 where nobody looks); and how many files of the cgroup of programs it has been passed (0 where there is none).
 */
#include "files.h"
#include "frames.h"
#include "group.h"
#include "guest.h"
#include "locks.h"
#include "processes.h"
#include "request.h"
#include "sockets.h"
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HOST = 3,
    /* Where a child says why it did not start. Exec closes it. */
    REPORT = 3,
    CHUNK = 32 << 10,
    /* Bytes of a program's output that the host takes unasked, and of all output that may wait for the host. */
    WINDOW = 1 << 20,
    /* Room beside those for answers, which are short, to all that one read from the host can hold. */
    ANSWERS = 2 << 20,
    MOST_PROGRAMS = 512,
    MOST_DISCARDED = 1024,
    MOST_SAID = 512,
    /* Milliseconds between two looks at what nobody counts; and locks on parts of files, about 2 MB of them. */
    LOOK_PERIOD = 50,
    /* To look at locks may take one part in so many of our time. */
    LOCKS_REST = 10,
    MOST_LOCKS = 10000,
    USER_ID = 1000
};

static const uint32_t root_capabilities = 1 << CAP_CHOWN | 1 << CAP_KILL | 1 << CAP_SETGID | 1 << CAP_SETUID;

/* One of a program's outputs. */
struct output {
    int fd;
    /* Once the program has ended: bytes that are still to be sent. */
    int left;
    /* Its place among what is polled, or -1. */
    int polled;
};

struct program {
    struct program *next;
    uint32_t id;
    pid_t pid;
    int report, input;
    int report_polled, input_polled;
    struct output out, err;
    int64_t credit;
    bool ended;
    int status;
    /* What is still to be written to it, and whether that is then the end. */
    uint8_t *pending;
    size_t pending_length, pending_written;
    bool close_input;
};

static enum users users;
static const char *own_path;
static rlim_t most_processes, most_data, most_descriptors;
static int64_t most_held, look_at, locks_at;
/* Whether there may be somebody in the sandbox but us. */
static bool is_inhabited;
static struct group group;
static struct program *programs;
static size_t program_count;
static int discarded[MOST_DISCARDED];
static size_t discarded_count;
static int null_device;

static uint8_t in_bytes[FRAME_HEADER + FRAME_MOST_PAYLOAD], out_bytes[WINDOW + CHUNK + ANSWERS];
static struct inbox in = { .bytes = in_bytes, .capacity = sizeof in_bytes };
static struct outbox out = { .bytes = out_bytes, .capacity = sizeof out_bytes };

static struct pollfd polls[1 + 4 * MOST_PROGRAMS + MOST_DISCARDED];
static int poll_count;

/* A host that asks on and on without reading is none. */
static void say(uint8_t type, uint32_t id, const void *payload, size_t size) {
    if (!outbox_add(&out, type, id, payload, size)) _exit(1);
}

static void say_number(uint8_t type, uint32_t id, uint32_t number) {
    uint8_t bytes[4];
    put_number(bytes, number);
    say(type, id, bytes, sizeof bytes);
}

static void answer_input(uint32_t id, bool taken) { say(INPUT_DONE, id, taken ? "\0" : "\1", 1); }

static void refuse(uint32_t id, const char *what) {
    char said[MOST_SAID];
    int length = snprintf(said, sizeof said, "resource_exhausted%c%s: %s", 0, what, strerror(errno));
    say(START_FAILED, id, said, (size_t)length);
}

/* In a child: why it does not become a program. */
static _Noreturn void leave(const char *kind, const char *what, const char *why) {
    char said[MOST_SAID];
    int length = snprintf(said, sizeof said, "%s%c%s%s", kind, 0, what, why);
    write_all(REPORT, said, length < (int)sizeof said ? (size_t)length : sizeof said - 1);
    _exit(127);
}

static _Noreturn void leave_errno(const char *kind, const char *what) {
    char why[128];
    snprintf(why, sizeof why, ": %s", strerror(errno));
    leave(kind, what, why);
}

static void set_limit(int resource, rlim_t value) {
    const struct rlimit limit = { value, value };
    if (value != 0 && setrlimit(resource, &limit) != 0) leave_errno("internal", "limit");
}

/*
 * On a machine without memory, what the user runs gives it up before we do. Without a root, only a dumpable process
 * may write that about itself.
 */
static void limit_user(void) {
    if (users == ONE_USER) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    write_file("/proc/self/oom_score_adj", "500");
    if (users == ONE_USER) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    set_limit(RLIMIT_NPROC, most_processes);
    set_limit(RLIMIT_DATA, most_data);
}

/* Of what is behind a descriptor the cgroup counts most, but not all. */
static void limit_descriptors(void) {
    struct rlimit limit;
    if (most_descriptors == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    set_limit(RLIMIT_NOFILE, limit.rlim_max < most_descriptors ? limit.rlim_max : most_descriptors);
}

static void become(bool is_root) {
    limit_descriptors();
    if (!is_root) limit_user();
    if (users == ONE_USER) return;
    uid_t id = is_root ? 0 : USER_ID;
    if (become_user(id, id) != 0) leave_errno("internal", "becoming the user");
    if (!is_root && set_capabilities(0) != 0) leave_errno("internal", "giving up capabilities");
}

static void enter(const char *cwd) {
    if (chdir(cwd) == 0) return;
    char what[MOST_SAID / 2];
    snprintf(what, sizeof what, "cwd '%.200s'", cwd);
    if (errno == ENOENT || errno == ENOTDIR) leave("invalid_argument", what, " does not exist");
    leave_errno("permission_denied", what);
}

/* A line that only becomes the supervisor needs no shell to read it, which would cost more than the program. */
static bool is_supervisor(char **words) {
    static const char before[] = "exec ";
    if (words[1] == NULL || words[2] == NULL || words[3] == NULL || words[4] != NULL) return false;
    if (strcmp(words[0], "/bin/bash") != 0 || strcmp(words[1], "-l") != 0 || strcmp(words[2], "-c") != 0) return false;
    const char *line = words[3];
    size_t length = strlen(own_path);
    if (strncmp(line, before, sizeof before - 1) != 0) return false;
    line += sizeof before - 1;
    if (strncmp(line, own_path, length) != 0 || line[length] != ' ') return false;
    return strcmp(line + length + 1, "supervise") == 0;
}

/* With the files of the cgroup of programs, if it is a keeper of one. */
static _Noreturn void become_supervisor(struct request *request, bool keeps) {
    char descriptors[16];
    snprintf(descriptors, sizeof descriptors, "%zu", keeps ? group_descriptors(&group) : 0);
    char *const words[] = { (char *)own_path, "supervise", descriptors, NULL };
    execve(own_path, words, request->env);
    leave_errno("internal", own_path);
}

static _Noreturn void run(struct request *request, bool keeps) {
    enter(request->cwd);
    if (is_supervisor(request->argv)) become_supervisor(request, keeps);
    environ = request->env;
    execvpe(request->argv[0], request->argv, request->env);
    const char *kind = errno == ENOENT ? "not_found" : errno == EACCES ? "permission_denied" : "internal";
    leave_errno(kind, request->argv[0]);
}

struct ends {
    int in[2], out[2], err[2], report[2];
};

static void close_ends(struct ends *ends, int which) {
    close_one(&ends->in[which == 0]), close_one(&ends->out[which]), close_one(&ends->err[which]);
    close_one(&ends->report[which]);
}

static bool make_ends(struct ends *ends, bool has_input) {
    *ends = (struct ends){ { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
    bool made = make_pipe(ends->out) && make_pipe(ends->err) && make_pipe(ends->report);
    if (made && (!has_input || make_pipe(ends->in))) return true;
    int error = errno;
    close_ends(ends, 0), close_ends(ends, 1);
    errno = error;
    return false;
}

static _Noreturn void become_child(struct ends *ends, struct request *request, bool is_file_operation) {
    restore_signals();
    setsid();
    /* Out of the way of the numbers that they get. */
    int report = fcntl(ends->report[1], F_DUPFD_CLOEXEC, 100);
    int input = ends->in[0] >= 0 ? ends->in[0] : null_device;
    if (report < 0 || dup2(input, 0) < 0 || dup2(ends->out[1], 1) < 0 || dup2(ends->err[1], 2) < 0) _exit(127);
    if (dup3(report, REPORT, O_CLOEXEC) < 0) _exit(127);
    /* Nobody's program may say that it is a supervisor where that is somebody else. */
    bool keeps = !is_file_operation && (request->is_root || users == ONE_USER) && is_supervisor(request->argv);
    if (keeps) {
        for (int fd = REPORT + 1; fd < GROUP_FIRST; fd++) close(fd);
        if (!group_lay_out(&group)) leave_errno("internal", "descriptors");
    } else {
        if (!group_join(&group)) leave_errno("internal", "the cgroup of programs");
        close_from(REPORT + 1);
    }
    become(request->is_root);
    if (!is_file_operation) run(request, keeps);
    if (chdir(request->cwd) != 0) {}
    close(REPORT);
    files_operate(request->cwd, request->argv);
}

static void start(uint32_t id, struct request *request, bool is_file_operation) {
    struct program *program = program_count < MOST_PROGRAMS ? calloc(1, sizeof *program) : NULL;
    struct ends ends;
    errno = EAGAIN;
    if (program == NULL) return refuse(id, "too many programs");
    if (!make_ends(&ends, request->has_input)) {
        free(program);
        return refuse(id, "pipe");
    }
    pid_t pid = fork();
    if (pid == 0) become_child(&ends, request, is_file_operation);
    int error = errno;
    close_ends(&ends, 1);
    if (pid < 0) {
        close_ends(&ends, 0);
        free(program);
        errno = error;
        return refuse(id, "fork");
    }
    *program = (struct program){
        .next = programs, .id = id, .pid = pid, .report = ends.report[0], .input = ends.in[1],
        .report_polled = -1, .input_polled = -1, .credit = WINDOW,
        .out = { .fd = ends.out[0], .left = -1, .polled = -1 }, .err = { .fd = ends.err[0], .left = -1, .polled = -1 }
    };
    programs = program;
    program_count++;
    /* The first has had no time to hold anything, and is to start at once. */
    if (!is_inhabited) look_at = locks_at = now_ms() + LOOK_PERIOD;
    is_inhabited = true;
    set_nonblocking(program->report), set_nonblocking(program->out.fd), set_nonblocking(program->err.fd);
    if (program->input >= 0) set_nonblocking(program->input);
}

static void forget(struct program *program) {
    for (struct program **link = &programs; *link != NULL; link = &(*link)->next) {
        if (*link != program) continue;
        *link = program->next;
        break;
    }
    close_one(&program->report), close_one(&program->input), close_one(&program->out.fd), close_one(&program->err.fd);
    free(program->pending);
    free(program);
    program_count--;
}

static void drop_pending(struct program *program, bool taken) {
    if (program->pending == NULL) return;
    free(program->pending);
    program->pending = NULL;
    answer_input(program->id, taken);
}

static void write_input(struct program *program) {
    size_t length = program->pending_length - program->pending_written;
    ssize_t n = write(program->input, program->pending + program->pending_written, length);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) close_one(&program->input);
    program->pending_written += n < 0 ? length : (size_t)n;
    if (program->pending_written < program->pending_length) return;
    drop_pending(program, n >= 0);
    if (program->close_input) close_one(&program->input);
}

static void take_input(struct program *program, const struct frame *frame) {
    bool takes = program->input >= 0 && !program->close_input && program->pending == NULL;
    if (takes && frame->size > 0) program->pending = malloc(frame->size);
    if (program->pending == NULL || !takes) return answer_input(frame->id, takes && frame->size == 0);
    memcpy(program->pending, frame->payload, frame->size);
    program->pending_length = frame->size;
    program->pending_written = 0;
    write_input(program);
}

/* Bytes of disk in all and used: each file system once. */
static void measure_disk(uint64_t *total, uint64_t *used) {
    static const char *const places[] = { "/home", "/tmp", "/dev/shm" };
    dev_t seen[3];
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        struct stat facts;
        struct statfs disk;
        if (stat(places[i], &facts) != 0 || statfs(places[i], &disk) != 0) continue;
        bool known = false;
        for (size_t j = 0; j < count; j++) known |= seen[j] == facts.st_dev;
        if (known) continue;
        seen[count++] = facts.st_dev;
        *total += disk.f_blocks * (uint64_t)disk.f_bsize;
        *used += (disk.f_blocks - disk.f_bfree) * (uint64_t)disk.f_bsize;
    }
}

/* CPU time in microseconds and resident bytes of all processes. */
static void measure_processes(uint64_t *micros, uint64_t *bytes) {
    DIR *processes = opendir("/proc");
    if (processes == NULL) return;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        struct process_facts facts;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !process_facts_of(entry->d_name, &facts)) continue;
        *micros += (uint64_t)process_cpu_us(&facts);
        *bytes += (uint64_t)process_resident_bytes(&facts);
    }
    closedir(processes);
}

static void measure(const struct frame *frame) {
    uint64_t total = 0, used = 0, micros = 0, bytes = 0;
    char said[128];
    measure_disk(&total, &used);
    int length = snprintf(said, sizeof said, "%llu %llu", (unsigned long long)total, (unsigned long long)used);
    if (frame->size > 0) {
        measure_processes(&micros, &bytes);
        unsigned long long each[] = { total, used, micros, bytes };
        length = snprintf(said, sizeof said, "%llu %llu %llu %llu", each[0], each[1], each[2], each[3]);
    }
    say(MEASURED, frame->id, said, (size_t)length);
}

static struct program *program_of(uint32_t id) {
    struct program *each = programs;
    while (each != NULL && each->id != id) each = each->next;
    return each;
}

static void take_start(const struct frame *frame) {
    struct request request;
    if (!request_parse(frame->payload, frame->size, &request)) {
        errno = EINVAL;
        return refuse(frame->id, "the request");
    }
    start(frame->id, &request, frame->type == FILE_OPERATION);
    request_free(&request);
}

static void take_frame(const struct frame *frame) {
    if (frame->type == START || frame->type == FILE_OPERATION) return take_start(frame);
    if (frame->type == MEASURE) return measure(frame);
    struct program *program = program_of(frame->id);
    if (program == NULL) {
        if (frame->type == INPUT) answer_input(frame->id, false);
        return;
    }
    switch (frame->type) {
    case INPUT: take_input(program, frame); break;
    case CLOSE_INPUT:
        program->close_input = true;
        if (program->pending == NULL) close_one(&program->input);
        break;
    case SIGNAL:
        /* Not waited for, it cannot have left its number to another. */
        if (!program->ended && kill(-program->pid, (int)frame_number(frame)) != 0) {
            kill(program->pid, (int)frame_number(frame));
        }
        break;
    case CREDIT: program->credit += frame_number(frame); break;
    }
}

/* No program takes so many arguments, and the host sends input in pieces. */
static void refuse_long(const struct frame *frame) {
    errno = E2BIG;
    if (frame->type == START || frame->type == FILE_OPERATION) refuse(frame->id, "the request");
    if (frame->type == INPUT) answer_input(frame->id, false);
}

static void read_host(void) {
    if (!inbox_fill(&in, HOST)) _exit(0);
    struct frame frame;
    enum inbox_state state;
    while ((state = inbox_next(&in, &frame)) != INBOX_PARTIAL) {
        if (state == INBOX_FRAME) take_frame(&frame);
        else refuse_long(&frame);
    }
}

static bool may_send(const struct program *program) {
    return program->credit > 0 && outbox_length(&out) <= WINDOW;
}

/* False: nothing came. */
static bool pump(struct program *program, struct output *output, uint8_t type) {
    uint8_t *place = outbox_reserve(&out, CHUNK);
    if (place == NULL) return false;
    size_t most = output->left >= 0 && output->left < CHUNK ? (size_t)output->left : CHUNK;
    ssize_t n = read(output->fd, place, most);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        close_one(&output->fd);
        return false;
    }
    outbox_commit(&out, type, program->id, (size_t)n);
    program->credit -= n;
    if (output->left >= 0) output->left -= (int)n;
    return true;
}

/* False: it has come to its end. */
static bool discard(int fd) {
    static uint8_t bytes[CHUNK];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return true;
    close(fd);
    return false;
}

/* Descendants that hold it still may go on writing. */
static void give_up(struct output *output) {
    if (output->fd >= 0 && discard(output->fd)) {
        if (discarded_count < MOST_DISCARDED) discarded[discarded_count++] = output->fd;
        else close(output->fd);
    }
    output->fd = -1;
}

/* Sends what the pipe held when the program ended. False: not all of it may be sent yet. */
static bool drain(struct program *program, struct output *output, uint8_t type) {
    if (output->fd >= 0 && output->left < 0 && ioctl(output->fd, FIONREAD, &output->left) != 0) output->left = 0;
    while (output->fd >= 0 && output->left > 0) {
        if (!may_send(program)) return false;
        if (!pump(program, output, type)) break;
    }
    return true;
}

static void finish(struct program *program) {
    bool drained = drain(program, &program->out, STDOUT_DATA) && drain(program, &program->err, STDERR_DATA);
    if (!drained) return;
    give_up(&program->out), give_up(&program->err);
    say_number(EXITED, program->id, (uint32_t)program->status);
    drop_pending(program, false);
    forget(program);
}

/* False: it did not start, and is forgotten. */
static bool read_report(struct program *program) {
    char said[MOST_SAID];
    ssize_t n = read(program->report, said, sizeof said);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    close_one(&program->report);
    if (n <= 0) {
        say_number(STARTED, program->id, (uint32_t)program->pid);
        return true;
    }
    say(START_FAILED, program->id, said, (size_t)n);
    drop_pending(program, false);
    forget(program);
    return false;
}

static int watch(int fd, short events) {
    polls[poll_count] = (struct pollfd){ .fd = fd, .events = events };
    return poll_count++;
}

static void watch_output(const struct program *program, struct output *output) {
    bool listens = output->fd >= 0 && program->report < 0 && !program->ended && may_send(program);
    output->polled = listens ? watch(output->fd, POLLIN) : -1;
}

static void watch_program(struct program *program) {
    program->report_polled = program->report >= 0 ? watch(program->report, POLLIN) : -1;
    program->input_polled = program->input >= 0 && program->pending != NULL ? watch(program->input, POLLOUT) : -1;
    watch_output(program, &program->out);
    watch_output(program, &program->err);
}

static bool is_ready(int polled) { return polled >= 0 && polls[polled].revents != 0; }

static void serve(struct program *program) {
    if (is_ready(program->report_polled) && !read_report(program)) return;
    if (is_ready(program->input_polled) && program->input >= 0 && program->pending != NULL) write_input(program);
    if (is_ready(program->out.polled)) pump(program, &program->out, STDOUT_DATA);
    if (is_ready(program->err.polled)) pump(program, &program->err, STDERR_DATA);
    if (!program->ended) return;
    /* It can only have started, or said why not, before it ended. */
    if (program->report >= 0 && !read_report(program)) return;
    if (program->report < 0) finish(program);
}

static void reap(void) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (struct program *each = programs; each != NULL; each = each->next) {
            if (each->pid != pid || each->ended) continue;
            each->ended = true;
            each->status = status;
        }
    }
}

/* Whether what an ended program has left can be sent now, though nothing new has come from it. */
static bool can_finish_one(void) {
    for (const struct program *each = programs; each != NULL; each = each->next) {
        if (each->ended && each->report < 0 && may_send(each)) return true;
    }
    return false;
}

static void serve_all(void) {
    for (struct program *each = programs, *next; each != NULL; each = next) {
        next = each->next;
        serve(each);
    }
}

static void discard_all(int first, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < discarded_count; i++) {
        bool is_ready_now = i < count && polls[first + (int)i].revents != 0;
        if (!is_ready_now || discard(discarded[i])) discarded[kept++] = discarded[i];
    }
    discarded_count = kept;
}

static void kill_one(pid_t pid, const struct process_facts *facts, void *with) {
    (void)facts, (void)with;
    kill(pid, SIGKILL);
}

/* The user's programs first; if that was not enough it is root's that do it. */
static void look_around(void) {
    int64_t now = now_ms();
    if (most_held == 0 || !is_inhabited || now < look_at) return;
    look_at = now + LOOK_PERIOD;
    /* What programs have left behind holds on to what they held. */
    is_inhabited = program_count > 0 || kill(-1, 0) == 0;
    bool is_too_much = sockets_hold_more(most_held);
    if (!is_too_much && now >= locks_at) {
        is_too_much = locks_exceed(MOST_LOCKS);
        /* Which takes 10 ms and more, and holds up whoever locks a file on this machine. */
        locks_at = now + LOCKS_REST * (now_ms() - now);
    }
    if (!is_too_much) return;
    if (users == ONE_USER || processes_of(USER_ID, kill_one, NULL) == 0) kill(-1, SIGKILL);
}

/* How long the next poll may wait; NULL: for ever. */
static const struct timespec *patience(struct timespec *limit) {
    *limit = (struct timespec){ 0, 0 };
    if (can_finish_one()) return limit;
    if (most_held == 0 || !is_inhabited) return NULL;
    int64_t left = look_at - now_ms();
    limit->tv_nsec = (left > 0 ? left : 0) * 1000000L;
    return limit;
}

static _Noreturn void loop(const sigset_t *unblocked) {
    struct timespec limit;
    for (;;) {
        look_around();
        poll_count = 0;
        bool takes_more = outbox_length(&out) <= WINDOW;
        watch(HOST, (short)((takes_more ? POLLIN : 0) | (outbox_length(&out) > 0 ? POLLOUT : 0)));
        for (struct program *each = programs; each != NULL; each = each->next) watch_program(each);
        int first_discarded = poll_count;
        size_t discarded_polled = discarded_count;
        for (size_t i = 0; i < discarded_count; i++) watch(discarded[i], POLLIN);
        if (ppoll(polls, (nfds_t)poll_count, patience(&limit), unblocked) < 0) {
            for (int i = 0; i < poll_count; i++) polls[i].revents = 0;
        }
        reap();
        discard_all(first_discarded, discarded_polled);
        if (polls[0].revents & (POLLIN | POLLHUP | POLLERR)) read_host();
        serve_all();
        if (!outbox_flush(&out, HOST)) _exit(0);
    }
}

static rlim_t number(const char *word) { return (rlim_t)strtoull(word, NULL, 10); }

int agent(const char *self, int count, char **words) {
    if (count != 6 || !group_take(&group, words[5])) return 2;
    own_path = self;
    users = strcmp(words[0], "two") == 0 ? TWO_USERS : ONE_USER;
    most_processes = number(words[1]);
    most_data = number(words[2]);
    most_descriptors = number(words[3]);
    most_held = (int64_t)number(words[4]) * CONNECTION_BYTES;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (set_capabilities(users == TWO_USERS ? root_capabilities : 0) != 0) die("capabilities", "");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) die("dumpable", "");
    sigset_t unblocked = catch_children();
    umask(022);
    fcntl(HOST, F_SETFD, FD_CLOEXEC);
    set_nonblocking(HOST);
    null_device = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_device < 0) die("/dev/null", "");
    dup2(null_device, 0);
    dup2(null_device, 1);
    say(AGENT_READY, 0, "", 0);
    loop(&unblocked);
}
