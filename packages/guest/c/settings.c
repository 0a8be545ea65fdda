#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "BULKHEAD_";
static const char nonce_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

enum { MOST_KEPT = 1 << 30, MOST_NONCE = 128 };

static bool is_nonce(const char *text) {
    size_t length = strlen(text);
    return length > 0 && length <= MOST_NONCE && strspn(text, nonce_letters) == length;
}

bool limits_parse(const char *text, struct limits *limits) {
    int64_t *const fields[] = {
        &limits->timeout, &limits->grace, &limits->cpu, &limits->memory_bytes, &limits->processes,
        &limits->file_bytes, &limits->keep_bytes, &limits->output_bytes, &limits->cpu_percent
    };
    enum { COUNT = sizeof fields / sizeof *fields };
    for (size_t i = 0; i < COUNT; i++) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 15 || text[digits] != (i + 1 < COUNT ? ' ' : '\0')) return false;
        *fields[i] = strtoll(text, NULL, 10);
        text += digits + 1;
    }
    return limits->keep_bytes <= MOST_KEPT;
}

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %25 and %0A, which keep a value in its line. */
static void decode(char *text) {
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        int high = *from == '%' ? digit(from[1]) : -1;
        int low = high >= 0 ? digit(from[2]) : -1;
        if (low < 0) {
            *to++ = *from;
            continue;
        }
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
}

/* Copies of the variables that are not ours. */
static char **inherit(char **environment) {
    size_t count = 1, next = 0;
    for (char **each = environment; *each != NULL; each++) count++;
    char **all = calloc(count, sizeof *all);
    if (all == NULL) return NULL;
    for (char **each = environment; *each != NULL; each++) {
        if (strncmp(*each, prefix, sizeof prefix - 1) != 0 && (all[next] = strdup(*each)) != NULL) next++;
    }
    return all;
}

/* One variable a line; what is none is left out. */
char **variables_parse(char *text) {
    size_t count = 2, next = 0;
    for (const char *at = text; *at != '\0'; at++) count += *at == '\n';
    char **all = calloc(count, sizeof *all);
    if (all == NULL) return NULL;
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        if (*line == '=' || strchr(line, '=') == NULL) continue;
        decode(line);
        all[next++] = line;
    }
    return all;
}

/* The words between blanks, and the arguments, each ended by a newline. NULL without words, or without memory. */
static char **command_of(char *words, char *arguments) {
    size_t count = 2, next = 0;
    for (const char *at = words; *at != '\0'; at++) count += *at == ' ';
    for (const char *at = arguments; *at != '\0'; at++) count += *at == '\n';
    char **all = calloc(count, sizeof *all);
    if (all == NULL) return NULL;
    for (char *word; (word = strsep(&words, " ")) != NULL;) {
        if (*word != '\0') all[next++] = word;
    }
    if (next == 0) {
        free(all);
        return NULL;
    }
    for (char *end; (end = strchr(arguments, '\n')) != NULL; arguments = end + 1) {
        *end = '\0';
        decode(arguments);
        all[next++] = arguments;
    }
    return all;
}

/* A copy of a variable's value, or NULL. */
static char *value_of(char **environment, const char *name) {
    size_t length = strlen(name);
    for (char **each = environment; *each != NULL; each++) {
        const char *rest = *each + sizeof prefix - 1;
        if (strncmp(*each, prefix, sizeof prefix - 1) != 0 || strncmp(rest, name, length) != 0) continue;
        if (rest[length] == '=') return strdup(rest + length + 1);
    }
    return NULL;
}

const char *settings_take(char **environment, struct settings *settings) {
    char *limits = value_of(environment, "LIMITS"), *command = value_of(environment, "COMMAND");
    char *given = value_of(environment, "ENV"), *arguments = value_of(environment, "ARGS");
    *settings = (struct settings){
        .nonce = value_of(environment, "NONCE"), .file = value_of(environment, "FILE"),
        .code = value_of(environment, "CODE"), .check = value_of(environment, "CHECK"),
        .output = value_of(environment, "OUTPUT"), .input = value_of(environment, "INPUT")
    };
    if (arguments == NULL) arguments = strdup("");
    if (command != NULL && arguments != NULL) settings->command = command_of(command, arguments);
    if (given == NULL) given = strdup("");
    if (given != NULL) settings->given = variables_parse(given);
    settings->inherited = inherit(environment);
    const char *wrong = NULL;
    if (settings->nonce == NULL || !is_nonce(settings->nonce)) wrong = "NONCE";
    else if (settings->file == NULL) wrong = "FILE";
    else if (settings->output == NULL) wrong = "OUTPUT";
    else if (limits == NULL || !limits_parse(limits, &settings->limits)) wrong = "LIMITS";
    else if (settings->command == NULL) wrong = "COMMAND";
    else if (settings->given == NULL || settings->inherited == NULL) wrong = "ENV";
    free(limits);
    for (char **each = environment; *each != NULL; each++) {
        explicit_bzero(*each, strlen(*each));
    }
    *environment = NULL;
    return wrong;
}

/* The field that begins at `at`, which moves behind it. False where it is too long. */
static bool take_field(const char **at, char *field, size_t size) {
    size_t length = strcspn(*at, ":\n");
    if (length >= size) return false;
    memcpy(field, *at, length);
    field[length] = '\0';
    *at += length + ((*at)[length] == ':');
    return true;
}

static bool parse_id(const char *text, uint32_t *id) {
    size_t digits = strspn(text, "0123456789");
    unsigned long long value = strtoull(text, NULL, 10);
    *id = (uint32_t)value;
    return digits > 0 && digits <= 10 && text[digits] == '\0' && value < UINT32_MAX;
}

static bool parse_account(const char *line, struct account *account) {
    char password[256], uid[16], gid[16], gecos[256];
    bool complete = take_field(&line, account->name, sizeof account->name) &&
        take_field(&line, password, sizeof password) && take_field(&line, uid, sizeof uid) &&
        take_field(&line, gid, sizeof gid) && take_field(&line, gecos, sizeof gecos) &&
        take_field(&line, account->home, sizeof account->home);
    if (!complete) return false;
    return parse_id(uid, &account->uid) && account->uid > 0 && parse_id(gid, &account->gid) && account->home[0] == '/';
}

static const char *next_line(const char *line) {
    const char *end = strchr(line, '\n');
    return end == NULL ? NULL : end + 1;
}

bool account_named(const char *passwd, const char *name, struct account *account) {
    for (const char *line = passwd; line != NULL; line = next_line(line)) {
        if (parse_account(line, account) && strcmp(account->name, name) == 0) return true;
    }
    return false;
}

bool account_of(const char *passwd, uid_t uid, struct account *account) {
    for (const char *line = passwd; line != NULL; line = next_line(line)) {
        if (parse_account(line, account) && account->uid == uid) return true;
    }
    return false;
}
