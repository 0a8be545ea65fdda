#include "request.h"

#include <stdlib.h>
#include <string.h>

enum { USER, CWD, INPUT_FIELD, COUNT, FIRST_ARGUMENT };

static bool parse_count(const char *text, size_t most, size_t *count) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    unsigned long value = strtoul(text, &end, 10);
    *count = value;
    return *end == '\0' && value >= 1 && value <= most;
}

/* The fields, then one NULL after the arguments and one after the variables, then their text. */
bool request_parse(const uint8_t *payload, size_t size, struct request *request) {
    size_t fields = 1, arguments;
    for (size_t i = 0; i < size; i++) fields += payload[i] == '\0';
    if (fields < FIRST_ARGUMENT + 1) return false;
    size_t table = (fields + 2) * sizeof(char *);
    char **field = malloc(table + size + 1);
    if (field == NULL) return false;
    char *text = (char *)field + table;
    memcpy(text, payload, size);
    text[size] = '\0';
    for (size_t i = 0; i < fields; i++) {
        field[i] = text;
        text += strlen(text) + 1;
    }
    if (!parse_count(field[COUNT], fields - FIRST_ARGUMENT, &arguments)) {
        free(field);
        return false;
    }
    size_t variables = fields - FIRST_ARGUMENT - arguments;
    char **env = field + FIRST_ARGUMENT + arguments;
    memmove(env + 1, env, variables * sizeof *env);
    *env++ = NULL;
    env[variables] = NULL;
    *request = (struct request){
        strcmp(field[USER], "root") == 0, *field[INPUT_FIELD] != '\0', field[CWD], field + FIRST_ARGUMENT, env
    };
    return true;
}

void request_free(struct request *request) {
    /* The table begins with the fields before the arguments. */
    if (request->argv != NULL) free(request->argv - FIRST_ARGUMENT);
    request->argv = NULL;
}
