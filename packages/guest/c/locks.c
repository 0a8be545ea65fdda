/*
 * Locks: theory of operation.
 *
 * A process may lock each byte of a file apart, and each lock is a record of the kernel's, which it counts for nobody
 * and limits nowhere. So we look at how many there are. The kernel shows those of processes that have a number in our
 * namespace; the system call filter refuses what would hide them: locks of open files, which have no process, and
 * processes that share their descriptors and then end.
 */
#include "locks.h"

#include "lines.h"

#include <string.h>

bool locks_exceed(int most) {
    static struct lines locks;
    int count = 0;
    if (!lines_open(&locks, "/proc/locks")) return false;
    for (const char *line; count <= most && (line = lines_next(&locks)) != NULL;) {
        if (strstr(line, ": POSIX ") != NULL) count++;
    }
    lines_close(&locks);
    return count > most;
}
