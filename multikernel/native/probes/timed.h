/* What measuring loops share: how they wait, ask and time. A bare loop polls nothing else, so it
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
    wait_moment(d->crowded);
    leave_if_stopped(d);
}

/* The same for a core in its driver, which answers the others for so long. */
static inline void poll_for(struct driver *d, uint64_t cycles)
{
    for (uint64_t until = arch_cycles() + cycles; arch_cycles() < until;)
        driver_poll(d);
}

/* Where the histogram is wanted. */
static inline void record(struct histogram *histogram, uint64_t start)
{
    if (histogram)
        histogram_add(histogram, arch_cycles_behind() - start);
}

/* A request to the driver of any core, this one's too. */
static inline enum verdict ask(struct driver *d, uint32_t core, const struct message *request,
                               struct message *reply)
{
    return core == d->me ? driver_here(d, request, reply) : driver_call(d, core, 0, request, reply);
}

/* Between operations that are timed one by one: what the last one left behind settles. */
static inline void think(uint32_t batch)
{
    if (batch == 1)
        for (int i = 0; i < THINK_SPINS; i++)
            arch_relax();
}

/* Runs p->count operations in batches; of each the mean is kept. */
#define TIMED_BETWEEN(p, between, operation)                                             \
    for (uint64_t done_ = 0, batch_ = (p)->batch; done_ < (p)->count; done_ += batch_) { \
        uint64_t start_ = arch_cycles();                                                 \
        for (uint64_t i_ = 0; i_ < batch_; i_++) {                                       \
            operation;                                                                   \
        }                                                                                \
        histogram_add((p)->times[0], (arch_cycles_behind() - start_) / batch_);          \
        between;                                                                         \
    }

#define TIMED(p, operation) TIMED_BETWEEN(p, think((p)->batch), operation)

/* Role 0 asks, timed; role 1 answers as often. */
#define ROUND_TRIPS(p, ask, answer)                \
    if ((p)->role) {                               \
        for (uint64_t i_ = (p)->count; i_; i_--) { \
            answer;                                \
        }                                          \
    } else {                                       \
        TIMED(p, ask)                              \
    }
