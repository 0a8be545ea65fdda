/*
 * The ways to root: theory of operation.
 *
 * The program runs as the sandbox's user, under no_new_privs: nothing that it executes is worth more than itself. But
 * whoever serves it from outside of its tree is not bound by that: a login on loopback, a service of root's, a program
 * that root will run from where the user can write. Who becomes root can read and steer a supervisor that is root too,
 * and no secret of ours is safe from that. So these ways are shut before the program exists, for all of the sandbox,
 * and by the kernel alone, since no tool of the image need be there. A sandbox serves one program; nothing is undone.
 *
 *   passwords  an account that needs no password gets one that nobody has. Login servers then let nobody in.
 *   services   a socket at which a process of root's waits for callers is taken from it and shut, which needs no help
 *              of its own and holds for the socket that process 1 keeps for a service too. Its process is stopped
 *              rather than killed: nobody starts it anew. Left alone is whoever started us (the provider's own), and
 *              the sockets that the system talks to itself by.
 *   setuid     every mount ignores what setuid, setgid and file capabilities would give (sudo, su, pkexec), so that
 *              a login, a cron job or a service of the user's own gains nothing either.
 *   places     where root's programs and their settings are (the system's directories, root's PATH, the programs and
 *              scripts that root's processes run) becomes read-only, however its permissions are: one mount each, since
 *              a walk over all files would take longer than most programs do. Where we may not mount, a short walk tells
 *              whether there is anything to shut.
 *
 * A wall that the sandbox has already counts as shut. What could not be shut is named, and the host says so. Not among
 * the ways are a hole in the kernel, what asks a password that the program knows, and the provider's own daemon.
 */
#include "ways.h"

#include "processes.h"
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

/* Bytes of a file of accounts, of a process's words, and entries of a place, beyond which nothing is known. */
enum { MOST_TEXT = 1 << 16, MOST_WORDS_OF_ROOT = 4096, MOST_ENTRIES = 1000 };

bool passwords_lock(const char *text, char *locked) {
    bool any = false;
    while (*text != '\0') {
        size_t name = strcspn(text, ":\n");
        bool is_open = name > 0 && text[name] == ':' && text[name + 1] == ':';
        size_t line = strcspn(text, "\n");
        line += text[line] == '\n';
        size_t head = is_open ? name + 1 : line;
        memcpy(locked, text, head);
        locked += head;
        if (is_open) *locked++ = '*';
        memcpy(locked, text + head, line - head);
        locked += line - head;
        text += line;
        any |= is_open;
    }
    *locked = '\0';
    return any;
}

static bool shut_passwords_in(const char *path) {
    static char text[MOST_TEXT], locked[2 * MOST_TEXT];
    ssize_t length = read_file(path, text, sizeof text);
    if (length < 0) return errno == ENOENT;
    if (length == MOST_TEXT - 1) return false;
    return !passwords_lock(text, locked) || write_file(path, locked);
}

static bool shut_passwords(void) {
    bool passwd = shut_passwords_in("/etc/passwd"), shadow = shut_passwords_in("/etc/shadow");
    return passwd && shadow;
}

/* Among root's processes: neither we, nor who started us, nor threads of the kernel. */
struct search {
    const struct account *account;
    bool complete;
};

static void each_of_root(void (*look)(const char *pid, struct search *search), struct search *search) {
    DIR *all = opendir("/proc");
    if (all == NULL) {
        search->complete = false;
        return;
    }
    for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
        struct stat owner;
        struct process_facts facts;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid < 1 || pid == getpid() || pid == getppid()) continue;
        if (fstatat(dirfd(all), entry->d_name, &owner, 0) != 0 || owner.st_uid != 0) continue;
        if (!process_facts_of(entry->d_name, &facts) || facts.is_kernels || facts.state == 'Z') continue;
        look(entry->d_name, search);
    }
    closedir(all);
}

/* What waits for callers, but the sockets that the system itself is run by. */
static bool serves(int socket, bool is_first) {
    struct sockaddr_un name = { 0 };
    socklen_t size = sizeof name, length = sizeof(int);
    int waits = 0;
    if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &waits, &length) != 0 || waits == 0) return false;
    if (getsockname(socket, (struct sockaddr *)&name, &size) != 0) return true;
    if (name.sun_family != AF_UNIX) return true;
    static const char *const systems[] = { "/run/systemd/", "/run/udev/", "/run/dbus/", "/var/run/dbus/" };
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        if (strncmp(name.sun_path, systems[i], strlen(systems[i])) == 0) return false;
    }
    return !is_first;
}

static void shut_services_of(const char *pid, struct search *search) {
    char path[64], link[64];
    pid_t number = (pid_t)strtol(pid, NULL, 10);
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *all = opendir(path);
    if (all == NULL) {
        search->complete &= errno == ENOENT || errno == ESRCH;
        return;
    }
    int process = pidfd_open(number);
    bool served = false;
    for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
        ssize_t length = readlinkat(dirfd(all), entry->d_name, link, sizeof link - 1);
        if (length < 8 || memcmp(link, "socket:[", 8) != 0) continue;
        int socket = pidfd_getfd(process, (int)strtol(entry->d_name, NULL, 10));
        if (socket < 0) {
            search->complete &= errno == EBADF || errno == ESRCH;
            continue;
        }
        if (serves(socket, number == 1)) {
            served = true;
            search->complete &= shutdown(socket, SHUT_RDWR) == 0;
        }
        close(socket);
    }
    closedir(all);
    if (served && number != 1) search->complete &= pidfd_send_signal(process, SIGSTOP) == 0;
    close_one(&process);
}

static bool shut_services(const struct account *account) {
    struct search search = { account, true };
    each_of_root(shut_services_of, &search);
    return search.complete;
}

/* Where no process can gain anything by what it executes, there is nothing to do. */
static bool shut_setuid(void) {
    char status[MOST_WORDS_OF_ROOT];
    ssize_t length = read_file("/proc/1/status", status, sizeof status);
    if (length > 0 && strstr(status, "\nNoNewPrivs:\t1\n") != NULL) return true;
    return mount_without_setuid("/") == 0;
}

static bool is_within(const char *directory, const char *path) {
    size_t length = strlen(directory);
    if (strcmp(directory, "/") == 0) return true;
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* What the program must be able to write is in it. */
static bool must_stay_open(const char *directory, const struct account *account) {
    static const char *const rooms[] = { "/tmp", "/var/tmp", "/dev/shm", "/proc" };
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        if (is_within(directory, rooms[i])) return true;
    }
    return is_within(directory, account->home);
}

static bool is_read_only(const char *path) {
    struct statvfs facts;
    return statvfs(path, &facts) == 0 && (facts.f_flag & ST_RDONLY) != 0;
}

static bool may_write(const char *path, const struct account *account) {
    struct stat facts;
    if (stat(path, &facts) != 0) return true;
    if (facts.st_uid == account->uid) return true;
    if (facts.st_gid == account->gid && (facts.st_mode & S_IWGRP) != 0) return true;
    bool is_sticky = S_ISDIR(facts.st_mode) && (facts.st_mode & S_ISVTX) != 0;
    return (facts.st_mode & S_IWOTH) != 0 && !is_sticky;
}

/*
 * Where we may not mount: whether there is nothing in it that the user can write. Each entry counts, and beyond the last
 * that is looked at, nothing is known.
 */
static bool is_closed(char path[PATH_MAX], const struct account *account, int *entries) {
    size_t length = strlen(path);
    DIR *directory = opendir(path);
    bool closed = directory != NULL && !may_write(path, account);
    for (struct dirent *entry; closed && (entry = readdir(directory)) != NULL;) {
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        size_t room = PATH_MAX - length;
        if (--*entries < 0 || snprintf(path + length, room, "/%s", entry->d_name) >= (int)room) closed = false;
        else if (lstat(path, &facts) != 0) closed = errno == ENOENT;
        else if (S_ISLNK(facts.st_mode) || is_read_only(path)) closed = true;
        else closed = S_ISDIR(facts.st_mode) ? is_closed(path, account, entries) : !may_write(path, account);
        path[length] = '\0';
    }
    if (directory != NULL) closedir(directory);
    return closed;
}

/* A link's target, since what it leads to is the place. */
static bool shut_place(const char *path, const struct account *account) {
    char place[PATH_MAX];
    struct stat facts;
    if (realpath(path, place) == NULL || stat(place, &facts) != 0) return errno == ENOENT || errno == ENOTDIR;
    if (!S_ISDIR(facts.st_mode) || is_read_only(place)) return true;
    if (must_stay_open(place, account)) return false;
    if (mount(place, place, NULL, MS_BIND | MS_REC, NULL) == 0) return mount_read_only(place) == 0;
    int entries = MOST_ENTRIES;
    return is_closed(place, account, &entries);
}

/* A file that root runs: the outermost directory in which the user could put another in its way. */
static bool shut_file(const char *path, const struct account *account) {
    char file[PATH_MAX], directory[PATH_MAX] = "";
    struct stat facts;
    if (realpath(path, file) == NULL || stat(file, &facts) != 0) return errno != EACCES && errno != EPERM;
    if (!S_ISREG(facts.st_mode) || is_read_only(file)) return true;
    bool is_open = may_write(file, account);
    for (char *slash = strrchr(file, '/'); slash != NULL; slash = strrchr(file, '/')) {
        *slash = '\0';
        const char *above = *file == '\0' ? "/" : file;
        if (*directory == '\0' || may_write(above, account)) {
            is_open |= may_write(above, account);
            snprintf(directory, sizeof directory, "%s", above);
        }
    }
    return !is_open || shut_place(directory, account);
}

/* The program that a process of root's runs, and whatever files its words name. */
static void shut_files_of(const char *pid, struct search *search) {
    char path[64], words[MOST_WORDS_OF_ROOT];
    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    search->complete &= shut_file(path, search->account);
    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    ssize_t length = read_file(path, words, sizeof words);
    for (const char *word = words; word < words + length; word += strlen(word) + 1) {
        if (*word == '/') search->complete &= shut_file(word, search->account);
    }
}

static bool shut_path(const char *variable, const struct account *account) {
    char all[MOST_WORDS_OF_ROOT];
    bool complete = snprintf(all, sizeof all, "%s", variable) < (int)sizeof all;
    char *rest = all;
    for (char *each; (each = strsep(&rest, ":")) != NULL;) {
        if (*each != '\0') complete &= *each == '/' && shut_place(each, account);
    }
    return complete;
}

static bool shut_places(const struct account *account, const char *path) {
    static const char *const systems[] = {
        "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/root", "/boot", "/var/spool"
    };
    struct search search = { account, true };
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) search.complete &= shut_place(systems[i], account);
    search.complete &= shut_path(path, account);
    each_of_root(shut_files_of, &search);
    return search.complete;
}

void ways_shut(const struct account *account, const char *path, char *left, size_t size) {
    /* Passwords before their directory can no longer be written. */
    bool passwords = shut_passwords(), services = shut_services(account);
    bool setuid = shut_setuid(), places = shut_places(account, path);
    snprintf(
        left, size, "%s%s%s%s", passwords ? "" : "passwords,", services ? "" : "services,", setuid ? "" : "setuid,",
        places ? "" : "places,"
    );
    size_t length = strlen(left);
    if (length == 0) snprintf(left, size, "none");
    else left[length - 1] = '\0';
}
