/* What is one line, or a few: floors, calls, a turn of the loop, collectives. */
#include "running.h"

/* The time stamp counter moves in steps: no single operation is known better than to one. */
uint64_t tsc_step(void)
{
    uint32_t count[1024] = {0}, step = 1;
    for (uint64_t i = 0, last = arch_cycles(), now; i < MANY; i++, last = now) {
        now = arch_cycles();
        count[now - last < 1023 ? now - last : 1023]++;
    }
    while (step < 1023 && count[step] < MANY / 100)
        step++;
    return step;
}

/* --- Lines --- */

static uint64_t floor_of(uint32_t batch, uint64_t count)
{
    have.floors += 2 * count;
    return run_both(
        "floor",
        (struct probe){.core = 1, .line = 1, .base = have.floors, .batch = batch, .count = count},
        1, 0);
}
uint64_t floor_many(void)
{
    return floor_of(BATCH, MANY);
}
uint64_t floor_single(void)
{
    return floor_of(1, SINGLE);
}

uint64_t call_line(void)
{
    return run_both(
        "bare-echo",
        (struct probe){.core = 1, .form = RINGS_CALLS, .slots = 1, .batch = BATCH, .count = MANY},
        0, 0);
}

/* --- Calls --- */

static uint64_t ping(uint32_t core, uint32_t form, uint32_t batch)
{
    return ask_alone(
        "ping",
        (struct probe){
            .core = core, .form = form, .batch = batch, .count = batch > 1 ? MANY : SINGLE},
        0);
}
uint64_t call(void)
{
    return ping(1, VIA_CALL_LINE, BATCH);
}
uint64_t call_single(void)
{
    return ping(1, VIA_CALL_LINE, 1);
}
uint64_t user_channel(void)
{
    return ping(1, VIA_USER, BATCH);
}
uint64_t system_call(void)
{
    return ping(0, VIA_CALL_LINE, BATCH);
}

/* Nothing arrives; the other core polls too. */
uint64_t idle_turn(void)
{
    driver_enter(pair.driver);
    const uint64_t start = arch_cycles();
    for (int i = 0; i < MANY; i++)
        driver_poll(pair.driver);
    const uint64_t took = arch_cycles_behind() - start;
    driver_leave(pair.driver);
    return took / MANY;
}

/* --- Collectives --- */

static uint64_t collective(uint32_t form, uint32_t root_asks, uint32_t batch)
{
    static const uint64_t members[] = {0, 1};
    const uint64_t count = batch > 1 ? MANY : SINGLE;
    const uint64_t base = have.groups;
    have.groups += count;
    return run_both("collective",
                    (struct probe){.form = form,
                                   .each = members,
                                   .each_count = 2,
                                   .timer = root_asks ? 0 : 1,
                                   .group = GROUP,
                                   .core = 0,
                                   .base = base + 1,
                                   .count = count,
                                   .batch = batch},
                    0, root_asks ? 0 : 1);
}
uint64_t barrier(void)
{
    return collective(COLLECTIVE_BARRIER, 1, BATCH);
}
uint64_t barrier_single(void)
{
    return collective(COLLECTIVE_BARRIER, 1, 1);
}
uint64_t broadcast(void)
{
    return collective(COLLECTIVE_BROADCAST, 1, 1);
}
uint64_t order_by_root(void)
{
    return collective(COLLECTIVE_ORDER, 1, 1);
}
uint64_t order_by_other(void)
{
    return collective(COLLECTIVE_ORDER, 0, 1);
}
