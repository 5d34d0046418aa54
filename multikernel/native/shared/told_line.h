/* The line by which the shared kernel tells its cores of a change: one writer at a time, who holds
 * the kernel's lock until all that were meant have acknowledged.
 *
 * Guarantees: a core that is meant sees the change whole, once, and before it acknowledges nobody
 * writes the next; one that is not meant does nothing. Such a one may look while the next change is
 * written, lose its CPU, and find words of a change that is meant for it under a sequence number
 * that was not: so the number is written twice, first and last, and both must agree (a sequence
 * lock's idea; Lamport, CACM'77). That change it sees again by its own sequence number.
 *
 * With one core to tell, line and counter travel together: as many line transfers as a message and
 * its reply. With more, the counter has a line of its own, so that the acknowledgements do not
 * disturb the cores that have yet to read. Who uses it: line.c. */
#pragma once

#include <stdbool.h>

#include "base/message.h"

struct told_line {
    _Alignas(PAD_BYTES) _Atomic uint64_t sequence; /* written last */
    _Atomic uint64_t number;                       /* the same, written first */
    /* of up to 64 cores: spares those not meant any other look */
    _Atomic uint64_t targets;
    _Atomic uint32_t slot;
    _Atomic uint8_t what, rights;
    _Atomic uint16_t apart;        /* which counter */
    _Atomic uint32_t missing_here; /* one core to tell */
    _Atomic uint32_t failed;
    _Alignas(PAD_BYTES) _Atomic uint32_t missing_apart; /* several */
};

struct change {
    uint64_t targets;
    uint32_t slot;
    uint8_t what, rights;
};

/* Under the lock. count: of cores that are meant, not 0. Returns the counter of those that have not
 * acknowledged; *seen: so that the writer does not take it for news. */
static inline _Atomic uint32_t *told_write(struct told_line *told, const struct change *change,
                                           uint32_t count, uint64_t *seen)
{
    _Atomic uint32_t *missing = count == 1 ? &told->missing_here : &told->missing_apart;
    *seen = atomic_load_explicit(&told->sequence, memory_order_relaxed) + 1;
    atomic_store_explicit(&told->number, *seen, memory_order_relaxed);
    atomic_store_explicit(&told->what, change->what, memory_order_relaxed);
    atomic_store_explicit(&told->rights, change->rights, memory_order_relaxed);
    atomic_store_explicit(&told->apart, count != 1, memory_order_relaxed);
    /* Release, both: who reads one of them too early reads the new number next. Pair with the
     * acquires in told_targets and told_slot. */
    atomic_store_explicit(&told->slot, change->slot, memory_order_release);
    atomic_store_explicit(&told->targets, change->targets, memory_order_release);
    atomic_store_explicit(missing, count, memory_order_relaxed);
    atomic_store_explicit(&told->failed, 0, memory_order_relaxed);
    /* Pairs with the acquire in told_look. */
    atomic_store_explicit(&told->sequence, *seen, memory_order_release);
    return missing;
}

/* The sequence number of a change not looked at yet, or 0. */
static inline uint64_t told_look(struct told_line *told, uint64_t *seen)
{
    /* Pairs with the release in told_write. */
    uint64_t sequence = atomic_load_explicit(&told->sequence, memory_order_acquire);
    if (sequence == *seen)
        return 0;
    *seen = sequence;
    return sequence;
}

static inline uint64_t told_targets(struct told_line *told)
{
    return atomic_load_explicit(&told->targets, memory_order_acquire); /* pairs with told_write */
}

static inline uint32_t told_slot(struct told_line *told)
{
    return atomic_load_explicit(&told->slot, memory_order_acquire); /* pairs with told_write */
}

/* Are the targets, or the slot, that were read since told_look of the change that it saw? Then all
 * of it is, and stays until this core acknowledges, if it is meant. */
static inline bool told_holds(struct told_line *told, uint64_t sequence)
{
    /* Relaxed: the acquire of what was read orders it. */
    return atomic_load_explicit(&told->number, memory_order_relaxed) == sequence;
}

static inline void told_acknowledge(struct told_line *told)
{
    bool apart = atomic_load_explicit(&told->apart, memory_order_relaxed);
    _Atomic uint32_t *missing = apart ? &told->missing_apart : &told->missing_here;
    /* Release: what we did is done before the writer can see the count fall (its acquire is in
     * told_missing). */
    atomic_fetch_sub_explicit(missing, 1, memory_order_release);
}

static inline uint32_t told_missing(_Atomic uint32_t *missing)
{
    /* Pairs with the release in told_acknowledge. */
    return atomic_load_explicit(missing, memory_order_acquire);
}
