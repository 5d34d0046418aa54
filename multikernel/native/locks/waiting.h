/* How a waiter waits: it spins while that helps, then parks; and whoever releases wakes it.
 *
 * Spinning helps while the one waited for runs: the holder, or in a queue the predecessor. It does
 * not where that one is pinned to the waiter's own CPU, and is held not to after LOCK_SPINS looks,
 * about what a switch there and back costs (Karlin et al., SOSP'91: then at most twice the best
 * choice's cost).
 *
 * A FIFO lock with parked waiters in its queue goes on at the pace of context switches, one a
 * hand-over, and never gets out of it: each holder comes back before the queue is empty. So who
 * finds that the one ahead cannot be running does not stay in the queue. It parks at the door, and
 * enters when the queue is empty: order is kept among those that run, as concurrency restriction
 * does (Dice and Kogan, EuroSys'19). Who was at the door eight times, or once for a millisecond,
 * enters and keeps its place.
 *
 * No wake-up is lost, and a release needs no fence for it: who parks says so, has all CPUs pass a
 * fence (membarrier(2)), looks once more, and sleeps; who releases stores, and then looks whether
 * somebody is parked. Where the host has no membarrier a wake-up may come as late as the sleep is
 * long, which is why every sleep is short. */
#pragma once

#include <limits.h>

#include "arch/arch.h"
#include "base/hint.h"
#include "locks/lock.h"

#ifndef LOCK_SPINS /* an explorer of all states has fewer */
enum { LOCK_SPINS = 128, DOOR_VISITS = 8 };
#endif

enum {
    AT_THE_DOOR = 1u << 31, /* in `parked` */
    QUEUE_BITS = 31,        /* of a futex's 32: the last is the door's */
    LOCK_CHAIN = 1 << 10,   /* how many are followed, to name a holder */
};

/* This process's locks are ready to be parked on: once, before the first acquire that may park.
 * False: the host has no membarrier. */
bool lock_prepare(void);

/* The CPU that this thread is pinned to, + 1; 0: more than one. */
uint32_t lock_own_cpu(void);

/* --- What calls the host: waiting.c --- */

/* Who parks: before its last look. */
void parking_fence(void);
/* Sleeps while the word has that value, until a wake-up of one of the bits; false: the time was
 * up. */
bool parking_sleep(_Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   const struct lock_waiter *waiter);
void parking_wake(_Atomic uint32_t *word, uint32_t bits, int32_t count);
uint64_t lock_clock(void);

/* --- A wait --- */

struct lock_wait {
    uint32_t looks, visits; /* visits: of the door */
    uint64_t began;
};

enum lock_next { LOCK_LOOK, LOCK_PARK, LOCK_STOP };

/* One moment. hopeless: who is waited for cannot be running. */
static inline enum lock_next lock_moment(struct lock_wait *wait, const struct lock_waiter *waiter,
                                         bool hopeless)
{
    if (waiter->while_waiting)
        waiter->while_waiting(waiter->context);
    else if (!(hopeless && waiter->parks))
        arch_relax();
    if (wait->looks < LOCK_SPINS && !(hopeless && waiter->parks)) {
        wait->looks++;
        return LOCK_LOOK;
    }
    if (waiter->patience_ns) {
        const uint64_t now = lock_clock();
        if (!wait->began)
            wait->began = now;
        else if (now - wait->began > waiter->patience_ns)
            return LOCK_STOP;
    }
    if (waiter->parks)
        return LOCK_PARK;
    wait->looks = 0;
    return LOCK_LOOK;
}

/* Of two nodes, by number + 1. */
static inline bool lock_same_cpu(struct lock_node *nodes, uint32_t me, uint32_t other)
{
    if (other == LOCK_NONE || other == me + 1)
        return false;
    /* Relaxed: a hint. */
    const uint32_t cpu = atomic_load_explicit(&nodes[me].cpu, memory_order_relaxed);
    return cpu && cpu == atomic_load_explicit(&nodes[other - 1].cpu, memory_order_relaxed);
}

/* --- Parked --- */

static inline uint32_t queue_bit(uint32_t number)
{
    return 1u << number % QUEUE_BITS;
}

/* Who parks: in the queue, or at the door. The fence orders this with the last look behind it, its
 * other side is parking_look. The epoch is read before `parked` is written: pairs with
 * parking_release, which clears the door's mark, then counts. */
static inline uint32_t parking_enter(struct parking *parking, bool door)
{
    const uint32_t epoch = atomic_load_explicit(&parking->epoch, memory_order_acquire);
    if (door)
        atomic_fetch_or_explicit(&parking->parked, AT_THE_DOOR, memory_order_acq_rel);
    else
        atomic_fetch_add_explicit(&parking->parked, 1, memory_order_acq_rel);
    parking_fence();
    return epoch;
}

/* Parks until a wake-up, unless `condition` no longer holds once the fence is through. */
#define PARK_IN_QUEUE(parking, bits, waiter, condition)                         \
    do {                                                                        \
        const uint32_t epoch_ = parking_enter(parking, false);                  \
        if (condition)                                                          \
            parking_sleep(&(parking)->epoch, epoch_, bits, waiter);             \
        atomic_fetch_sub_explicit(&(parking)->parked, 1, memory_order_relaxed); \
    } while (0)

#define PARK_AT_DOOR(parking, wait, waiter, condition)                                       \
    do {                                                                                     \
        const uint32_t epoch_ = parking_enter(parking, true);                                \
        (wait)->visits += (wait)->visits < DOOR_VISITS;                                      \
        if ((condition) && !parking_sleep(&(parking)->epoch, epoch_, AT_THE_DOOR, waiter) && \
            !(waiter)->while_waiting)                                                        \
            (wait)->visits = DOOR_VISITS;                                                    \
        (wait)->looks = 0;                                                                   \
    } while (0)

/* Who was at the door has the lock: others may be there still, whose mark its wake-up took along
 * (Drepper, Futexes are tricky, 2011: the same in his mutex). */
static inline void parking_came_in(struct parking *parking, const struct lock_wait *wait)
{
    if (wait->visits)
        atomic_fetch_or_explicit(&parking->parked, AT_THE_DOOR, memory_order_relaxed);
}

/* Behind the store that releases: is somebody parked? The processor may read this before that store
 * is seen: parking_fence is the other side. */
static inline uint32_t parking_look(struct parking *parking)
{
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&parking->parked, memory_order_relaxed);
}

/* Wakes the next in the queue, by its bits; or, where nobody is in it, so many from the door. */
APART static void parking_release(struct parking *parking, uint32_t parked, uint32_t bits,
                                  bool empty, int32_t door)
{
    if (parked & ~AT_THE_DOOR) {
        /* Pairs with parking_enter: who has read the epoch before does not go to sleep. */
        atomic_fetch_add_explicit(&parking->epoch, 1, memory_order_acq_rel);
        parking_wake(&parking->epoch, bits, INT_MAX);
    }
    if (parked & AT_THE_DOOR && empty) {
        atomic_fetch_and_explicit(&parking->parked, ~AT_THE_DOOR, memory_order_acq_rel);
        atomic_fetch_add_explicit(&parking->epoch, 1, memory_order_acq_rel);
        parking_wake(&parking->epoch, AT_THE_DOOR, door);
    }
}
