/* How a monitor's block is laid out. What it does is in step.c, and what it agrees about in the
 * table of operations. */
#include "monitor/monitor.h"

#include "base/align.h"

static uint64_t rounded(uint64_t bytes)
{
    return round_up(bytes, LINE_BYTES);
}

/* A core holds one lock an agreement at most, and so there is always room for one more. */
static struct cspace_shape cspace_shape(const struct monitor_shape *shape)
{
    return (struct cspace_shape){.cnodes = shape->cnodes,
                                 .slot_bits = shape->slot_bits,
                                 .locks = shape->lanes + shape->agreements};
}

/* Sets the head's offsets; the size of it all. */
static uint64_t lay_out(struct monitor *m, const struct monitor_shape *shape, uint32_t me)
{
    const uint32_t cores = shape->cores, slots = shape->slots_per_core, lanes = shape->lanes;
    const uint64_t words = core_set_words(cores);
    uint64_t at = rounded(sizeof *m), index;
    index = at;
    at += sparse_index_bytes(cores * lanes);
    sparse_init(&m->agreements, cores * lanes, me * lanes, lanes, shape->agreements,
                agreement_bytes(cores), index - offsetof(struct monitor, agreements),
                at - offsetof(struct monitor, agreements));
    at += sparse_record_bytes(lanes, shape->agreements, agreement_bytes(cores));
    m->workflows_offset = at;
    at += rounded(sizeof(struct workflow) * lanes);
    m->trees_offset = at;
    at += rounded(sizeof(struct tree) * cores);
    m->members_offset = at;
    at += rounded(8 * words);
    index = at;
    at += sparse_index_bytes(cores * slots);
    sparse_init(&m->mappings, cores * slots, me * slots, slots, shape->mappings,
                sizeof(struct mapping), index - offsetof(struct monitor, mappings),
                at - offsetof(struct monitor, mappings));
    at += sparse_record_bytes(slots, shape->mappings, sizeof(struct mapping));
    m->fresh.remembered = shape->remembered;
    m->fresh.offset = at - offsetof(struct monitor, fresh);
    at += rounded(sizeof(struct remembered) * shape->remembered);
    m->sets_offset = at;
    at += rounded(8 * shape->sets * (1 + words));
    m->frames_offset = at;
    at += rounded(frames_bytes(shape->pages));
    m->cspace_offset = shape->cnodes ? at : 0;
    if (shape->cnodes) {
        const struct cspace_shape inside = cspace_shape(shape);
        at += cspace_size(&inside);
    }
    return at;
}

size_t monitor_size(const struct monitor_shape *shape)
{
    struct monitor head;
    return (size_t)lay_out(&head, shape, 0);
}

size_t monitor_output_size(uint32_t cores)
{
    return sizeof(struct output) + cores * sizeof(uint16_t);
}

/* To all others, a reply, and a notice to a home. */
uint32_t monitor_output_messages(uint32_t cores)
{
    return cores + 1;
}

void monitor_init(struct monitor *m, uint32_t me, const struct monitor_shape *shape,
                  uint64_t address_base, uint64_t address_size)
{
    const uint32_t cores = shape->cores, lanes = shape->lanes;
    assert(lanes && !(lanes & (lanes - 1)) && lanes <= LANES_MAX && cores <= CORES_MAX &&
           shape->piece_slots <= 256 && shape->strength_max <= STRENGTH_MAX);
    /* The rest of the block is zero already: fresh memory, or the caller's memset. */
    memset(m, 0, sizeof *m);
    m->size = lay_out(m, shape, me);
    m->me = me;
    m->cores = cores;
    m->set_words = core_set_words(cores);
    m->lanes = lanes;
    m->capability_protocol = shape->capability_protocol;
    m->capability_work = shape->capability_work;
    m->piece_slots = shape->piece_slots;
    m->strength_max = shape->strength_max;
    m->slots_per_core = shape->slots_per_core;
    m->sets = shape->sets;
    m->notifies_all = shape->agreements < (cores - 1) * lanes ||
                      shape->mappings < (cores - 1) * shape->slots_per_core;
    m->view = 1;
    for (uint32_t core = 0; core < cores; core++)
        core_set_add(monitor_members(m), core);
    address_range_init(&m->fresh.addresses, address_base + me * address_size, address_size);
    frames_init(monitor_frames(m), shape->pages, me == 0);
    if (!shape->cnodes)
        return;
    const struct cspace_shape inside = cspace_shape(shape);
    cspace_init(monitor_cspace(m), me, &inside, CSPACE_ROOTS + (uint64_t)me * CNODE_BYTES);
}

void monitor_planted(struct monitor *m, uint32_t root)
{
    monitor_tree(m, root)->version = 1;
}
