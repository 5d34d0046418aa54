/* Barriers over shared memory, as the others have them, to hold those over messages against: bare
 * loops on scratch lines, no kernel.
 *
 * Central: a counter that all add to and a line that all poll, written by the last to come; what
 * OpenMP's run-time libraries do while they spin. Dissemination: in round k every core notifies the
 * one 2^k further on and waits for the one 2^k behind; log2 n rounds, and no line that more than
 * two cores touch.
 *
 * Source: Mellor-Crummey and Scott, Algorithms for scalable synchronization (TOCS 1991), sections
 * 3.1 and 3.3; Hensgen, Finkel and Manber (1988) for dissemination. Numbers that only grow take the
 * place of a sense. */
#include <errno.h>

#include "probes/together.h"

enum { ROUNDS_MAX = 12 };

static_assert(1u << ROUNDS_MAX >= CORES_MAX, "a round for every power of two");

struct barrier {
    struct together all;
    uint32_t members;
    _Atomic uint64_t *counter, *generation;
    _Atomic uint64_t *before[ROUNDS_MAX], *after[ROUNDS_MAX];
    uint32_t rounds;
};

static void central(const struct barrier *b, uint64_t operation)
{
    /* Acquire and release: what the others did before they came is before what anyone does
     * after. */
    if (atomic_fetch_add_explicit(b->counter, 1, memory_order_acq_rel) == b->members - 1) {
        /* nobody adds before it sees the generation */
        atomic_store_explicit(b->counter, 0, memory_order_relaxed);
        /* Pairs with the acquire below. */
        atomic_store_explicit(b->generation, operation, memory_order_release);
        return;
    }
    /* Pairs with the release above. */
    while (atomic_load_explicit(b->generation, memory_order_acquire) != operation)
        spin(b->all.driver);
}

static void dissemination(const struct barrier *b, uint64_t operation)
{
    for (uint32_t k = 0; k < b->rounds; k++) {
        /* Pairs with the acquire in the other's same round. */
        atomic_store_explicit(b->after[k], operation, memory_order_release);
        /* Pairs with the release in the other's same round; it may be one barrier ahead. */
        while (atomic_load_explicit(b->before[k], memory_order_acquire) < operation)
            spin(b->all.driver);
    }
}

int64_t probe_barrier(struct driver *d, const struct probe *p)
{
    const int64_t rank = rank_of(d, p);
    struct barrier b = {.all = {d, p, spin}, .members = (uint32_t)p->each_count};
    uint64_t wrong = 0;
    if (rank < 0)
        return -EINVAL;
    b.counter = scratch(d, (uint32_t)p->each[0], SCRATCH_COUNTER);
    b.generation = scratch(d, (uint32_t)p->each[0], SCRATCH_GENERATION);
    for (; 1u << b.rounds < b.members; b.rounds++) {
        uint64_t next = p->each[((uint32_t)rank + (1u << b.rounds)) % b.members];
        b.after[b.rounds] = scratch(d, (uint32_t)next, SCRATCH_ROUNDS + b.rounds);
        b.before[b.rounds] = scratch(d, d->me, SCRATCH_ROUNDS + b.rounds);
    }
    if (p->form == BARRIER_CENTRAL) {
        TOGETHER(&b.all, wrong, think(1), i, central(&b, i))
    } else {
        TOGETHER(&b.all, wrong, think(1), i, dissemination(&b, i))
    }
    return (int64_t)wrong;
}
