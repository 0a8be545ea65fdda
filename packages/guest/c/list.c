/*
 * The listing of an output directory: theory of operation.
 *
 * Tells what a program has left for its artifacts, when all of its processes are dead. It runs as the sandbox's user, so
 * that it can open no more than the program could. It follows no link below the user's home and goes from directory to
 * directory by descriptors. It holds each regular file that it tells of open, so that what is read afterwards, as
 * /proc/PID/fd/FD, is what was listed, whatever its name has come to mean.
 *
 * In which order: there may be far more than anybody keeps, and what a program meant to leave is seldom among what lies
 * there by the thousand. Files of one directory with one extension are a set, and so are its directories. What is in a
 * set that is too large, or below one, comes after all that is not; of both, the shallow come before the deep. In a
 * directory small sets come before large ones, and the newest files last. So a flood, however large, hides nothing but
 * itself. Beyond the greatest number of entries it only counts, for half of its time.
 *
 * It is told by variables: BULKHEAD_OUTPUT, the directory below the home, and BULKHEAD_LIST, seven numbers: most
 * entries, deepest directory, largest file (bytes) that is opened, seconds to list in, seconds to hold the files,
 * members of the largest set that is no flood, and microseconds since the epoch. Unless the last is 0, what has not
 * changed since then is no part of the listing, nor are hidden files, caches, and BULKHEAD_FILE, the program's own.
 *
 * It says "pid PID"; then, an entry a line, kind, descriptor (or -1), size, blocks, bytes of the path, and at most the
 * first 300 bytes of the path in hexadecimal; then "end COUNT KNOWN": how many files more there are, and 1, or 0 where
 * there may be even more.
 */
#include "guest.h"
#include "settings.h"
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MOST_ENTRIES = 10000,
    DEEPEST = 64,
    SHOWN_PATH = 300,
    /* Room for a line: two digits a byte of the path, and five words. */
    LINE = 2 * SHOWN_PATH + 128,
    PATH_ROOM = DEEPEST * (NAME_MAX + 1) + 1,
    /* Entries that may wait to be looked at. */
    MOST_WAITING = 100000,
    /* Descriptors that are not for files. */
    DIRECTORIES = 16,
    /* Of the bounds. */
    NUMBERS = 7
};

static struct {
    int64_t most, deepest, largest, seconds, hold, largest_set, since;
} bounds;

/* Something to be looked at, in a directory that was. */
struct entry {
    struct entry *next;
    const struct entry *parent;
    long depth;
    bool in_flood, is_directory;
    char name[];
};

/* First in, first out: so the shallow come before the deep. */
struct queue {
    struct entry *first, *last;
};

/* A name of the directory that is read. */
struct found {
    char *name;
    bool is_directory;
    /* How many there are of its set. */
    size_t set;
    int64_t changed;
};

static struct queue ordinary, flood;
static long waiting;

static char *said;
static size_t said_length;
static int64_t noted, left, until;
static bool is_known = true, holds;
static dev_t device;
static const char *own_file;
/* The path below the output directory of what is looked at. */
static char path[PATH_ROOM];
static size_t path_length;

static void note(const char *kind, int fd, const struct stat *facts) {
    char *line = said + said_length;
    long long size = facts == NULL ? 0 : facts->st_size, blocks = facts == NULL ? 0 : facts->st_blocks;
    int length = snprintf(line, LINE, "%s %d %lld %lld %zu ", kind, fd, size, blocks, path_length);
    for (size_t i = 0; i < path_length && i < SHOWN_PATH; i++) {
        length += snprintf(line + length, 3, "%02x", (unsigned char)path[i]);
    }
    line[length++] = '\n';
    said_length += (size_t)length;
    noted++;
}

static int open_at(int at, const char *name, int flags) {
    return openat(at, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static const char *kind_of(const struct stat *facts) {
    if (facts->st_dev != device) return "mount";
    switch (facts->st_mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFBLK: case S_IFCHR: return "device";
    default: return "unknown";
    }
}

static bool is_in_time(void) {
    bool in_time = now_ms() < until;
    is_known &= in_time;
    return in_time;
}

/* Beyond the bound there is nothing to say of a file but that it is there. */
static bool is_full(void) {
    if (noted < bounds.most) return false;
    left++;
    return true;
}

static void look_at_file(int at, const char *name, const struct stat *facts) {
    struct stat opened;
    if (facts->st_nlink > 1) return note("linked", -1, NULL);
    if (facts->st_size > bounds.largest) return note("file", -1, facts);
    int fd = open_at(at, name, O_RDONLY);
    bool same = fd >= 0 && fstat(fd, &opened) == 0 && opened.st_dev == facts->st_dev && opened.st_ino == facts->st_ino;
    if (!same || !S_ISREG(opened.st_mode)) {
        close_one(&fd);
        return note("unreadable", -1, NULL);
    }
    holds = true;
    note("file", fd, &opened);
}

static void put(struct queue *queue, const struct entry *parent, const struct found *found) {
    size_t size = strlen(found->name) + 1;
    struct entry *entry = waiting < MOST_WAITING ? malloc(sizeof *entry + size) : NULL;
    if (entry == NULL) {
        left++;
        is_known &= !found->is_directory;
        return;
    }
    waiting++;
    *entry = (struct entry){
        .parent = parent, .depth = parent->depth + 1, .in_flood = queue == &flood, .is_directory = found->is_directory
    };
    memcpy(entry->name, found->name, size);
    if (queue->first == NULL) queue->first = entry;
    else queue->last->next = entry;
    queue->last = entry;
}

static struct entry *take(struct queue *queue) {
    struct entry *entry = queue->first;
    if (entry != NULL) queue->first = entry->next;
    return entry;
}

static const char *extension(const struct found *found) {
    const char *dot = strrchr(found->name, '.');
    return dot == NULL ? "" : dot;
}

static int by_set(const void *left_one, const void *right_one) {
    const struct found *one = left_one, *other = right_one;
    if (one->is_directory != other->is_directory) return one->is_directory ? 1 : -1;
    return one->is_directory ? 0 : strcmp(extension(one), extension(other));
}

static int by_worth(const void *left_one, const void *right_one) {
    const struct found *one = left_one, *other = right_one;
    if (one->set != other->set) return one->set < other->set ? -1 : 1;
    if (one->changed != other->changed) return one->changed < other->changed ? -1 : 1;
    return strcmp(one->name, other->name);
}

static int64_t micros(struct timespec time) { return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000; }

/* What was there before the program, and what nobody means to keep, where not all of a directory is for that. */
static bool is_passed_over(const char *name, const struct stat *facts, long depth) {
    if (bounds.since == 0) return false;
    if (name[0] == '.' || strcmp(name, "__pycache__") == 0) return true;
    if (depth == 0 && own_file != NULL && strcmp(name, own_file) == 0) return true;
    return !S_ISDIR(facts->st_mode) && micros(facts->st_ctim) < bounds.since;
}

static size_t read_names(DIR *directory, long depth, struct found **names) {
    size_t count = 0, room = 0;
    *names = NULL;
    for (struct dirent *entry; is_in_time() && (entry = readdir(directory)) != NULL;) {
        struct stat facts = { 0 };
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (fstatat(dirfd(directory), name, &facts, AT_SYMLINK_NOFOLLOW) != 0) facts.st_ctim.tv_sec = LONG_MAX / 1000000;
        if (is_passed_over(name, &facts, depth)) continue;
        if (count == MOST_WAITING) {
            left++;
            is_known &= !S_ISDIR(facts.st_mode);
            continue;
        }
        if (count == room) *names = realloc(*names, (room = room * 2 + 64) * sizeof **names);
        if (*names == NULL) die("memory", "");
        struct found *found = &(*names)[count++];
        *found = (struct found){ strdup(name), S_ISDIR(facts.st_mode), 1, micros(facts.st_mtim) };
        if (found->name == NULL) die("memory", "");
    }
    return count;
}

static void count_sets(struct found *names, size_t count) {
    qsort(names, count, sizeof *names, by_set);
    for (size_t start = 0, end = 0; start < count; start = end) {
        while (end < count && by_set(&names[start], &names[end]) == 0) end++;
        for (size_t i = start; i < end; i++) names[i].set = end - start;
    }
}

/* Closes the directory. */
static void look_into(int fd, const struct entry *entry) {
    struct found *names;
    DIR *directory = fdopendir(fd);
    if (directory == NULL) die("reading a directory", "");
    size_t count = read_names(directory, entry->depth, &names);
    count_sets(names, count);
    qsort(names, count, sizeof *names, by_worth);
    for (size_t i = 0; i < count; i++) {
        bool in_flood = entry->in_flood || names[i].set > (size_t)bounds.largest_set;
        put(in_flood ? &flood : &ordinary, entry, &names[i]);
        free(names[i].name);
    }
    free(names);
    closedir(directory);
}

static void append_name(const char *name) {
    path_length += (size_t)snprintf(
        path + path_length, sizeof path - path_length, "%s%s", path_length > 0 ? "/" : "", name
    );
}

/* Opens the directory that an entry is in, from the output directory on, and makes its path the one that is told. */
static int open_parent(int output, const struct entry *entry) {
    if (entry->depth <= 1) {
        path[path_length = 0] = '\0';
        return fcntl(output, F_DUPFD_CLOEXEC, 0);
    }
    int above = open_parent(output, entry->parent);
    append_name(entry->parent->name);
    int fd = open_at(above, entry->parent->name, O_RDONLY | O_DIRECTORY);
    close_one(&above);
    return fd;
}

static void look_at(int at, const struct entry *entry) {
    struct stat facts;
    bool is_there = fstatat(at, entry->name, &facts, AT_SYMLINK_NOFOLLOW) == 0;
    const char *kind = is_there ? kind_of(&facts) : "unreadable";
    bool is_directory = strcmp(kind, "directory") == 0;
    if (!is_directory || entry->depth >= bounds.deepest) {
        if (is_full()) return;
        if (strcmp(kind, "file") == 0) return look_at_file(at, entry->name, &facts);
        return note(is_directory ? "deep" : kind, -1, NULL);
    }
    int fd = open_at(at, entry->name, O_RDONLY | O_DIRECTORY);
    if (fd >= 0) return look_into(fd, entry);
    if (!is_full()) note("unreadable", -1, NULL);
}

static void walk(int output) {
    static const struct entry top = { 0 };
    look_into(fcntl(output, F_DUPFD_CLOEXEC, 0), &top);
    for (struct entry *entry; (entry = take(ordinary.first != NULL ? &ordinary : &flood)) != NULL;) {
        waiting--;
        bool is_looked_at = is_in_time() && (entry->is_directory || noted < bounds.most);
        int at = is_looked_at ? open_parent(output, entry) : -1;
        if (is_looked_at) {
            append_name(entry->name);
            look_at(at, entry);
        } else left++;
        close_one(&at);
        /* A directory is the parent of others. */
        if (!entry->is_directory) free(entry);
    }
}

/* The output directory, or -1 and what is wrong with it: NULL where it is just not there. */
static int open_output(const char *home, char *output, const char **flaw) {
    int at = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *flaw = "unreadable";
    for (char *name; at >= 0 && (name = strsep(&output, "/")) != NULL;) {
        struct stat facts;
        if (*name == '\0' || strcmp(name, ".") == 0) continue;
        bool there = fstatat(at, name, &facts, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there && errno == ENOENT) *flaw = NULL;
        if (there && !S_ISDIR(facts.st_mode)) *flaw = "replaced";
        int next = there && S_ISDIR(facts.st_mode) ? open_at(at, name, O_RDONLY | O_DIRECTORY) : -1;
        close(at);
        at = next;
    }
    return at;
}

static bool read_bounds(const char *text) {
    int64_t *const fields[NUMBERS] = {
        &bounds.most, &bounds.deepest, &bounds.largest, &bounds.seconds, &bounds.hold, &bounds.largest_set, &bounds.since
    };
    for (int i = 0; i < NUMBERS; i++) {
        size_t digits = text == NULL ? 0 : strspn(text, "0123456789");
        if (digits == 0 || digits > 16 || text[digits] != (i + 1 < NUMBERS ? ' ' : '\0')) return false;
        *fields[i] = strtoll(text, NULL, 10);
        text += digits + 1;
    }
    return bounds.most <= MOST_ENTRIES && bounds.deepest < DEEPEST;
}

/* Each file that is listed stays open, so that no more are listed than may be, with some for the directories. */
static void allow_open_files(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < (rlim_t)bounds.most + DIRECTORIES) {
        bounds.most = files.rlim_max > DIRECTORIES ? (int64_t)files.rlim_max - DIRECTORIES : 0;
    }
}

int list(void) {
    static char passwd[1 << 16];
    struct account account;
    struct stat facts;
    const char *flaw, *given = getenv("BULKHEAD_OUTPUT");
    char *output = given == NULL ? NULL : strdup(given);
    if (output == NULL || !read_bounds(getenv("BULKHEAD_LIST"))) return 2;
    if (read_file("/etc/passwd", passwd, sizeof passwd) < 0 || !account_of(passwd, geteuid(), &account)) return 2;
    said = malloc((size_t)(bounds.most + 3) * LINE);
    if (said == NULL) return 2;
    alarm((unsigned)bounds.seconds);
    until = now_ms() + bounds.seconds * 500;
    own_file = getenv("BULKHEAD_FILE");
    allow_open_files();
    said_length = (size_t)snprintf(said, LINE, "pid %d\n", getpid());
    int at = open_output(account.home, output, &flaw);
    if (at < 0 && flaw != NULL) note(flaw, -1, NULL);
    if (at >= 0 && fstat(at, &facts) == 0) {
        device = facts.st_dev;
        walk(at);
    }
    said_length += (size_t)snprintf(said + said_length, LINE, "end %lld %d\n", (long long)left, is_known);
    if (!write_all(STDOUT_FILENO, said, said_length)) return 1;
    if (!holds) return 0;
    close(STDOUT_FILENO);
    alarm((unsigned)bounds.hold);
    for (;;) pause();
}
