/* Where cores that work at once meet: a counter on a line of core 0, which every core raises as it
 * comes. It is the measurement's, no part of any kernel. A core that waits answers the
 * others meanwhile. */
#pragma once

#include <sched.h>

#include "probes/probes.h"
#include "probes/scratch.h"

static inline void meeting_come(struct driver *d)
{
    /* Pairs with the acquire in meeting_has. */
    atomic_fetch_add_explicit(scratch(d, 0, SCRATCH_MEETING), 1, memory_order_acq_rel);
}

/* Whether so many have come, since the system was booted; true as well where it stops. */
static inline bool meeting_has(struct driver *d, uint64_t target)
{
    /* Pairs with the release in meeting_come. */
    return atomic_load_explicit(scratch(d, 0, SCRATCH_MEETING), memory_order_acquire) >= target ||
           atomic_load_explicit(&d->segment->stop, memory_order_relaxed);
}

/* All are here once the counter reaches target. */
static inline void meet(struct driver *d, uint64_t target)
{
    struct wait wait = {0};
    meeting_come(d);
    while (!meeting_has(d, target)) {
        if (!driver_poll(d) && d->crowded)
            sched_yield();
        else if (wait_step(&wait, &d->patience))
            wait_restart(&wait); /* never parks: nobody would wake it */
    }
}
