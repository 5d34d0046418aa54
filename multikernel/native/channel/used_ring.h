/* The used ring: Barrelfish's UMP channel since 2017 (include/barrelfish/ump_impl.h of the final
 * tree).
 *
 * A direction is an array of 2^k slots with one writer and one reader. The control word of a slot
 * says whether it is used: the writer sets it with the message, the reader clears it in place when
 * it has read the message. Nothing travels back: a slot that is found clear is a credit. The price
 * is that the reader writes every line, so the line comes back to the writer dirty, and that the
 * writer looks at a line before it writes it; the gain is that no direction needs the other one.
 *
 * Guarantees: FIFO, no loss, no duplicate, a message is seen whole or not at all; single-source
 * only. All slots may be in use. Ends are created once, one a side, and live in private memory. */
#pragma once

#include <stdbool.h>

#include "base/message.h"

enum {
    USED_RING_SLOTS_MIN = 1,
    USED_RING_SLOTS_MAX = 1 << 20,
    USED_RING_FREE = 0,
    USED_RING_USED = 1,
};

struct used_ring_end {
    struct slot *outgoing, *incoming;
    uint32_t mask;
    uint32_t next_out, next_in;
};

/* slots must be a power of two, the memory zeroed and not yet used by anybody. */
static inline void used_ring_open(struct used_ring_end *end, struct slot *outgoing,
                                  struct slot *incoming, uint32_t slots)
{
    assert(slots >= USED_RING_SLOTS_MIN && slots <= USED_RING_SLOTS_MAX &&
           (slots & (slots - 1)) == 0);
    *end = (struct used_ring_end){.outgoing = outgoing, .incoming = incoming, .mask = slots - 1};
}

/* False when the ring is full. */
static inline bool used_ring_try_send(struct used_ring_end *end, const struct message *message)
{
    struct slot *slot = &end->outgoing[end->next_out];
    /* Pairs with the release that clears it in used_ring_try_receive: the reader's loads came
     * before, and our stores come after. */
    uint64_t control = atomic_load_explicit(&slot->control, memory_order_acquire);
    if (control != USED_RING_FREE)
        return false;
    slot_put(slot, message);
    /* Pairs with the acquire in used_ring_try_receive: the slot seen used, so are the words
     * above. */
    atomic_store_explicit(&slot->control, USED_RING_USED, memory_order_release);
    end->next_out = (end->next_out + 1) & end->mask;
    return true;
}

/* False when nothing has arrived. */
static inline bool used_ring_try_receive(struct used_ring_end *end, struct message *message)
{
    struct slot *slot = &end->incoming[end->next_in];
    /* Pairs with the release that sets it in used_ring_try_send. */
    uint64_t control = atomic_load_explicit(&slot->control, memory_order_acquire);
    if (control == USED_RING_FREE)
        return false;
    slot_get(slot, message);
    /* Pairs with the acquire in used_ring_try_send: a slot found free has been read. */
    atomic_store_explicit(&slot->control, USED_RING_FREE, memory_order_release);
    end->next_in = (end->next_in + 1) & end->mask;
    return true;
}
