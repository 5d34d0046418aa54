#include "virtual/alone.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/open.h"
#include "locks/lock.h"
#include "probes/probes.h"

enum { MEMORY = 16 << 20, PAGE = 4096, SLOTS = 64, BOTH = 3, BATCH = 64 };

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

struct measuring {
    struct alone both;
    struct slot line; /* between the two ends */
    struct call_sender sender;
    struct call_receiver receiver;
    uint64_t page;
    uint32_t rights;
    struct lock lock;
    struct lock_node node;
    char cleared[PAGE];
};

static void turn(struct measuring *m)
{
    driver_poll(m->both.driver[0]);
}

static void relax(struct measuring *m)
{
    (void)m;
    arch_relax();
}

static void clear(struct measuring *m)
{
    memset(m->cleared, 0, sizeof m->cleared);
    __asm__ volatile("" : : "r"(m->cleared) : "memory");
}

static void lock(struct measuring *m)
{
    lock_mcs.acquire(&m->lock, &m->node, 0, &(struct lock_waiter){0});
    lock_mcs.release(&m->lock, &m->node, 0);
}

/* Behind a message: is its receiver looking? */
static void doorbell(struct measuring *m)
{
    atomic_store_explicit(&m->line.word[0], 1, memory_order_relaxed);
    doorbell_ring(m->both.driver[0]->peers[1].doorbell);
}

static void call(struct measuring *m)
{
    struct message reply;
    alone_call(&m->both, &reply);
}

static void bare(struct measuring *m)
{
    struct message message = {{0}};
    const uint32_t line = (uint32_t)call_try_send(&m->sender, &message);
    if (call_try_receive(&m->receiver, &message) >= 0)
        call_reply(&m->receiver, line, &message);
    call_try_take(&m->sender, line, &message);
}

static void protect(struct measuring *m)
{
    m->rights ^= RIGHTS_READ ^ RIGHTS_WRITE;
    const struct message request = {{KIND_PROTECT, m->page, m->rights}};
    alone_ask(&m->both, 0, &request);
    alone_settle(&m->both);
}

static void system_call(struct measuring *m)
{
    const struct message ping = {{KIND_PING}};
    struct message reply;
    driver_enter(m->both.driver[0]);
    driver_here(m->both.driver[0], &ping, &reply);
    driver_leave(m->both.driver[0]);
}

/* In batches, as the clock has steps; of these the least. */
static double least(struct measuring *m, void (*operation)(struct measuring *), uint32_t batches)
{
    uint64_t cycles = UINT64_MAX;
    for (uint32_t i = 0; i < batches; i++) {
        const uint64_t began = arch_cycles();
        for (uint32_t n = 0; n < BATCH; n++)
            operation(m);
        const uint64_t took = arch_cycles_behind() - began;
        cycles = took < cycles ? took : cycles;
    }
    return (double)cycles / BATCH;
}

bool alone_measure(struct software *s, uint32_t batches, const char **refused)
{
    struct measuring m = {.rights = RIGHTS_WRITE};
    call_open_sender(&m.sender, &m.line, 1);
    call_open_receiver(&m.receiver, &m.line, 1);
    if (!alone_open(&m.both, 0)) {
        *refused = m.both.refused;
        return false;
    }
    const struct message allocate = {{KIND_ALLOCATE, PAGE}};
    const struct message frame = alone_ask(&m.both, 0, &allocate);
    const struct message map = {{KIND_MAP, frame.word[1], PAGE, RIGHTS_WRITE, BOTH, frame.word[2]}};
    m.page = alone_ask(&m.both, 0, &map).word[1];
    alone_settle(&m.both);
    s->turn = least(&m, turn, batches);
    s->clear = least(&m, clear, batches);
    s->relax = least(&m, relax, batches);
    s->lock = least(&m, lock, batches);
    s->bare = least(&m, bare, batches);
    s->doorbell = least(&m, doorbell, batches);
    s->call = least(&m, call, batches);
    s->protect = least(&m, protect, batches);
    /* Last: a core in a program is notified by signal. */
    s->system_call = least(&m, system_call, batches);
    return true;
}
