#include "lines.h"

#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool lines_open(struct lines *lines, const char *path) {
    lines->start = lines->end = 0;
    lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    return lines->fd >= 0;
}

/* False: nothing more came. */
static bool fill(struct lines *lines) {
    memmove(lines->bytes, lines->bytes + lines->start, lines->end - lines->start);
    lines->end -= lines->start, lines->start = 0;
    ssize_t n;
    do {
        n = read(lines->fd, lines->bytes + lines->end, sizeof lines->bytes - 1 - lines->end);
    } while (n < 0 && errno == EINTR);
    if (n > 0) lines->end += (size_t)n;
    return n > 0;
}

static char *take(struct lines *lines, size_t length) {
    char *line = lines->bytes + lines->start;
    line[length] = '\0';
    lines->start += length + 1 < lines->end - lines->start ? length + 1 : lines->end - lines->start;
    return line;
}

char *lines_next(struct lines *lines) {
    for (;;) {
        size_t length = lines->end - lines->start;
        char *line = lines->bytes + lines->start, *end = memchr(line, '\n', length);
        if (end != NULL) return take(lines, (size_t)(end - line));
        if (length < sizeof lines->bytes - 1 && fill(lines)) continue;
        length = lines->end - lines->start;
        return length == 0 ? NULL : take(lines, length);
    }
}

void lines_close(struct lines *lines) { close_one(&lines->fd); }
