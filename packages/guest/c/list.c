/*
 * The listing of an output directory: theory of operation.
 *
 * Tells what a program has left for its artifacts, when all of its processes are dead. It runs as the sandbox's user, so
 * that it can open no more than the program could. It follows no link below the user's home and goes from directory to
 * directory by descriptors. It holds each regular file open, so that what is read afterwards, as /proc/PID/fd/FD, is
 * what was listed, whatever its name has come to mean.
 *
 * It is told by two variables: BULKHEAD_OUTPUT, the directory below the home, and BULKHEAD_LIST, five numbers: most
 * entries, deepest directory, largest file (bytes) that is opened, seconds to list in, seconds to hold the files.
 *
 * It says "pid PID"; then, an entry a line, kind, descriptor (or -1), size, blocks, bytes of the path, and at most the
 * first 300 bytes of the path in hexadecimal; then "end 1" where there are more entries than it looks at, or "end 0".
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
    PATH_ROOM = DEEPEST * (NAME_MAX + 1) + 1
};

static struct {
    long most, deepest, seconds, hold;
    long long largest;
} bounds;

static char *said;
static size_t said_length;
static long looked;
static bool has_more, holds;
static dev_t device;
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

static void walk(int fd, long depth);

static void look_at(int at, const char *name, long depth) {
    struct stat facts;
    if (fstatat(at, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) return note("unreadable", -1, NULL);
    const char *kind = kind_of(&facts);
    if (strcmp(kind, "file") == 0) return look_at_file(at, name, &facts);
    if (strcmp(kind, "directory") != 0) return note(kind, -1, NULL);
    if (depth >= bounds.deepest) return note("deep", -1, NULL);
    int fd = open_at(at, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return note("unreadable", -1, NULL);
    walk(fd, depth + 1);
}

static int compare(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The names of a directory, as many as may still be looked at. */
static size_t read_names(DIR *directory, char **names) {
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (looked >= bounds.most) {
            has_more = true;
            break;
        }
        looked++;
        if ((names[count] = strdup(entry->d_name)) == NULL) die("memory", "");
        count++;
    }
    qsort(names, count, sizeof *names, compare);
    return count;
}

static void append_name(const char *name) {
    path_length += (size_t)snprintf(
        path + path_length, sizeof path - path_length, "%s%s", path_length > 0 ? "/" : "", name
    );
}

/* Closes the directory. */
static void walk(int fd, long depth) {
    DIR *directory = fdopendir(fd);
    char **names = calloc((size_t)(bounds.most - looked) + 1, sizeof *names);
    if (directory == NULL || names == NULL) die("reading a directory", "");
    size_t count = read_names(directory, names), before = path_length;
    for (size_t i = 0; i < count; i++) {
        append_name(names[i]);
        look_at(fd, names[i], depth);
        path[path_length = before] = '\0';
        free(names[i]);
    }
    free(names);
    closedir(directory);
}

/* The output directory, or -1 and what is wrong with it: NULL where it is just not there. */
static int open_output(const char *home, char *output, const char **flaw) {
    int at = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *flaw = "unreadable";
    for (char *name; at >= 0 && (name = strsep(&output, "/")) != NULL;) {
        struct stat facts;
        if (*name == '\0') continue;
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
    long long numbers[5];
    for (int i = 0; i < 5; i++) {
        size_t digits = text == NULL ? 0 : strspn(text, "0123456789");
        if (digits == 0 || digits > 15 || text[digits] != (i < 4 ? ' ' : '\0')) return false;
        numbers[i] = strtoll(text, NULL, 10);
        text += digits + 1;
    }
    bounds.most = (long)numbers[0], bounds.deepest = (long)numbers[1], bounds.largest = numbers[2];
    bounds.seconds = (long)numbers[3], bounds.hold = (long)numbers[4];
    return bounds.most <= MOST_ENTRIES && bounds.deepest < DEEPEST;
}

/* Each file that is listed stays open. */
static void allow_open_files(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
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
    allow_open_files();
    said_length = (size_t)snprintf(said, LINE, "pid %d\n", getpid());
    int at = open_output(account.home, output, &flaw);
    if (at < 0 && flaw != NULL) note(flaw, -1, NULL);
    if (at >= 0 && fstat(at, &facts) == 0) {
        device = facts.st_dev;
        walk(at, 1);
    }
    said_length += (size_t)snprintf(said + said_length, LINE, "end %d\n", has_more);
    if (!write_all(STDOUT_FILENO, said, said_length)) return 1;
    if (!holds) return 0;
    close(STDOUT_FILENO);
    alarm((unsigned)bounds.hold);
    for (;;) pause();
}
