/* What all members of a group do together, timed: by one of them, which comes last, until the last
 * of them has left.
 *
 * One clock cannot do that: a member that finds the others waiting may be through at once while
 * these still wait for its word. So every member says by the time stamp counter when it left, on a
 * line of its own, and the timing member takes the latest, outside of what is timed; only then it
 * begins the next, so the others, which begin at once, wait for it there. The counters of all CPUs
 * are taken to be one clock, as Linux verifies before it uses them so; a member that seems to have
 * left before the last came is counted as wrong.
 *
 * Source: the definition is the common one of barrier latency, last arrival to last departure
 * (Mellor-Crummey and Scott, TOCS 1991). */
#pragma once

#include "base/message.h"
#include "probes/timed.h"

struct together {
    struct driver *driver;
    const uint32_t *member;
    uint32_t members;
    uint32_t timer;                 /* the core that times */
    void (*idle)(struct driver *d); /* one step of waiting */
};

static inline struct slot *left_line(struct driver *d, uint32_t core)
{
    return (struct slot *)(void *)scratch(d, core, SCRATCH_LEFT);
}

static inline void say_left(const struct together *all, uint64_t operation)
{
    struct slot *line = left_line(all->driver, all->driver->me);
    atomic_store_explicit(&line->word[0], arch_cycles_behind(), memory_order_relaxed);
    /* Pairs with the acquire in last_left. */
    atomic_store_explicit(&line->control, operation, memory_order_release);
}

/* When the last member left the operation that the timing one came to at `came` and left at
 * `left`. */
static inline uint64_t last_left(const struct together *all, uint64_t operation, uint64_t came,
                                 uint64_t left, uint64_t *wrong)
{
    for (uint32_t i = 0; i < all->members; i++) {
        if (all->member[i] == all->timer)
            continue;
        struct slot *line = left_line(all->driver, all->member[i]);
        /* Pairs with the release in say_left. */
        while (atomic_load_explicit(&line->control, memory_order_acquire) != operation)
            all->idle(all->driver);
        uint64_t theirs = atomic_load_explicit(&line->word[0], memory_order_relaxed);
        *wrong += (int64_t)(theirs - came) < 0;
        if ((int64_t)(theirs - left) > 0)
            left = theirs;
    }
    return left;
}

/* `count` operations by every member. batch 1: each until the last member has left, with a pause in
 * front of it; else each batch's mean, by the timing member's clock alone. operation: counts from
 * `use` on; may add to wrong. */
#define TOGETHER(all, use, count, batch, histogram, wrong, pause, operation_, statement) \
    for (uint64_t operation_ = (use), end_ = (use) + (count); operation_ < end_;) {      \
        bool times_ = (all)->driver->me == (all)->timer;                                 \
        if (times_ && (batch) == 1)                                                      \
            pause;                                                                       \
        uint64_t start_ = arch_cycles(), first_ = operation_;                            \
        for (; operation_ < first_ + (batch); operation_++) {                            \
            statement;                                                                   \
        }                                                                                \
        if (times_) {                                                                    \
            uint64_t now_ = arch_cycles_behind();                                        \
            if ((batch) == 1)                                                            \
                now_ = last_left(all, first_, start_, now_, &(wrong));                   \
            histogram_add(histogram, (now_ - start_) / (batch));                         \
        } else if ((batch) == 1) {                                                       \
            say_left(all, first_);                                                       \
        }                                                                                \
    }
