/*
 * The cgroup of programs, by its open files: who has them can put itself in, and stop all births there. They come from
 * whoever could open them (the launcher; a supervisor that is the machine's root), and end with exec.
 */
#ifndef GROUP_H
#define GROUP_H

#include <stdbool.h>
#include <stddef.h>

/* Its name, below the sandbox's own. */
#define GROUP_NAME "program"

enum {
    /* Passed on as descriptors from this one on: the limit of processes, then what lets one in, of each hierarchy. */
    GROUP_FIRST = 6,
    GROUP_MOST_JOINS = 8
};

struct group {
    /* None: there is no such cgroup. */
    size_t join_count;
    int births, joins[GROUP_MOST_JOINS];
};

/* The group whose files another has laid out: so many descriptors, 0 for none. */
bool group_take(struct group *group, const char *descriptors);
/* One of the files, or -1. */
int group_open(const char *path);
/* To where they are passed on, beyond exec; of the descriptors from there on, no others stay. */
bool group_lay_out(const struct group *group);
size_t group_descriptors(const struct group *group);
/* This process into it, which has one thread. */
bool group_join(const struct group *group);
/* How many processes and threads there may be: with 0 nobody there is born any more. */
bool group_limit_births(const struct group *group, const char *most);

#endif
