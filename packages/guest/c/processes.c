#include "processes.h"

#include "system.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fields of /proc/PID/stat behind the name, counted from the state on. */
enum { STATE, FIRST_CPU = 11, LAST_CPU = 14, THREADS = 17, RESIDENT = 21, FIELDS };

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
        if (field == THREADS) facts->threads = value;
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

int processes_of(uid_t uid, void (*each)(pid_t pid, const struct process_facts *facts, void *with), void *with) {
    DIR *all = opendir("/proc");
    int count = 0;
    if (all == NULL) return 0;
    for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
        struct process_facts facts;
        struct stat owner;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || pid == getpid()) continue;
        if (fstatat(dirfd(all), entry->d_name, &owner, 0) != 0 || owner.st_uid != uid) continue;
        if (!process_facts_of(entry->d_name, &facts) || !is_alive(&facts)) continue;
        count++;
        if (each != NULL) each(pid, &facts, with);
    }
    closedir(all);
    return count;
}
