#include "probes/locks.h"

#include <sched.h>

#include "locks/hapax.h"
#include "locks/mcs.h"
#include "locks/readers.h"
#include "locks/robust.h"
#include "locks/ticket.h"
#include "locks/ttas.h"

static const struct lock_waiter waiter = {.parks = true};

/* The bare operations: what of the algorithm is atomic, on the same lines, in registers else. */
static inline void bare_compare(struct lock_bench *b)
{
    uint32_t free = 0;
    atomic_compare_exchange_strong_explicit(&b->lock.holder, &free, 1, memory_order_seq_cst,
                                            memory_order_relaxed);
}

static inline void bare_ticket(struct lock_bench *b)
{
    const uint32_t ticket = atomic_fetch_add_explicit(&b->lock.next, 1, memory_order_relaxed);
    if (atomic_load_explicit(&b->lock.serving, memory_order_acquire) == ticket)
        atomic_store_explicit(&b->lock.serving, ticket + 1, memory_order_release);
}

static inline void bare_queue(struct lock_bench *b)
{
    uint32_t last = 1;
    atomic_exchange_explicit(&b->lock.tail, 1, memory_order_acq_rel);
    atomic_compare_exchange_strong_explicit(&b->lock.tail, &last, 0, memory_order_release,
                                            memory_order_relaxed);
}

static inline void bare_values(struct lock_bench *b, uint64_t number)
{
    atomic_exchange_explicit(&b->lock.arrived, number, memory_order_relaxed);
    atomic_store_explicit(&b->lock.departed, number, memory_order_release);
}

static inline void bare_reader(struct lock_bench *b)
{
    atomic_exchange_explicit(&b->nodes[0].waiting, 1, memory_order_seq_cst);
    atomic_store_explicit(&b->nodes[0].waiting, 0, memory_order_release);
}

#define STORE(member) atomic_store_explicit(&b->lock.member, 0, memory_order_release)
#define KIND(kind, BARE)                                              \
    LOCK_LOOPS(kind, kind##_acquire(&b->lock, b->nodes, me, &waiter), \
               kind##_release(&b->lock, b->nodes, me), BARE)

KIND(ttas, (bare_compare(b), STORE(holder)))
KIND(ticket, bare_ticket(b))
KIND(mcs, bare_queue(b))
KIND(hapax, bare_values(b, i))
KIND(readers, (bare_compare(b), STORE(holder)))
KIND(robust, (bare_compare(b), atomic_exchange_explicit(&b->lock.holder, 0, memory_order_release)))
LOCK_LOOPS(reading, readers_read(&b->lock, b->nodes, me, &waiter),
           readers_read_release(&b->lock, b->nodes, me), bare_reader(b))

const struct lock_loops lock_loops[] = {
    LOCK_LOOPS_ROW(ttas, false),
    LOCK_LOOPS_ROW(readers, false),
    LOCK_LOOPS_ROW(robust, false),
    LOCK_LOOPS_ROW(ticket, true),
    LOCK_LOOPS_ROW(mcs, true),
    LOCK_LOOPS_ROW(hapax, true),
    {"reading", false, reading_alone, reading_bare, NULL}, /* of readers: they do not contend */
    {0},
};
