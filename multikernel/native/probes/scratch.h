/* The scratch lines of every core's region, on which bare loops run and cores that measure meet: a
 * padded line each, first touched by its owner. Here is which line is whose. */
#pragma once

#include "driver/driver.h"

enum {
    SCRATCH_LINES = SCRATCH_BYTES / PAD_BYTES,
    /* 0 to 63: whoever runs a floor or a shootdown chooses. The first of core 0's and of a server's
     * are what Fig 3 updates. */
    SCRATCH_CALL = 64, /* a call line, in the answering core's region */
    SCRATCH_MEET = 66,
    SCRATCH_PROGRESS = 70,
    SCRATCH_RING = 80,     /* 32 slots = 16 padded lines: a ring towards the region's owner */
    SCRATCH_MEETING = 100, /* a counter, on core 0 */
    SCRATCH_LEFT = 101,
    SCRATCH_COUNTER = 102,
    SCRATCH_GENERATION = 103,
    SCRATCH_ROUNDS = 104, /* one line a round */
    SCRATCH_TURNS = 126,
    SCRATCH_STOP = 127,
};
static_assert(SCRATCH_STOP < SCRATCH_LINES, "every line lies in its region");

/* The first word of such a line. */
static inline _Atomic uint64_t *scratch(struct driver *d, uint32_t core, uint32_t line)
{
    return segment_at(d->segment, core, d->region.scratch + (uint64_t)line * PAD_BYTES);
}

static inline struct slot *scratch_slot(struct driver *d, uint32_t core, uint32_t line)
{
    return (void *)scratch(d, core, line);
}
