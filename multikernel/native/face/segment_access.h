/* What the Python face needs of a segment. Atomics stay in C: Cython sees plain functions. */
#pragma once

#include "segment/segment.h"

static inline void segment_go(struct segment *segment)
{
    /* Pairs with segment_going: a core that sees it sees what the others and the supervisor wrote
     * before. */
    atomic_store_explicit(&segment->go, 1, memory_order_release);
}

static inline bool segment_going(struct segment *segment)
{
    return atomic_load_explicit(&segment->go, memory_order_acquire) != 0;
}

static inline void segment_stop(struct segment *segment)
{
    atomic_store_explicit(&segment->stop, 1, memory_order_release);
    for (uint32_t core = 0; core < segment->geometry.cores; core++) {
        struct doorbell *doorbell = segment_doorbell(segment, core);
        doorbell_ring_slowly(doorbell, MODE_PARKED); /* whatever it says: it may be about to park */
        doorbell_ring(doorbell);
    }
}

/* mode, pid, tid, served, interrupts, parks */
static inline void segment_core_state(struct segment *segment, uint32_t core, uint64_t *out)
{
    struct doorbell *doorbell = segment_doorbell(segment, core);
    out[0] = atomic_load_explicit(&doorbell->mode, memory_order_acquire);
    out[1] = doorbell->pid;
    out[2] = doorbell->tid;
    out[3] = atomic_load_explicit(&doorbell->served, memory_order_relaxed);
    out[4] = atomic_load_explicit(&doorbell->interrupts, memory_order_relaxed);
    out[5] = atomic_load_explicit(&doorbell->parks, memory_order_relaxed);
}

static inline const struct trace_log *segment_core_trace(struct segment *segment, uint32_t core)
{
    struct region region;
    segment_region(&segment->geometry, &region);
    return segment->geometry.trace_events ? segment_trace(segment, &region, core) : NULL;
}
