/* The lines of a file of /proc, one after the other, in memory of one size. */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
    int fd;
    size_t start, end;
    char bytes[4096];
};

bool lines_open(struct lines *lines, const char *path);
/* NULL: there is no more. What is longer than the memory comes in pieces. */
char *lines_next(struct lines *lines);
void lines_close(struct lines *lines);

#endif
