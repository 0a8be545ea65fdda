#include "processes.h"

#include "system.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fields of /proc/PID/stat behind the name, counted from the state on. */
enum { STATE, FLAGS = 6, FIRST_CPU = 11, LAST_CPU = 14, THREADS = 17, BORN = 19, RESIDENT = 21, FIELDS };

/* Among a process's flags: it is the kernel's own. */
enum { KERNELS = 0x200000 };

bool process_parse(const char *text, struct process_facts *facts) {
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == '\0') return false;
    at += 2;
    *facts = (struct process_facts){ .state = *at };
    for (int field = 1; field < FIELDS; field++) {
        at += strcspn(at, " ");
        if (*at++ == '\0') return false;
        uint64_t value = strtoull(at, NULL, 10);
        if (field >= FIRST_CPU && field <= LAST_CPU) facts->cpu_ticks += value;
        if (field == FLAGS) facts->is_kernels = (value & KERNELS) != 0;
        if (field == THREADS) facts->threads = value;
        if (field == BORN) facts->born = value;
        if (field == RESIDENT) facts->resident_pages = value;
    }
    return true;
}

int64_t process_cpu_us(const struct process_facts *facts) {
    return (int64_t)(facts->cpu_ticks * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK)));
}

int64_t process_resident_bytes(const struct process_facts *facts) {
    return (int64_t)(facts->resident_pages * (uint64_t)sysconf(_SC_PAGESIZE));
}

bool process_facts_of(const char *pid, struct process_facts *facts) {
    char path[300], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    return read_file(path, text, sizeof text) > 0 && process_parse(text, facts);
}

/* Its first thread may end before the others do: then it is a zombie with threads. */
static bool is_alive(const struct process_facts *facts) {
    return (facts->state != 'Z' && facts->state != 'X') || facts->threads > 1;
}

/* Of a walk: nobody can be seen; this time, somebody could not. */
enum { NOBODY_SEEN = -1, SOMEBODY_MISSED = -2 };

/* Gives how many, or one of those. With `self`, those that were born after it count whosever they are. */
static int walk(
    uid_t uid, const struct process_facts *self,
    void (*each)(pid_t pid, const struct process_facts *facts, void *with), void *with
) {
    DIR *all = opendir("/proc");
    int count = 0;
    bool has_missed = false;
    if (all == NULL) return NOBODY_SEEN;
    for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
        struct process_facts facts;
        struct stat owner;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || pid == getpid() || fstatat(dirfd(all), entry->d_name, &owner, 0) != 0) continue;
        if (owner.st_uid != uid && self == NULL) continue;
        if (!process_facts_of(entry->d_name, &facts)) {
            has_missed |= faccessat(dirfd(all), entry->d_name, F_OK, 0) == 0;
            continue;
        }
        if (!is_alive(&facts) || facts.is_kernels) continue;
        bool is_younger = self != NULL &&
            (facts.born > self->born || (facts.born == self->born && pid > getpid()));
        if (owner.st_uid != uid && !is_younger) continue;
        count++;
        if (each != NULL) each(pid, &facts, with);
    }
    closedir(all);
    return has_missed ? SOMEBODY_MISSED : count;
}

int processes_of(uid_t uid, void (*each)(pid_t pid, const struct process_facts *facts, void *with), void *with) {
    int count = walk(uid, NULL, each, with);
    return count < 0 ? 0 : count;
}

uint64_t processes_last_born(const char *loads) {
    const char *last = strrchr(loads, ' ');
    return last == NULL ? 0 : strtoull(last + 1, NULL, 10);
}

static uint64_t last_born(void) {
    char text[128];
    return read_file("/proc/loadavg", text, sizeof text) > 0 ? processes_last_born(text) : 0;
}

struct look processes_look(
    uid_t uid, void (*each)(pid_t pid, const struct process_facts *facts, void *with), void *with
) {
    struct process_facts self;
    uint64_t before = last_born();
    if (!process_facts_of("self", &self)) return (struct look){ 0 };
    int count = walk(uid, &self, each, with);
    /* Again, since whoever has just been given a number may have come after we passed its place. */
    if (count == 0) count = walk(uid, &self, each, with);
    bool may_be_exact = count != NOBODY_SEEN && before > 0;
    bool exact = may_be_exact && count >= 0 && last_born() == before;
    return (struct look){ count < 0 ? 0 : count, exact, may_be_exact };
}
