/*
 * The relay: theory of operation.
 *
 * A sandbox has a network of its own with nothing in it but its loopback device. Where it may speak with the world, the
 * launcher starts one of these beside it, once its agent is ready: it listens in the sandbox's network, at
 * 127.0.0.1:3128, and carries each connection to a socket of the host's that was made for this one sandbox. There is
 * the gate, which judges. The relay knows no protocol: it looks at no byte that it carries.
 *
 * It is no process of the sandbox's, whose programs neither see it nor count it, nor reach the host's socket; but it is
 * in the cgroup of the sandbox's keepers, so that what a flood costs is the sandbox's. To listen inside, a child that
 * shares its descriptors enters the sandbox's network, makes the socket there, and ends: the relay itself never enters.
 *
 * The first connection to the host is its lifeline. On it, it says NUL once it listens, or why it cannot; and it ends
 * when the host closes it. The launcher kills it when the sandbox has ended.
 *
 * Each connection has one buffer for each direction, which is filled again when it is empty: who does not read holds up
 * nobody but who sends to it. Connections beyond the most wait to be accepted.
 */
#include "relay.h"

#include "filter.h"
#include "walls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PORT = 3128,
    MOST_CONNECTIONS = 320,
    /* Connections that may wait to be accepted. */
    BACKLOG = 64,
    CHUNK = 16 << 10,
    /* Bytes that the kernel may hold of each side of a connection; it takes twice as much for its own use. */
    SOCKET_BYTES = 64 << 10,
    /* Where the descriptors that are passed on lie. */
    SANDBOX = 3,
    LAUNCHER = 4
};

/* One direction of a connection, with what was read and is not yet written. */
struct way {
    size_t start, end;
    bool ended;
    uint8_t bytes[CHUNK];
};

struct connection {
    int program, host;
    struct way out, back;
};

/* Those that are there lie at the front. */
static struct connection connections[MOST_CONNECTIONS];
static size_t connection_count, most_connections;
static int listener, lifeline;
static struct pollfd polls[2 + 2 * MOST_CONNECTIONS];

static _Noreturn void give_up(const char *what) {
    dprintf(lifeline, "%s: %s", what, strerror(errno));
    _exit(1);
}

/* The gate's socket lies in the directory that we are in. Gives -1 where the host takes no more. */
static int connect_gate(void) {
    static const struct sockaddr_un gate = { .sun_family = AF_UNIX, .sun_path = "gate" };
    const int bytes = SOCKET_BYTES;
    int line = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (line < 0) return -1;
    setsockopt(line, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    if (connect(line, (const struct sockaddr *)&gate, sizeof gate) != 0) close_one(&line);
    return line;
}

static int make_listener(void) {
    const int bytes = SOCKET_BYTES, yes = 1;
    const struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) give_up("a socket in the sandbox");
    /* Those that are accepted take over both. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (const struct sockaddr *)&here, sizeof here) != 0) give_up("the address in the sandbox");
    if (listen(fd, BACKLOG) != 0) give_up("listening in the sandbox");
    return fd;
}

/* The child's exit code is the number of the descriptor, which is ours too. */
static int listen_inside(enum users users) {
    pid_t pid = clone_child(CLONE_FILES, -1, NULL);
    if (pid == 0) {
        /* Who made the user namespace may enter it, and the network that belongs to it. */
        int namespaces = users == ONE_USER ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET;
        if (setns(SANDBOX, namespaces) != 0) give_up("the network of the sandbox");
        _exit(make_listener());
    }
    int how = 0;
    if (pid < 0) give_up("a child");
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR) {}
    if (!WIFEXITED(how) || WEXITSTATUS(how) <= LAUNCHER) _exit(1);
    return WEXITSTATUS(how);
}

static void lay_out_descriptors(const struct relay *relay) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int sandbox = fcntl(relay->sandbox, F_DUPFD_CLOEXEC, 100), launcher = fcntl(relay->launcher, F_DUPFD_CLOEXEC, 100);
    if (null < 0 || sandbox < 0 || launcher < 0) _exit(1);
    null = fcntl(null, F_DUPFD_CLOEXEC, 100);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (dup2(sandbox, SANDBOX) < 0 || dup2(launcher, LAUNCHER) < 0) _exit(1);
    close_from(LAUNCHER + 1);
}

/* Of the machine it sees one directory from then on, as a user that has nothing. */
static void give_up_privileges(const struct relay *relay) {
    if (relay->users == TWO_USERS) {
        if (chroot(".") != 0) give_up("its root");
        if (become_user(relay->uid, relay->uid) != 0 || set_capabilities(0) != 0) give_up("its user");
    }
    struct sock_fprog program = filter();
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("privileges");
    if (prctl(PR_SET_SECCOMP, 2, &program, 0, 0) != 0) give_up("seccomp filter");
}

static void accept_one(void) {
    int program = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (program < 0) return;
    int host = connect_gate();
    if (host < 0) {
        close(program);
        return;
    }
    struct connection *made = &connections[connection_count++];
    made->program = program;
    made->host = host;
    made->out.start = made->out.end = made->back.start = made->back.end = 0;
    made->out.ended = made->back.ended = false;
}

static bool is_empty(const struct way *way) { return way->start == way->end; }

static bool is_for_later(void) { return errno == EAGAIN || errno == EINTR; }

/* False: nothing can be carried any more. */
static bool carry(struct way *way, int from, int to) {
    if (is_empty(way) && !way->ended) {
        ssize_t n = read(from, way->bytes, CHUNK);
        if (n < 0) return is_for_later();
        way->start = 0;
        way->end = (size_t)n;
        way->ended = n == 0;
        if (way->ended) shutdown(to, SHUT_WR);
    }
    while (!is_empty(way)) {
        ssize_t n = write(to, way->bytes + way->start, way->end - way->start);
        if (n < 0) return is_for_later();
        way->start += (size_t)n;
    }
    return true;
}

/* False: it is over. */
static bool serve(struct connection *each) {
    bool goes_on = carry(&each->out, each->program, each->host) && carry(&each->back, each->host, each->program);
    return goes_on && !(each->out.ended && each->back.ended);
}

/* A descriptor of which nothing is wanted is not looked at, so that its end does not wake us again and again. */
static struct pollfd wish(int fd, const struct way *in, const struct way *out) {
    short events = (short)((is_empty(in) && !in->ended ? POLLIN : 0) | (is_empty(out) ? 0 : POLLOUT));
    return (struct pollfd){ .fd = events == 0 ? -1 : fd, .events = events };
}

static void watch(void) {
    polls[0] = (struct pollfd){ .fd = lifeline, .events = POLLIN };
    polls[1] = (struct pollfd){ .fd = connection_count < most_connections ? listener : -1, .events = POLLIN };
    for (size_t i = 0; i < connection_count; i++) {
        const struct connection *each = &connections[i];
        polls[2 + 2 * i] = wish(each->program, &each->out, &each->back);
        polls[3 + 2 * i] = wish(each->host, &each->back, &each->out);
    }
}

/* From the last on, so that what takes the place of one that is over has been served. */
static void serve_all(void) {
    for (size_t i = connection_count; i-- > 0;) {
        if (polls[2 + 2 * i].revents == 0 && polls[3 + 2 * i].revents == 0) continue;
        if (serve(&connections[i])) continue;
        close(connections[i].program);
        close(connections[i].host);
        if (i != --connection_count) connections[i] = connections[connection_count];
    }
}

_Noreturn void relay_run(const struct relay *relay) {
    lay_out_descriptors(relay);
    /* Nobody would hear why: the host waits for the lifeline. */
    if (chdir(relay->directory) != 0 || (lifeline = connect_gate()) < 0) _exit(1);
    if (!walls_join_keepers(relay->plan, relay->id)) give_up("the cgroup of keepers");
    listener = listen_inside(relay->users);
    give_up_privileges(relay);
    die_with_launcher(LAUNCHER);
    close(SANDBOX);
    most_connections = relay->most < MOST_CONNECTIONS ? relay->most : MOST_CONNECTIONS;
    if (!write_all(lifeline, "", 1)) _exit(1);
    for (;;) {
        watch();
        if (poll(polls, (nfds_t)(2 + 2 * connection_count), -1) < 0) continue;
        if (polls[0].revents != 0) _exit(0);
        serve_all();
        if (polls[1].revents != 0) accept_one();
    }
}
