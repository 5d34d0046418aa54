/* The epoch ring: Barrelfish's URPC channel of 2011-2016 (lib/barrelfish/ump_chan.c of that era, paper section 4.6).
 *
 * A direction is an array of 2^k slots with one writer and one reader. The control word of a slot carries an epoch bit
 * that flips each lap, so the reader sees a new message by comparing one bit and never writes the ring. How many messages
 * a side has consumed travels back in the control words of its own messages; when nothing flows back, an ACK message
 * carries it. Data may use all credits but one: the last is kept for the ACK, so two sides that have both filled their
 * rings can still tell each other what they consumed, and neither waits for ever.
 *
 * Guarantees: FIFO, no loss, no duplicate, a message is seen whole or not at all; single-source only.
 * Ends are created once, one a side, and live in private memory: positions are never shared. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "message.h"

enum {
    RING_SLOTS = 32,        /* Barrelfish's monitor channels; other sizes by ring_open */
    RING_SLOTS_MIN = 4,     /* two messages at least before an ACK, the reserved slot, one to spare */
    RING_SLOTS_MAX = 32768, /* the acknowledgement is 16 bits wide */
    RING_EPOCH = 1,         /* control bit 0 */
    RING_ACK_ONLY = 2,      /* control bit 1: no payload */
    RING_ACK_SHIFT = 48,    /* control bits 48-63: messages consumed so far, modulo 2^16 */
};

struct ring_sender {
    struct slot *slots;
    uint32_t mask;
    uint32_t log2;
    uint64_t position;     /* messages written */
    uint64_t acknowledged; /* messages the other side is known to have consumed */
};

struct ring_receiver {
    struct slot *slots;
    uint32_t mask;
    uint32_t log2;
    uint64_t position;  /* messages consumed */
    uint64_t announced; /* ... of which the other side has been told */
};

struct ring_end {
    struct ring_sender sender;
    struct ring_receiver receiver;
};

/* slots must be a power of two, RING_SLOTS_MIN .. RING_SLOTS_MAX, the memory zeroed and not yet used by anybody. */
static inline void ring_open(struct ring_end *end, struct slot *outgoing, struct slot *incoming, uint32_t slots)
{
    assert(slots >= RING_SLOTS_MIN && slots <= RING_SLOTS_MAX && (slots & (slots - 1)) == 0);
    uint32_t log2 = (uint32_t)__builtin_ctz(slots);
    end->sender = (struct ring_sender){.slots = outgoing, .mask = slots - 1, .log2 = log2};
    end->receiver = (struct ring_receiver){.slots = incoming, .mask = slots - 1, .log2 = log2};
}

/* Lap 0 writes epoch 1, over memory that starts as zero. */
static inline uint64_t ring_epoch(uint64_t position, uint32_t log2)
{
    return ((position >> log2) & 1) ^ 1;
}

static inline void ring_learn(struct ring_sender *sender, uint64_t control)
{
    uint16_t told = (uint16_t)(control >> RING_ACK_SHIFT);
    sender->acknowledged += (uint16_t)(told - (uint16_t)sender->acknowledged);
}

/* Writes the message and publishes it. The caller has checked for credit. */
static inline void ring_publish(struct ring_end *end, const struct message *message, uint64_t flags)
{
    struct ring_sender *sender = &end->sender;
    struct slot *slot = &sender->slots[sender->position & sender->mask];
    uint64_t control = ring_epoch(sender->position, sender->log2) | flags | (end->receiver.position << RING_ACK_SHIFT);
    if (message)
        slot_put(slot, message);
#if defined(MK_MUTANT_RING_RELEASE)
    atomic_store_explicit(&slot->control, control, memory_order_relaxed);
#else
    /* Pairs with the acquire in ring_peek of the other side: who sees this epoch sees the words above. */
    atomic_store_explicit(&slot->control, control, memory_order_release);
#endif
    end->receiver.announced = end->receiver.position;
    sender->position++;
}

/* The next incoming control word, if its epoch says it is new. */
static inline bool ring_peek(struct ring_receiver *receiver, struct slot **slot, uint64_t *control)
{
    *slot = &receiver->slots[receiver->position & receiver->mask];
#if defined(MK_MUTANT_RING_ACQUIRE)
    *control = atomic_load_explicit(&(*slot)->control, memory_order_relaxed);
#else
    /* Pairs with the release in ring_publish of the other side. It is also the edge by which a sender that learns of an
     * acknowledgement here may overwrite the acknowledged slots: their readers' loads came before that publication. */
    *control = atomic_load_explicit(&(*slot)->control, memory_order_acquire);
#endif
    return (*control & RING_EPOCH) == ring_epoch(receiver->position, receiver->log2);
}

/* Consumes ACK messages at the head of the incoming ring and reads the acknowledgement of a data message there. */
static inline void ring_collect(struct ring_end *end)
{
    struct slot *slot;
    uint64_t control;
    while (ring_peek(&end->receiver, &slot, &control)) {
        ring_learn(&end->sender, control);
        if (!(control & RING_ACK_ONLY))
            return;
        end->receiver.position++;
    }
}

static inline uint64_t ring_in_flight(const struct ring_sender *sender)
{
    return sender->position - sender->acknowledged;
}

/* Tells the other side what was consumed once a quarter of the ring is untold: rarely enough to be cheap, early enough
 * that a streaming sender does not stop. */
static inline void ring_acknowledge(struct ring_end *end)
{
    struct ring_receiver *receiver = &end->receiver;
    uint64_t untold = receiver->position - receiver->announced;
    uint64_t threshold = (receiver->mask + 1) / 4;
    if (untold < (threshold > 2 ? threshold : 2)) /* one ACK for one ACK would go on for ever */
        return;
#if !defined(MK_MUTANT_RING_CREDIT)
    if (ring_in_flight(&end->sender) > end->sender.mask)
        return; /* even the reserved slot is in use: the ACK that freed it is on its way */
#endif
    ring_publish(end, NULL, RING_ACK_ONLY);
}

/* False when the ring is full. */
static inline bool ring_try_send(struct ring_end *end, const struct message *message)
{
    struct ring_sender *sender = &end->sender;
#if !defined(MK_MUTANT_RING_CREDIT)
    if (ring_in_flight(sender) >= sender->mask) {
        ring_collect(end);
        if (ring_in_flight(sender) >= sender->mask) {
            ring_acknowledge(end); /* perhaps owed since the reserved slot was in use: nothing else may come that tells it */
            return false;
        }
    }
#endif
    ring_publish(end, message, 0);
    return true;
}

/* False when nothing has arrived. */
static inline bool ring_try_receive(struct ring_end *end, struct message *message)
{
    struct slot *slot;
    uint64_t control;
    struct ring_receiver *receiver = &end->receiver;
    while (ring_peek(receiver, &slot, &control)) {
        ring_learn(&end->sender, control);
        if (control & RING_ACK_ONLY) {
            receiver->position++;
            ring_acknowledge(end);
            continue;
        }
        slot_get(slot, message);
        receiver->position++;
        ring_acknowledge(end);
        return true;
    }
    return false;
}
