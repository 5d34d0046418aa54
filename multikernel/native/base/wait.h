/* Waiting is an operation, named and bounded: spin with relax, then yield the CPU, then say that it
 * is time to park, or to sleep where nobody would wake the waiter. A wait that finds something
 * starts over. On a machine with fewer CPUs than cores ("crowded") spinning only delays the core
 * one waits for, so the spin is skipped: that is how a 2-CPU laptop runs 8 cores. */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "arch/arch.h"

struct patience {
    uint64_t spin_cycles; /* how long to spin before yielding; 0: yield at once */
    uint32_t yields;      /* how often to yield before parking */
};

struct wait {
    uint64_t started; /* 0: not started */
    uint32_t rounds;
    uint32_t yielded;
    uint32_t slept;
};

enum { WAIT_SLEEP_NS = 20000, WAIT_SLEEP_DOUBLES = 6 };

static inline void wait_restart(struct wait *wait)
{
    *wait = (struct wait){0};
}

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* One moment of a wait that must not park: it is for some core's very next action. */
static inline void wait_moment(bool crowded)
{
    if (crowded)
        sched_yield();
    else
        arch_relax();
}

enum { LINE_CYCLES = 150, PAUSES_MOST = 16 };

/* How often to relax until a reply may be there. To relax takes 63 cycles on one processor and 30 on
 * the next, so it is measured: the least of a few tries. */
static inline uint32_t pauses_for_a_line(void)
{
    uint64_t least = UINT64_MAX;
    for (int tries = 0; tries < 8; tries++) {
        const uint64_t began = arch_cycles();
        for (int i = 0; i < 16; i++)
            arch_relax();
        const uint64_t took = arch_cycles() - began;
        least = took < least ? took : least;
    }
    const uint64_t each = least / 16 ? least / 16 : 1, pauses = (LINE_CYCLES + each / 2) / each;
    return pauses < PAUSES_MOST ? (uint32_t)pauses : PAUSES_MOST;
}

/* No reply comes sooner than a line goes there and back, and a look before that takes the line away
 * from the core that is about to write it. (Measured where that takes least: 300 cycles a round
 * trip without this, 240 with it.) */
static inline void wait_for_a_line(uint32_t pauses)
{
    for (uint32_t i = 0; i < pauses; i++)
        arch_relax();
}

/* Between two looks, every other time: to relax takes longer than to look (65 cycles here), and what
 * comes meanwhile is seen that much later. */
static inline void wait_relax(uint32_t round)
{
    if (round & 1)
        arch_relax();
}

/* Sleeps, longer and longer up to a millisecond. */
static inline void wait_sleep(struct wait *wait)
{
    uint32_t doubles = wait->slept < WAIT_SLEEP_DOUBLES ? wait->slept : WAIT_SLEEP_DOUBLES;
    const struct timespec pause = {0, (long)WAIT_SLEEP_NS << doubles};
    wait->slept++;
    nanosleep(&pause, NULL);
}

/* One step of waiting. True: patience is at an end, park (or give up). The clock is read every 16th
 * round only. */
static inline bool wait_step(struct wait *wait, const struct patience *patience)
{
    if (patience->spin_cycles) {
        if (wait->rounds++ & 15) {
            wait_relax(wait->rounds);
            return false;
        }
        uint64_t now = arch_cycles();
        if (!wait->started)
            wait->started = now;
        if (now - wait->started < patience->spin_cycles) {
            arch_relax();
            return false;
        }
    }
    if (wait->yielded < patience->yields) {
        wait->yielded++;
        sched_yield();
        return false;
    }
    return true;
}
