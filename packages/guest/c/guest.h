/* The parts of this program. Each is given the words after its name, and gives the exit code. */
#ifndef GUEST_H
#define GUEST_H

int launch(int count, char **words);
int agent(const char *self, int count, char **words);
int supervise(int count, char **words, char **environment);
int list(void);

#endif
