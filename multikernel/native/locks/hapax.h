/* The Hapax lock (Dice and Kogan, Hapax Locks: Value-Based Mutual Exclusion, 2025): FIFO, arrival
 * and release in constant time, and no pointers: each acquire draws a number that never comes
 * again, and leaves it in `arrived`; it has the lock when the number that it found there has
 * departed. Nothing that a dead core leaves behind points anywhere, and who waits can say for whom.
 *
 * Waiters do not look at the lock's line but at a slot of a waiting array that the number waited
 * for leads to. In the paper the numbers come in blocks from one allocator, and are hashed; here
 * each core draws from numbers of its own, which end in its node's, so that a number leads to its
 * core's node and two never share a slot. A slot's value is a hint, unless it is the number: who
 * sees it change looks at `departed`.
 *
 * A dead core's number never departs: everybody behind it stops, and gives up in time. Its successor
 * does not pass over it: it sees neither whether the dead one had entered, and what the lock guards
 * is torn, nor, where it died right after its exchange, whose number it found there. To show the
 * first takes a store in every acquire, before it enters; the second, a look at all nodes; and a
 * core that comes back must not take its node anew while somebody waits for its old number. */
#pragma once

#include "locks/waiting.h"

enum { HAPAX_NODES = 1 << 16 }; /* 2^48 numbers a node: at a hundred million a second, a month */

static inline uint32_t hapax_node(uint64_t number)
{
    return (uint32_t)(number % HAPAX_NODES);
}

static inline bool hapax_held(struct lock *lock)
{
    return atomic_load_explicit(&lock->arrived, memory_order_relaxed) !=
           atomic_load_explicit(&lock->departed, memory_order_relaxed);
}

static inline uint64_t hapax_draw(struct lock_node *node, uint32_t me)
{
    const uint64_t drawn = atomic_load_explicit(&node->number, memory_order_relaxed);
    const uint64_t number = ((drawn | (HAPAX_NODES - 1)) + 1) | me;
    atomic_store_explicit(&node->number, number, memory_order_relaxed);
    return number;
}

/* Whom this one comes behind. Relaxed: the lock is handed over through `departed`. */
static inline uint64_t hapax_arrive(struct lock *lock, uint64_t number)
{
    return atomic_exchange_explicit(&lock->arrived, number, memory_order_relaxed);
}

static inline bool hapax_departed(struct lock *lock, uint64_t before)
{
    /* Pairs with the release store in hapax_release: what the predecessor did is seen. */
    return atomic_load_explicit(&lock->departed, memory_order_acquire) == before;
}

/* The last to arrive, it is as if it never had. If its predecessor departs meanwhile the lock is
 * free. */
static inline bool hapax_turn_back(struct lock *lock, uint64_t number, uint64_t before)
{
    return atomic_compare_exchange_strong_explicit(&lock->arrived, &number, before,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Who waits, waits for one that cannot run: its predecessor; or, it has just come, one that is
 * parked. */
static inline bool hapax_hopeless(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                  uint32_t node, const struct lock_wait *wait)
{
    return lock_same_cpu(nodes, me, node + 1) ||
           (!wait->looks &&
            atomic_load_explicit(&lock->parking.parked, memory_order_relaxed) & ~AT_THE_DOOR);
}

APART static enum lock_outcome hapax_wait(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                          const struct lock_waiter *waiter, uint64_t before)
{
    struct lock_wait wait = {0};
    while (!hapax_departed(lock, before)) {
        const uint32_t node = hapax_node(before);
        _Atomic uint64_t *slot = &nodes[node].departed;
        atomic_store_explicit(&nodes[me].before, node + 1, memory_order_relaxed);
        const uint64_t seen = atomic_load_explicit(slot, memory_order_acquire);
        /* It may have changed before it was seen; from now on it changes only once. Both acquires
         * pair with the release stores in hapax_release. */
        if (seen == before || hapax_departed(lock, before))
            break;
        while (atomic_load_explicit(slot, memory_order_relaxed) == seen) {
            const enum lock_next next =
                lock_moment(&wait, waiter, hapax_hopeless(lock, nodes, me, node, &wait));
            if (next == LOCK_STOP)
                return LOCK_GIVEN_UP;
            if (next == LOCK_LOOK)
                continue;
            const uint64_t number = atomic_load_explicit(&nodes[me].number, memory_order_relaxed);
            if (wait.visits < DOOR_VISITS && hapax_turn_back(lock, number, before)) {
                PARK_AT_DOOR(&lock->parking, &wait, waiter, hapax_held(lock));
                before = hapax_arrive(lock, hapax_draw(&nodes[me], me));
                break;
            }
            PARK_IN_QUEUE(&lock->parking, queue_bit(node), waiter,
                          atomic_load_explicit(slot, memory_order_relaxed) == seen);
        }
    }
    atomic_store_explicit(&nodes[me].before, LOCK_NONE, memory_order_relaxed);
    parking_came_in(&lock->parking, &wait);
    return LOCK_TAKEN;
}

static inline enum lock_outcome hapax_acquire(struct lock *lock, struct lock_node *nodes,
                                              uint32_t me, const struct lock_waiter *waiter)
{
    const uint64_t before = hapax_arrive(lock, hapax_draw(&nodes[me], me));
    return __builtin_expect(hapax_departed(lock, before), 1)
               ? LOCK_TAKEN
               : hapax_wait(lock, nodes, me, waiter, before);
}

static inline void hapax_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    struct lock_node *node = &nodes[me];
    const uint64_t number = atomic_load_explicit(&node->number, memory_order_relaxed);
    /* Both pair with the acquires in hapax_departed and hapax_wait. The lock's before the slot's:
     * who sees a slot change looks there. */
    atomic_store_explicit(&lock->departed, number, memory_order_release);
    atomic_store_explicit(&node->departed, number, memory_order_release);
    const uint32_t parked = parking_look(&lock->parking);
    if (__builtin_expect(parked != 0, 0))
        parking_release(&lock->parking, parked, queue_bit(me),
                        atomic_load_explicit(&lock->arrived, memory_order_relaxed) == number, 1);
}

static inline uint32_t hapax_holder(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)me;
    if (!hapax_held(lock))
        return LOCK_NONE;
    const uint32_t departed =
        hapax_node(atomic_load_explicit(&lock->departed, memory_order_relaxed));
    uint32_t first = hapax_node(atomic_load_explicit(&lock->arrived, memory_order_relaxed)) + 1;
    /* Back from the last to arrive, to who waits for nobody, or for the last to depart. */
    for (uint32_t steps = 0; steps < LOCK_CHAIN; steps++) {
        const uint32_t before =
            atomic_load_explicit(&nodes[first - 1].before, memory_order_relaxed);
        if (!before || before == departed + 1)
            break;
        first = before;
    }
    return first;
}
