/* What a supervisor is told to do (Program.ts writes it), in variables that begin with BULKHEAD_. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct limits {
    /* Milliseconds. */
    int64_t timeout, grace, cpu;
    int64_t memory_bytes, processes, file_bytes;
    /*
     * Of each output: bytes kept from its beginning, and as many from its end. Of both together: bytes that end the
     * program.
     */
    int64_t keep_bytes, output_bytes;
    /* Of all processors. */
    int64_t cpu_percent;
};

struct settings {
    /* Begins each line of ours. The program must not know it. */
    char *nonce;
    struct limits limits;
    /* The words that run the program, and its arguments; ended by NULL. */
    char **command;
    /*
     * The program's file, its text if that is not there yet, and a shell line that fails exactly when its language
     * cannot read it.
     */
    char *file, *code, *check;
    /* Where the program puts its artifacts, below its home. */
    char *output;
    /* The file below its home that is its standard input, or NULL where it has none. */
    char *input;
    /*
     * "name=value", both ended by NULL: the environment without our own variables, and what the program is given
     * beside it.
     */
    char **inherited, **given;
};

/* Where the program runs. */
struct account {
    char name[64], home[256];
    uid_t uid;
    gid_t gid;
};

/*
 * Takes what it needs out of the environment, and wipes all of that, so that nothing of it can be read in /proc.
 * Gives NULL, or the variable that it cannot understand.
 */
const char *settings_take(char **environment, struct settings *settings);
/*
 * "name=value" a line, with %25 and %0A for what would not keep to its line. Taken apart in place; NULL without
 * memory.
 */
char **variables_parse(char *text);
/* Nine numbers with one blank between them. */
bool limits_parse(const char *text, struct limits *limits);
/* In the text of /etc/passwd, the account of that name, or of that uid; one that is not root's. */
bool account_named(const char *passwd, const char *name, struct account *account);
bool account_of(const char *passwd, uid_t uid, struct account *account);

#endif
