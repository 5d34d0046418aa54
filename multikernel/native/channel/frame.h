/* Frames: bytes of any length over a channel that is a FIFO of messages.
 *
 * The first message of a frame has in its first word the kind (8 bits), how many frames belong to it
 * and follow (16), and its length in bytes (40); then come its first 48 bytes. Of a longer frame the
 * rest follows in whole messages, 56 bytes each. Where the channel has an arena, the rest lies there
 * instead: a message says how many bytes more of it lie there, in its first word. The arena is a
 * ring of bytes that one side writes and the other reads. How far it has been read is on the
 * reader's line; each piece begins on a line of its own.
 *
 * Both directions are state machines that never wait: whoever has to wait calls them again. What was
 * received stays received. A frame of which a part was sent must be sent to its end.
 *
 * A channel carries frames or plain messages in a direction, never both: what its sender says first
 * (channel_carry) holds for good. */
#pragma once

#include "channel/channel.h"

/* This side sends that from here on; false: it sends something else. The first that a side sends it
 * says before. */
bool channel_carry(struct channel *channel, enum channel_carries what);
/* What this side's interpreter is, before it sends; is the other side's the same? 0: not known. */
static inline void channel_speaks(struct channel *channel, uint32_t dialect)
{
    if (channel->header)
        atomic_store_explicit(&channel_own(channel)->dialect, dialect, memory_order_relaxed);
}
static inline bool channel_understands(const struct channel *channel, uint32_t dialect)
{
    return channel->header &&
           atomic_load_explicit(&channel_other(channel)->dialect, memory_order_relaxed) == dialect;
}

/* What the other side sends; CARRIES_NOTHING: it has not sent yet. */
enum channel_carries channel_carried(const struct channel *channel);

/* How many messages a frame of so many bytes is. */
uint64_t frame_messages(const struct channel *channel, uint64_t length);

/* OK: all of it is sent. AGAIN: there is no room for more. */
enum channel_status frame_try_send(struct channel *channel, struct frame *frame);

/* Of a frame that has begun and has no data yet, the first bytes. */
static inline const char *frame_first(const struct channel *channel)
{
    return (const char *)channel->first;
}

/* A blank frame is filled in. OK with data NULL: its beginning has come, and data is to be set to
 * room for length bytes before the next call (also where that is 0). OK after that: all has
 * come. BROKEN: what came is no frame. */
enum channel_status frame_try_receive(struct channel *channel, struct frame *frame);
