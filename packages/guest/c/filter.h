/* The system call filter of every sandbox: what Docker's default profile refuses, this refuses. */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>

enum { FILTER_MOST_INSTRUCTIONS = 600 };

/* Made once; the instructions in it stay. */
struct sock_fprog filter(void);

#endif
