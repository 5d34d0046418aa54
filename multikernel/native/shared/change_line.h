/* The line by which the shared kernel notifies its cores of a change: one writer at a time, which
 * holds the kernel's lock until all that were meant have acknowledged.
 *
 * Guarantees: a core that is meant sees the change whole, once, and before it acknowledges nobody
 * writes the next; one that is not meant does nothing. Such a one may look while the next change is
 * written, lose its CPU, and find words of a change that is meant for it under a sequence number
 * that was not: so the number is written twice, first and last, and both must agree (a sequence
 * lock's idea; Lamport, CACM'77). That change it sees again by its own sequence number.
 *
 * With one core to notify, line and counter travel together: as many line transfers as a message
 * and its reply. With more, the counter has a line of its own, so that the acknowledgements do not
 * disturb the cores that have yet to read. */
#pragma once

#include <stdbool.h>

#include "base/message.h"

struct change_line {
    _Alignas(PAD_BYTES) _Atomic uint64_t sequence; /* written last */
    _Atomic uint64_t number;                       /* the same, written first */
    _Atomic uint64_t targets; /* of up to 64 cores: spares the others any further look */
    _Atomic uint32_t slot;
    _Atomic uint8_t what, rights;
    _Atomic uint16_t apart;        /* which counter */
    _Atomic uint32_t missing_here; /* one core to notify */
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
static inline _Atomic uint32_t *change_write(struct change_line *line, const struct change *change,
                                             uint32_t count, uint64_t *seen)
{
    _Atomic uint32_t *missing = count == 1 ? &line->missing_here : &line->missing_apart;
    *seen = atomic_load_explicit(&line->sequence, memory_order_relaxed) + 1;
    atomic_store_explicit(&line->number, *seen, memory_order_relaxed);
    atomic_store_explicit(&line->what, change->what, memory_order_relaxed);
    atomic_store_explicit(&line->rights, change->rights, memory_order_relaxed);
    atomic_store_explicit(&line->apart, count != 1, memory_order_relaxed);
    /* Release, both: a core that reads one of them too early reads the new number next. Pair with
     * the acquires in change_targets and change_slot. */
    atomic_store_explicit(&line->slot, change->slot, memory_order_release);
    atomic_store_explicit(&line->targets, change->targets, memory_order_release);
    atomic_store_explicit(missing, count, memory_order_relaxed);
    atomic_store_explicit(&line->failed, 0, memory_order_relaxed);
    /* Pairs with the acquire in change_look. */
    atomic_store_explicit(&line->sequence, *seen, memory_order_release);
    return missing;
}

/* The sequence number of a change not looked at yet, or 0. */
static inline uint64_t change_look(struct change_line *line, uint64_t *seen)
{
    /* Pairs with the release in change_write. */
    uint64_t sequence = atomic_load_explicit(&line->sequence, memory_order_acquire);
    if (sequence == *seen)
        return 0;
    *seen = sequence;
    return sequence;
}

static inline uint64_t change_targets(struct change_line *line)
{
    return atomic_load_explicit(&line->targets, memory_order_acquire); /* pairs with change_write */
}

static inline uint32_t change_slot(struct change_line *line)
{
    return atomic_load_explicit(&line->slot, memory_order_acquire); /* pairs with change_write */
}

/* Are the targets, or the slot, that were read since change_look of the change that it saw? Then
 * all of it is, and stays until this core acknowledges, if it is meant. */
static inline bool change_holds(struct change_line *line, uint64_t sequence)
{
    /* Relaxed: the acquire of what was read orders it. */
    return atomic_load_explicit(&line->number, memory_order_relaxed) == sequence;
}

static inline void change_acknowledge(struct change_line *line)
{
    bool apart = atomic_load_explicit(&line->apart, memory_order_relaxed);
    _Atomic uint32_t *missing = apart ? &line->missing_apart : &line->missing_here;
    /* Release: what we did is done before the writer can see the count fall (its acquire is in
     * change_missing). */
    atomic_fetch_sub_explicit(missing, 1, memory_order_release);
}

static inline uint32_t change_missing(_Atomic uint32_t *missing)
{
    /* Pairs with the release in change_acknowledge. */
    return atomic_load_explicit(missing, memory_order_acquire);
}
