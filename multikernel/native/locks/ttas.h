/* The test-and-test-and-set lock: mutual exclusion, no order. One core may take it any number of
 * times while others wait, and as its line then stays in that core's cache, it is the fastest.
 *
 * A waiter only reads, and after each look that finds it held it looks again later, twice as late
 * each time, up to a bound (Anderson, TPDS'90). The word says who holds it. */
#pragma once

#include "locks/waiting.h"

enum { TTAS_BACK_OFF = 8 }; /* moments, at most */

static inline bool ttas_try(struct lock *lock, uint32_t me)
{
    uint32_t free = LOCK_NONE;
    /* Acquire: pairs with the release store in ttas_release. Sequentially consistent on account of
     * readers.h: a writer takes the lock, then looks at the readers. */
    return atomic_compare_exchange_strong_explicit(&lock->holder, &free, me + 1,
                                                   memory_order_seq_cst, memory_order_relaxed);
}

APART static enum lock_outcome ttas_wait(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                         const struct lock_waiter *waiter)
{
    struct lock_wait wait = {0};
    for (uint32_t back_off = 1;;) {
        uint32_t holder = atomic_load_explicit(&lock->holder, memory_order_relaxed);
        if (!holder && ttas_try(lock, me)) {
            parking_came_in(&lock->parking, &wait);
            return LOCK_TAKEN;
        }
        enum lock_next next = LOCK_LOOK;
        for (uint32_t i = 0; i < back_off && next == LOCK_LOOK; i++)
            next = lock_moment(&wait, waiter, lock_same_cpu(nodes, me, holder));
        if (next == LOCK_STOP)
            return LOCK_GIVEN_UP;
        if (next == LOCK_PARK)
            PARK_AT_DOOR(&lock->parking, &wait, waiter,
                         atomic_load_explicit(&lock->holder, memory_order_relaxed));
        back_off = back_off < TTAS_BACK_OFF ? 2 * back_off : TTAS_BACK_OFF;
    }
}

static inline enum lock_outcome ttas_acquire(struct lock *lock, struct lock_node *nodes,
                                             uint32_t me, const struct lock_waiter *waiter)
{
    return __builtin_expect(ttas_try(lock, me), 1) ? LOCK_TAKEN
                                                   : ttas_wait(lock, nodes, me, waiter);
}

static inline void ttas_release_to(struct lock *lock, int32_t wakes)
{
    /* Pairs with the acquire in ttas_try. */
    atomic_store_explicit(&lock->holder, LOCK_NONE, memory_order_release);
    const uint32_t parked = parking_look(&lock->parking);
    if (__builtin_expect(parked != 0, 0))
        parking_release(&lock->parking, parked, 0, true, wakes);
}

static inline void ttas_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    ttas_release_to(lock, 1);
}

static inline uint32_t ttas_holder(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    return atomic_load_explicit(&lock->holder, memory_order_relaxed);
}
