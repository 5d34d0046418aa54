/* The host's mutex between processes, robust (pthread_mutexattr_setrobust(3): the C library keeps a
 * list of those that a thread holds, and when the thread ends the kernel marks each and wakes one
 * waiter): no order, and no deadlock by death. The next holder is told that the last one died,
 * once, and the lock goes on; what it guards is as the dead one left it.
 *
 * Its memory must be initialised, and be mapped for as long as somebody holds it. Asking whether it
 * is held takes no lock, on purpose: who only tried it would swallow the news of a death. */
#pragma once

#include <errno.h>
#include <time.h>

#include "locks/waiting.h"

/* Once, by one process, before others use it. 0 or an errno. */
static inline int robust_init(struct lock *lock)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (!error)
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    return error ? error : pthread_mutex_init(&lock->mutex, &attributes);
}

/* What the host said: EBUSY and ETIMEDOUT mean no. */
static inline bool robust_taken(struct lock *lock, uint32_t me, int error,
                                enum lock_outcome *outcome)
{
    if (error && error != EOWNERDEAD)
        return false;
    *outcome = error ? LOCK_OWNER_DIED : LOCK_TAKEN;
    if (error)
        pthread_mutex_consistent(&lock->mutex);
    atomic_store_explicit(&lock->last, me + 1, memory_order_relaxed);
    return true;
}

/* Asleep in the host until it is free, or about so long: a clock that is set makes it less or more,
 * once. (ThreadSanitizer does not know pthread_mutex_clocklock.) */
static inline int robust_sleep(struct lock *lock, uint64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)ns;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_mutex_timedlock(&lock->mutex, &until);
}

static inline enum lock_outcome robust_acquire(struct lock *lock, struct lock_node *nodes,
                                               uint32_t me, const struct lock_waiter *waiter)
{
    enum { SERVING_NS = 50000, NS = 10000000 };
    enum lock_outcome outcome;
    struct lock_wait wait = {0};
    for (;;) {
        if (robust_taken(lock, me, pthread_mutex_trylock(&lock->mutex), &outcome))
            return outcome;
        const uint32_t last = atomic_load_explicit(&lock->last, memory_order_relaxed);
        enum lock_next next = LOCK_LOOK;
        for (uint32_t i = 0; i < 8 && next == LOCK_LOOK; i++)
            next = lock_moment(&wait, waiter, lock_same_cpu(nodes, me, last));
        if (next == LOCK_STOP)
            return LOCK_GIVEN_UP;
        if (next == LOCK_PARK &&
            robust_taken(lock, me, robust_sleep(lock, waiter->while_waiting ? SERVING_NS : NS),
                         &outcome))
            return outcome;
    }
}

static inline void robust_release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    pthread_mutex_unlock(&lock->mutex);
}

/* Who had it last: it may have released it since. */
static inline uint32_t robust_holder(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    return atomic_load_explicit(&lock->last, memory_order_relaxed);
}
