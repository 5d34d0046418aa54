/* Pages: mapped and unmapped by the kernel, and by hand. */
#include <string.h>

#include "by_hand.h"
#include "running.h"

/* --- Pages --- */

static uint64_t unmap(uint32_t form, uint32_t protocol, int which)
{
    static const uint64_t two[] = {3};
    return ask_alone("unmap",
                     (struct probe){.form = form,
                                    .frame = have.frame,
                                    .frame_name = have.frame_name,
                                    .each = two,
                                    .each_count = 1,
                                    .protocol = protocol,
                                    .count = PAGES,
                                    .think_us = 2},
                     which);
}
uint64_t unmap_local(void)
{
    return unmap(UNMAP_LOCAL, TWO_PHASE, 0);
}
uint64_t unmap_one(void)
{
    return unmap(UNMAP_ALL, ONE_PHASE, 0);
}
uint64_t unmap_two(void)
{
    return unmap(UNMAP_ALL, TWO_PHASE, 0);
}
uint64_t map_both(void)
{
    return unmap(UNMAP_ALL, TWO_PHASE, 1);
}

static void compute(struct driver *d, struct probe *p)
{
    probe_compute(d, p);
}

/* The other core computes. */
uint64_t unmap_computing(void)
{
    pair_leave_loop();
    pair_begin(compute);
    while (!probe_turns(pair.driver, &(struct probe){.core = 1}))
        arch_relax();
    const uint64_t median = unmap(UNMAP_ALL, ONE_PHASE, 0);
    probe_stop_computing(pair.segment, 1);
    pair_join();
    pair_loop();
    return median;
}

/* Mapped, touched, unmapped and removed on both, one after the other. */
static uint64_t life(uint32_t form)
{
    static const uint64_t two[] = {3};
    return ask_alone("life",
                     (struct probe){.form = form,
                                    .frame = have.frame,
                                    .frame_name = have.frame_name,
                                    .each = two,
                                    .each_count = 1,
                                    .protocol = TWO_PHASE,
                                    .count = 32 * REAP_MOST,
                                    .batch = REAP_MOST},
                     0);
}

uint64_t life_fresh(void)
{
    return life(LIFE_FRESH);
}
uint64_t life_reused(void)
{
    return life(LIFE_REUSED);
}

uint64_t own_pages(void)
{
    enum { EACH = 64, ROUNDS = 8 };
    const uint64_t base = have.meetings;
    have.meetings += 4 * ROUNDS;
    run_both("own-pages",
             (struct probe){.pages = EACH, .count = ROUNDS, .protocol = TWO_PHASE, .base = base}, 0,
             0);
    return (results[0] + pair.control->results[0]) / (2 * EACH * ROUNDS);
}

/* --- By hand --- */

static uint64_t by_hand(bool signals)
{
    memset(times, 0, sizeof times);
    pair_leave_loop();
    by_hand_unmap(PAGES, signals, times);
    pair_loop();
    return pair_median(times);
}
uint64_t hand_unmap(void)
{
    return by_hand(false);
}
uint64_t hand_computing(void)
{
    return by_hand(true);
}

static uint64_t hand_life(bool fresh)
{
    pair_leave_loop();
    const uint64_t mean = by_hand_life(PAGES, fresh);
    pair_loop();
    return mean;
}
uint64_t hand_life_fresh(void)
{
    return hand_life(true);
}
uint64_t hand_life_reused(void)
{
    return hand_life(false);
}

uint64_t hand_own_pages(void)
{
    enum { ROUNDS = 8 };
    const uint64_t base = have.meetings;
    have.meetings += 4 * ROUNDS;
    pair_leave_loop();
    const uint64_t mean = by_hand_own_pages(base, ROUNDS);
    pair_loop();
    return mean;
}
