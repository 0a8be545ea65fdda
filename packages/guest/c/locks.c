/*
 * Locks: theory of operation.
 *
 * A process may lock each byte of a file apart, and each lock is a record of the kernel's, which it counts for nobody
 * and limits nowhere. So we look at how many there are. The kernel shows those of processes that have a number in our
 * namespace; the system call filter refuses what would hide them: locks of open files, which have no process, and
 * processes that share their descriptors and then end.
 */
#include "locks.h"

#include <stdio.h>
#include <string.h>

enum { LINE = 256 };

bool locks_exceed(int most) {
    char line[LINE];
    int count = 0;
    FILE *locks = fopen("/proc/locks", "re");
    if (locks == NULL) return false;
    while (count <= most && fgets(line, sizeof line, locks) != NULL) count += strstr(line, ": POSIX ") != NULL;
    fclose(locks);
    return count > most;
}
