/* The ways to root that an image has: shuts them, as root, before the program starts. */
#ifndef WAYS_H
#define WAYS_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Given root's PATH, the names of those that may be open still, with a comma between them; "none" where no way is
 * known.
 */
void ways_shut(const struct account *account, const char *path, char *left, size_t size);
/*
 * The text of /etc/passwd or /etc/shadow with a password that nobody has for each account that needs none; no longer
 * than twice the text. Gives whether there was any.
 */
bool passwords_lock(const char *text, char *locked);

#endif
