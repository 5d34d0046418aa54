/* How one core gets another's attention, and how a core says what it takes to get it.
 *
 * Each core publishes its mode on a line that only it writes. A caller writes its message, fences,
 * and reads the mode:
 *   polling    nothing to do, the core will see the message;
 *   parked     wake it (futex on the bell, a line of its own because callers write it);
 *   user       interrupt it (a signal to its main thread);
 *   listening  the same: it is parked in the host's ppoll, which the signal ends.
 * A core that leaves polling publishes the new mode, fences, and looks at its channels once more.
 * Store-then-load on both sides (Dekker): either the core sees the message or the caller sees the
 * mode. Parks and user slices are bounded by a tick, so even a mark missed by a fault in this
 * reasoning costs a slice and never a hang.
 *
 * On the same line the owner says whose messages it looks for on every turn, four cores. Whoever is
 * not among them leaves a hint (hints.h) between the message and the look at the mode. The owner
 * publishes four others, fences, and looks at the lines of those who are no longer among them once
 * more: either it sees the message, or the caller sees that it has to leave a hint.
 *
 * Source: paper section 4.6 (poll, then block and let the monitor wake the receiver). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "channel/hints.h"

enum core_mode {
    MODE_ABSENT = 0, /* not booted yet, or gone */
    MODE_POLLING = 1,
    MODE_USER = 2,
    MODE_PARKED = 3,
    MODE_LISTENING = 4,
};

struct doorbell {
    /* This line is written by the owner alone. */
    _Alignas(PAD_BYTES) _Atomic uint32_t mode;
    uint32_t pid;
    uint32_t tid;
    _Atomic uint64_t watched; /* four cores, 16 bits each; DOORBELL_NOBODY: fewer */
    _Atomic uint64_t served;  /* requests answered since boot */
    _Atomic uint64_t interrupts;
    _Atomic uint64_t parks;
    _Alignas(PAD_BYTES) _Atomic uint32_t bell; /* written by callers: a futex word */
    struct hints hints;                        /* likewise */
};

static_assert(offsetof(struct doorbell, bell) == PAD_BYTES, "two writers, two padded lines");

enum { DOORBELL_WATCHED = 4, DOORBELL_NOBODY = 0xffff };

/* After a message to the owner was published: get its attention if it takes more than polling. */
void doorbell_ring_slowly(struct doorbell *doorbell, uint32_t mode);

/* After a fence behind the message: several messages can share one. */
static inline void doorbell_ring_fenced(struct doorbell *doorbell)
{
    uint32_t mode = atomic_load_explicit(&doorbell->mode, memory_order_relaxed);
    if (__builtin_expect(mode != MODE_POLLING, 0))
        doorbell_ring_slowly(doorbell, mode);
}

/* A hint: does the owner poll, as far as we have seen? Relaxed: to rely on it, ring later all the
 * same. */
static inline bool doorbell_seems_to_poll(const struct doorbell *doorbell)
{
    return atomic_load_explicit(&doorbell->mode, memory_order_relaxed) == MODE_POLLING;
}

/* Does the owner look for that core's messages on every turn? To rely on it, fence before. */
static inline bool doorbell_watches(const struct doorbell *doorbell, uint32_t core)
{
    uint64_t watched = atomic_load_explicit(&doorbell->watched, memory_order_relaxed);
    for (int i = 0; i < DOORBELL_WATCHED; i++, watched >>= 16)
        if ((watched & 0xffff) == core)
            return true;
    return false;
}

/* A reply: the owner waits for it, so it needs no hint. */
static inline void doorbell_ring(struct doorbell *doorbell)
{
    /* Our message store before our mode load; pairs with the fence in doorbell_enter. */
    atomic_thread_fence(memory_order_seq_cst);
    doorbell_ring_fenced(doorbell);
}

/* A request of core `from`, the first on its line or not: nobody looks at a line that was never
 * used. */
static inline void doorbell_call(struct doorbell *doorbell, uint32_t from, uint32_t cores,
                                 bool first)
{
    /* As in doorbell_ring; and before the look at who is watched: pairs with the fence in
     * doorbell_watch. */
    atomic_thread_fence(memory_order_seq_cst);
    if (__builtin_expect(first || !doorbell_watches(doorbell, from), 0))
        hints_give(&doorbell->hints, from, cores);
    doorbell_ring_fenced(doorbell);
}

/* The owner looks for other cores' messages from now on; after it, it must look once more for those
 * of who is no longer among them. */
static inline void doorbell_watch(struct doorbell *doorbell, const uint16_t *cores)
{
    uint64_t watched = 0;
    for (int i = 0; i < DOORBELL_WATCHED; i++)
        watched |= (uint64_t)cores[i] << 16 * i;
    atomic_store_explicit(&doorbell->watched, watched, memory_order_relaxed);
    /* Pairs with the fence in doorbell_call. */
    atomic_thread_fence(memory_order_seq_cst);
}

/* The owner publishes a mode; after it, it must look at its channels once more before it leaves
 * polling. */
static inline void doorbell_enter(struct doorbell *doorbell, enum core_mode mode)
{
    atomic_store_explicit(&doorbell->mode, mode, memory_order_relaxed);
    /* Our mode store before our channel loads; pairs with the fence in doorbell_ring. */
    atomic_thread_fence(memory_order_seq_cst);
}

/* Back to polling needs no fence: a caller that still sees the old mode rings once in vain. */
static inline void doorbell_poll(struct doorbell *doorbell)
{
    atomic_store_explicit(&doorbell->mode, MODE_POLLING, memory_order_relaxed);
}

/* The bell's count, read before the last look at the channels. */
static inline uint32_t doorbell_bell(struct doorbell *doorbell)
{
    /* Acquire pairs with the release in doorbell_ring_slowly: a core that sees the ring sees the
     * message before it. */
    return atomic_load_explicit(&doorbell->bell, memory_order_acquire);
}

/* Sleeps until the bell moves from seen, a signal arrives, or the slice ends (microseconds). */
void doorbell_park(struct doorbell *doorbell, uint32_t seen, uint32_t slice_us);
