/* The block of an object: how long it is, how it begins, and a core's end to it. */
#include <string.h>

#include "object/adaptive_inside.h"
#include "object/agreed.h"
#include "object/locked.h"
#include "object/lockfree.h"
#include "object/replicated.h"

const char *const object_form_name[OBJECT_FORMS] = {
    [FORM_LOCKED] = "locked",
    [FORM_FIFO] = "fifo",
    [FORM_OPTIMISTIC] = "optimistic",
    [FORM_DELEGATED] = "delegated",
    [FORM_REPLICATED] = "replicated",
    [FORM_LOCKFREE] = "lock-free",
    [FORM_AGREED_TWO_PHASE] = "agreed-two-phase",
    [FORM_AGREED_ONE_PHASE] = "agreed-one-phase",
    [FORM_AGREED_OWNER] = "agreed-owner",
    [FORM_COMBINED] = "combined",
};

const struct object_type *const object_types[OBJECT_TYPES] = {[TYPE_COUNTERS] = &object_counters,
                                                              [TYPE_MAP] = &object_map,
                                                              [TYPE_QUEUE] = &object_queue,
                                                              [TYPE_MAPPINGS] = &object_mappings};

const char *object_verdict_says(enum object_verdict verdict)
{
    switch (verdict) {
    case OBJECT_OK:
        return "done";
    case OBJECT_NO_SUCH_TYPE:
        return "there is no such type of object";
    case OBJECT_NO_SUCH_SHAPE:
        return "the type has no such shape: see object/type.h for its bounds";
    case OBJECT_NO_SUCH_CORE:
        return "the cores are 1 to 64, and owner and caller are among them";
    case OBJECT_NO_SUCH_LOG:
        return "a log has a power of two of entries, 16 to 2048";
    case OBJECT_NO_SUCH_LOCK:
        return "there are not so many locks that are FIFO (locks/lock.h)";
    case OBJECT_NO_SUCH_NODES:
        return "there are not more nodes than cores";
    case OBJECT_NO_SUCH_FORM:
        return "there is no such form";
    case OBJECT_NOT_LOCKFREE:
        return "this object has no lock-free form: a single counter has, and a queue";
    case OBJECT_PLAIN_WORDS:
        return "this type has no optimistic form: its words may not be read while they are written";
    case OBJECT_NOT_OWNER:
        return "only the owner changes the form: ask that core to";
    case OBJECT_NOT_AN_OBJECT:
        return "there is no object in this block, or one of another version";
    case OBJECT_TOO_SHORT:
        return "the block is shorter than its object";
    }
    return "no such verdict";
}

static const struct lock_algorithm *fifo_lock(uint32_t nth)
{
    for (uint32_t i = 0; lock_algorithms[i]; i++)
        if (lock_algorithms[i]->fifo && !nth--)
            return lock_algorithms[i];
    return NULL;
}

/* Where everything lies. */
struct places {
    uint64_t state_bytes, line, of_core, locks, nodes, calls, flights, lines, state, free, replicas,
        snapshots, log, operations, of_node, posts, readers, node_replicas, bytes;
};

static uint64_t take(uint64_t *at, uint64_t bytes)
{
    const uint64_t here = *at;
    *at = here + round_up(bytes, PAD_BYTES);
    return here;
}

static uint32_t nodes_of(const struct object_geometry *g)
{
    return g->nodes ? g->nodes : 1;
}

static bool has_lockfree(const struct object_geometry *g)
{
    const struct lockfree *lockfree = object_types[g->type]->lockfree;
    return lockfree && lockfree->suits(g->shape);
}

static enum object_verdict place(const struct object_geometry *g, struct places *p)
{
    if (g->type >= OBJECT_TYPES)
        return OBJECT_NO_SUCH_TYPE;
    if (!g->cores || g->cores > OBJECT_CORES_MOST || g->owner >= g->cores)
        return OBJECT_NO_SUCH_CORE;
    if (g->log < OBJECT_LOG_LEAST || g->log > OBJECT_LOG_MOST || g->log & (g->log - 1))
        return OBJECT_NO_SUCH_LOG;
    if (!fifo_lock(g->lock))
        return OBJECT_NO_SUCH_LOCK;
    if (g->nodes > g->cores)
        return OBJECT_NO_SUCH_NODES;
    const uint64_t state = object_types[g->type]->bytes(g->shape);
    if (!state)
        return OBJECT_NO_SUCH_SHAPE;
    uint64_t at = sizeof(struct object_header);
    p->state_bytes = round_up(state, PAD_BYTES);
    p->line = take(&at, sizeof(struct object_line));
    p->of_core = take(&at, g->cores * sizeof(struct object_core_line));
    p->locks = take(&at, OBJECT_LOCKS * sizeof(struct lock));
    p->nodes = take(&at, g->cores * sizeof(struct lock_node));
    p->calls = take(&at, g->cores * CALL_SLOTS * sizeof(struct slot));
    p->flights = take(&at, g->cores * FLIGHT_LINES * sizeof(struct slot));
    p->lines = take(&at, (uint64_t)g->cores * g->cores * CALL_SLOTS * sizeof(struct slot));
    p->state = take(&at, p->state_bytes);
    p->free = take(&at, has_lockfree(g) ? p->state_bytes : 0);
    p->replicas = take(&at, g->cores * p->state_bytes);
    p->snapshots = take(&at, 2ull * g->cores * p->state_bytes);
    p->log = take(&at, g->log * sizeof(uint64_t));
    p->operations = take(&at, (uint64_t)g->cores * 2 * g->log * sizeof(struct slot));
    p->of_node = take(&at, nodes_of(g) * sizeof(struct object_node));
    p->posts = take(&at, g->cores * sizeof(struct object_post));
    p->readers = take(&at, g->cores * sizeof(struct lock_node));
    p->node_replicas = take(&at, nodes_of(g) * p->state_bytes);
    p->bytes = at;
    return OBJECT_OK;
}

uint64_t object_bytes(const struct object_geometry *geometry, enum object_verdict *verdict)
{
    struct places places = {0};
    const enum object_verdict placed = place(geometry, &places);
    if (verdict)
        *verdict = placed;
    return placed == OBJECT_OK ? places.bytes : 0;
}

enum object_verdict object_init(void *block, const struct object_geometry *geometry,
                                enum object_form form)
{
    struct places places;
    const enum object_verdict placed = place(geometry, &places);
    if (placed != OBJECT_OK)
        return placed;
    if ((uint32_t)form >= OBJECT_FORMS)
        return OBJECT_NO_SUCH_FORM;
    if (form == FORM_LOCKFREE && !has_lockfree(geometry))
        return OBJECT_NOT_LOCKFREE;
    if (form == FORM_OPTIMISTIC && object_types[geometry->type]->plain)
        return OBJECT_PLAIN_WORDS;
    char *at = block;
    memset(block, 0, places.bytes);
    const struct object_type *type = object_types[geometry->type];
    type->init(at + places.state, geometry->shape);
    if (form == FORM_LOCKFREE)
        type->lockfree->open(at + places.free, at + places.state);
    struct object_line *line = (struct object_line *)(at + places.line);
    atomic_store_explicit(&line->start, geometry->log, memory_order_relaxed);
    atomic_store_explicit(&line->combined, geometry->log, memory_order_relaxed);
    atomic_store_explicit(&line->mode, (uint64_t)1 << FORM_BITS | form, memory_order_release);
    *(struct object_header *)block =
        (struct object_header){.magic = OBJECT_MAGIC, .bytes = places.bytes, .geometry = *geometry};
    return OBJECT_OK;
}

enum object_verdict object_open(struct object *o, void *block, uint64_t bytes, uint32_t me,
                                void (*while_waiting)(void *context), void *context)
{
    const struct object_header *header = block;
    struct places places;
    if (bytes < sizeof *header)
        return OBJECT_TOO_SHORT;
    const struct object_geometry g = header->geometry;
    if (header->magic != OBJECT_MAGIC || place(&g, &places) != OBJECT_OK ||
        header->bytes != places.bytes)
        return OBJECT_NOT_AN_OBJECT;
    if (bytes < places.bytes)
        return OBJECT_TOO_SHORT;
    if (me >= g.cores)
        return OBJECT_NO_SUCH_CORE;
    char *at = block;
    *o = (struct object){
        .type = object_types[g.type],
        .me = me,
        .owner = g.owner,
        .cores = g.cores,
        .line = (struct object_line *)(at + places.line),
        .of_core = (struct object_core_line *)(at + places.of_core),
        .locks = (struct lock *)(at + places.locks),
        .nodes = (struct lock_node *)(at + places.nodes),
        .calls = (struct slot *)(at + places.calls),
        .flights = (struct slot *)(at + places.flights),
        .lines = (struct slot *)(at + places.lines),
        .operations = (struct slot *)(at + places.operations),
        .log = (_Atomic uint64_t *)(at + places.log),
        .state = at + places.state,
        .replica = at + places.replicas + me * places.state_bytes,
        .snapshots = at + places.snapshots,
        .free = has_lockfree(&g) ? at + places.free : NULL,
        .state_bytes = places.state_bytes,
        .replica_bytes = places.state_bytes,
        .log_slots = g.log,
        .log_end = g.log,
        .fifo = fifo_lock(g.lock),
        .of_node = (struct object_node *)(at + places.of_node),
        .posts = (struct object_post *)(at + places.posts),
        .readers = (struct lock_node *)(at + places.readers),
        .node_replicas = at + places.node_replicas,
        .node = me * nodes_of(&g) / g.cores,
        .node_count = nodes_of(&g),
    };
    o->pauses = pauses_for_a_line();
    object_attend(o, while_waiting, context);
    call_open_sender(&o->call, &o->calls[me * CALL_SLOTS], 1);
    call_open_sender(&o->flight, &o->flights[me * FLIGHT_LINES], FLIGHT_LINES);
    for (uint32_t core = 0; core < g.cores; core++) {
        call_open_receiver(&o->called[core], &o->calls[core * CALL_SLOTS], 1);
        call_open_receiver(&o->flown[core], &o->flights[core * FLIGHT_LINES], FLIGHT_LINES);
    }
    agreed_open(o);
    replicated_open(o);
    return OBJECT_OK;
}
