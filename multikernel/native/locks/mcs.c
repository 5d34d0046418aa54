/* The MCS queue lock (Mellor-Crummey and Scott, TOCS'91): FIFO, each waiter spins on its own line,
 * a handover costs one line transfer. Queue links are core numbers, because the nodes lie at
 * different addresses in different processes. */
#include "locks/lock.h"

#include <sched.h>

static void acquire(struct lock *lock, struct lock_node *nodes, uint32_t me,
                    const struct lock_waiter *waiter)
{
    struct lock_node *node = &nodes[me];
    atomic_store_explicit(&node->next, 0, memory_order_relaxed);
    atomic_store_explicit(&node->waiting, 1, memory_order_relaxed);
    /* Acquire: pairs with the release that emptied the queue. Release: our node is initialised
     * before others can find it. */
    uint32_t before = atomic_exchange_explicit(&lock->tail, me + 1, memory_order_acq_rel);
    if (!before)
        return;
    /* Release pairs with the acquire of next in release(): the handover comes after our node was
     * initialised. */
    atomic_store_explicit(&nodes[before - 1].next, me + 1, memory_order_release);
    /* Pairs with the release store in release(): the state the predecessor left is ours to see. */
    while (atomic_load_explicit(&node->waiting, memory_order_acquire))
        waiter->while_waiting(waiter->context);
}

static void release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    struct lock_node *node = &nodes[me];
    /* Pairs with the release in acquire() that linked the successor. */
    uint32_t next = atomic_load_explicit(&node->next, memory_order_acquire);
    if (!next) {
        uint32_t last = me + 1;
        /* Release: what we did under the lock is seen by whoever finds the queue empty. */
        if (atomic_compare_exchange_strong_explicit(&lock->tail, &last, 0, memory_order_release,
                                                    memory_order_relaxed))
            return;
        /* Somebody is between its exchange and its link: a few instructions, unless it lost its CPU
         * there. */
        for (uint32_t spins = 1; !(next = atomic_load_explicit(&node->next, memory_order_acquire));
             spins++)
            if (spins % 1024 == 0)
                sched_yield();
    }
    /* Pairs with the acquire of waiting in acquire(). */
    atomic_store_explicit(&nodes[next - 1].waiting, 0, memory_order_release);
}

const struct lock_algorithm lock_mcs = {"mcs", acquire, release};
