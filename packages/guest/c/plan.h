/*
 * What the host tells its launcher once, at its start: what sandboxes are limited by, and what they see
 * (LaunchPlan.ts writes it).
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>

enum { PLAN_MOST_BYTES = 1 << 20, PLAN_MOST_CGROUPS = 8, PLAN_MOST_SETTINGS = 8, PLAN_MOST_PLACES = 512 };

struct setting {
    const char *file, *value;
};

/* A directory in which every sandbox gets a cgroup of its own. */
struct plan_cgroup {
    const char *parent;
    /* The file that takes in the process that writes 0 to it. */
    const char *join;
    /* Where the sandbox sees its cgroup; empty: nowhere. */
    const char *place;
    struct setting settings[PLAN_MOST_SETTINGS];
    size_t setting_count;
    /*
     * Whether there is one more below it, for programs; what is then set, each file with its way from the sandbox's
     * cgroup; and one beside it where our own processes go, or empty: they stay.
     */
    bool has_program;
    const char *keepers;
    struct setting inner[PLAN_MOST_SETTINGS];
    size_t inner_count;
};

enum place_kind {
    PLACE_DIRECTORY, PLACE_LINK, PLACE_DEVICE, PLACE_BIND, PLACE_HIDE, PLACE_COPY, PLACE_MASK, PLACE_PROGRAM
};

/*
 * Something in the root that all sandboxes see alike. `from` is a link's target, a device's name or a file of the
 * machine's. What is masked may lie in a sandbox's own /proc. What is hidden is a directory below one that is bound.
 */
struct plan_place {
    enum place_kind kind;
    const char *from, *place;
    unsigned major, minor;
};

struct plan {
    struct plan_cgroup cgroups[PLAN_MOST_CGROUPS];
    size_t cgroup_count;
    struct plan_place places[PLAN_MOST_PLACES];
    size_t place_count;
    /* Mount options of the disk. */
    const char *disk;
    const char *hostname;
    /* How many each sandbox may run on; 0: all. */
    unsigned processors;
    /* The program that is process 1 of each sandbox, as the sandbox sees it, and the words after it. */
    const char *agent;
    const char *processes, *data_bytes, *descriptors, *connections;
};

/* Takes the text apart in place; the plan points into it. Gives NULL, or the word that it cannot understand. */
const char *plan_parse(char *text, struct plan *plan);

#endif
