/* Processes, as /proc shows them. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_facts {
    char state;
    /* Of itself, and of the children that it has waited for. */
    uint64_t cpu_ticks;
    uint64_t threads, resident_pages;
    /* Clock ticks since the machine's start. */
    uint64_t born;
    bool is_kernels;
};

/* What a look at all processes saw. */
struct look {
    int count;
    /*
     * Whether it saw everyone: nobody was born while it went on, so that no process can have handed its life on
     * behind its back.
     */
    bool exact;
    /* Whether any look can be exact here. */
    bool may_be_exact;
};

/* What a /proc/PID/stat says. A process may call itself ") Z ". */
bool process_parse(const char *text, struct process_facts *facts);
int64_t process_cpu_us(const struct process_facts *facts);
int64_t process_resident_bytes(const struct process_facts *facts);
bool process_facts_of(const char *pid, struct process_facts *facts);
/* Calls back for each of the user's processes that lives, but this one and process 1. Gives their number. */
int processes_of(uid_t uid, void (*each)(pid_t pid, const struct process_facts *facts, void *with), void *with);
/* The same for each that is the user's, or was born after this process, whosever it is. */
struct look processes_look(
    uid_t uid, void (*each)(pid_t pid, const struct process_facts *facts, void *with), void *with
);
/* From the text of /proc/loadavg, the number of the process that was born last; 0 where it tells none. */
uint64_t processes_last_born(const char *loads);

#endif
