/* How a monitor's block is laid out. What it does is in step.c, and what it agrees about in
 * the rows. */
#include <string.h>

#include "monitor/monitor.h"

static size_t mapping_stride(uint32_t cores)
{
    return sizeof(struct mapping) + 8 * (size_t)core_set_words(cores);
}

/* Everything but the capabilities, up to the next multiple of 64. */
static size_t plain_size(const struct monitor_shape *shape)
{
    size_t size = sizeof(struct monitor) + sizeof(struct operation) * shape->cores * shape->lanes +
                  sizeof(struct tree) * shape->cores +
                  mapping_stride(shape->cores) * shape->cores * shape->slots_per_core;
    return shape->cnodes ? (size + sizeof(struct capability_task) * shape->lanes + 63) & ~(size_t)63
                         : size;
}

/* A core holds one lock an operation at most, and so there is always room for one more. */
static struct cspace_shape cspace_shape(const struct monitor_shape *shape)
{
    return (struct cspace_shape){.cnodes = shape->cnodes,
                                 .slot_bits = shape->slot_bits,
                                 .locks = shape->cores * shape->lanes};
}

size_t monitor_size(const struct monitor_shape *shape)
{
    const struct cspace_shape inside = cspace_shape(shape);
    return plain_size(shape) + (shape->cnodes ? cspace_size(&inside) : 0);
}

uint32_t monitor_output_entries(uint32_t cores)
{
    return cores * (1 + (cores > 64 ? core_set_words(cores) : 0)) + 4;
}

void monitor_init(struct monitor *m, uint32_t me, const struct monitor_shape *shape,
                  uint64_t address_base, uint64_t address_size)
{
    uint32_t cores = shape->cores, slots_per_core = shape->slots_per_core;
    /* the rest of the block is zero already: fresh memory, or the caller's memset */
    memset(m, 0, sizeof *m);
    m->size = monitor_size(shape);
    m->me = me;
    m->cores = cores;
    m->set_words = core_set_words(cores);
    m->lanes = shape->lanes;
    m->capability_protocol = shape->capability_protocol;
    assert(m->lanes && !(m->lanes & (m->lanes - 1)));
    m->slots_per_core = slots_per_core;
    m->view = 1;
    address_range_init(&m->addresses, address_base + me * address_size, address_size);
    m->slot_next = me * slots_per_core;
    m->trees_offset = sizeof(struct monitor) + sizeof(struct operation) * cores * shape->lanes;
    m->mapping_stride = (uint32_t)mapping_stride(cores);
    m->mappings_offset = m->trees_offset + sizeof(struct tree) * cores;
    if (!shape->cnodes)
        return;
    const struct cspace_shape inside = cspace_shape(shape);
    m->tasks_offset = m->mappings_offset + (uint64_t)m->mapping_stride * cores * slots_per_core;
    m->cspace_offset = plain_size(shape);
    cspace_init(monitor_cspace(m), me, &inside, CSPACE_ROOTS + (uint64_t)me * CNODE_BYTES);
}
