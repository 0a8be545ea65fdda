/* Locks on parts of files, which the kernel counts for nobody. */
#ifndef LOCKS_H
#define LOCKS_H

#include <stdbool.h>

/* Whether processes of this process namespace hold more than so many. */
bool locks_exceed(int most);

#endif
