/* How large the state of a core is: what it has room for. */
#include "multikernel/multikernel.h"

enum {
    MANY_CORES = 8,     /* beyond: fewer operations of each */
    WHOLE_CORES = 64,   /* up to so many cores each has room for what all can have */
    AGREEMENTS = 768,   /* beyond: room for so many of others, under way here at once, */
    MAPPED_HOMES = 256, /* for what so many homes can map, */
    SETS = 64,          /* and for so many sets of cores that fit into no word */
};

struct monitor_shape multikernel_shape(uint32_t cores, uint32_t slots_per_core, uint32_t cnodes)
{
    const uint32_t lanes = cores > MANY_CORES ? OPERATION_LANES / 2 : OPERATION_LANES;
    struct monitor_shape shape = monitor_shape_whole(cores, lanes, slots_per_core);
    if (cores > WHOLE_CORES) {
        const uint32_t mappings = MAPPED_HOMES * slots_per_core;
        shape.agreements = AGREEMENTS;
        shape.mappings = mappings < shape.mappings ? mappings : shape.mappings;
    }
    if (cores > CORES_IN_BITS)
        shape.sets = SETS;
    shape.remembered = mappings_remembered(slots_per_core);
    shape.cnodes = cnodes;
    shape.slot_bits = CNODE_SLOT_BITS;
    return shape;
}
