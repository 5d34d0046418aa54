/* solo OPERATION COUNT
 *
 * Two cores' drivers in one process, by turns, and no host's page table: what an operation takes in
 * software, both sides together. Under callgrind, which is told to count inside `measured` alone,
 * that is a number of instructions; without it, cycles, which are printed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/open.h"
#include "probes/probes.h"
#include "probes/timed.h"

enum { MEMORY = 16 << 20, GROUP = 1, RAM = 1, ROOM, OWN_RAM, COPIED, CNODE_AT };
static struct driver *d[2];
static uint64_t cnode, ram, own_ram;

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

static void check(bool so, const char *what, int value)
{
    if (so)
        return;
    fprintf(stderr, "%s: %d\n", what, value);
    exit(1);
}

/* --- Turns --- */

static struct message await(uint32_t core, uint64_t ticket)
{
    struct message reply;
    while (!driver_done(d[core], ticket, &reply)) {
        driver_poll(d[1 - core]);
        driver_poll(d[core]);
    }
    check(message_verdict(&reply) == VERDICT_OK, "verdict", message_verdict(&reply));
    return reply;
}

static struct message here(uint32_t core, struct message request)
{
    const uint64_t ticket = driver_begin(d[core], &request);
    notify_all(d[core]);
    return await(core, ticket);
}

#define REQUEST(kind, ...) ((struct message){{message_head(kind, 0, 0, 0, 0), __VA_ARGS__}})

/* Neither has anything to do. */
static void settle(void)
{
    while (driver_poll(d[0]) | driver_poll(d[1]))
        ;
}

/* --- Operations: what is measured, and what goes before --- */

static uint64_t mapped;
static struct message reply;

__attribute__((noinline)) static void measured(void (*operation)(void))
{
    operation();
}

static void nothing(void)
{
}
static void idle_turn(void)
{
    driver_poll(d[0]);
}
static void system_call(void)
{
    const struct message ping = REQUEST(KIND_PING);
    driver_enter(d[0]);
    driver_here(d[0], &ping, &reply);
    driver_leave(d[0]);
}
static void call(void)
{
    const struct message ping = REQUEST(KIND_PING);
    struct call_sender *sender = user_sender(d[0], 1, 0);
    const int line = user_send(d[0], 1, sender, &ping);
    driver_poll(d[1]);
    check(call_try_take(sender, (uint32_t)line, &reply), "no reply", line);
}
static void barrier(void)
{
    const struct message join = REQUEST(KIND_GATHER, group_word(GROUP, JOIN_NONE, 0, 1));
    const uint64_t theirs = driver_begin(d[1], &join), ours = driver_begin(d[0], &join);
    await(0, ours);
    await(1, theirs);
}
static void broadcast(void)
{
    const struct message take = REQUEST(KIND_TAKE, GROUP), spread = REQUEST(KIND_SPREAD, GROUP);
    const uint64_t theirs = driver_begin(d[1], &take);
    here(0, spread);
    await(1, theirs);
}
static void map(void)
{
    mapped = here(0, REQUEST(KIND_MAP, reply.word[1], PAGE_BYTES, RIGHTS_WRITE, 3, reply.word[2]))
                 .word[1];
}
static void map_settled(void)
{
    map();
    settle();
}
static void unmap_one(void)
{
    here(0, REQUEST(KIND_UNMAP, mapped, ONE_PHASE));
    settle();
}
static void unmap_two(void)
{
    here(0, REQUEST(KIND_UNMAP, mapped, TWO_PHASE));
    settle();
}
static uint64_t made;
static void delete_made(void)
{
    if (made)
        here(0, REQUEST(KIND_CAP_DELETE, made));
    settle();
}
static void retype(uint64_t source)
{
    made = here(0, REQUEST(KIND_CAP_RETYPE, source, cnode, (uint64_t)CAP_FRAME << 16 | 1ull << 32,
                           0, PAGE_BYTES))
               .word[1];
    settle();
}
static void retype_agreed(void)
{
    retype(ram);
}
static void retype_alone(void)
{
    retype(own_ram);
}

static const struct measured {
    const char *name;
    void (*before)(void), (*operation)(void);
} operations[] = {
    {"idle-turn", nothing, idle_turn},
    {"system-call", nothing, system_call},
    {"call", nothing, call},
    {"barrier", nothing, barrier},
    {"broadcast", nothing, broadcast},
    {"unmap-one-phase", map_settled, unmap_one},
    {"unmap-two-phase", map_settled, unmap_two},
    {"retype-local", delete_made, retype_alone},
    {"retype", delete_made, retype_agreed},
};

static void open_both(void)
{
    const struct geometry geometry = {
        .cores = 2, .window = 32, .user_channels = 10, .ring_slots = 32};
    struct segment *segment = mmap(NULL, segment_bytes(&geometry), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int memory = memfd_create("memory", 0);
    check(segment != MAP_FAILED && !ftruncate(memory, MEMORY), "no memory", memory);
    segment_init(segment, &geometry);
    for (uint32_t core = 0; core < 2; core++) {
        const struct driver_options options = {.me = core,
                                               .slots_per_core = 64,
                                               .cnodes = 4,
                                               .address_base = VSPACE_BASE + core * (1ull << 32),
                                               .address_size = 1 << 28,
                                               .memory_bytes = MEMORY,
                                               .cycles_per_us = 2000,
                                               .cancel_signal = SIGINT};
        const char *refused;
        d[core] = driver_open(segment, memory, &options, &refused);
        check(d[core], refused, 0);
        d[core]->vspace.mmu = (struct mmu){NULL, no_insert, no_protect, no_retire};
    }
}

static uint64_t create(uint32_t index)
{
    return here(0, REQUEST(KIND_CAP_CREATE, 1 << 20, CSPACE_ROOT, index)).word[1];
}

int main(int argc, char **argv)
{
    check(argc == 3, "usage: solo OPERATION COUNT", argc);
    open_both();
    reply = here(0, REQUEST(KIND_ALLOCATE, PAGE_BYTES));
    const struct message frame = reply;
    for (uint32_t core = 0; core < 2; core++)
        here(core, REQUEST(KIND_GROUP, GROUP, 0, 3));
    ram = create(RAM);
    const uint64_t room = create(ROOM);
    own_ram = create(OWN_RAM);
    cnode = here(0, REQUEST(KIND_CAP_RETYPE, room, CSPACE_ROOT,
                            CNODE_AT | (uint64_t)CAP_CNODE << 16 | 1ull << 32, 0, CNODE_BYTES))
                .word[1];
    here(0, REQUEST(KIND_CAP_COPY, ram, CSPACE_ROOT,
                    COPIED | (uint64_t)CAP_RIGHTS_ALL << 16 | 1ull << 32));
    for (const struct measured *o = operations;
         o < operations + sizeof operations / sizeof *operations; o++) {
        if (strcmp(o->name, argv[1]))
            continue;
        uint64_t least = UINT64_MAX;
        for (int i = 0; i < atoi(argv[2]); i++) {
            reply = frame;
            o->before();
            settle();
            const uint64_t start = arch_cycles();
            measured(o->operation);
            const uint64_t took = arch_cycles_behind() - start;
            least = took < least ? took : least;
        }
        printf("%s %llu\n", o->name, (unsigned long long)least);
        return 0;
    }
    check(false, "no such operation", 0);
}
