#include "virtual/alone.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/open.h"
#include "probes/probes.h"

enum { MEMORY = 16 << 20, PAGE = 4096, SLOTS = 64, BOTH = 3, SETTLED = 4 };

static enum verdict no_insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                              uint64_t length, uint32_t rights)
{
    (void)context, (void)slot, (void)address, (void)frame, (void)length, (void)rights;
    return VERDICT_OK;
}
static enum verdict no_protect(void *context, uint32_t slot, uint32_t rights)
{
    (void)context, (void)slot, (void)rights;
    return VERDICT_OK;
}
static void no_retire(void *context, uint32_t slot)
{
    (void)context, (void)slot;
}

bool alone_open(struct alone *both, uint32_t cnodes)
{
    const struct geometry geometry = {
        .cores = 2, .window = 32, .user_channels = 10, .ring_slots = 32};
    struct segment *segment = mmap(NULL, segment_bytes(&geometry), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int memory = memfd_create("memory", 0);
    both->refused = "memory";
    if (segment == MAP_FAILED || memory < 0 || ftruncate(memory, MEMORY))
        return false;
    segment_init(segment, &geometry);
    for (uint32_t core = 0; core < 2; core++) {
        const struct driver_options options = {.me = core,
                                               .slots_per_core = SLOTS,
                                               .cnodes = cnodes,
                                               .address_base = VSPACE_BASE + core * (1ull << 32),
                                               .address_size = 1 << 28,
                                               .memory_bytes = MEMORY,
                                               .cycles_per_us = 2000,
                                               .cancel_signal = SIGINT};
        both->driver[core] = driver_open(segment, memory, &options, &both->refused);
        if (!both->driver[core])
            return false;
        both->driver[core]->vspace.mmu = (struct mmu){NULL, no_insert, no_protect, no_retire};
    }
    return true;
}

struct message alone_await(struct alone *both, uint32_t core, uint64_t ticket)
{
    struct message reply;
    while (!driver_done(both->driver[core], ticket, &reply)) {
        driver_poll(both->driver[1 - core]);
        driver_poll(both->driver[core]);
    }
    return reply;
}

struct message alone_ask(struct alone *both, uint32_t core, const struct message *request)
{
    const uint64_t ticket = driver_begin(both->driver[core], request);
    notify_all(both->driver[core]);
    return alone_await(both, core, ticket);
}

void alone_settle(struct alone *both)
{
    while (driver_poll(both->driver[0]) | driver_poll(both->driver[1]))
        ;
}

bool alone_call(struct alone *both, struct message *reply)
{
    const struct message ping = {{KIND_PING}};
    struct call_sender *sender = user_sender(both->driver[0], 1, 0);
    const int line = user_send(both->driver[0], 1, sender, &ping);
    driver_poll(both->driver[1]);
    return line >= 0 && call_try_take(sender, (uint32_t)line, reply);
}

/* --- Measured --- */

static void least(uint64_t *so_far, uint64_t began)
{
    const uint64_t took = arch_cycles_behind() - began;
    *so_far = *so_far && *so_far < took ? *so_far : took;
}

static uint64_t clock_itself(uint32_t rounds)
{
    uint64_t cycles = 0;
    for (uint32_t i = 0; i < rounds; i++)
        least(&cycles, arch_cycles());
    return cycles;
}

static void measure_turn(struct alone *both, uint64_t *cycles)
{
    for (uint32_t i = 0; i < SETTLED; i++)
        driver_poll(both->driver[0]);
    const uint64_t began = arch_cycles();
    driver_poll(both->driver[0]);
    least(cycles, began);
}

static void measure_system_call(struct alone *both, uint64_t *cycles)
{
    const struct message ping = {{KIND_PING}};
    struct message reply;
    struct driver *d = both->driver[0];
    const uint64_t began = arch_cycles();
    driver_enter(d);
    driver_here(d, &ping, &reply);
    driver_leave(d);
    least(cycles, began);
}

static void measure_call(struct alone *both, uint64_t *cycles)
{
    struct message reply;
    const uint64_t began = arch_cycles();
    if (alone_call(both, &reply))
        least(cycles, began);
}

static void measure_protect(struct alone *both, uint64_t page, uint32_t rights, uint64_t *cycles)
{
    const struct message request = {{KIND_PROTECT, page, rights}};
    const uint64_t began = arch_cycles();
    alone_ask(both, 0, &request);
    alone_settle(both);
    least(cycles, began);
}

bool alone_measure(struct software *s, uint32_t rounds, const char **refused)
{
    struct alone both = {0};
    *s = (struct software){0};
    if (!alone_open(&both, 0)) {
        *refused = both.refused;
        return false;
    }
    const struct message allocate = {{KIND_ALLOCATE, PAGE}};
    const struct message frame = alone_ask(&both, 0, &allocate);
    const struct message map = {{KIND_MAP, frame.word[1], PAGE, RIGHTS_WRITE, BOTH, frame.word[2]}};
    const uint64_t page = alone_ask(&both, 0, &map).word[1];
    alone_settle(&both);
    for (uint32_t i = 0; i < rounds; i++) {
        measure_turn(&both, &s->turn);
        measure_system_call(&both, &s->system_call);
        measure_call(&both, &s->call);
        measure_protect(&both, page, i % 2 ? RIGHTS_WRITE : RIGHTS_READ, &s->protect);
    }
    const uint64_t clock = clock_itself(rounds);
    s->turn -= clock;
    s->system_call -= clock;
    s->call -= clock;
    s->protect -= clock;
    return true;
}
