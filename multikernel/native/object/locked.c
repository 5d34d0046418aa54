#include "object/locked.h"

RARE void locked_take_sequence_slowly(struct object *o)
{
    for (uint32_t back_off = 1;;) {
        for (uint32_t i = 0; i < back_off; i++)
            object_back_off(o);
        const uint64_t sequence = atomic_load_explicit(&o->line->sequence, memory_order_relaxed);
        if (locked_try_sequence(o, sequence))
            return;
        back_off = back_off < SEQUENCE_BACK_OFF ? 2 * back_off : SEQUENCE_BACK_OFF;
    }
}
