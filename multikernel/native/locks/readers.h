/* A reader-writer lock that scales in readers (the big-reader lock: Hsieh and Weihl, IPPS'92): a
 * reader writes its own line and reads the lock's, which stays in every cache while nobody writes;
 * a writer takes a ttas lock and looks at every reader's line. No order: writers before readers,
 * and among writers any.
 *
 * A reader says that it reads, then looks for a writer; a writer says that it writes, then looks
 * for readers: one of them sees the other. A dead reader stops all writers, a dead writer
 * everybody. */
#pragma once

#include "locks/ttas.h"

APART static void readers_known(struct lock *lock, uint32_t me)
{
    uint32_t most = atomic_load_explicit(&lock->last, memory_order_relaxed);
    while (most <= me)
        /* Before we look for a writer: one that takes the lock later looks as far as our line. */
        atomic_compare_exchange_weak_explicit(&lock->last, &most, me + 1, memory_order_seq_cst,
                                              memory_order_relaxed);
}

static inline void readers_read_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    /* Pairs with the writer's look in readers_acquire. */
    atomic_store_explicit(&nodes[me].waiting, 0, memory_order_release);
    const uint32_t parked = parking_look(&lock->parking);
    if (__builtin_expect((parked & ~AT_THE_DOOR) != 0, 0))
        parking_release(&lock->parking, parked, queue_bit(me), false, 0);
}

static inline enum lock_outcome readers_read(struct lock *lock, struct lock_node *nodes,
                                             uint32_t me, const struct lock_waiter *waiter)
{
    struct lock_wait wait = {0};
    if (__builtin_expect(atomic_load_explicit(&lock->last, memory_order_relaxed) <= me, 0))
        readers_known(lock, me);
    for (;;) {
        /* Before the look at the holder: pairs with a writer's, the other way round. */
        atomic_exchange_explicit(&nodes[me].waiting, 1, memory_order_seq_cst);
        uint32_t writer = atomic_load_explicit(&lock->holder, memory_order_seq_cst);
        if (__builtin_expect(!writer, 1))
            return LOCK_TAKEN;
        readers_read_release(lock, nodes, me);
        while ((writer = atomic_load_explicit(&lock->holder, memory_order_relaxed))) {
            const enum lock_next next =
                lock_moment(&wait, waiter, lock_same_cpu(nodes, me, writer));
            if (next == LOCK_STOP)
                return LOCK_GIVEN_UP;
            if (next == LOCK_PARK)
                PARK_AT_DOOR(&lock->parking, &wait, waiter,
                             atomic_load_explicit(&lock->holder, memory_order_relaxed));
        }
    }
}

static inline void readers_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    ttas_release_to(lock, INT_MAX); /* all readers may come in */
}

/* A writer's, who has taken the lock: until none of those reads any more. Given up, it is released. */
static inline enum lock_outcome readers_drain(struct lock *lock, struct lock_node *nodes,
                                              uint32_t first, uint32_t behind, uint32_t me,
                                              const struct lock_waiter *waiter)
{
    struct lock_wait wait = {0};
    for (uint32_t i = first; i < behind; i++) {
        /* Behind ttas_try: pairs with the exchange in readers_read. Acquire: with the release store
         * in readers_read_release, so that what is written comes after what was read. */
        while (atomic_load_explicit(&nodes[i].waiting, memory_order_seq_cst)) {
            const enum lock_next next = lock_moment(&wait, waiter, lock_same_cpu(nodes, me, i + 1));
            if (next == LOCK_STOP) {
                readers_release(lock, nodes, me);
                return LOCK_GIVEN_UP;
            }
            if (next == LOCK_PARK)
                PARK_IN_QUEUE(&lock->parking, queue_bit(i), waiter,
                              atomic_load_explicit(&nodes[i].waiting, memory_order_relaxed));
        }
    }
    return LOCK_TAKEN;
}

/* As a writer. */
static inline enum lock_outcome readers_acquire(struct lock *lock, struct lock_node *nodes,
                                                uint32_t me, const struct lock_waiter *waiter)
{
    if (ttas_acquire(lock, nodes, me, waiter) == LOCK_GIVEN_UP)
        return LOCK_GIVEN_UP;
    const uint32_t most = atomic_load_explicit(&lock->last, memory_order_seq_cst);
    return readers_drain(lock, nodes, 0, most, me, waiter);
}

/* The writer; else a reader. */
static inline uint32_t readers_holder(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    const uint32_t writer = atomic_load_explicit(&lock->holder, memory_order_relaxed);
    if (writer && writer != me + 1)
        return writer;
    const uint32_t most = atomic_load_explicit(&lock->last, memory_order_relaxed);
    for (uint32_t i = 0; i < most; i++)
        if (atomic_load_explicit(&nodes[i].waiting, memory_order_relaxed))
            return i + 1;
    return writer;
}
