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
    const struct probe *probe;
    void (*idle)(struct driver *d); /* one step of waiting */
};

/* This core's place among the members; -1 where it or the timer is none, or one is no core. */
static inline int64_t rank_of(const struct driver *d, const struct probe *p)
{
    int64_t rank = -1;
    bool timed = false;
    for (uint64_t i = 0; i < p->each_count; i++) {
        if (p->each[i] >= d->cores)
            return -1;
        timed |= p->each[i] == p->timer;
        if (p->each[i] == d->me)
            rank = (int64_t)i;
    }
    return timed ? rank : -1;
}

static inline void say_left(const struct together *all, uint64_t operation)
{
    struct slot *line = scratch_slot(all->driver, all->driver->me, SCRATCH_LEFT);
    atomic_store_explicit(&line->word[0], arch_cycles_behind(), memory_order_relaxed);
    /* Pairs with the acquire in last_left. */
    atomic_store_explicit(&line->control, operation, memory_order_release);
}

/* When the last member left the operation that the timing one came to at `came` and left at
 * `left`. */
static inline uint64_t last_left(const struct together *all, uint64_t operation, uint64_t came,
                                 uint64_t left, uint64_t *wrong)
{
    const struct probe *p = all->probe;
    for (uint64_t i = 0; i < p->each_count; i++) {
        if (p->each[i] == p->timer)
            continue;
        struct slot *line = scratch_slot(all->driver, (uint32_t)p->each[i], SCRATCH_LEFT);
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

/* The operations of every member. batch 1: each until the last member has left, with a pause in
 * front of it; else each batch's mean, by the timing member's clock alone. operation: counts from
 * `base` on; may add to wrong. */
#define TOGETHER(all, wrong, pause, operation_, statement)                                  \
    for (uint64_t operation_ = (all)->probe->base, end_ = operation_ + (all)->probe->count, \
                  batch_ = (all)->probe->batch;                                             \
         operation_ < end_;) {                                                              \
        bool times_ = (all)->driver->me == (all)->probe->timer;                             \
        if (times_ && batch_ == 1)                                                          \
            pause;                                                                          \
        uint64_t start_ = arch_cycles(), first_ = operation_;                               \
        for (; operation_ < first_ + batch_; operation_++) {                                \
            statement;                                                                      \
        }                                                                                   \
        if (times_) {                                                                       \
            uint64_t now_ = arch_cycles_behind();                                           \
            if (batch_ == 1)                                                                \
                now_ = last_left(all, first_, start_, now_, &(wrong));                      \
            histogram_add((all)->probe->times[0], (now_ - start_) / batch_);                \
        } else if (batch_ == 1) {                                                           \
            say_left(all, first_);                                                          \
        }                                                                                   \
    }
