/* What carries the connections of one sandbox to the gate of the host's. */
#ifndef RELAY_H
#define RELAY_H

#include "plan.h"
#include "system.h"

#include <stdint.h>
#include <sys/types.h>

/* What a relay needs to know. Paths are the machine's. */
struct relay {
    const struct plan *plan;
    enum users users;
    uint32_t id;
    /* Who it runs as where there are two users. */
    uid_t uid;
    /* Where the gate's socket is. */
    const char *directory;
    /* Most connections at once; more wait. */
    unsigned most;
    /* Descriptors: process 1 of the sandbox, and one that is readable once the launcher is dead. */
    int sandbox, launcher;
};

/* In a new child of the launcher's. */
_Noreturn void relay_run(const struct relay *relay);

#endif
