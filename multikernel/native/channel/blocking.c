#include "channel/blocking.h"

#include <errno.h>
#include <stdlib.h>

enum { SLICE_MS = 100 };

struct deadline {
    uint64_t at; /* nanoseconds */
};

static struct deadline deadline_in(int64_t milliseconds)
{
    if (milliseconds < 0)
        return (struct deadline){UINT64_MAX};
    return (struct deadline){clock_ns(CLOCK_MONOTONIC) + (uint64_t)milliseconds * 1000000};
}

/* One wait more: AGAIN to look once more, CLOSED after a last look. */
static enum channel_status one_wait(struct channel *channel, enum channel_awaited awaited,
                                    struct wait *wait, struct deadline deadline, bool *late)
{
    const uint64_t now = deadline.at == UINT64_MAX ? 0 : clock_ns(CLOCK_MONOTONIC);
    const uint64_t left = now < deadline.at ? (deadline.at - now) / 1000000 + 1 : 0;
    *late = !left;
    const bool there =
        channel_wait(channel, awaited, wait, left < SLICE_MS ? (uint32_t)left : SLICE_MS);
    return there ? CHANNEL_AGAIN : CHANNEL_CLOSED;
}

/* TRY until it is done, its time is up, or nobody is there. */
#define UNTIL_DONE(AWAITED, TRY)                                                  \
    const struct deadline deadline = deadline_in(milliseconds);                   \
    struct wait wait = {0};                                                       \
    bool late = false;                                                            \
    enum channel_status status, waited = CHANNEL_AGAIN;                           \
    while ((status = (TRY)) == CHANNEL_AGAIN && waited == CHANNEL_AGAIN && !late) \
        waited = one_wait(channel, AWAITED, &wait, deadline, &late);              \
    channel_awake(channel);                                                       \
    return status == CHANNEL_AGAIN && waited == CHANNEL_CLOSED ? CHANNEL_CLOSED : status

static enum channel_status refused(void)
{
    errno = EINVAL;
    return CHANNEL_BROKEN;
}

/* Nothing is taken before it is known to be what is waited for. */
static enum channel_status heard(const struct channel *channel, enum channel_carries what)
{
    const enum channel_carries carries = channel->header ? channel_carried(channel) : what;
    if (carries == CARRIES_NOTHING)
        return channel_other_closed(channel) ? CHANNEL_CLOSED : CHANNEL_AGAIN;
    return carries == what ? CHANNEL_OK : refused();
}

static enum channel_status try_receive_words(struct channel *channel, struct message *message)
{
    const enum channel_status status = heard(channel, CARRIES_WORDS);
    return status == CHANNEL_OK ? channel_try_receive(channel, message) : status;
}

static enum channel_status try_receive_bytes(struct channel *channel, struct frame *frame)
{
    enum channel_status status = heard(channel, CARRIES_FRAMES);
    while (status == CHANNEL_OK && (status = frame_try_receive(channel, frame)) == CHANNEL_OK &&
           !frame->data) {
        if (frame->kind != FRAME_BYTES)
            return refused();
        if (!(frame->data = malloc(frame->length ? frame->length : 1)))
            return CHANNEL_BROKEN;
    }
    return status;
}

enum channel_status channel_send(struct channel *channel, const struct message *message,
                                 int64_t milliseconds)
{
    if (!channel_carry(channel, CARRIES_WORDS))
        return refused();
    UNTIL_DONE(AWAIT_ROOM, channel_try_send(channel, message));
}

enum channel_status channel_receive(struct channel *channel, struct message *message,
                                    int64_t milliseconds)
{
    UNTIL_DONE(AWAIT_MESSAGE, try_receive_words(channel, message));
}

enum channel_status channel_send_bytes(struct channel *channel, const void *data, uint64_t length,
                                       int64_t milliseconds)
{
    struct frame frame = {.kind = FRAME_BYTES, .length = length, .data = (char *)(uintptr_t)data};
    if (length > FRAME_LENGTH_MOST || !channel_carry(channel, CARRIES_FRAMES))
        return refused();
    UNTIL_DONE(AWAIT_ROOM, frame_try_send(channel, &frame));
}

static enum channel_status receive_frame(struct channel *channel, struct frame *frame,
                                         int64_t milliseconds)
{
    UNTIL_DONE(AWAIT_MESSAGE, try_receive_bytes(channel, frame));
}

enum channel_status channel_receive_bytes(struct channel *channel, void **data, uint64_t *length,
                                          int64_t milliseconds)
{
    struct frame *frame = &channel->receiving;
    const enum channel_status status = receive_frame(channel, frame, milliseconds);
    if (status != CHANNEL_OK)
        return status;
    *data = frame->data;
    *length = frame->length;
    *frame = (struct frame){0};
    return CHANNEL_OK;
}
