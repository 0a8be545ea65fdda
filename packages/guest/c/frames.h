/* Frames between the host and its launcher, and between the host and each agent (Frames.ts is the other side). */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Payload length (4 bytes, big endian), type (1), id (4), payload. */
enum { FRAME_HEADER = 9 };

/* The longest payload: what the kernel takes as a program's arguments and environment with its usual stack. */
#define FRAME_MOST_PAYLOAD (2U << 20)

enum launcher_frame { SPAWN = 1, KILL = 2, RELAY = 3, LAUNCHER_READY = 20, DIED = 21 };

enum agent_frame {
    START = 1, INPUT, CLOSE_INPUT, SIGNAL, CREDIT, FILE_OPERATION, MEASURE,
    AGENT_READY = 20, STARTED, START_FAILED, STDOUT_DATA, STDERR_DATA, EXITED, INPUT_DONE, MEASURED
};

struct frame {
    uint8_t type;
    uint32_t id;
    uint32_t size;
    const uint8_t *payload;
};

/* Bytes that have come and that are not yet taken. */
struct inbox {
    uint8_t *bytes;
    size_t capacity, taken, end;
    /* Of a frame that was too long: bytes that are still to come, and to be thrown away. */
    size_t unwanted;
};

/* Bytes that are still to go. */
struct outbox {
    uint8_t *bytes;
    size_t capacity, start, end;
};

enum inbox_state { INBOX_PARTIAL, INBOX_FRAME, INBOX_TOO_LONG };

/*
 * Takes the next whole frame; its payload is good until the inbox is filled again. Of one that is too long it gives
 * but the header.
 */
enum inbox_state inbox_next(struct inbox *inbox, struct frame *frame);
/* Reads once. False: nothing will come any more. */
bool inbox_fill(struct inbox *inbox, int fd);

size_t outbox_length(const struct outbox *outbox);
/* A place for a frame's payload of at most that size; NULL where there is no room. */
uint8_t *outbox_reserve(struct outbox *outbox, size_t most);
/* Puts the header before what has been written to the place reserved last. */
void outbox_commit(struct outbox *outbox, uint8_t type, uint32_t id, size_t size);
bool outbox_add(struct outbox *outbox, uint8_t type, uint32_t id, const void *payload, size_t size);
/* Writes what can be written. False: nobody reads any more. */
bool outbox_flush(struct outbox *outbox, int fd);

uint32_t number_of(const uint8_t bytes[4]);
void put_number(uint8_t bytes[4], uint32_t number);
/* A payload that is one number; 0 where it is not. */
uint32_t frame_number(const struct frame *frame);

#endif
