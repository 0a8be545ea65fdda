/* File operations of the host's, done inside the sandbox. */
#ifndef FILES_H
#define FILES_H

/*
 * Runs one, as whoever this process is: a child of the agent's that has become the asking user, so that the kernel
 * judges what it may.
 * Input and output are standard; what went wrong is said on standard error as "kind NUL message", with exit code 1.
 * stat PATH, mkdir PATH, move FROM TO: an entry;  list PATH DEPTH: entries;  remove PATH: nothing
 * read PATH: the size, NUL, the bytes;  write PATH: takes the bytes, then gives an entry
 * An entry is nine fields, each ended by NUL: name, kind (d, f, l, o), path, size, mode, uid, gid, mtime, link target.
 */
_Noreturn void files_operate(const char *home, char **words);

#endif
