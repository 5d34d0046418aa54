/* What the operations have: the probes run, and what was prepared for them. */
#pragma once

#include "pair.h"

enum { BATCH = 100, MANY = 20000, SINGLE = 2000, PAGES = 300, IN_FLIGHT = 16, GROUP = 1 };

struct have {
    uint64_t frame, frame_name, cnode, ram, own_ram;
    uint64_t other_cnode, other_ram;   /* core 1's */
    uint64_t floors, groups, meetings; /* how often used */
};
extern struct have have;

/* Of the probe that was run last on core 0. */
extern struct histogram times[3];
extern uint64_t results[16];

void run_kind(const char *name, struct driver *d, const struct probe *p);
/* Core 1 is in its loop. */
uint64_t ask_alone(const char *name, struct probe p, int which);
/* Both run it, core 1 in role 1 and with that core; the median of the histogram of core `timer`. */
uint64_t run_both(const char *name, struct probe p, uint32_t their_core, uint32_t timer);

/* What core 1 is to do: the probe of that name in the control block. */
void run_theirs(struct driver *d, struct probe *p);

/* The operations: cycles of one, with core 1 in its loop before and afterwards. */
/* calls.c */
uint64_t tsc_step(void), floor_many(void), floor_single(void), call_line(void), call(void),
    call_single(void), user_channel(void), system_call(void), idle_turn(void), barrier(void),
    barrier_single(void), broadcast(void), order_by_root(void), order_by_other(void);
/* pages.c */
uint64_t unmap_local(void), hand_unmap(void), unmap_one(void), unmap_two(void), map_both(void),
    life_fresh(void), life_reused(void), hand_life_fresh(void), hand_life_reused(void),
    own_pages(void), hand_own_pages(void), unmap_computing(void), hand_computing(void);
/* retypes.c */
uint64_t retype_local(void), retype_single(void), retype_many(void), retype_both_one(void),
    retype_both_many(void);
