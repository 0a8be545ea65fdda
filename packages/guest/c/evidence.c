#include "evidence.h"

#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
#define OWN "bulkhead"

/* Microseconds in which a share of the processors is counted: the kernel's default. */
enum { PERIOD = 100000 };

/* Those that serve the program may be counted with it. */
enum { SERVING = 16 };

/* A limit above this is none: version 1 says so by the largest number of whole pages. */
static const int64_t no_limit = 1LL << 60;

enum fact { CURRENT, PEAK, OOM, CPU, FORKS, MOST, COUNT, QUOTA };

struct place {
    /* On version 1. */
    const char *controller;
    const char *v1, *v2;
};

static const struct place places[] = {
    [CURRENT] = { "memory", "memory.usage_in_bytes", "memory.current" },
    [PEAK] = { "memory", "memory.max_usage_in_bytes", "memory.peak" },
    [OOM] = { "memory", "memory.oom_control", "memory.events" },
    [CPU] = { "cpuacct", "cpuacct.usage", "cpu.stat" },
    [FORKS] = { "pids", "pids.events", "pids.events" },
    [MOST] = { "pids", "pids.max", "pids.max" },
    [COUNT] = { "pids", "pids.current", "pids.current" },
    [QUOTA] = { "cpu", "cpu.cfs_quota_us", "cpu.max" }
};

static bool exists(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0;
}

/* Where cpu and cpuacct are mounted as one, a sandbox may be shown one name of it. */
static const char *mounted(const char *controller) {
    return strcmp(controller, "cpu") == 0 && !exists(ROOT "/cpu") ? "cpuacct" : controller;
}

static void read_fact(const struct evidence *evidence, enum fact fact, char text[4096]) {
    char path[256];
    const struct place *place = &places[fact];
    text[0] = '\0';
    const char *own = evidence->own ? OWN "/" : "";
    if (evidence->kind == CGROUP_NONE) return;
    if (evidence->kind == CGROUP_V2) snprintf(path, sizeof path, ROOT "/%s%s", own, place->v2);
    else snprintf(path, sizeof path, ROOT "/%s/%s%s", mounted(place->controller), own, place->v1);
    read_file(path, text, 4096);
}

static int64_t number_in(const struct evidence *evidence, enum fact fact) {
    char text[4096];
    read_fact(evidence, fact, text);
    return strtoll(text, NULL, 10);
}

/* The number behind a name at the beginning of a line. */
static int64_t counted(const struct evidence *evidence, enum fact fact, const char *name) {
    char text[4096];
    size_t length = strlen(name);
    read_fact(evidence, fact, text);
    for (char *next = text, *line; (line = strsep(&next, "\n")) != NULL;) {
        if (strncmp(line, name, length) == 0 && line[length] == ' ') return strtoll(line + length, NULL, 10);
    }
    return 0;
}

static bool set(const char *directory, const char *file, const char *value) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    return exists(path) && write_file(path, value);
}

static bool set_number(const char *directory, const char *file, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return set(directory, file, text);
}

static int64_t quota(const struct limits *limits) {
    return limits->cpu_percent * (PERIOD / 100) * sysconf(_SC_NPROCESSORS_ONLN);
}

static bool make_own_v2(const struct limits *limits) {
    static const char own[] = ROOT "/" OWN;
    char share[64];
    if (mkdir(own, 0755) != 0) return false;
    set(ROOT, "cgroup.subtree_control", "+memory +pids +cpu");
    if (!set_number(own, "memory.max", limits->memory_bytes) || !set_number(own, "pids.max", limits->processes)) {
        rmdir(own);
        return false;
    }
    set(own, "memory.swap.max", "0");
    snprintf(share, sizeof share, "%lld %d", (long long)quota(limits), PERIOD);
    set(own, "cpu.max", share);
    return true;
}

static bool make_own_v1(const struct limits *limits) {
    bool made = mkdir(ROOT "/memory/" OWN, 0755) == 0 && mkdir(ROOT "/pids/" OWN, 0755) == 0;
    if (!made || mkdir(ROOT "/cpuacct/" OWN, 0755) != 0) return false;
    set_number(ROOT "/memory/" OWN, "memory.limit_in_bytes", limits->memory_bytes);
    set_number(ROOT "/pids/" OWN, "pids.max", limits->processes);
    mkdir(ROOT "/cpu/" OWN, 0755);
    set_number(ROOT "/cpu/" OWN, "cpu.cfs_quota_us", quota(limits));
    return true;
}

static int64_t memory_limit_v1(const struct evidence *evidence) {
    char text[64];
    static const char own[] = ROOT "/memory/" OWN "/memory.limit_in_bytes";
    static const char given[] = ROOT "/memory/memory.limit_in_bytes";
    return read_file(evidence->own ? own : given, text, sizeof text) > 0 ? strtoll(text, NULL, 10) : 0;
}

void evidence_find(struct evidence *evidence, const struct limits *limits) {
    bool is_root = geteuid() == 0;
    *evidence = (struct evidence){ .kind = CGROUP_NONE };
    if (exists(ROOT "/cgroup.controllers")) {
        evidence->own = is_root && make_own_v2(limits);
        if (evidence->own || exists(ROOT "/memory.max")) evidence->kind = CGROUP_V2;
    } else if (exists(ROOT "/memory")) {
        evidence->own = is_root && make_own_v1(limits);
        int64_t limit = memory_limit_v1(evidence);
        if (limit > 0 && limit < no_limit) evidence->kind = CGROUP_V1;
    }
    int64_t most = number_in(evidence, MOST);
    evidence->counts_forks = most > 0 && most <= limits->processes + SERVING;
}

const char *evidence_name(const struct evidence *evidence) {
    static const char *const names[] = { "none", "cgroup v1", "cgroup v2" };
    return names[evidence->kind];
}

void evidence_join(const struct evidence *evidence) {
    static const char *const controllers[] = { "memory", "pids", "cpuacct", "cpu" };
    char directory[64];
    if (!evidence->own) return;
    if (evidence->kind == CGROUP_V2) {
        set(ROOT "/" OWN, "cgroup.procs", "0");
        return;
    }
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        snprintf(directory, sizeof directory, ROOT "/%s/" OWN, controllers[i]);
        set(directory, "cgroup.procs", "0");
    }
}

int64_t evidence_cpu_us(const struct evidence *evidence) {
    if (evidence->kind == CGROUP_V2) return counted(evidence, CPU, "usage_usec");
    return number_in(evidence, CPU) / 1000;
}

int64_t evidence_oom_kills(const struct evidence *evidence) { return counted(evidence, OOM, "oom_kill"); }
int64_t evidence_refused_forks(const struct evidence *evidence) { return counted(evidence, FORKS, "max"); }
int64_t evidence_memory(const struct evidence *evidence) { return number_in(evidence, CURRENT); }
int64_t evidence_peak(const struct evidence *evidence) { return number_in(evidence, PEAK); }
int64_t evidence_processes(const struct evidence *evidence) { return number_in(evidence, COUNT); }

bool evidence_has_quota(const struct evidence *evidence) {
    char text[4096];
    read_fact(evidence, QUOTA, text);
    return text[0] >= '0' && text[0] <= '9';
}
