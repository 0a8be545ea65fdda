/*
 * The system call filter of every sandbox: what Docker's default profile refuses, this refuses, and besides what takes
 * memory that no cgroup counts, or of what the whole machine shares.
 */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>

enum { FILTER_MOST_INSTRUCTIONS = 800 };

/* Made once; the instructions in it stay. */
struct sock_fprog filter(void);

#endif
