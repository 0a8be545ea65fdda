/*
 * Sockets: theory of operation.
 *
 * The kernel counts what a socket holds for the cgroup of who made it. A connection that waits to be accepted nobody
 * has made yet, and it may hold data; so may the queue of errors and timestamps of a datagram socket, which is not
 * counted either. There is no limit of their number but descriptors, so we look. Most looks end at how many sockets
 * there are at all: too few to hold much.
 */
#include "sockets.h"

#include "lines.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

/* States that a connection is in before its owner closes it, as the kernel numbers them. */
enum { ESTABLISHED = 1, SYN_RECEIVED = 3, CLOSE_WAIT = 8 };

/* Words of a line that counts: the slot, two addresses, the state, both queues, timers, two more, who, the inode. */
enum { STATE = 3, QUEUES = 4, INODE = 9, WORDS };

/* How many sockets of a kind there are, of what sockstat says: "TCP: inuse 5 orphan ...". */
static int64_t count_in(const char *file, const char *kind) {
    char text[2048];
    const char *at = read_file(file, text, sizeof text) > 0 ? strstr(text, kind) : NULL;
    return at == NULL ? 0 : strtoll(at + strlen(kind), NULL, 10);
}

bool socket_parse(const char *line, struct socket_facts *facts) {
    *facts = (struct socket_facts){ 0 };
    for (int word = 0; word < WORDS; word++) {
        line += strspn(line, " ");
        size_t length = strcspn(line, " ");
        const char *unread = memchr(line, ':', length);
        if (length == 0 || (word == QUEUES && unread == NULL)) return false;
        if (word == 0 && line[length - 1] != ':') return false;
        if (word == STATE) facts->state = strtoull(line, NULL, 16);
        if (word == QUEUES) facts->unread = strtoull(unread + 1, NULL, 16);
        if (word == INODE) facts->inode = strtoull(line, NULL, 10);
        line += length;
    }
    return true;
}

static bool is_unaccepted(const struct socket_facts *facts) {
    bool is_open = facts->state == ESTABLISHED || facts->state == SYN_RECEIVED || facts->state == CLOSE_WAIT;
    return is_open && facts->inode == 0;
}

/* Reads on only until it is too much. */
static int64_t held_in(const char *file, bool is_tcp, int64_t most) {
    static struct lines sockets;
    struct socket_facts facts;
    int64_t held = 0;
    if (!lines_open(&sockets, file)) return 0;
    for (const char *line; held <= most && (line = lines_next(&sockets)) != NULL;) {
        if (!socket_parse(line, &facts)) continue;
        if (!is_tcp) held += (int64_t)(uint32_t)facts.unread;
        else if (is_unaccepted(&facts)) held += CONNECTION_BYTES;
    }
    lines_close(&sockets);
    return held;
}

/* Half of what datagram sockets hold may be counted for the cgroup; the tables do not say which. */
bool sockets_hold_more(int64_t bytes) {
    static const char *const counts[] = { "/proc/net/sockstat", "/proc/net/sockstat6" };
    int64_t tcp = count_in(counts[0], "TCP: inuse ") + count_in(counts[1], "TCP6: inuse ");
    int64_t udp = count_in(counts[0], "UDP: inuse ") + count_in(counts[1], "UDP6: inuse ");
    int64_t connections = 0, datagrams = 0;
    if (tcp * CONNECTION_BYTES > bytes) {
        connections = held_in("/proc/net/tcp", true, bytes) + held_in("/proc/net/tcp6", true, bytes);
    }
    if (udp * DATAGRAM_BYTES > 2 * bytes) {
        datagrams = held_in("/proc/net/udp", false, 2 * bytes) + held_in("/proc/net/udp6", false, 2 * bytes);
    }
    return connections > bytes || datagrams > 2 * bytes;
}
