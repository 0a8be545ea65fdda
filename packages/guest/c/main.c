/*
 * One program for three places: the host's launcher, process 1 of a sandbox, and what watches over a program inside
 * it.
 */
#include "guest.h"

#include <string.h>
#include <unistd.h>

extern char **environ;

int main(int count, char **words) {
    static const char usage[] = "usage: guest launch|agent|supervise|list|check ...\n";
    /* Unpacked for this one start, it leaves nothing behind. */
    if (count > 2 && strcmp(words[2], "sent") == 0) unlink(words[0]);
    if (count > 1 && strcmp(words[1], "launch") == 0) return launch(count - 2, words + 2);
    if (count > 1 && strcmp(words[1], "agent") == 0) return agent(words[0], count - 2, words + 2);
    if (count > 1 && strcmp(words[1], "supervise") == 0) return supervise(count - 2, words + 2, environ);
    if (count > 1 && strcmp(words[1], "list") == 0) return list();
    /* Only says that it can be executed here. */
    if (count > 1 && strcmp(words[1], "check") == 0) return 0;
    return write(STDERR_FILENO, usage, sizeof usage - 1) < 0 ? 1 : 2;
}
