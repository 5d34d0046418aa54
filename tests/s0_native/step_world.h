/* What monitors that are told anything live in: their states, what they are given, and copies of it
 * all. */
#pragma once

#include "fuzz.h"

#include "../s3_agreement/foreseen.h"
#include "capability/cspace.h"
#include "monitor/operation.h"

enum {
    CORES = 3,
    LANES = 4,
    SLOTS = 5, /* of a core */
    ROUTES = CORES * TREE_PLACES,
    PACKETS = 48,
    EXECUTIONS = 32, /* of a generation */
    RAM_AT = 0x100000,
    RAM_PAGES = 48,
};

struct packet {
    bool reply;
    uint32_t from, to;
    uint64_t token;
    struct message message;
};

/* All that a step is given and leaves, each block by itself, so that the sanitizer sees its ends. */
struct world {
    struct monitor *monitor[CORES];
    struct tree_link *table[ROUTES];
    uint64_t *set[CORES * LANES];
    struct packet packet[PACKETS];
    uint32_t packets;
};

static struct world now, before;
static struct output *output;
static struct monitor_shape shape;
static size_t bytes;
static uint64_t serial, clock_now;
static struct environment environment;
static uint32_t me; /* whose step it is */
static struct asked asked;

static void *zeroed(size_t size)
{
    void *block = aligned_alloc(64, round_up(size, 64));
    FUZZ_CHECK(block, "no memory");
    return memset(block, 0, round_up(size, 64));
}

/* --- The environment --- */

static enum verdict insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    (void)context, (void)address, (void)frame, (void)length, (void)rights;
    FUZZ_CHECK(slot < CORES * SLOTS, "slot %u", slot);
    return one_in(32) ? VERDICT_HOST : VERDICT_OK;
}
static enum verdict protect(void *context, uint32_t slot, uint32_t rights)
{
    (void)context;
    FUZZ_CHECK(slot < CORES * SLOTS, "slot %u", slot);
    const bool refused = one_in(64);
    asked_to_protect(&asked, slot, rights, refused);
    return refused ? VERDICT_HOST : VERDICT_OK;
}
static void retire(void *context, uint32_t slot)
{
    (void)context;
    FUZZ_CHECK(slot < CORES * SLOTS, "slot %u", slot);
}

static struct tree_link *table_of(uint32_t root, uint32_t place)
{
    FUZZ_CHECK(root < CORES && place >= 1 && place <= TREE_PLACES, "table %u of %u", place, root);
    return now.table[root * TREE_PLACES + place - 1];
}
static const struct tree_link *links(void *context, uint32_t root, uint32_t place)
{
    (void)context;
    return table_of(root, place);
}
static void plant(uint32_t root, uint32_t place)
{
    uint32_t edges[CORES - 1];
    const bool chain = one_in(2);
    for (uint32_t i = 1; i < CORES; i++)
        edges[i - 1] = (root + (chain ? i - 1 : 0)) % CORES | ((root + i) % CORES) << 16;
    FUZZ_CHECK(tree_make(table_of(root, place), CORES, root, edges), "no tree");
}
static bool publish(void *context, uint32_t place, uint64_t ticket)
{
    (void)context, (void)ticket;
    if (one_in(8))
        return false;
    plant(me, place);
    return true;
}
static const uint64_t *set_of(void *context, uint32_t core, uint32_t lane)
{
    (void)context;
    FUZZ_CHECK(core < CORES && lane < LANES, "the set of lane %u of core %u", lane, core);
    return now.set[core * LANES + lane];
}
static void keep(void *context, uint32_t lane, const uint64_t *set)
{
    (void)context;
    *now.set[me * LANES + lane] = *set;
}

static const struct mmu mmu = {NULL, insert, protect, retire};
static const struct routing routing = {NULL, links, publish, set_of, keep};

/* --- Worlds --- */

static void make(struct world *w)
{
    bytes = monitor_size(&shape);
    for (uint32_t core = 0; core < CORES; core++)
        w->monitor[core] = zeroed(bytes);
    for (uint32_t i = 0; i < ROUTES; i++)
        w->table[i] = zeroed(CORES * sizeof **w->table);
    for (uint32_t i = 0; i < CORES * LANES; i++)
        w->set[i] = zeroed(8);
}

static void unmake(struct world *w)
{
    for (uint32_t core = 0; core < CORES; core++)
        free(w->monitor[core]);
    for (uint32_t i = 0; i < ROUTES; i++)
        free(w->table[i]);
    for (uint32_t i = 0; i < CORES * LANES; i++)
        free(w->set[i]);
}

static void copy(struct world *to, const struct world *from)
{
    for (uint32_t core = 0; core < CORES; core++)
        memcpy(to->monitor[core], from->monitor[core], bytes);
    for (uint32_t i = 0; i < ROUTES; i++)
        memcpy(to->table[i], from->table[i], CORES * sizeof **to->table);
    for (uint32_t i = 0; i < CORES * LANES; i++)
        *to->set[i] = *from->set[i];
    memcpy(to->packet, from->packet, sizeof to->packet);
    to->packets = from->packets;
}
