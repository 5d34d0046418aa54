/* The ticket lock (Reed and Kanodia, CACM'79; Mellor-Crummey and Scott, TOCS'91): FIFO, in the
 * order in which the tickets are drawn. One atomic operation and a store; every waiter looks at one
 * line, so it is for few cores. Cores that park at the door (waiting.h) have no ticket yet.
 *
 * A dead core's ticket stops everybody behind it. */
#pragma once

#include "base/hint.h"
#include "locks/waiting.h"

static inline bool ticket_held(struct lock *lock)
{
    return atomic_load_explicit(&lock->next, memory_order_relaxed) !=
           atomic_load_explicit(&lock->serving, memory_order_relaxed);
}

/* Who comes now would wait for one that cannot run: its holder, or one that is parked. */
static inline bool ticket_hopeless(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    return ticket_held(lock) &&
           (lock_same_cpu(nodes, me, atomic_load_explicit(&lock->owner, memory_order_relaxed)) ||
            atomic_load_explicit(&lock->parking.parked, memory_order_relaxed) & ~AT_THE_DOOR);
}

APART static bool ticket_door(struct lock *lock, struct lock_node *nodes, uint32_t me,
                              const struct lock_waiter *waiter, struct lock_wait *wait)
{
    while (wait->visits < DOOR_VISITS && ticket_hopeless(lock, nodes, me)) {
        if (lock_moment(wait, waiter, true) == LOCK_STOP)
            return false;
        PARK_AT_DOOR(&lock->parking, wait, waiter, ticket_held(lock));
    }
    return true;
}

APART static bool ticket_wait(struct lock *lock, struct lock_node *nodes, uint32_t me,
                              const struct lock_waiter *waiter, struct lock_wait *wait,
                              uint32_t ticket)
{
    /* Pairs with the release store in ticket_release: what the holder did is seen. */
    while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket) {
        const uint32_t owner = atomic_load_explicit(&lock->owner, memory_order_relaxed);
        const enum lock_next next = lock_moment(wait, waiter, lock_same_cpu(nodes, me, owner));
        if (next == LOCK_STOP)
            return false;
        if (next == LOCK_PARK)
            PARK_IN_QUEUE(&lock->parking, queue_bit(ticket), waiter,
                          atomic_load_explicit(&lock->serving, memory_order_relaxed) != ticket);
    }
    return true;
}

static inline enum lock_outcome ticket_acquire(struct lock *lock, struct lock_node *nodes,
                                               uint32_t me, const struct lock_waiter *waiter)
{
    struct lock_wait wait = {0};
    if (waiter->parks && __builtin_expect(ticket_hopeless(lock, nodes, me), 0) &&
        !ticket_door(lock, nodes, me, waiter, &wait))
        return LOCK_GIVEN_UP;
    /* Relaxed: a ticket says nothing of what the lock guards. */
    const uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
    /* Acquire: as in ticket_wait. */
    if (__builtin_expect(atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket, 0) &&
        !ticket_wait(lock, nodes, me, waiter, &wait, ticket))
        return LOCK_GIVEN_UP;
    atomic_store_explicit(&lock->owner, me + 1, memory_order_relaxed);
    parking_came_in(&lock->parking, &wait);
    return LOCK_TAKEN;
}

static inline void ticket_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    const uint32_t next = atomic_load_explicit(&lock->serving, memory_order_relaxed) + 1;
    /* Pairs with the acquire loads in ticket_acquire and ticket_wait. */
    atomic_store_explicit(&lock->serving, next, memory_order_release);
    const uint32_t parked = parking_look(&lock->parking);
    if (__builtin_expect(parked != 0, 0))
        parking_release(&lock->parking, parked, queue_bit(next),
                        atomic_load_explicit(&lock->next, memory_order_relaxed) == next, 1);
}

static inline uint32_t ticket_holder(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    return ticket_held(lock) ? atomic_load_explicit(&lock->owner, memory_order_relaxed) : LOCK_NONE;
}
