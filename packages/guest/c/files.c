#include "files.h"

#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };

static const char *home;

static _Noreturn void fail(const char *kind, const char *before, const char *path, const char *after) {
    char said[2 * PATH_MAX];
    int length = snprintf(said, sizeof said, "%s%c%s%s%s", kind, '\0', before, path, after);
    write_all(STDERR_FILENO, said, length < (int)sizeof said ? (size_t)length : sizeof said - 1);
    _exit(1);
}

static const char *kind_of_error(int error) {
    switch (error) {
    case ENOENT: case ENOTDIR: return "not_found";
    case EEXIST: return "already_exists";
    case ENOSPC: case EDQUOT: return "no_space";
    case EACCES: case EPERM: case EROFS: return "permission_denied";
    case EISDIR: case EINVAL: case ENAMETOOLONG: case ENOTEMPTY: case ELOOP: case ENXIO: return "invalid_argument";
    default: return "internal";
    }
}

static _Noreturn void fail_errno(const char *path) {
    char why[256];
    const char *kind = kind_of_error(errno);
    snprintf(why, sizeof why, "': %s", strerror(errno));
    fail(kind, "path '", path, why);
}

static void put(const void *bytes, size_t size) {
    if (!write_all(STDOUT_FILENO, bytes, size)) _exit(1);
}

static char *allocate(size_t size) {
    char *memory = malloc(size);
    if (memory == NULL) fail("internal", "no memory for ", "a path", "");
    return memory;
}

/* Takes the path's parts one by one; "." is nothing and ".." takes the part before it away. */
static void append_parts(char *to, const char *path) {
    size_t length = strlen(to);
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            while (length > 0 && to[--length] != '/') {}
        } else if (part > 0 && !(part == 1 && path[0] == '.')) {
            to[length++] = '/';
            memcpy(to + length, path, part);
            length += part;
        }
        to[length] = '\0';
        path += part + (path[part] == '/');
    }
}

/* A path as the user means it, from the root on; "" for the root itself. */
static char *absolute_from(const char *base, const char *path) {
    char *whole = allocate(strlen(base) + strlen(path) + 3);
    *whole = '\0';
    if (*path != '/') append_parts(whole, base);
    append_parts(whole, path);
    return whole;
}

static char *absolute(const char *path) {
    if (*path == '~' && (path[1] == '/' || path[1] == '\0')) path = path[1] == '/' ? path + 2 : "";
    return absolute_from(home, path);
}

static const char *shown(const char *path) { return *path == '\0' ? "/" : path; }

static char kind_of(mode_t mode) {
    return S_ISLNK(mode) ? 'l' : S_ISDIR(mode) ? 'd' : S_ISREG(mode) ? 'f' : 'o';
}

/* Entries gather here, to go out in pieces. */
static char gathered[PIECE + 4 * PATH_MAX];
static size_t gathered_length;

static void flush(void) {
    put(gathered, gathered_length);
    gathered_length = 0;
}

static void add_target(const char *path, char *kind, char target[PATH_MAX]) {
    char link[PATH_MAX];
    ssize_t length = readlink(path, link, sizeof link - 1);
    if (length < 0) return;
    link[length] = '\0';
    char *parent = strdup(path);
    if (parent != NULL) *strrchr(parent, '/') = '\0';
    char *whole = *link == '/' || parent == NULL ? NULL : absolute_from(parent, link);
    snprintf(target, PATH_MAX, "%s", whole == NULL ? link : shown(whole));
    struct stat behind;
    if (stat(path, &behind) == 0) *kind = kind_of(behind.st_mode);
    free(whole);
    free(parent);
}

static bool add_entry(const char *path) {
    struct stat facts;
    char target[PATH_MAX] = "";
    if (lstat(shown(path), &facts) != 0) return false;
    char kind = kind_of(facts.st_mode);
    if (kind == 'l') add_target(path, &kind, target);
    const char *name = *path == '\0' ? "/" : strrchr(path, '/') + 1;
    int length = snprintf(
        gathered + gathered_length, sizeof gathered - gathered_length,
        "%s%c%c%c%s%c%lld%c%u%c%u%c%u%c%lld%c%s%c", name, 0, kind, 0, shown(path), 0, (long long)facts.st_size, 0,
        facts.st_mode & 07777U, 0, facts.st_uid, 0, facts.st_gid, 0, (long long)facts.st_mtime, 0, target, 0
    );
    /* Nothing that lstat has taken is longer than the room that is kept. */
    if (length < 0 || (size_t)length >= sizeof gathered - gathered_length) return false;
    gathered_length += (size_t)length;
    if (gathered_length >= PIECE) flush();
    return true;
}

static void put_entry(const char *path) {
    if (!add_entry(path)) fail_errno(shown(path));
    flush();
}

static void walk(const char *path, long depth) {
    struct dirent **entries;
    int count = scandir(shown(path), &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            size_t size = strlen(path) + strlen(name) + 2;
            char *each = allocate(size);
            snprintf(each, size, "%s/%s", path, name);
            struct stat facts;
            bool is_directory = add_entry(each) && lstat(each, &facts) == 0 && S_ISDIR(facts.st_mode);
            if (is_directory && depth > 1) walk(each, depth - 1);
            free(each);
        }
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

static void list(const char *path, const char *depth) {
    struct stat facts;
    if (stat(shown(path), &facts) != 0) fail_errno(shown(path));
    if (!S_ISDIR(facts.st_mode)) fail("invalid_argument", "path '", shown(path), "' is not a directory");
    /* What cannot be looked at below it is left out; a directory that cannot is not an empty one. */
    if (access(shown(path), R_OK | X_OK) != 0) fail_errno(shown(path));
    walk(path, strtol(depth, NULL, 10));
    flush();
}

/* The directory itself, and those above it that are not there. */
static void make_directories(char *path) {
    for (char *at = path; at != NULL;) {
        at = strchr(at + 1, '/');
        if (at != NULL) *at = '\0';
        struct stat facts;
        if (*path != '\0' && stat(path, &facts) != 0) {
            if (errno != ENOENT) fail_errno(path);
            if (mkdir(path, 0755) != 0 && errno != EEXIST) fail_errno(path);
        }
        if (at != NULL) *at = '/';
    }
}

static void make_parents(const char *path) {
    char *parent = allocate(strlen(path) + 1);
    strcpy(parent, path);
    char *last = strrchr(parent, '/');
    if (last != NULL) *last = '\0';
    if (*parent != '\0') make_directories(parent);
    free(parent);
}

static void make_directory(char *path) {
    struct stat facts;
    if (*path == '\0' || stat(path, &facts) == 0) {
        bool is_directory = *path == '\0' || S_ISDIR(facts.st_mode);
        if (is_directory) fail("already_exists", "directory already exists: ", shown(path), "");
        fail("invalid_argument", "path already exists but it is not a directory: ", path, "");
    }
    make_directories(path);
    put_entry(path);
}

/* The system's own tools take whole trees, of any depth, without being led astray meanwhile. */
static void run_tool(const char *const words[]) {
    char *const environment[] = { "LC_ALL=C", "PATH=/usr/bin:/bin", NULL };
    execvpe(words[0], (char *const *)words, environment);
    fail_errno(words[0]);
}

static void remove_path(const char *path) {
    struct stat facts;
    if (lstat(shown(path), &facts) != 0) {
        if (errno == ENOENT) return;
        fail_errno(shown(path));
    }
    if (S_ISDIR(facts.st_mode)) run_tool((const char *const[]){ "rm", "-rf", "--", shown(path), NULL });
    if (unlink(path) != 0) fail_errno(path);
}

static void move(const char *from, const char *to) {
    struct stat facts;
    if (lstat(shown(from), &facts) != 0) fail_errno(shown(from));
    make_parents(to);
    if (rename(shown(from), shown(to)) != 0) {
        if (errno != EXDEV) fail_errno(shown(from));
        pid_t pid = fork();
        if (pid == 0) run_tool((const char *const[]){ "mv", "-fT", "--", from, to, NULL });
        int status = -1;
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
        if (status != 0) fail("internal", "moving ", from, " failed");
    }
    put_entry(to);
}

/* O_NONBLOCK: a FIFO or a device in the place of the file must not hold this process. */
static int open_regular(const char *path, int flags, struct stat *facts) {
    int file = open(shown(path), flags | O_NONBLOCK | O_CLOEXEC, 0644);
    if (file < 0 || fstat(file, facts) != 0) fail_errno(shown(path));
    if (S_ISDIR(facts->st_mode)) fail("invalid_argument", "path '", shown(path), "' is a directory");
    if (!S_ISREG(facts->st_mode)) fail("invalid_argument", "path '", shown(path), "' is not a regular file");
    return file;
}

/* As much as it had when it was opened; files of /proc have no size, and are read to their end. */
static void read_out(const char *path) {
    struct stat facts;
    int file = open_regular(path, O_RDONLY, &facts);
    char bytes[PIECE];
    int length = snprintf(bytes, sizeof bytes, "%lld%c", (long long)facts.st_size, 0);
    put(bytes, (size_t)length);
    off_t left = facts.st_size > 0 ? facts.st_size : INT64_MAX;
    while (left > 0) {
        ssize_t n = read(file, bytes, left < PIECE ? (size_t)left : PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_errno(shown(path));
        if (n == 0) break;
        put(bytes, (size_t)n);
        left -= n;
    }
}

static void write_in(const char *path) {
    struct stat facts;
    make_parents(path);
    int file = open_regular(path, O_WRONLY | O_CREAT, &facts);
    if (ftruncate(file, 0) != 0) fail_errno(shown(path));
    char bytes[PIECE];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_errno("input");
        if (n == 0) break;
        if (!write_all(file, bytes, (size_t)n)) fail_errno(shown(path));
    }
    put_entry(path);
}

_Noreturn void files_operate(const char *given_home, char **words) {
    home = given_home;
    size_t count = 0;
    while (words[count] != NULL) count++;
    char *path = count > 1 ? absolute(words[1]) : NULL;
    if (path == NULL) fail("internal", "no path for ", words[0], "");
    if (strcmp(words[0], "stat") == 0) put_entry(path);
    else if (strcmp(words[0], "list") == 0 && count == 3) list(path, words[2]);
    else if (strcmp(words[0], "mkdir") == 0) make_directory(path);
    else if (strcmp(words[0], "remove") == 0) remove_path(path);
    else if (strcmp(words[0], "move") == 0 && count == 3) move(path, absolute(words[2]));
    else if (strcmp(words[0], "read") == 0) read_out(path);
    else if (strcmp(words[0], "write") == 0) write_in(path);
    else fail("internal", "no operation ", words[0], "");
    _exit(0);
}
