/*
 * What cgroups say about the program: in one for programs alone, which we are given or make ourselves, else in the
 * sandbox's, which we may only read.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include "group.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct evidence {
    enum cgroup_kind kind;
    /* The program's own cgroup, which it must join; and whether we made it. */
    struct group group;
    bool own;
    /* Whether the cgroup holds the program to its processes, and tells when it wanted more. */
    bool counts_forks;
    /* How many processes the program's own cgroup allows, as its file says it. */
    char most_births[32];
};

/* The group is what we are given; without any we try to make one. */
void evidence_find(struct evidence *evidence, const struct group *given, const struct limits *limits);
const char *evidence_name(const struct evidence *evidence);
bool evidence_has_group(const struct evidence *evidence);
/* Calls back for each process of the program's own cgroup, if that is not NULL. Gives their number. */
int evidence_members(const struct evidence *evidence, void (*each)(pid_t pid, void *with), void *with);
/* The limit that really holds, in bytes: the cgroup's, the program's, or all that the machine has. */
int64_t evidence_memory_limit(const struct evidence *evidence, const struct limits *limits);

/* Each gives 0 where nothing is known. */
int64_t evidence_cpu_us(const struct evidence *evidence);
int64_t evidence_oom_kills(const struct evidence *evidence);
int64_t evidence_refused_forks(const struct evidence *evidence);
int64_t evidence_memory(const struct evidence *evidence);
int64_t evidence_peak(const struct evidence *evidence);
/* Processes and threads, the dead that nobody has waited for among them. */
int64_t evidence_processes(const struct evidence *evidence);
bool evidence_has_quota(const struct evidence *evidence);

#endif
