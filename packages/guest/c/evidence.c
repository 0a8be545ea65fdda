#include "evidence.h"

#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
/* The one that we make ourselves. */
#define OWN "bulkhead"

/* Microseconds in which a share of the processors is counted: the kernel's default. */
enum { PERIOD = 100000 };

/* Those that serve the program may be counted with it. */
enum { SERVING = 16 };

/*
 * Bytes that a machine keeps back from a cgroup of our own, so that the kernel takes the program before it must look
 * for others: as much as we and those that speak for the sandbox use.
 */
static const int64_t kept_back = 24 << 20;

/* A limit above this is none: version 1 says so by the largest number of whole pages. */
static const int64_t no_limit = 1LL << 60;

enum fact { CURRENT, PEAK, LIMIT, OOM, CPU, FORKS, MOST, COUNT, MEMBERS, QUOTA };

struct place {
    /* On version 1. */
    const char *controller;
    const char *v1, *v2;
};

static const struct place places[] = {
    [CURRENT] = { "memory", "memory.usage_in_bytes", "memory.current" },
    [PEAK] = { "memory", "memory.max_usage_in_bytes", "memory.peak" },
    [LIMIT] = { "memory", "memory.limit_in_bytes", "memory.max" },
    [OOM] = { "memory", "memory.oom_control", "memory.events" },
    [CPU] = { "cpuacct", "cpuacct.usage", "cpu.stat" },
    [FORKS] = { "pids", "pids.events", "pids.events" },
    [MOST] = { "pids", "pids.max", "pids.max" },
    [COUNT] = { "pids", "pids.current", "pids.current" },
    [MEMBERS] = { "pids", "cgroup.procs", "cgroup.procs" },
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

/* The cgroup for programs that we are given shares the sandbox's processors. */
static const char *below(const struct evidence *evidence, enum fact fact) {
    if (evidence->own) return OWN "/";
    return evidence_has_group(evidence) && fact != CPU && fact != QUOTA ? GROUP_NAME "/" : "";
}

static void place_of(const struct evidence *evidence, enum fact fact, char path[256]) {
    const struct place *place = &places[fact];
    const char *group = below(evidence, fact);
    if (evidence->kind == CGROUP_V2) snprintf(path, 256, ROOT "/%s%s", group, place->v2);
    else snprintf(path, 256, ROOT "/%s/%s%s", mounted(place->controller), group, place->v1);
}

static void read_fact(const struct evidence *evidence, enum fact fact, char text[4096]) {
    char path[256];
    text[0] = '\0';
    if (evidence->kind == CGROUP_NONE) return;
    place_of(evidence, fact, path);
    read_file(path, text, 4096);
}

static int64_t number_in(const struct evidence *evidence, enum fact fact) {
    char text[4096];
    read_fact(evidence, fact, text);
    return strtoll(text, NULL, 10);
}

/* The number behind a name at the beginning of a line. */
static int64_t number_after(char *text, const char *name) {
    size_t length = strlen(name);
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        if (strncmp(line, name, length) == 0 && line[length] == ' ') return strtoll(line + length, NULL, 10);
    }
    return 0;
}

static int64_t counted(const struct evidence *evidence, enum fact fact, const char *name) {
    char text[4096];
    read_fact(evidence, fact, text);
    return number_after(text, name);
}

/* Bytes, by its name in /proc/meminfo. */
static int64_t machine_memory(const char *name) {
    char text[8192];
    return read_file("/proc/meminfo", text, sizeof text) > 0 ? number_after(text, name) * 1024 : 0;
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

/* On a machine that has less than the program may use, the machine's own end must not come first. */
static int64_t own_memory(const struct limits *limits) {
    int64_t free = machine_memory("MemAvailable:"), most = free - kept_back;
    if (most < free / 2) most = free / 2;
    return free > 0 && most < limits->memory_bytes ? most : limits->memory_bytes;
}

/* One that an earlier supervisor has left, if nobody is in it any more, gives way. */
static bool make(const char *directory) {
    return (rmdir(directory) == 0 || errno == ENOENT) && mkdir(directory, 0755) == 0;
}

static bool open_group(struct group *group, const char *births, const char *const *joins, size_t count) {
    group->births = group_open(births);
    for (size_t i = 0; i < count; i++) {
        int join = group_open(joins[i]);
        if (join >= 0) group->joins[group->join_count++] = join;
    }
    return group->births >= 0 && group->join_count > 0;
}

static bool make_own_v2(struct group *group, const struct limits *limits) {
    static const char own[] = ROOT "/" OWN;
    static const char *const joins[] = { ROOT "/" OWN "/cgroup.procs" };
    char share[64];
    if (!make(own)) return false;
    set(ROOT, "cgroup.subtree_control", "+memory +pids +cpu");
    if (!set_number(own, "memory.max", own_memory(limits)) || !set_number(own, "pids.max", limits->processes)) {
        rmdir(own);
        return false;
    }
    set(own, "memory.swap.max", "0");
    snprintf(share, sizeof share, "%lld %d", (long long)quota(limits), PERIOD);
    set(own, "cpu.max", share);
    return open_group(group, ROOT "/" OWN "/pids.max", joins, 1);
}

static bool make_own_v1(struct group *group, const struct limits *limits) {
    static const char *const joins[] = {
        ROOT "/memory/" OWN "/tasks", ROOT "/pids/" OWN "/tasks", ROOT "/cpuacct/" OWN "/tasks",
        ROOT "/cpu/" OWN "/tasks"
    };
    bool made = make(ROOT "/memory/" OWN) && make(ROOT "/pids/" OWN) && make(ROOT "/cpuacct/" OWN);
    made = made && set_number(ROOT "/memory/" OWN, "memory.limit_in_bytes", own_memory(limits));
    if (!made || !set_number(ROOT "/pids/" OWN, "pids.max", limits->processes)) {
        rmdir(ROOT "/memory/" OWN), rmdir(ROOT "/pids/" OWN), rmdir(ROOT "/cpuacct/" OWN);
        return false;
    }
    /* The same as cpuacct's where both are mounted as one. */
    mkdir(ROOT "/cpu/" OWN, 0755);
    set_number(ROOT "/cpu/" OWN, "cpu.cfs_quota_us", quota(limits));
    return open_group(group, ROOT "/pids/" OWN "/pids.max", joins, sizeof joins / sizeof *joins);
}

static bool make_own(struct evidence *evidence, const struct limits *limits) {
    struct group *group = &evidence->group;
    if (geteuid() != 0) return false;
    evidence->own = evidence->kind == CGROUP_V2 ? make_own_v2(group, limits) : make_own_v1(group, limits);
    if (!evidence->own) group->join_count = 0;
    return evidence->own;
}

void evidence_find(struct evidence *evidence, const struct group *given, const struct limits *limits) {
    *evidence = (struct evidence){ .kind = CGROUP_NONE, .group = *given };
    if (exists(ROOT "/cgroup.controllers")) {
        evidence->kind = CGROUP_V2;
        bool has_group = evidence_has_group(evidence) || make_own(evidence, limits);
        if (!has_group && !exists(ROOT "/memory.max")) evidence->kind = CGROUP_NONE;
    } else if (exists(ROOT "/memory")) {
        evidence->kind = CGROUP_V1;
        bool has_group = evidence_has_group(evidence) || make_own(evidence, limits);
        int64_t limit = number_in(evidence, LIMIT);
        if (!has_group && (limit <= 0 || limit >= no_limit)) evidence->kind = CGROUP_NONE;
    }
    int64_t most = number_in(evidence, MOST);
    evidence->counts_forks = most > 0 && most <= limits->processes + SERVING;
    if (most > 0) snprintf(evidence->most_births, sizeof evidence->most_births, "%lld", (long long)most);
    else strcpy(evidence->most_births, "max");
}

bool evidence_has_group(const struct evidence *evidence) { return evidence->group.join_count > 0; }

const char *evidence_name(const struct evidence *evidence) {
    static const char *const names[] = { "none", "cgroup v1", "cgroup v2" };
    return names[evidence->kind];
}

int evidence_members(const struct evidence *evidence, void (*each)(pid_t pid, void *with), void *with) {
    char path[256], text[4096];
    int count = 0;
    pid_t pid = 0;
    if (!evidence_has_group(evidence)) return 0;
    place_of(evidence, MEMBERS, path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n; file >= 0 && (n = read(file, text, sizeof text)) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] >= '0' && text[i] <= '9') pid = pid * 10 + (text[i] - '0');
            if (text[i] != '\n') continue;
            count++;
            if (each != NULL && pid > 1) each(pid, with);
            pid = 0;
        }
    }
    close_one(&file);
    return count;
}

int64_t evidence_memory_limit(const struct evidence *evidence, const struct limits *limits) {
    int64_t limit = limits->memory_bytes, machine = machine_memory("MemTotal:");
    int64_t cgroup = number_in(evidence, LIMIT);
    if (cgroup > 0 && cgroup < no_limit) limit = cgroup;
    return machine > 0 && machine < limit ? machine : limit;
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
