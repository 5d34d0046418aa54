/* A processor and a host for lock_explorer.c: cores on stacks of their own, which stop before every
 * atomic operation and every call of the host until they are chosen; a store buffer each; futexes.
 * All that a state is of lies in `s`, in the contexts and on the stacks. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "atomic_steps.h"

#define sched_yield() step_nothing()
static void step_nothing(void);

#include "locks/hapax.h"
#include "locks/mcs.h"
#include "locks/readers.h"
#include "locks/ticket.h"
#include "locks/ttas.h"

/* Behind the locks, whose parameters have the names of what it defines. */
#include "stacks.h"

enum { BUFFERED = 6 };
enum { NOBODY_PARKS = 4 };
enum kind { TTAS, TICKET, MCS, HAPAX, READERS };
static uint32_t kind, cores, cpus, timeouts, rounds[CORES], all_rounds;

/* --- What a state is --- */

struct buffered {
    void *at;
    uint64_t bytes, value;
};

static struct state {
    struct lock lock;
    struct lock_node nodes[CORES];
    _Atomic uint64_t counter;
    uint32_t inside, reading;      /* who is in the lock, + 1; how many read */
    uint32_t queue[CORES], queued; /* as they joined */
    struct core {
        enum { RUNS, SLEEPS, THROUGH } is;
        bool woken;
        uint32_t since, bits, stored; /* since: who sleeps longest is woken first */
        void *word;
        struct buffered buffer[BUFFERED];
    } core[CORES];
} s;

static void wrong(const char *what);

static uint64_t memory(const void *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

static void flush_one(uint32_t core)
{
    struct core *c = &s.core[core];
    memcpy(c->buffer[0].at, &c->buffer[0].value, c->buffer[0].bytes);
    c->stored--;
    memmove(c->buffer, c->buffer + 1, sizeof(struct buffered) * c->stored);
    memset(&c->buffer[c->stored], 0, sizeof *c->buffer);
}

static void flush(uint32_t core)
{
    while (s.core[core].stored)
        flush_one(core);
}

uint64_t step_load(void *at, size_t bytes)
{
    until_chosen();
    const struct core *c = &s.core[me];
    for (uint32_t i = c->stored; i--;)
        if (c->buffer[i].at == at)
            return c->buffer[i].value;
    return memory(at, bytes);
}

void step_store(void *at, size_t bytes, uint64_t value)
{
    until_chosen();
    struct core *c = &s.core[me];
    if (c->stored == BUFFERED)
        flush_one(me);
    c->buffer[c->stored++] = (struct buffered){at, bytes, value};
}

static uint64_t *arrivals(void *at)
{
    return (kind == TICKET && at == (void *)&s.lock.next) ||
                   (kind == MCS && at == (void *)&s.lock.tail) ||
                   (kind == HAPAX && at == (void *)&s.lock.arrived)
               ? at
               : NULL;
}

static void joins(void *at)
{
    if (arrivals(at))
        s.queue[s.queued++] = me;
}

static uint64_t modify(void *at, size_t bytes, uint64_t (*how)(uint64_t, uint64_t), uint64_t value)
{
    until_chosen();
    flush(me);
    const uint64_t old = memory(at, bytes), new = how(old, value);
    memcpy(at, &new, bytes);
    return old;
}

static uint64_t added(uint64_t old, uint64_t value)
{
    return old + value;
}
static uint64_t exchanged(uint64_t old, uint64_t value)
{
    (void)old;
    return value;
}

uint64_t step_add(void *at, size_t bytes, uint64_t value)
{
    const uint64_t old = modify(at, bytes, added, value);
    joins(at);
    return old;
}

uint64_t step_exchange(void *at, size_t bytes, uint64_t value)
{
    const uint64_t old = modify(at, bytes, exchanged, value);
    joins(at);
    return old;
}

bool step_compare(void *at, size_t bytes, void *expected, uint64_t value)
{
    until_chosen();
    flush(me);
    const uint64_t old = memory(at, bytes);
    if (old != memory(expected, bytes)) {
        memcpy(expected, &old, bytes);
        return false;
    }
    memcpy(at, &value, bytes);
    if (kind == MCS && value)
        joins(at);
    else if (kind != MCS && arrivals(at) && s.queue[--s.queued] != me)
        wrong("another's place is given back");
    return true;
}

uint64_t step_bits(void *at, size_t bytes, uint64_t and_, uint64_t or_)
{
    until_chosen();
    flush(me);
    const uint64_t old = memory(at, bytes), new = (old & and_) | or_;
    memcpy(at, &new, bytes);
    return old;
}

static void step_nothing(void)
{
    until_chosen();
}

void parking_fence(void)
{
    until_chosen();
#ifndef NO_FENCE
    for (uint32_t core = 0; core < cores; core++)
        flush(core);
#endif
}

bool parking_sleep(_Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   const struct lock_waiter *waiter)
{
    (void)waiter;
    until_chosen();
    flush(me);
    struct core *c = &s.core[me];
    if (memory((void *)(uintptr_t)word, 4) != value)
        return true;
    for (uint32_t core = 0; core < cores; core++)
        c->since = s.core[core].since >= c->since ? s.core[core].since + 1 : c->since;
    c->bits = bits;
    c->word = (void *)(uintptr_t)word;
    c->is = SLEEPS;
    until_chosen();
    return s.core[me].woken;
}

static void wake(struct core *c, bool woken)
{
    c->is = RUNS;
    c->woken = woken;
    c->since = c->bits = 0;
    c->word = NULL;
}

void parking_wake(_Atomic uint32_t *word, uint32_t bits, int32_t count)
{
    until_chosen();
    flush(me);
    while (count--) {
        struct core *first = NULL;
        for (uint32_t core = 0; core < cores; core++) {
            struct core *c = &s.core[core];
            if (c->is == SLEEPS && c->word == (void *)(uintptr_t)word && c->bits & bits &&
                (!first || c->since < first->since))
                first = c;
        }
        if (!first)
            return;
        wake(first, true);
    }
}

uint64_t lock_clock(void)
{
    return 0;
}
