/* The ticket lock (Reed and Kanodia, CACM'79; Mellor-Crummey and Scott, TOCS'91): FIFO, in the
 * order in which the tickets are drawn. One atomic operation and a store; every waiter looks at one
 * line, so it is for few cores. Cores that park at the door (waiting.h) have no ticket yet.
 *
 * A dead core's ticket stops everybody behind it. */
#pragma once

#include "locks/waiting.h"

static inline bool ticket_held(struct lock *lock)
{
    return atomic_load_explicit(&lock->next, memory_order_relaxed) !=
           atomic_load_explicit(&lock->serving, memory_order_relaxed);
}

/* Who waits, waits for one that cannot run: the holder; or, it has just come, one that is
 * parked. */
static inline bool ticket_hopeless(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                   const struct lock_wait *wait)
{
    return lock_same_cpu(nodes, me, atomic_load_explicit(&lock->owner, memory_order_relaxed)) ||
           (!wait->looks &&
            atomic_load_explicit(&lock->parking.parked, memory_order_relaxed) & ~AT_THE_DOOR);
}

static inline uint32_t ticket_draw(struct lock *lock)
{
    /* Relaxed: a ticket says nothing of what the lock guards. */
    return atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
}

static inline bool ticket_served(struct lock *lock, uint32_t ticket)
{
    /* Pairs with the release store in ticket_release: what the holder did is seen. */
    return atomic_load_explicit(&lock->serving, memory_order_acquire) == ticket;
}

/* The last ticket drawn, it is as if it never was. If it is being served by now the lock is
 * free. */
static inline bool ticket_give_back(struct lock *lock, uint32_t ticket)
{
    uint32_t last = ticket + 1;
    return atomic_compare_exchange_strong_explicit(&lock->next, &last, ticket, memory_order_relaxed,
                                                   memory_order_relaxed);
}

APART static enum lock_outcome ticket_wait(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                           const struct lock_waiter *waiter, uint32_t ticket)
{
    struct lock_wait wait = {0};
    while (!ticket_served(lock, ticket)) {
        const enum lock_next next =
            lock_moment(&wait, waiter, ticket_hopeless(lock, nodes, me, &wait));
        if (next == LOCK_STOP)
            return LOCK_GIVEN_UP;
        if (next == LOCK_LOOK)
            continue;
        if (wait.visits < DOOR_VISITS && ticket_give_back(lock, ticket)) {
            PARK_AT_DOOR(&lock->parking, &wait, waiter, ticket_held(lock));
            ticket = ticket_draw(lock);
        } else {
            PARK_IN_QUEUE(&lock->parking, queue_bit(ticket), waiter, !ticket_served(lock, ticket));
        }
    }
    atomic_store_explicit(&lock->owner, me + 1, memory_order_relaxed);
    parking_came_in(&lock->parking, &wait);
    return LOCK_TAKEN;
}

static inline enum lock_outcome ticket_acquire(struct lock *lock, struct lock_node *nodes,
                                               uint32_t me, const struct lock_waiter *waiter)
{
    const uint32_t ticket = ticket_draw(lock);
    if (__builtin_expect(!ticket_served(lock, ticket), 0))
        return ticket_wait(lock, nodes, me, waiter, ticket);
    atomic_store_explicit(&lock->owner, me + 1, memory_order_relaxed);
    return LOCK_TAKEN;
}

static inline void ticket_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    const uint32_t next = atomic_load_explicit(&lock->serving, memory_order_relaxed) + 1;
    /* Pairs with the acquire load in ticket_served. */
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
