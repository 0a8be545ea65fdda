#include "group.h"

#include "system.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Out of the way of the descriptors that are passed on. */
enum { HIGH = 100 };

size_t group_descriptors(const struct group *group) { return group->join_count == 0 ? 0 : 1 + group->join_count; }

bool group_take(struct group *group, const char *descriptors) {
    size_t count = strtoul(descriptors, NULL, 10);
    *group = (struct group){ 0 };
    if (count == 0) return true;
    if (count < 2 || count > 1 + GROUP_MOST_JOINS) return false;
    group->births = GROUP_FIRST;
    for (int fd = GROUP_FIRST; fd < GROUP_FIRST + (int)count; fd++) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return false;
        if (fd > GROUP_FIRST) group->joins[group->join_count++] = fd;
    }
    return true;
}

int group_open(const char *path) {
    int fd = open(path, O_WRONLY | O_CLOEXEC), high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH);
    close_one(&fd);
    return high;
}

bool group_lay_out(const struct group *group) {
    const size_t count = group_descriptors(group);
    for (size_t i = 0; i < count; i++) {
        int from = i == 0 ? group->births : group->joins[i - 1], to = GROUP_FIRST + (int)i;
        if (from == to ? fcntl(to, F_SETFD, 0) != 0 : dup2(from, to) < 0) return false;
    }
    close_from(GROUP_FIRST + (unsigned)count);
    return true;
}

bool group_join(const struct group *group) {
    for (size_t i = 0; i < group->join_count; i++) {
        if (!write_all(group->joins[i], "0", 1)) return false;
    }
    return true;
}

bool group_limit_births(const struct group *group, const char *most) {
    return group->join_count > 0 && write_all(group->births, most, strlen(most));
}
