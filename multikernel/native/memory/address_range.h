/* Hands out addresses by walking a range, one guard page between neighbours so that the host never
 * merges two mappings. As long as it walks through what is known to be clear nothing is looked at;
 * at the end of that, the live mappings are searched once for the next clear stretch. */
#pragma once

#include <stdint.h>

#include "base/align.h"

enum { GUARD_BYTES = PAGE_BYTES };

struct address_range {
    uint64_t base, size;
    uint64_t next;  /* the next address */
    uint64_t clear; /* nothing lives in [next, clear) */
};

/* The i-th live mapping's first and past-the-last address; 0 when slot i is free. */
typedef int live_mapping(void *table, uint32_t i, uint64_t *start, uint64_t *end);

static inline void address_range_init(struct address_range *range, uint64_t base, uint64_t size)
{
    *range = (struct address_range){base, size, base, base + size};
}

/* Looks from next on: the first live mapping there bounds what is clear; 0 when nothing lives
 * there. */
static inline uint64_t address_range_look(struct address_range *range, live_mapping *live,
                                          void *table, uint32_t slots)
{
    uint64_t first = range->base + range->size, behind = 0;
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t from, to;
        if (live(table, i, &from, &to) && to + GUARD_BYTES > range->next && from < first) {
            first = from;
            behind = to + GUARD_BYTES;
        }
    }
    range->clear = first > range->next ? first : range->next;
    return behind;
}

/* An address for length bytes, or 0 when the range is full. */
static inline uint64_t address_range_take(struct address_range *range, uint64_t length,
                                          live_mapping *live, void *table, uint32_t slots)
{
    uint64_t need = length + GUARD_BYTES, end = range->base + range->size;
    int laps = 0;
    while (range->clear - range->next < need) {
        uint64_t behind = address_range_look(range, live, table, slots);
        if (range->clear - range->next >= need)
            break;
        if (behind && behind < end) {
            range->next = range->clear = behind;
        } else if (laps++ < 2) {
            range->next = range->clear = range->base;
        } else {
            return 0;
        }
    }
    uint64_t address = range->next;
    range->next += need;
    return address;
}
