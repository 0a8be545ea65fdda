#include "frames.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

uint32_t number_of(const uint8_t bytes[4]) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void put_number(uint8_t bytes[4], uint32_t number) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

uint32_t frame_number(const struct frame *frame) { return frame->size == 4 ? number_of(frame->payload) : 0; }

static void throw_away_unwanted(struct inbox *inbox) {
    size_t there = inbox->end - inbox->taken, thrown = there < inbox->unwanted ? there : inbox->unwanted;
    inbox->taken += thrown;
    inbox->unwanted -= thrown;
}

enum inbox_state inbox_next(struct inbox *inbox, struct frame *frame) {
    throw_away_unwanted(inbox);
    size_t length = inbox->end - inbox->taken;
    const uint8_t *bytes = inbox->bytes + inbox->taken;
    if (length < FRAME_HEADER) return INBOX_PARTIAL;
    uint32_t size = number_of(bytes);
    *frame = (struct frame){ bytes[4], number_of(bytes + 5), 0, bytes + FRAME_HEADER };
    if (size > FRAME_MOST_PAYLOAD || size > inbox->capacity - FRAME_HEADER) {
        inbox->taken += FRAME_HEADER;
        inbox->unwanted = size;
        return INBOX_TOO_LONG;
    }
    if (length - FRAME_HEADER < size) return INBOX_PARTIAL;
    frame->size = size;
    inbox->taken += FRAME_HEADER + size;
    return INBOX_FRAME;
}

bool inbox_fill(struct inbox *inbox, int fd) {
    if (inbox->taken > 0) {
        memmove(inbox->bytes, inbox->bytes + inbox->taken, inbox->end - inbox->taken);
        inbox->end -= inbox->taken;
        inbox->taken = 0;
    }
    ssize_t n = read(fd, inbox->bytes + inbox->end, inbox->capacity - inbox->end);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    inbox->end += (size_t)n;
    return n > 0;
}

size_t outbox_length(const struct outbox *outbox) { return outbox->end - outbox->start; }

uint8_t *outbox_reserve(struct outbox *outbox, size_t most) {
    if (outbox->capacity - outbox->end < FRAME_HEADER + most && outbox->start > 0) {
        memmove(outbox->bytes, outbox->bytes + outbox->start, outbox_length(outbox));
        outbox->end -= outbox->start;
        outbox->start = 0;
    }
    if (outbox->capacity - outbox->end < FRAME_HEADER + most) return NULL;
    return outbox->bytes + outbox->end + FRAME_HEADER;
}

void outbox_commit(struct outbox *outbox, uint8_t type, uint32_t id, size_t size) {
    uint8_t *header = outbox->bytes + outbox->end;
    put_number(header, (uint32_t)size);
    header[4] = type;
    put_number(header + 5, id);
    outbox->end += FRAME_HEADER + size;
}

bool outbox_add(struct outbox *outbox, uint8_t type, uint32_t id, const void *payload, size_t size) {
    uint8_t *place = outbox_reserve(outbox, size);
    if (place == NULL) return false;
    if (size > 0) memcpy(place, payload, size);
    outbox_commit(outbox, type, id, size);
    return true;
}

bool outbox_flush(struct outbox *outbox, int fd) {
    while (outbox->start < outbox->end) {
        ssize_t n = write(fd, outbox->bytes + outbox->start, outbox_length(outbox));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        outbox->start += (size_t)n;
    }
    outbox->start = outbox->end = 0;
    return true;
}
