/* Retypes: what one core decides alone, and what both agree about. */
#include "running.h"

/* --- Capabilities --- */

static uint64_t retype(uint64_t source, uint32_t in_flight, uint32_t batch, uint64_t count)
{
    return ask_alone("operations",
                     (struct probe){.form = PROBE_RETYPE,
                                    .source = source,
                                    .cnode = have.cnode,
                                    .core = 1,
                                    .cores = 1,
                                    .in_flight = in_flight,
                                    .batch = batch,
                                    .count = count},
                     0);
}
uint64_t retype_single(void)
{
    return retype(have.ram, 1, 1, 500);
}
uint64_t retype_local(void)
{
    return retype(have.own_ram, 1, 1, 500);
}
uint64_t retype_many(void)
{
    return retype(have.ram, IN_FLIGHT, 128, 2048);
}

/* From both cores at once: cycles of an operation, of both together. */
static uint64_t retype_both(uint32_t in_flight)
{
    struct probe p = {.source = have.ram,
                      .cnode = have.cnode,
                      .in_flight = in_flight,
                      .cores = 2,
                      .batch = 64,
                      .edge = 100000,
                      .cycles = 5000000,
                      .base = have.meetings,
                      .results = results,
                      .result_count = 16};
    struct probe *theirs = &pair.control->probe;
    have.meetings += 4;
    pair_leave_loop();
    *theirs = p;
    theirs->source = have.other_ram;
    theirs->cnode = have.other_cnode;
    theirs->results = pair.control->results;
    theirs->offset = 1 << 19;
    theirs->times[0] = pair.control->times;
    p.times[0] = times;
    pair.control->kind = "at-once";
    pair_begin(run_theirs);
    run_kind("at-once", pair.driver, &p);
    pair_join();
    pair_loop();
    const uint64_t *there = pair.control->results;
    return (results[2] + there[2]) / 2 / (results[0] + there[0] + 1);
}
uint64_t retype_both_one(void)
{
    return retype_both(1);
}
uint64_t retype_both_many(void)
{
    return retype_both(IN_FLIGHT);
}
