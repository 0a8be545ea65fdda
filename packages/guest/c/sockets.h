/* What sockets of this network namespace hold in memory that belongs to no process. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes that a connection nobody has accepted can hold, and a datagram socket, where the kernel's defaults stand. */
enum { CONNECTION_BYTES = 1 << 17, DATAGRAM_BYTES = 212992 };

/*
 * What a line of /proc/net/tcp or udp, or their like for version 6, says of a socket: false for a heading, or what no
 * kernel writes.
 */
struct socket_facts {
    uint64_t state, unread, inode;
};
bool socket_parse(const char *line, struct socket_facts *facts);
/* Whether connections that nobody has accepted may hold more than so much, or datagram sockets twice that. */
bool sockets_hold_more(int64_t bytes);

#endif
