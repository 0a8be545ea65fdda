/* What the host asks an agent to start (AgentSession.ts writes it). */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of it lies in one piece of memory, which request_free gives back. */
struct request {
    bool is_root, has_input;
    const char *cwd;
    /* Both are ended by NULL. */
    char **argv, **env;
};

/* Fields with NUL between them: user, cwd, "1" or nothing for input, number of arguments, arguments, variables. */
bool request_parse(const uint8_t *payload, size_t size, struct request *request);
void request_free(struct request *request);

#endif
