/* The MCS queue lock (Mellor-Crummey and Scott, TOCS'91): FIFO, each waiter looks at its own line,
 * a hand-over costs one line transfer however many wait. Links are node numbers, because the nodes
 * lie at different addresses in different processes. Cores that park at the door (waiting.h) are
 * not in the queue yet.
 *
 * A release waits for nobody. Where the successor has not linked yet, the holder leaves the lock in
 * its own node, and the successor finds it there when it links. What is left there is waited for by
 * the next acquire of that node, which can give up.
 *
 * A core that dies in the queue stops everybody behind it. Where processes die: robust.h. */
#pragma once

#include <sched.h>

#include "locks/waiting.h"

/* In `next`: released before the successor has linked. No node has that number. */
#define MCS_LEFT UINT32_MAX

APART static enum lock_outcome mcs_wait(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                        const struct lock_waiter *waiter, struct lock_wait *wait,
                                        uint32_t before)
{
    struct lock_node *node = &nodes[me];
    atomic_store_explicit(&node->before, before, memory_order_relaxed);
    atomic_store_explicit(&node->waiting, 1, memory_order_relaxed);
    /* Release pairs with the acquires of next in mcs_release: the hand-over comes after our node was
     * initialised. Acquire pairs with the release that left the lock there; then there is no link,
     * at no moment: the next acquire of that node would take it for one of its own. */
    uint32_t link = LOCK_NONE;
    if (__builtin_expect(!atomic_compare_exchange_strong_explicit(&nodes[before - 1].next, &link,
                                                                  me + 1, memory_order_release,
                                                                  memory_order_acquire),
                         0)) {
        /* Relaxed, as the look in mcs_left: nothing but the word itself is handed over. */
        atomic_store_explicit(&nodes[before - 1].next, LOCK_NONE, memory_order_relaxed);
        atomic_store_explicit(&node->waiting, 0, memory_order_relaxed);
    }
    /* Pairs with the release store in mcs_release: the state the predecessor left is ours to
     * see. */
    while (atomic_load_explicit(&node->waiting, memory_order_acquire)) {
        const enum lock_next next = lock_moment(wait, waiter, lock_same_cpu(nodes, me, before));
        if (next == LOCK_STOP)
            return LOCK_GIVEN_UP;
        if (next == LOCK_PARK) {
            /* The word that we sleep on is only ever written by who wakes us. */
            atomic_store_explicit(&node->parked, 1, memory_order_relaxed);
            parking_fence();
            parking_sleep(&node->waiting, 1, ~0u, waiter);
        }
    }
    atomic_store_explicit(&node->parked, 0, memory_order_relaxed);
    atomic_store_explicit(&node->before, LOCK_NONE, memory_order_relaxed);
    parking_came_in(&lock->parking, wait);
    return LOCK_TAKEN;
}

/* Our last release left the lock to a successor that has not linked yet: a few instructions, unless
 * it lost its CPU there. False: given up. */
APART static bool mcs_left(struct lock_node *node, const struct lock_waiter *waiter)
{
    struct lock_wait wait = {0};
    while (atomic_load_explicit(&node->next, memory_order_relaxed) == MCS_LEFT) {
        const enum lock_next next = lock_moment(&wait, waiter, false);
        if (next == LOCK_STOP)
            return false;
        if (next == LOCK_PARK || !wait.looks)
            sched_yield();
    }
    return true;
}

/* Who may park looks at the last in the queue first. A link that others may have seen cannot be
 * taken back, as a ticket can. */
APART static enum lock_outcome mcs_door(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                        const struct lock_waiter *waiter, uint32_t last)
{
    struct lock_wait wait = {0};
    while (last && wait.visits < DOOR_VISITS &&
           (lock_same_cpu(nodes, me, last) ||
            atomic_load_explicit(&nodes[last - 1].parked, memory_order_relaxed))) {
        if (lock_moment(&wait, waiter, true) == LOCK_STOP)
            return LOCK_GIVEN_UP;
        PARK_AT_DOOR(&lock->parking, &wait, waiter,
                     atomic_load_explicit(&lock->tail, memory_order_relaxed));
        last = atomic_load_explicit(&lock->tail, memory_order_relaxed);
    }
    /* As in mcs_acquire. */
    const uint32_t before = atomic_exchange_explicit(&lock->tail, me + 1, memory_order_acq_rel);
    if (before)
        return mcs_wait(lock, nodes, me, waiter, &wait, before);
    parking_came_in(&lock->parking, &wait);
    return LOCK_TAKEN;
}

/* A node's `next` is none whenever it joins a queue. */
static inline enum lock_outcome mcs_acquire(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                            const struct lock_waiter *waiter)
{
    if (__builtin_expect(atomic_load_explicit(&nodes[me].next, memory_order_relaxed) == MCS_LEFT,
                         0) &&
        !mcs_left(&nodes[me], waiter))
        return LOCK_GIVEN_UP;
    uint32_t before = LOCK_NONE;
    /* Both acquire: pair with the release that emptied the queue. Release: that our node's `next`
     * is none is seen by who finds us. */
    if (waiter->parks) {
        if (__builtin_expect(atomic_compare_exchange_strong_explicit(&lock->tail, &before, me + 1,
                                                                     memory_order_acq_rel,
                                                                     memory_order_relaxed),
                             1))
            return LOCK_TAKEN;
        return mcs_door(lock, nodes, me, waiter, before);
    }
    before = atomic_exchange_explicit(&lock->tail, me + 1, memory_order_acq_rel);
    struct lock_wait wait = {0};
    return before ? mcs_wait(lock, nodes, me, waiter, &wait, before) : LOCK_TAKEN;
}

static inline void mcs_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    struct lock_node *node = &nodes[me];
    /* Pairs with the release in mcs_wait that linked the successor. */
    uint32_t next = atomic_load_explicit(&node->next, memory_order_acquire);
    if (!next) {
        uint32_t last = me + 1;
        /* Release: what we did under the lock is seen by whoever finds the queue empty. */
        if (atomic_compare_exchange_strong_explicit(&lock->tail, &last, LOCK_NONE,
                                                    memory_order_release, memory_order_relaxed)) {
            const uint32_t parked = parking_look(&lock->parking);
            if (__builtin_expect(parked != 0, 0))
                parking_release(&lock->parking, parked, 0, true, 1);
            return;
        }
        /* Somebody is between its exchange and its link. Release: pairs with the acquire of its
         * link that finds the lock here; acquire: with the release of it, if it has linked by now. */
        if (atomic_compare_exchange_strong_explicit(&node->next, &next, MCS_LEFT,
                                                    memory_order_acq_rel, memory_order_acquire))
            return;
    }
    struct lock_node *successor = &nodes[next - 1];
    /* Nobody links to us any more: our place in the queue is taken. */
    atomic_store_explicit(&node->next, LOCK_NONE, memory_order_relaxed);
    /* Pairs with the acquire of waiting in mcs_wait. */
    atomic_store_explicit(&successor->waiting, 0, memory_order_release);
    /* As parking_look. The successor's line is on its way here in any case. */
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&successor->parked, memory_order_relaxed), 0))
        parking_wake(&successor->waiting, ~0u, 1);
}

/* Back from the last in the queue to the first that waits for nobody: it has the lock, or has been
 * handed it. */
static inline uint32_t mcs_holder(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)me;
    uint32_t first = atomic_load_explicit(&lock->tail, memory_order_relaxed);
    for (uint32_t steps = 0; first && steps < LOCK_CHAIN; steps++) {
        const struct lock_node *node = &nodes[first - 1];
        const uint32_t before = atomic_load_explicit(&node->before, memory_order_relaxed);
        if (!before || !atomic_load_explicit(&node->waiting, memory_order_relaxed))
            break;
        first = before;
    }
    return first;
}
