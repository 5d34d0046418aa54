/* What bare loops share: how they wait, and how they time. A bare loop polls nothing else, so it
 * leaves when its system stops, and where cores share CPUs it gives its own away: the other side
 * needs it. */
#pragma once

#include <sched.h>
#include <unistd.h>

#include "probes/probes.h"
#include "probes/scratch.h"

enum { THINK_SPINS = 16 };

/* Its system stops: the core ends here, as it has nothing to finish. */
static inline void leave_if_stopped(struct driver *d)
{
    if (__builtin_expect(atomic_load_explicit(&d->segment->stop, memory_order_relaxed) != 0, 0))
        _exit(0);
}

static inline void spin(struct driver *d)
{
    if (d->crowded)
        sched_yield();
    else
        arch_relax();
    leave_if_stopped(d);
}

/* Between operations that are timed one by one: what the last one left behind settles. */
static inline void think(uint32_t batch)
{
    if (batch == 1)
        for (int i = 0; i < THINK_SPINS; i++)
            arch_relax();
}

/* Runs `count` operations in batches; of each the mean is kept. */
#define TIMED(count, batch, histogram, operation)                            \
    for (uint64_t done_ = 0; done_ < (count); done_ += (batch)) {            \
        uint64_t start_ = arch_cycles();                                     \
        for (uint32_t i_ = 0; i_ < (batch); i_++) {                          \
            operation;                                                       \
        }                                                                    \
        histogram_add(histogram, (arch_cycles_behind() - start_) / (batch)); \
        think(batch);                                                        \
    }

/* Whole batches, each timed and not divided, as a message in a stream takes few cycles; then what
 * is left. `i` counts. */
#define BATCHES(probe, times, operation, after)                  \
    for (uint64_t i = 0, end_; i < (probe)->count;) {            \
        bool whole_ = (probe)->count - i >= (probe)->batch;      \
        end_ = whole_ ? i + (probe)->batch : (probe)->count;     \
        uint64_t start_ = arch_cycles();                         \
        for (; i < end_; i++) {                                  \
            operation;                                           \
        }                                                        \
        if (whole_) {                                            \
            histogram_add(times, arch_cycles_behind() - start_); \
            after;                                               \
        }                                                        \
    }
