/*
 * What each sandbox is walled in by where the host is root: namespaces, file systems, users, and what its first
 * process gives up.
 */
#ifndef WALLS_H
#define WALLS_H

#include "group.h"
#include "plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a sandbox is made from: none of it is the sandbox's any more once its agent runs. */
struct birth {
    const struct plan *plan;
    const char *run_directory;
    uint32_t id;
    uid_t uid;
    /*
     * Descriptors: the user namespace, the line to the host, where errors are said, and one that is readable once the
     * launcher is dead.
     */
    int users, line, errors, launcher;
};

/* The root that all sandboxes share, mounted where nobody but this process and its children sees it. */
void walls_make_root(const struct plan *plan, const char *run_directory);
/*
 * A user namespace of two ids, uid and the next, which belongs to the one after them. Gives a descriptor, or -1; the
 * launcher's is as in a birth.
 */
int walls_make_users(uid_t uid, int launcher);
/* Into its cgroups. For a process that has not yet run anything of the sandbox's. */
void walls_join_cgroups(const struct plan *plan, uint32_t id);
/* To where a sandbox's keepers are, for one that comes later. */
bool walls_join_keepers(const struct plan *plan, uint32_t id);
/* From now on this process is killed with the launcher, whose descriptor is as in a birth. */
void die_with_launcher(int launcher);
/* From there to where the sandbox's keepers stay; makes the cgroup of its programs, and opens that one's files. */
void walls_make_group(const struct plan *plan, uint32_t id, struct group *group);
/* A new process 1, in walls_namespaces, becomes the sandbox's agent. */
_Noreturn void walls_become_agent(const struct birth *birth);

/* The namespaces that process 1 of a sandbox is born into. A cgroup namespace comes once it is in its cgroups. */
extern const uint64_t walls_namespaces;

#endif
