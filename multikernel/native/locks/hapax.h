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
 * A dead core's number never departs: everybody behind it stops. */
#pragma once

#include "base/hint.h"
#include "locks/mcs.h"

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

/* Who comes now would wait for one that cannot run. */
static inline bool hapax_hopeless(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    const uint64_t last = atomic_load_explicit(&lock->arrived, memory_order_relaxed);
    return last != atomic_load_explicit(&lock->departed, memory_order_relaxed) &&
           (lock_same_cpu(nodes, me, hapax_node(last) + 1) ||
            atomic_load_explicit(&lock->parking.parked, memory_order_relaxed) & ~AT_THE_DOOR);
}

APART static bool hapax_door(struct lock *lock, struct lock_node *nodes, uint32_t me,
                             const struct lock_waiter *waiter, struct lock_wait *wait)
{
    while (wait->visits < DOOR_VISITS && hapax_hopeless(lock, nodes, me)) {
        if (lock_moment(wait, waiter, true) == LOCK_STOP)
            return false;
        PARK_AT_DOOR(&lock->parking, wait, waiter, hapax_held(lock));
    }
    return true;
}

APART static bool hapax_wait(struct lock *lock, struct lock_node *nodes, uint32_t me,
                             const struct lock_waiter *waiter, struct lock_wait *wait,
                             uint64_t before)
{
    const uint32_t node = hapax_node(before);
    atomic_store_explicit(&nodes[me].before, node + 1, memory_order_relaxed);
    /* Both acquires pair with the release stores in hapax_release: what the predecessor did is
     * seen. */
    for (uint64_t seen;
         (seen = atomic_load_explicit(&nodes[node].departed, memory_order_acquire)) != before;) {
        if (atomic_load_explicit(&lock->departed, memory_order_acquire) == before)
            break;
        while (atomic_load_explicit(&nodes[node].departed, memory_order_relaxed) == seen) {
            const enum lock_next next =
                lock_moment(wait, waiter, lock_same_cpu(nodes, me, node + 1));
            if (next == LOCK_STOP)
                return false;
            if (next == LOCK_PARK)
                PARK_IN_QUEUE(&lock->parking, queue_bit(node), waiter,
                              atomic_load_explicit(&nodes[node].departed, memory_order_relaxed) ==
                                  seen);
        }
    }
    atomic_store_explicit(&nodes[me].before, LOCK_NONE, memory_order_relaxed);
    return true;
}

static inline enum lock_outcome hapax_acquire(struct lock *lock, struct lock_node *nodes,
                                              uint32_t me, const struct lock_waiter *waiter)
{
    struct lock_wait wait = {0};
    if (waiter->parks && __builtin_expect(hapax_hopeless(lock, nodes, me), 0) &&
        !hapax_door(lock, nodes, me, waiter, &wait))
        return LOCK_GIVEN_UP;
    struct lock_node *node = &nodes[me];
    const uint64_t drawn = atomic_load_explicit(&node->number, memory_order_relaxed);
    const uint64_t number = ((drawn | (HAPAX_NODES - 1)) + 1) | me;
    atomic_store_explicit(&node->number, number, memory_order_relaxed);
    /* Relaxed: the lock is handed over through `departed`. */
    const uint64_t before = atomic_exchange_explicit(&lock->arrived, number, memory_order_relaxed);
    /* Acquire: as in hapax_wait. */
    if (__builtin_expect(atomic_load_explicit(&lock->departed, memory_order_acquire) != before,
                         0) &&
        !hapax_wait(lock, nodes, me, waiter, &wait, before))
        return LOCK_GIVEN_UP;
    parking_came_in(&lock->parking, &wait);
    return LOCK_TAKEN;
}

static inline void hapax_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    struct lock_node *node = &nodes[me];
    const uint64_t number = atomic_load_explicit(&node->number, memory_order_relaxed);
    /* Both pair with the acquires in hapax_acquire and hapax_wait. The lock's before the slot's:
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
    const uint64_t last = atomic_load_explicit(&lock->arrived, memory_order_relaxed);
    return lock_first_before(nodes, hapax_node(last) + 1);
}
