/* The epoch ring: Barrelfish's URPC channel of 2011-2016 (lib/barrelfish/ump_chan.c of that era,
 * paper section 4.6).
 *
 * A direction is an array of 2^k slots with one writer and one reader. The control word of a slot
 * carries an epoch bit that flips each lap, so the reader sees a new message by comparing one bit
 * and never writes the ring. How many messages a side has consumed travels back in the control
 * words of its own messages; when nothing flows back, an ACK message carries it. Data may use all
 * credits but one: the last is kept for the ACK, so two sides that have both filled their rings can
 * still say to each other what they consumed, and neither waits for ever.
 *
 * What is done for each message is kept short, because it was measured to matter: a reader gets its
 * speed from having the misses of the next few slots under way at once, as many as fit into the
 * processor's window, and bookkeeping that is stored to memory takes places in the store queue from
 * messages. So acknowledgements are taken in only when credit runs out, the rest is done once a
 * quarter, and everything is inline: a loop whose end is a local variable keeps it in registers.
 *
 * Guarantees: FIFO, no loss, no duplicate, a message is seen whole or not at all; single-source
 * only. Ends are created once, one a side, and live in private memory: positions are never
 * shared. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/message.h"

#define RING_INLINE static inline __attribute__((always_inline))

enum {
    RING_SLOTS = 32,    /* Barrelfish's monitor channels; other sizes by ring_open */
    RING_SLOTS_MIN = 4, /* two messages at least before an ACK, the reserved slot, one to spare */
    RING_SLOTS_MAX = 32768, /* the acknowledgement is 16 bits wide */
    RING_EPOCH = 1,         /* control bit 0 */
    RING_ACK_ONLY = 2,      /* control bit 1: no payload */
    RING_ACK_SHIFT = 48,    /* control bits 48-63: messages consumed so far, modulo 2^16 */
};

struct ring_sender {
    struct slot *slots;
    uint32_t mask;
    uint32_t epoch;    /* of the slot at position: 1 in lap 0, over memory that starts as zero */
    uint64_t position; /* messages written */
    uint64_t limit;    /* ... may not pass this: messages known to be consumed, and the credits */
};

struct ring_receiver {
    struct slot *slots;
    uint32_t mask;
    uint32_t epoch;     /* of the slot at position */
    uint64_t position;  /* messages consumed */
    uint64_t announced; /* ... as the last message that we wrote says */
    uint64_t spoken;    /* messages that we had written then */
    uint64_t visit;     /* where to look whether an ACK is due; a quarter's end at the latest */
    uint64_t newest;    /* control word received: its ack is taken in when credit runs out */
};

struct ring_end {
    struct ring_sender sender;
    struct ring_receiver receiver;
};

/* slots must be a power of two, RING_SLOTS_MIN .. RING_SLOTS_MAX, the memory zeroed and not yet
 * used by anybody. */
static inline void ring_open(struct ring_end *end, struct slot *outgoing, struct slot *incoming,
                             uint32_t slots)
{
    assert(slots >= RING_SLOTS_MIN && slots <= RING_SLOTS_MAX && (slots & (slots - 1)) == 0);
    end->sender = (struct ring_sender){
        .slots = outgoing, .mask = slots - 1, .epoch = RING_EPOCH, .limit = slots - 1};
    end->receiver = (struct ring_receiver){
        .slots = incoming, .mask = slots - 1, .epoch = RING_EPOCH, .visit = 1};
}

/* Takes in the newest acknowledgement. At most a ring of messages lies between two of them, so 16
 * bits are enough. */
RING_INLINE void ring_learn(struct ring_end *end)
{
    uint64_t consumed = end->sender.limit - end->sender.mask;
    end->sender.limit += (uint16_t)((end->receiver.newest >> RING_ACK_SHIFT) - consumed);
}

/* Writes the message and publishes it. The caller has checked for credit. */
RING_INLINE void ring_publish(struct ring_end *end, const struct message *message, uint64_t flags)
{
    struct ring_sender *sender = &end->sender;
    struct slot *slot = &sender->slots[sender->position & sender->mask];
    uint64_t control = sender->epoch | flags | (end->receiver.position << RING_ACK_SHIFT);
    if (message)
        slot_put(slot, message);
    /* Pairs with the acquire in ring_peek of the other side: this epoch seen, so are the words
     * above. */
    atomic_store_explicit(&slot->control, control, memory_order_release);
    sender->position++;
    if (__builtin_expect((sender->position & sender->mask) == 0, 0))
        sender->epoch ^= RING_EPOCH;
}

/* The next incoming control word. What it is: new when its epoch is the receiver's. */
RING_INLINE uint64_t ring_peek(struct ring_receiver *receiver, struct slot **slot)
{
    *slot = &receiver->slots[receiver->position & receiver->mask];
    /* Pairs with the release in ring_publish of the other side. It is also the edge by which a
     * sender that learns of an acknowledgement here may overwrite the acknowledged slots: their
     * readers' loads came before that publication. */
    return atomic_load_explicit(&(*slot)->control, memory_order_acquire);
}

/* Every message we write says what was consumed. It is noted when more is consumed, not when it is
 * written: then a stream one way stores nothing for it, and a store more a message costs the writer
 * a fifth of its speed. */
RING_INLINE void ring_note(struct ring_end *end)
{
    struct ring_receiver *receiver = &end->receiver;
    if (end->sender.position != receiver->spoken) {
        receiver->spoken = end->sender.position;
        receiver->announced = receiver->position;
    }
}

/* Acknowledges what was consumed, if that is a quarter of the ring: rarely enough to be cheap,
 * early enough that a streaming sender does not stop. What is not acknowledged here is within the
 * next quarter, so the sender never lacks more than half. An ACK always says something new: so it
 * frees the slot reserved for the answer to it. */
RING_INLINE void ring_acknowledge(struct ring_end *end)
{
    struct ring_receiver *receiver = &end->receiver;
    /* Less one. At least two messages, or one ACK for one ACK would go on for ever. */
    uint64_t quarter = receiver->mask >> 2 | 1;
    ring_note(end);
    receiver->visit = (receiver->position | quarter) + 1;
    if (receiver->position - receiver->announced <= quarter)
        return;
    ring_learn(end);
    if (end->sender.position > end->sender.limit) {
        /* Even the reserved slot is in use: what frees it is on its way. */
        receiver->visit = receiver->position + 1;
        return;
    }
    ring_publish(end, NULL, RING_ACK_ONLY);
}

RING_INLINE void ring_consume(struct ring_end *end, bool answer)
{
    struct ring_receiver *receiver = &end->receiver;
    ring_note(end);
    if (__builtin_expect(++receiver->position != receiver->visit, 1))
        return;
    if ((receiver->position & receiver->mask) == 0)
        receiver->epoch ^= RING_EPOCH;
    receiver->visit = receiver->position + 1;
    if (answer)
        ring_acknowledge(end);
}

/* Consumes ACK messages at the head of the incoming ring. True when a data message is there. */
RING_INLINE bool ring_skip(struct ring_end *end, struct slot **slot, uint64_t *control, bool answer)
{
    for (;;) {
        *control = ring_peek(&end->receiver, slot);
        if ((*control ^ end->receiver.epoch) & RING_EPOCH)
            return false;
        /* Of a data message too, though it stays: it may be all that comes. */
        end->receiver.newest = *control;
        if (!(*control & RING_ACK_ONLY))
            return true;
        ring_consume(end, answer);
    }
}

/* Credit has run out: is there more by now? */
RING_INLINE bool ring_has_room(struct ring_end *end)
{
    struct slot *slot;
    uint64_t control;
    ring_learn(end);
    if (end->sender.position < end->sender.limit)
        return true;
    /* Not acknowledged: the message that there may be room for says as much. */
    ring_skip(end, &slot, &control, false);
    ring_learn(end);
    if (end->sender.position < end->sender.limit)
        return true;
    /* Perhaps owed since the reserved slot was in use: nothing else may come that says it. */
    ring_acknowledge(end);
    return false;
}

/* False when the ring is full. */
RING_INLINE bool ring_try_send(struct ring_end *end, const struct message *message)
{
    if (__builtin_expect(end->sender.position >= end->sender.limit, 0) && !ring_has_room(end))
        return false;
    ring_publish(end, message, 0);
    return true;
}

/* False when nothing has arrived. */
RING_INLINE bool ring_try_receive(struct ring_end *end, struct message *message)
{
    struct slot *slot;
    uint64_t control = ring_peek(&end->receiver, &slot);
    /* One test for both: not new, or new and no data. */
    if (__builtin_expect(((control ^ end->receiver.epoch) & (RING_EPOCH | RING_ACK_ONLY)) != 0,
                         0) &&
        !ring_skip(end, &slot, &control, true))
        return false;
    slot_get(slot, message);
    end->receiver.newest = control;
    ring_consume(end, true);
    return true;
}
