/*
 * Fuzzing: gives each parser what it must never trip over, for as long as it is told, under the sanitizers.
 *
 * Arguments: the parser, seconds, a seed. Inputs are examples that are cut, joined, and changed at random, and now and
 * then wholly random; the same seed gives the same inputs. Each lies in memory of just its size, so that a read or
 * write beyond it is seen. What a parser gives is looked at as its caller would.
 */
#include "../frames.h"
#include "../plan.h"
#include "../processes.h"
#include "../request.h"
#include "../settings.h"
#include "../sockets.h"
#include "../system.h"
#include "../ways.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static uint64_t state;

static uint32_t random_below(uint32_t limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

/* Where what is read goes, so that no reading is left out. */
static volatile size_t seen;

static void see(const char *text) { seen += text == NULL ? 1 : strlen(text); }

static void see_all(char **texts) {
    while (*texts != NULL) see(*texts++);
}

/* Bytes as they come over a line: in pieces, into a small inbox. */
static void fuzz_frames(uint8_t *bytes, size_t size) {
    uint8_t room[FRAME_HEADER + 256];
    struct inbox inbox = { .bytes = room, .capacity = sizeof room };
    struct outbox outbox = { .bytes = malloc(512), .capacity = 512 };
    for (size_t at = 0; at < size;) {
        struct frame frame;
        enum inbox_state kind;
        memmove(room, room + inbox.taken, inbox.end - inbox.taken);
        inbox.end -= inbox.taken, inbox.taken = 0;
        size_t piece = 1 + random_below(64), space = sizeof room - inbox.end;
        if (piece > size - at) piece = size - at;
        if (piece > space) piece = space;
        if (piece == 0) abort();
        memcpy(room + inbox.end, bytes + at, piece);
        inbox.end += piece, at += piece;
        while ((kind = inbox_next(&inbox, &frame)) != INBOX_PARTIAL) {
            for (uint32_t i = 0; i < frame.size; i++) seen += frame.payload[i];
            seen += frame_number(&frame);
            if (kind == INBOX_FRAME && !outbox_add(&outbox, frame.type, frame.id, frame.payload, frame.size)) {
                outbox.start = outbox.end;
            }
        }
    }
    free(outbox.bytes);
}

static void fuzz_plan(char *text) {
    static struct plan plan;
    see(plan_parse(text, &plan));
    see(plan.disk), see(plan.hostname), see(plan.agent), see(plan.processes), see(plan.data_bytes);
    see(plan.descriptors), see(plan.connections);
    for (size_t i = 0; i < plan.cgroup_count; i++) {
        const struct plan_cgroup *cgroup = &plan.cgroups[i];
        see(cgroup->parent), see(cgroup->join), see(cgroup->place);
        see(cgroup->keepers);
        for (size_t j = 0; j < cgroup->setting_count; j++) see(cgroup->settings[j].file), see(cgroup->settings[j].value);
        for (size_t j = 0; j < cgroup->inner_count; j++) see(cgroup->inner[j].file), see(cgroup->inner[j].value);
    }
    for (size_t i = 0; i < plan.place_count; i++) see(plan.places[i].from), see(plan.places[i].place);
}

static void fuzz_requests(uint8_t *bytes, size_t size) {
    struct request request;
    if (!request_parse(bytes, size, &request)) return;
    if (request.argv[0] == NULL) abort();
    see(request.cwd), see_all(request.argv), see_all(request.env);
    request_free(&request);
}

static void fuzz_settings(char *text) {
    struct limits limits;
    struct account account;
    seen += limits_parse(text, &limits);
    if (account_of(text, 1000, &account)) see(account.name), see(account.home);
    if (account_named(text, "user", &account)) {
        if (account.uid == 0) abort();
        see(account.name), see(account.home);
    }
    char *locked = malloc(2 * strlen(text) + 1), *again = malloc(4 * strlen(text) + 1);
    passwords_lock(text, locked);
    /* Nobody is left to be locked. */
    if (passwords_lock(locked, again)) abort();
    see(locked), free(locked), free(again);
    char **variables = variables_parse(text);
    if (variables == NULL) return;
    see_all(variables);
    free(variables);
}

/* The whole environment of a supervisor: a variable a line, each in memory of its own. */
static void fuzz_environment(char *text) {
    char *environment[64], *kept[64];
    size_t count = 0;
    for (char *line; count < 63 && (line = strsep(&text, "\n")) != NULL; count++) kept[count] = strdup(line);
    kept[count] = NULL;
    memcpy(environment, kept, sizeof environment);
    struct settings settings;
    if (settings_take(environment, &settings) == NULL) {
        if (settings.command[0] == NULL || *settings.nonce == '\0') abort();
        see_all(settings.command), see_all(settings.given), see_all(settings.inherited);
    }
    for (size_t i = 0; i < count; i++) {
        /* Wiped, to the last byte. */
        if (*kept[i] != '\0') abort();
        free(kept[i]);
    }
}

static void fuzz_sockets(char *text) {
    struct socket_facts facts;
    if (socket_parse(text, &facts)) seen += facts.state + facts.unread + facts.inode;
}

static void fuzz_processes(char *text) {
    struct process_facts facts;
    if (process_parse(text, &facts)) seen += facts.cpu_ticks + facts.threads + facts.resident_pages + facts.born;
    seen += processes_last_born(text);
}

static const struct target {
    const char *name;
    void (*bytes)(uint8_t *bytes, size_t size);
    void (*text)(char *text);
    const char *example;
    size_t example_size;
} targets[] = {
#define EXAMPLE(text) (text), sizeof(text) - 1
    { "frames", fuzz_frames, NULL, EXAMPLE("\0\0\0\4\1\0\0\0\7\0\0\0\2\0\0\0\1\7\0\0\0\1x\0\0\0\0\2\0\0\0\1") },
    { "plan", NULL, fuzz_plan,
      EXAMPLE("cgroup\t/sys/fs/cgroup/m\ttasks\t/m\tmemory.max=1\tpids.max=2\n"
              "inner\tk\tprogram/pids.max=1\ndisk\tsize=1\nagent\t/a\t0\t0\t9\t9\n"
              "directory\t/proc\nlink\tusr/bin\t/bin\ndevice\t/dev/null\t1\t3\nbind\t/usr\t/usr\ncopy\te\t/e\nmask\t/proc/x\nprogram\ta\t/b\n") },
    { "requests", fuzz_requests, NULL, EXAMPLE("user\0/\0001\0003\0/bin/sh\0-c\0true\0A=b\0C=") },
    { "settings", NULL, fuzz_settings,
      EXAMPLE("1 2 3 4 5 6 7 8 9\nuser:x:1000:1000:,,,:/home/user:/bin/sh\nroot::0:0\nA=%25%0A\n=x\nB=%\n") },
    { "environment", NULL, fuzz_environment,
      EXAMPLE("BULKHEAD_NONCE=abc\nBULKHEAD_LIMITS=1 2 3 4 5 6 7 8 9\nBULKHEAD_COMMAND=a b\nBULKHEAD_FILE=f\n"
              "BULKHEAD_ENV=A=1\nBULKHEAD_OUTPUT=o\nBULKHEAD_ARGS=a%0A\nBULKHEAD_INPUT=i\nHOME=/root\nBULKHEAD_CODE=x") },
    { "processes", NULL, fuzz_processes,
      EXAMPLE("7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 9 1000 50 18446744073709551615 1 1") },
    { "sockets", NULL, fuzz_sockets,
      EXAMPLE("  0: 0100007F:1F90 00000000:0000 01 00000000:000000F0 00:00000000 00000000  1000   0 4711 1 0 100 0\n") }
};

static size_t change(uint8_t *bytes, size_t size) {
    for (uint32_t times = random_below(8); times > 0 && size > 0; times--) {
        size_t at = random_below((uint32_t)size), length = random_below((uint32_t)(size - at) + 1);
        switch (random_below(5)) {
        case 0: bytes[at] = (uint8_t)random_below(256); break;
        case 1: bytes[at] = (uint8_t) "\0\t\n =%:/0\xff"[random_below(10)]; break;
        case 2: size -= length, memmove(bytes + at, bytes + at + length, size - at); break;
        case 3:
            if (size + length > MOST) break;
            memmove(bytes + at + length, bytes + at, size - at), size += length;
            break;
        case 4: memset(bytes + at, bytes[at], length); break;
        }
    }
    return size;
}

static void run_once(const struct target *target) {
    static uint8_t input[MOST];
    size_t size = 0;
    for (uint32_t copies = random_below(12); copies > 0 && size + target->example_size <= MOST; copies--) {
        memcpy(input + size, target->example, target->example_size);
        size += target->example_size;
    }
    if (size == 0) {
        size = random_below(64);
        for (size_t i = 0; i < size; i++) input[i] = (uint8_t)random_below(256);
    }
    size = change(input, size);
    uint8_t *exact = malloc(size + (target->text != NULL ? 1 : 0));
    if (exact == NULL) abort();
    memcpy(exact, input, size);
    if (target->text != NULL) exact[size] = '\0';
    if (target->text != NULL) target->text((char *)exact);
    else target->bytes(exact, size);
    free(exact);
}

int main(int count, char **words) {
    if (count != 4) return 2;
    int64_t until = now_ms() + strtoll(words[2], NULL, 10) * 1000;
    state = strtoull(words[3], NULL, 10) * 2654435769U + 1;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(targets[i].name, words[1]) != 0) continue;
        unsigned long runs = 0;
        do {
            run_once(&targets[i]);
        } while (++runs % 1024 != 0 || now_ms() < until);
        printf("%s: %lu inputs\n", words[1], runs);
        return 0;
    }
    return 2;
}
