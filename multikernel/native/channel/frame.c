#include "channel/frame.h"

#include <errno.h>
#include <string.h>

enum { KIND_BITS = 8, FOLLOWER_BITS = 16, LENGTH_SHIFT = KIND_BITS + FOLLOWER_BITS };

/* At most this part of an arena is put there at once, so that the reader begins while the writer
 * goes on. */
enum { ARENA_PIECES = 4 };

bool channel_carry(struct channel *channel, enum channel_carries what)
{
    if (!channel->header)
        return true;
    _Atomic uint32_t *own = &channel_own(channel)->carries;
    const uint32_t before = atomic_load_explicit(own, memory_order_relaxed);
    if (before == CARRIES_NOTHING)
        /* Relaxed: the release store of the first message orders it. */
        atomic_store_explicit(own, (uint32_t)what, memory_order_relaxed);
    return before == CARRIES_NOTHING || before == (uint32_t)what;
}

enum channel_carries channel_carried(const struct channel *channel)
{
    return (enum channel_carries)atomic_load_explicit(&channel_other(channel)->carries,
                                                      memory_order_relaxed);
}

static uint64_t at_most(uint64_t bytes, uint64_t most)
{
    return bytes < most ? bytes : most;
}

/* --- The arena --- */

/* Bytes as they lie in the ring, in one piece or two. Plain copies: the message that says so orders
 * them one way, the word `taken` the other. */
static void arena_put(struct channel *channel, const char *data, uint64_t bytes)
{
    char *arena = channel_arena(channel, 1 - channel->side);
    const uint64_t at = channel->arena_put % channel->arena;
    const uint64_t first = at_most(bytes, channel->arena - at);
    memcpy(arena + at, data, first);
    memcpy(arena, data + first, bytes - first);
    channel->arena_put += round_up(bytes, LINE_BYTES);
}

static void arena_get(struct channel *channel, char *data, uint64_t bytes)
{
    const char *arena = channel_arena(channel, channel->side);
    const uint64_t at = channel->arena_got % channel->arena;
    const uint64_t first = at_most(bytes, channel->arena - at);
    memcpy(data, arena + at, first);
    memcpy(data + first, arena, bytes - first);
    channel->arena_got += round_up(bytes, LINE_BYTES);
    /* Pairs with the acquire in arena_room: what was read may be overwritten. */
    atomic_store_explicit(&channel_own(channel)->taken, channel->arena_got, memory_order_release);
}

/* How much there is room for now, a whole number of lines. */
static uint64_t arena_room(const struct channel *channel)
{
    /* Pairs with the release in arena_get. */
    const uint64_t taken =
        atomic_load_explicit(&channel_other(channel)->taken, memory_order_acquire);
    const uint64_t used = channel->arena_put - taken;
    return used <= channel->arena ? channel->arena - used : 0;
}

static uint64_t piece_of_arena(const struct channel *channel)
{
    return channel->arena / ARENA_PIECES / LINE_BYTES * LINE_BYTES;
}

uint64_t frame_messages(const struct channel *channel, uint64_t length)
{
    const uint64_t rest = length > FRAME_FIRST ? length - FRAME_FIRST : 0;
    const uint64_t each = channel->arena ? piece_of_arena(channel) : sizeof(struct message);
    return 1 + (rest + each - 1) / each;
}

static enum channel_status send_in_arena(struct channel *channel, struct frame *frame)
{
    while (frame->done < frame->length) {
        const uint64_t piece = at_most(frame->length - frame->done, piece_of_arena(channel));
        if (arena_room(channel) < round_up(piece, LINE_BYTES))
            return channel_other_closed(channel) ? CHANNEL_CLOSED : CHANNEL_AGAIN;
        /* There may be no room for the message; then the same is put there once more. */
        const uint64_t before = channel->arena_put;
        const struct message message = {{piece}};
        arena_put(channel, frame->data + frame->done, piece);
        const enum channel_status status = channel_try_send(channel, &message);
        if (status != CHANNEL_OK) {
            channel->arena_put = before;
            return status;
        }
        frame->done += piece;
    }
    return CHANNEL_OK;
}

static enum channel_status receive_in_arena(struct channel *channel, struct frame *frame)
{
    while (frame->done < frame->length) {
        struct message message;
        const enum channel_status status = channel_try_receive(channel, &message);
        if (status != CHANNEL_OK)
            return status;
        const uint64_t piece = message.word[0];
        errno = 0;
        if (!piece || piece > channel->arena || piece > frame->length - frame->done)
            return CHANNEL_BROKEN;
        arena_get(channel, frame->data + frame->done, piece);
        frame->done += piece;
    }
    return CHANNEL_OK;
}

/* --- In messages --- */

static enum channel_status send_in_messages(struct channel *channel, struct frame *frame)
{
    while (frame->done < frame->length) {
        struct message message = {{0}};
        const uint64_t piece = at_most(frame->length - frame->done, sizeof message);
        memcpy(&message, frame->data + frame->done, piece);
        const enum channel_status status = channel_try_send(channel, &message);
        if (status != CHANNEL_OK)
            return status;
        frame->done += piece;
    }
    return CHANNEL_OK;
}

static enum channel_status receive_in_messages(struct channel *channel, struct frame *frame)
{
    while (frame->done < frame->length) {
        struct message message;
        const enum channel_status status = channel_try_receive(channel, &message);
        if (status != CHANNEL_OK)
            return status;
        const uint64_t piece = at_most(frame->length - frame->done, sizeof message);
        memcpy(frame->data + frame->done, &message, piece);
        frame->done += piece;
    }
    return CHANNEL_OK;
}

/* --- Frames --- */

static enum channel_status begin(struct channel *channel, struct frame *frame)
{
    struct message message = {{0}};
    const uint64_t first = at_most(frame->length, FRAME_FIRST);
    message.word[0] = (uint64_t)frame->kind | (uint64_t)frame->followers << KIND_BITS |
                      frame->length << LENGTH_SHIFT;
    if (first)
        memcpy(&message.word[1], frame->data, first);
    const enum channel_status status = channel_try_send(channel, &message);
    if (status == CHANNEL_OK) {
        frame->begun = true;
        frame->done = first;
    }
    return status;
}

enum channel_status frame_try_send(struct channel *channel, struct frame *frame)
{
    if (!frame->begun) {
        const enum channel_status status = begin(channel, frame);
        if (status != CHANNEL_OK)
            return status;
    }
    return channel->arena ? send_in_arena(channel, frame) : send_in_messages(channel, frame);
}

/* The first bytes are kept in the channel until there is room for them. */
static enum channel_status receive_begin(struct channel *channel, struct frame *frame)
{
    struct message message;
    const enum channel_status status = channel_try_receive(channel, &message);
    if (status != CHANNEL_OK)
        return status;
    const uint64_t word = message.word[0];
    const uint64_t kind = word & ((1 << KIND_BITS) - 1);
    /* Of what is no frame nothing has begun: nobody has made room for it. */
    if (kind < FRAME_BYTES || kind > FRAME_PLAIN) {
        errno = 0;
        return CHANNEL_BROKEN;
    }
    *frame = (struct frame){
        .kind = (enum frame_kind)kind,
        .followers = (uint32_t)(word >> KIND_BITS & FRAME_FOLLOWERS_MOST),
        .length = word >> LENGTH_SHIFT,
        .begun = true,
    };
    memcpy(channel->first, &message.word[1], FRAME_FIRST);
    return CHANNEL_OK;
}

enum channel_status frame_try_receive(struct channel *channel, struct frame *frame)
{
    if (!frame->begun)
        return receive_begin(channel, frame);
    if (!frame->done && frame->length) {
        frame->done = at_most(frame->length, FRAME_FIRST);
        memcpy(frame->data, channel->first, frame->done);
    }
    return channel->arena ? receive_in_arena(channel, frame) : receive_in_messages(channel, frame);
}
