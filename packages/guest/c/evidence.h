/*
 * What cgroups say about the program: in one of our own where we may make one, in the sandbox's where we may only
 * read.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct evidence {
    enum cgroup_kind kind;
    /* Whether the program gets cgroups of its own, which it must join. */
    bool own;
    /* Whether the cgroup holds the program to its processes, and tells when it wanted more. */
    bool counts_forks;
};

void evidence_find(struct evidence *evidence, const struct limits *limits);
const char *evidence_name(const struct evidence *evidence);
/* This process, into the program's cgroups. */
void evidence_join(const struct evidence *evidence);

/* Each gives 0 where nothing is known. */
int64_t evidence_cpu_us(const struct evidence *evidence);
int64_t evidence_oom_kills(const struct evidence *evidence);
int64_t evidence_refused_forks(const struct evidence *evidence);
int64_t evidence_memory(const struct evidence *evidence);
int64_t evidence_peak(const struct evidence *evidence);
int64_t evidence_processes(const struct evidence *evidence);
bool evidence_has_quota(const struct evidence *evidence);

#endif
