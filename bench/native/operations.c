/* pair KERNEL CORES ROUNDS [OPERATION]...
 *
 * What operations between two cores cost, in TSC cycles, by the drivers as booted. KERNEL:
 * multikernel or shared. CORES: that the geometry is for; two of them are there. A round takes some
 * 0.2 s and prints a line "OPERATION CYCLES" for each, among them the floors of that moment, and
 * then an empty one. A cost is the median of single operations, or the mean of many back to back.
 * Without names, all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "by_hand.h"

enum { BATCH = 100, MANY = 20000, SINGLE = 2000, PAGES = 300, IN_FLIGHT = 16 };
enum { GROUP = 1, ROOM, CNODE_SLOT = 16, SHARED_RAM = 3, OWN_RAM, OTHER_RAM, COPIED = 32 };

static struct histogram times[3];
static uint64_t results[16];
static struct {
    uint64_t frame, frame_name, cnode, ram, own_ram;
    uint64_t other_cnode, other_ram;   /* core 1's */
    uint64_t floors, groups, meetings; /* how often used */
} have;

/* --- Running probes --- */

static void run_kind(const char *name, struct driver *d, const struct probe *p)
{
    const struct probe_kind *kind = probe_kinds;
    while (kind->name && strcmp(kind->name, name))
        kind++;
    pair_check(kind->name, name, 0);
    const int64_t outcome = probe_run(d, kind, p);
    pair_check(outcome == 0, name, outcome);
}

/* Core 1 is in its loop. */
static uint64_t ask_alone(const char *name, struct probe p, int which)
{
    memset(times, 0, sizeof times);
    for (int i = 0; i < 3; i++)
        p.times[i] = &times[i];
    p.batch = p.batch ? p.batch : 1;
    run_kind(name, pair.driver, &p);
    return pair_median(&times[which]);
}

static void their_part(struct driver *d, struct probe *p)
{
    run_kind(pair.control->kind, d, p);
}

/* Both run it, core 1 in role 1 and with that core; the median of the histogram of core `timer`. */
static uint64_t run_both(const char *name, struct probe p, uint32_t their_core, uint32_t timer)
{
    struct probe *theirs = &pair.control->probe;
    memset(times, 0, sizeof times);
    p.batch = p.batch ? p.batch : 1;
    pair_leave_loop();
    *theirs = p;
    for (int i = 0; i < 3; i++) {
        p.times[i] = &times[i];
        theirs->times[i] = &pair.control->times[i];
    }
    theirs->role = 1;
    theirs->core = their_core;
    theirs->results = pair.control->results;
    p.results = results;
    p.result_count = theirs->result_count = 16;
    pair.control->kind = name;
    pair_begin(their_part);
    run_kind(name, pair.driver, &p);
    pair_join();
    const uint64_t median = pair_median(timer ? pair.control->times : times);
    pair_loop();
    return median;
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
static uint64_t floor_many(void)
{
    return floor_of(BATCH, MANY);
}
static uint64_t floor_single(void)
{
    return floor_of(1, SINGLE);
}

static uint64_t call_line(void)
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
static uint64_t call(void)
{
    return ping(1, VIA_CALL_LINE, BATCH);
}
static uint64_t call_single(void)
{
    return ping(1, VIA_CALL_LINE, 1);
}
static uint64_t user_channel(void)
{
    return ping(1, VIA_USER, BATCH);
}
static uint64_t system_call(void)
{
    return ping(0, VIA_CALL_LINE, BATCH);
}

/* Nothing arrives; the other core polls too. */
static uint64_t idle_turn(void)
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
static uint64_t barrier(void)
{
    return collective(COLLECTIVE_BARRIER, 1, BATCH);
}
static uint64_t barrier_single(void)
{
    return collective(COLLECTIVE_BARRIER, 1, 1);
}
static uint64_t broadcast(void)
{
    return collective(COLLECTIVE_BROADCAST, 1, 1);
}
static uint64_t agreement_root(void)
{
    return collective(COLLECTIVE_ORDER, 1, 1);
}
static uint64_t agreement_asked(void)
{
    return collective(COLLECTIVE_ORDER, 0, 1);
}

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
static uint64_t unmap_local(void)
{
    return unmap(UNMAP_LOCAL, TWO_PHASE, 0);
}
static uint64_t unmap_one(void)
{
    return unmap(UNMAP_ALL, ONE_PHASE, 0);
}
static uint64_t unmap_two(void)
{
    return unmap(UNMAP_ALL, TWO_PHASE, 0);
}
static uint64_t map_both(void)
{
    return unmap(UNMAP_ALL, TWO_PHASE, 1);
}

static void compute(struct driver *d, struct probe *p)
{
    probe_compute(d, p);
}

/* The other core computes. */
static uint64_t unmap_computing(void)
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
static uint64_t life(bool afresh)
{
    enum { LIVES = 500 };
    struct message map = REQUEST(KIND_MAP, have.frame, PAGE_BYTES,
                                 RIGHTS_WRITE | (afresh ? MAP_AFRESH : 0), 3, have.frame_name),
                   reply;
    driver_enter(pair.driver);
    const uint64_t start = arch_cycles();
    for (int i = 0; i < LIVES; i++) {
        enum verdict verdict = ask(pair.driver, 0, &map, &reply);
        const struct message touch = REQUEST(KIND_TOUCH, reply.word[1], reply.word[2]);
        const struct message gone = REQUEST(KIND_UNMAP, reply.word[1], TWO_PHASE);
        for (uint32_t core = 0; core < 2 && verdict == VERDICT_OK; core++)
            verdict = ask(pair.driver, core, &touch, &reply);
        if (verdict == VERDICT_OK)
            verdict = ask(pair.driver, 0, &gone, &reply);
        pair_check(verdict == VERDICT_OK, "life", verdict);
    }
    const uint64_t took = arch_cycles_behind() - start;
    driver_leave(pair.driver);
    return took / LIVES;
}

static uint64_t life_fresh(void)
{
    return life(true);
}
static uint64_t life_reused(void)
{
    return life(false);
}

static uint64_t own_pages(void)
{
    enum { EACH = 64, ROUNDS = 8 };
    const uint64_t base = have.meetings;
    have.meetings += 4 * ROUNDS;
    run_both("own-pages",
             (struct probe){.pages = EACH, .count = ROUNDS, .protocol = TWO_PHASE, .base = base}, 0,
             0);
    return (results[0] + pair.control->results[0]) / (2 * EACH * ROUNDS);
}

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
static uint64_t retype_single(void)
{
    return retype(have.ram, 1, 1, 500);
}
static uint64_t retype_local(void)
{
    return retype(have.own_ram, 1, 1, 500);
}
static uint64_t retype_many(void)
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
    pair_begin(their_part);
    run_kind("at-once", pair.driver, &p);
    pair_join();
    pair_loop();
    const uint64_t *there = pair.control->results;
    return (results[2] + there[2]) / 2 / (results[0] + there[0] + 1);
}
static uint64_t retype_both_one(void)
{
    return retype_both(1);
}
static uint64_t retype_both_many(void)
{
    return retype_both(IN_FLIGHT);
}

/* --- By hand --- */

static uint64_t by_hand(bool signals)
{
    memset(times, 0, sizeof times);
    pair_leave_loop();
    by_hand_unmap(PAGES, signals, true, times);
    pair_loop();
    return pair_median(times);
}
static uint64_t hand_unmap(void)
{
    return by_hand(false);
}
static uint64_t hand_computing(void)
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
static uint64_t hand_life_fresh(void)
{
    return hand_life(true);
}
static uint64_t hand_life_reused(void)
{
    return hand_life(false);
}

static uint64_t hand_own_pages(void)
{
    enum { ROUNDS = 8 };
    const uint64_t base = have.meetings;
    have.meetings += 4 * ROUNDS;
    pair_leave_loop();
    const uint64_t mean = by_hand_own_pages(base, ROUNDS);
    pair_loop();
    return mean;
}

/* --- All of them --- */

enum { ANY = 0, MULTIKERNEL = 1, TWO = 2 }; /* where: with that kernel only; two cores only */

static const struct measured {
    const char *name;
    uint64_t (*cost)(void);
    uint32_t where;
} operations[] = {
    {"floor", floor_many, ANY},
    {"floor-single", floor_single, ANY},
    {"call-line", call_line, ANY},
    {"call", call, ANY},
    {"call-single", call_single, ANY},
    {"user-channel", user_channel, ANY},
    {"system-call", system_call, ANY},
    {"idle-turn", idle_turn, ANY},
    {"barrier", barrier, ANY},
    {"barrier-single", barrier_single, ANY},
    {"broadcast", broadcast, ANY},
    {"agreement-root", agreement_root, ANY},
    {"agreement-asked", agreement_asked, ANY},
    {"unmap-local", unmap_local, ANY},
    {"unmap-by-hand", hand_unmap, ANY},
    {"unmap-one-phase", unmap_one, ANY},
    {"unmap-two-phase", unmap_two, MULTIKERNEL},
    {"map", map_both, ANY},
    {"life", life_fresh, ANY},
    {"life-reused", life_reused, ANY},
    {"life-by-hand", hand_life_fresh, ANY},
    {"life-by-hand-reused", hand_life_reused, ANY},
    {"own-pages", own_pages, TWO},
    {"own-pages-by-hand", hand_own_pages, TWO},
    {"unmap-computing", unmap_computing, ANY},
    {"unmap-computing-by-hand", hand_computing, ANY},
    {"retype-local", retype_local, TWO},
    {"retype", retype_single, TWO},
    {"retype-16", retype_many, TWO},
    {"retype-both-1", retype_both_one, TWO},
    {"retype-both-16", retype_both_many, TWO},
    {"floor-after", floor_many, ANY},
};

static uint64_t create(uint32_t index)
{
    return pair_ask(0, REQUEST(KIND_CAP_CREATE, 1 << 20, CSPACE_ROOT, index)).word[1];
}

static uint64_t copy(uint64_t source, uint32_t index)
{
    return pair_ask(0, REQUEST(KIND_CAP_COPY, source, CSPACE_ROOT,
                               index | (uint64_t)CAP_RIGHTS_ALL << 16 | 1ull << 32))
        .word[1];
}

static uint64_t make_cnode(uint32_t core, uint64_t room, uint64_t offset)
{
    return pair_ask(core,
                    REQUEST(KIND_CAP_RETYPE, room, CSPACE_ROOT,
                            (uint64_t)(CNODE_SLOT + core) | (uint64_t)CAP_CNODE << 16 | 1ull << 32,
                            offset, CNODE_BYTES))
        .word[1];
}

static void prepare(void)
{
    const struct message frame = pair_ask(0, REQUEST(KIND_ALLOCATE, PAGE_BYTES));
    have.frame = frame.word[1];
    have.frame_name = frame.word[2];
    for (uint32_t core = 0; core < 2; core++)
        pair_ask(core, REQUEST(KIND_GROUP, GROUP, 0, 3));
    if (pair.cores > 2)
        return; /* what concerns all cores needs them */
    const uint64_t room = create(ROOM);
    have.cnode = make_cnode(0, room, 0);
    have.ram = create(SHARED_RAM);
    have.own_ram = create(OWN_RAM);
    have.other_ram = copy(have.ram, COPIED);
    have.other_cnode = make_cnode(1, copy(room, COPIED + 1), CNODE_BYTES);
}

static bool wanted(const struct measured *o, int count, char **names)
{
    if ((pair.shared && o->where & MULTIKERNEL) || (pair.cores > 2 && o->where & TWO))
        return false;
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], o->name))
            return true;
    return !count || !strncmp(o->name, "floor", 5);
}

int main(int argc, char **argv)
{
    pair_check(argc >= 4 && atoi(argv[2]) >= 2, "usage: pair KERNEL CORES ROUNDS [OPERATION]...",
               argc);
    setlinebuf(stdout);
    pair_boot(argv[1], (uint32_t)atoi(argv[2]));
    prepare();
    for (int round = 0; round < atoi(argv[3]); round++) {
        for (const struct measured *o = operations;
             o < operations + sizeof operations / sizeof *operations; o++)
            if (wanted(o, argc - 4, argv + 4))
                printf("%s %llu\n", o->name, (unsigned long long)o->cost());
        printf("\n");
    }
    pair_end();
    return 0;
}
