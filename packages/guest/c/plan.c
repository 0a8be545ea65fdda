#include "plan.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 4 + PLAN_MOST_SETTINGS };

/* Splits a line at its tabs. Gives the number of words, or 0 where there are too many. */
static size_t split(char *line, char *words[MOST_WORDS]) {
    size_t count = 0;
    for (char *next = line; next != NULL;) {
        if (count == MOST_WORDS) return 0;
        words[count++] = strsep(&next, "\t");
    }
    return count;
}

/* Gives NULL, or the word that is no setting. */
static const char *take_settings(struct setting *settings, size_t *taken, char **words, size_t count) {
    for (*taken = 0; *taken < count; (*taken)++) {
        char *file = words[*taken], *value = strchr(file, '=');
        if (value == NULL || *taken == PLAN_MOST_SETTINGS) return file;
        *value++ = '\0';
        settings[*taken] = (struct setting){ file, value };
    }
    return NULL;
}

static const char *add_cgroup(struct plan *plan, char **words, size_t count) {
    if (count < 4 || plan->cgroup_count == PLAN_MOST_CGROUPS) return "cgroup";
    struct plan_cgroup *cgroup = &plan->cgroups[plan->cgroup_count++];
    *cgroup = (struct plan_cgroup){ .parent = words[1], .join = words[2], .place = words[3], .keepers = "" };
    return take_settings(cgroup->settings, &cgroup->setting_count, words + 4, count - 4);
}

/* Belongs to the cgroup of the line before it. */
static const char *add_inner(struct plan *plan, char **words, size_t count) {
    if (count < 2 || plan->cgroup_count == 0) return "inner";
    struct plan_cgroup *cgroup = &plan->cgroups[plan->cgroup_count - 1];
    cgroup->has_program = true;
    cgroup->keepers = words[1];
    return take_settings(cgroup->inner, &cgroup->inner_count, words + 2, count - 2);
}

static const char *add_place(struct plan *plan, const struct plan_place *place) {
    if (plan->place_count == PLAN_MOST_PLACES) return "too many places";
    if (place->place[0] != '/') return place->place;
    plan->places[plan->place_count++] = *place;
    return NULL;
}

static const char *take_line(struct plan *plan, char **words, size_t count) {
    const char *what = words[0];
    struct plan_place place = { 0 };
    if (strcmp(what, "cgroup") == 0) return add_cgroup(plan, words, count);
    if (strcmp(what, "inner") == 0) return add_inner(plan, words, count);
    if (strcmp(what, "disk") == 0 && count == 2) plan->disk = words[1];
    else if (strcmp(what, "hostname") == 0 && count == 2) plan->hostname = words[1];
    else if (strcmp(what, "processors") == 0 && count == 2) plan->processors = (unsigned)strtoul(words[1], NULL, 10);
    else if (strcmp(what, "agent") == 0 && count == 6) {
        plan->agent = words[1];
        plan->processes = words[2];
        plan->data_bytes = words[3];
        plan->descriptors = words[4];
        plan->connections = words[5];
    } else if (strcmp(what, "directory") == 0 && count == 2) {
        place = (struct plan_place){ .kind = PLACE_DIRECTORY, .place = words[1] };
    } else if (strcmp(what, "hide") == 0 && count == 2) {
        place = (struct plan_place){ .kind = PLACE_HIDE, .place = words[1] };
    } else if (strcmp(what, "mask") == 0 && count == 2) {
        place = (struct plan_place){ .kind = PLACE_MASK, .place = words[1] };
    } else if (strcmp(what, "device") == 0 && count == 4) {
        unsigned major = (unsigned)strtoul(words[2], NULL, 10), minor = (unsigned)strtoul(words[3], NULL, 10);
        place = (struct plan_place){ PLACE_DEVICE, words[1], words[1], major, minor };
    } else if (count == 3) {
        place = (struct plan_place){ .from = words[1], .place = words[2] };
        if (strcmp(what, "link") == 0) place.kind = PLACE_LINK;
        else if (strcmp(what, "bind") == 0) place.kind = PLACE_BIND;
        else if (strcmp(what, "copy") == 0) place.kind = PLACE_COPY;
        else if (strcmp(what, "program") == 0) place.kind = PLACE_PROGRAM;
        else return what;
    } else {
        return what;
    }
    return place.place == NULL ? NULL : add_place(plan, &place);
}

const char *plan_parse(char *text, struct plan *plan) {
    *plan = (struct plan){
        .disk = "", .hostname = "sandbox", .agent = "", .processes = "0", .data_bytes = "0", .descriptors = "0",
        .connections = "0"
    };
    for (char *next = text, *line; (line = strsep(&next, "\n")) != NULL;) {
        if (*line == '\0') continue;
        char *words[MOST_WORDS];
        size_t count = split(line, words);
        const char *wrong = count == 0 ? "too many words" : take_line(plan, words, count);
        if (wrong != NULL) return wrong;
    }
    return NULL;
}
