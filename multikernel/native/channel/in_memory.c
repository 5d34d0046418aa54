/* Channels in shared memory: a header that says what lies there and which sides are open, and a
 * lane of slots for each side to receive on. Ring, used ring and call line are the headers of those
 * names; here is what they have in common: checking on attach, and closing.
 *
 * Closing is a word of each side, on a line that is read often and written once. A receiver that
 * finds nothing reads it, and looks once more: what was sent before the close is seen after it. */
#include "channel/channel.h"

#include <unistd.h>

static uint64_t lane_bytes(uint64_t slots)
{
    return round_up(slots * LINE_BYTES, PAGE_BYTES);
}

/* The slots that a side receives on. */
static struct slot *lane(struct channel_header *header, uint32_t slots, uint32_t side)
{
    return (struct slot *)(void *)((char *)header + PAGE_BYTES + side * lane_bytes(slots));
}

static bool arena_fits(uint64_t arena)
{
    return arena % PAGE_BYTES == 0 && arena <= ARENA_MOST;
}

void *channel_arena(const struct channel *channel, uint32_t side)
{
    const uint64_t before = PAGE_BYTES + 2 * lane_bytes(channel->slots);
    return (char *)channel->header + before + side * channel->arena;
}

uint64_t channel_memory_bytes(enum channel_kind kind, uint64_t slots, uint64_t arena)
{
    static const struct {
        uint32_t least, most;
        bool power;
    } limits[] = {
        [CHANNEL_EPOCH_RING] = {RING_SLOTS_MIN, RING_SLOTS_MAX, true},
        [CHANNEL_USED_RING] = {USED_RING_SLOTS_MIN, USED_RING_SLOTS_MAX, true},
        [CHANNEL_CALL_LINE] = {1, CALL_WINDOW_MAX, false},
        [CHANNEL_CALLS] = {1, CALL_WINDOW_MAX, false},
    };
    if (kind == CHANNEL_SOCKET || kind == CHANNEL_PIPE)
        return slots || arena ? 0 : PAGE_BYTES;
    if (kind < CHANNEL_EPOCH_RING || kind > CHANNEL_CALLS || slots < limits[kind].least ||
        slots > limits[kind].most || (limits[kind].power && slots & (slots - 1)) ||
        !arena_fits(arena))
        return 0;
    return PAGE_BYTES + 2 * lane_bytes(slots) + 2 * arena;
}

const char *channel_memory_create(void *memory, uint64_t bytes, enum channel_kind kind,
                                  uint64_t slots, uint64_t arena)
{
    struct channel_header *header = memory;
    uint64_t needed = channel_memory_bytes(kind, slots, arena);
    if (!needed)
        return "no channel of this form has that many slots";
    if (bytes < needed)
        return "the memory is too small for it";
    if ((uintptr_t)memory % PAGE_BYTES)
        return "the memory does not begin on a page";
    if (header->magic)
        return "the memory is in use: it must be all zero";
    header->version = CHANNEL_VERSION;
    header->kind = (uint32_t)kind;
    header->slots = slots;
    header->arena = arena;
    header->bytes = needed;
    header->magic = CHANNEL_MAGIC;
    return NULL;
}

/* The functions of a form, of what its ends do, each inline. One that moves many has its end in a
 * local variable, where it stays in registers; RECEIVE_MANY is the receive of that loop. */
#define FORM(NAME, SENDER, SEND, RECEIVER, RECEIVE, RECEIVE_MANY)                                \
    static enum channel_status NAME##_try_send(struct channel *channel,                          \
                                               const struct message *message)                    \
    {                                                                                            \
        if (__builtin_expect(channel_other_closed(channel), 0))                                  \
            return CHANNEL_CLOSED;                                                               \
        if (__builtin_expect(!SEND(&channel->SENDER, message), 0))                               \
            return CHANNEL_AGAIN;                                                                \
        channel_sent(channel);                                                                   \
        return CHANNEL_OK;                                                                       \
    }                                                                                            \
    static enum channel_status NAME##_try_receive(struct channel *channel,                       \
                                                  struct message *message)                       \
    {                                                                                            \
        if (__builtin_expect(RECEIVE(&channel->RECEIVER, message), 1))                           \
            return CHANNEL_OK;                                                                   \
        if (__builtin_expect(!channel_other_closed(channel), 1))                                 \
            return CHANNEL_AGAIN;                                                                \
        return RECEIVE(&channel->RECEIVER, message) ? CHANNEL_OK : CHANNEL_CLOSED;               \
    }                                                                                            \
    static enum channel_status NAME##_send_many(                                                 \
        struct channel *channel, const struct message *messages, uint32_t count, uint32_t *done) \
    {                                                                                            \
        __typeof__(channel->SENDER) end = channel->SENDER;                                       \
        uint32_t sent = 0;                                                                       \
        *done = 0;                                                                               \
        if (channel_other_closed(channel))                                                       \
            return CHANNEL_CLOSED;                                                               \
        while (sent < count && SEND(&end, &messages[sent]))                                      \
            sent++;                                                                              \
        channel->SENDER = end;                                                                   \
        *done = sent;                                                                            \
        channel_sent(channel);                                                                   \
        return sent ? CHANNEL_OK : CHANNEL_AGAIN;                                                \
    }                                                                                            \
    static enum channel_status NAME##_receive_many(                                              \
        struct channel *channel, struct message *messages, uint32_t count, uint32_t *done)       \
    {                                                                                            \
        const bool closed = channel_other_closed(channel); /* then all it sent is there */       \
        __typeof__(channel->RECEIVER) end = channel->RECEIVER;                                   \
        uint32_t received = 0;                                                                   \
        while (received < count && RECEIVE_MANY(&end, &messages[received]))                      \
            received++;                                                                          \
        channel->RECEIVER = end;                                                                 \
        *done = received;                                                                        \
        return received ? CHANNEL_OK : closed ? CHANNEL_CLOSED : CHANNEL_AGAIN;                  \
    }

/* A receiver asks for the line of the next message, to have it come while the caller is busy with
 * this one. Measured from Python, one call a message, 64 slots: 1.4 times the messages where a line
 * there and back took 160 cycles, and round trips no slower. A used ring's writer that asks two
 * slots ahead gained nothing in a stream and lost 40 % in round trips: it does not ask. */
static inline void ask_for(const struct slot *slots, uint64_t position, uint32_t mask)
{
    arch_prefetch_read(&slots[position & mask]);
}

static inline bool epoch_get(struct ring_end *end, struct message *message)
{
    bool got = ring_try_receive(end, message);
    if (got)
        ask_for(end->receiver.slots, end->receiver.position, end->receiver.mask);
    return got;
}

static inline bool used_get(struct used_ring_end *end, struct message *message)
{
    bool got = used_ring_try_receive(end, message);
    if (got)
        ask_for(end->incoming, end->next_in, end->mask);
    return got;
}

/* A call line as a FIFO. */
static inline bool line_put(struct call_sender *end, const struct message *message)
{
    struct message credit;
    if (!call_has_credit(end) && !call_try_take(end, end->next, &credit))
        return false;
    return call_try_send(end, message) >= 0;
}

static inline bool line_get(struct call_receiver *end, struct message *message)
{
    static const struct message credit;
    int line = call_try_receive(end, message);
    if (line < 0)
        return false;
    call_reply(end, (uint32_t)line, &credit);
    return true;
}

FORM(epoch, ring, ring_try_send, ring, epoch_get, ring_try_receive)
FORM(used, used, used_ring_try_send, used, used_get, used_ring_try_receive)
FORM(line, calls.sender, line_put, calls.receiver, line_get, line_get)

/* Fields in the order of struct channel_form. */
#define ENTRY(KIND, NAME)                                                                       \
    [KIND] = {                                                                                  \
        KIND, true, NAME##_try_send, NAME##_try_receive, NAME##_send_many, NAME##_receive_many, \
        NULL}

static const struct channel_form forms[] = {
    ENTRY(CHANNEL_EPOCH_RING, epoch),
    ENTRY(CHANNEL_USED_RING, used),
    ENTRY(CHANNEL_CALL_LINE, line),
    [CHANNEL_CALLS] = {.kind = CHANNEL_CALLS, .shares_memory = true},
};

const char *channel_memory_open(struct channel *channel, void *memory, uint64_t bytes,
                                enum channel_kind kind, uint32_t side)
{
    struct channel_header *header = memory;
    if ((uintptr_t)memory % PAGE_BYTES)
        return "the memory does not begin on a page";
    if (bytes < sizeof *header || header->magic != CHANNEL_MAGIC)
        return "there is no channel in this memory";
    if (header->version != CHANNEL_VERSION)
        return "the channel is of another version";
    if (header->kind != (uint32_t)kind)
        return "the channel is of another form";
    /* Read once: the other side has this memory too. */
    const uint64_t given = __atomic_load_n(&header->slots, __ATOMIC_RELAXED);
    const uint64_t arena = __atomic_load_n(&header->arena, __ATOMIC_RELAXED);
    const uint64_t needed = channel_memory_bytes(kind, given, arena);
    if (!needed || header->bytes != needed)
        return "the channel is laid out in another way: it comes from another build";
    if (bytes < needed)
        return "the memory is truncated";
    if (side > 1)
        return "a channel has two sides, 0 and 1";
    uint32_t expected = CHANNEL_SIDE_NEW;
    /* Acquire pairs with nothing: it is an end's first access. Relaxed on failure: nothing is read
     * after it. */
    if (!atomic_compare_exchange_strong_explicit(&header->side[side].state, &expected,
                                                 CHANNEL_SIDE_OPEN, memory_order_acquire,
                                                 memory_order_relaxed))
        return "this side of the channel was opened before";
    atomic_store_explicit(&header->side[side].pid, (uint32_t)getpid(), memory_order_relaxed);
    const uint32_t slots = (uint32_t)given;
    struct slot *incoming = lane(header, slots, side), *outgoing = lane(header, slots, 1 - side);
    channel->header = header;
    channel->side = side;
    channel->slots = slots;
    channel->arena = arena;
    if (!channel->form)
        channel->form = &forms[kind];
    switch (kind) {
    case CHANNEL_EPOCH_RING:
        ring_open(&channel->ring, outgoing, incoming, slots);
        break;
    case CHANNEL_USED_RING:
        used_ring_open(&channel->used, outgoing, incoming, slots);
        break;
    case CHANNEL_SOCKET:
    case CHANNEL_PIPE:
        break;
    default:
        call_open_sender(&channel->calls.sender, outgoing, slots);
        call_open_receiver(&channel->calls.receiver, incoming, slots);
    }
    return NULL;
}
