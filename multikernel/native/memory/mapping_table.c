#include "memory/mapping_table.h"

static int live(void *table, uint32_t i, uint64_t *start, uint64_t *end)
{
    const struct sparse *own = table;
    const struct mapping *mapping = sparse_at(own, own->own + i);
    *start = mapping->address;
    *end = mapping->address + mapping->length;
    return mapping_state(mapping) != MAPPING_FREE || mapping->last;
}

static bool may_be_taken(const struct mapping *mapping)
{
    return mapping_state(mapping) == MAPPING_FREE && !mapping->lock;
}

static struct mapping *next_free(const struct sparse *table, const struct new_mappings *to)
{
    for (uint32_t i = 0; i < table->own_count; i++) {
        const uint32_t slot = table->own + (uint32_t)((to->next + i) % table->own_count);
        struct mapping *mapping = sparse_at(table, slot);
        if (!may_be_taken(mapping))
            continue;
        mapping->slot = slot;
        return mapping;
    }
    return NULL;
}

/* --- What is remembered --- */

static uint64_t place_of(const struct new_mappings *to, uint64_t frame)
{
    return frame / PAGE_BYTES & (to->remembered - 1);
}

static struct remembered *remembered_at(const struct new_mappings *to, uint64_t place)
{
    return (struct remembered *)((uintptr_t)to + to->offset) + place;
}

static void forget(const struct sparse *table, struct new_mappings *to, uint64_t place)
{
    struct remembered *r = remembered_at(to, place);
    struct mapping *mapping = r->slot ? sparse_at(table, r->slot - 1) : NULL;
    /* Its slot may have been taken for another frame since. */
    if (mapping && place_of(to, mapping->frame) == place)
        mapping->last = 0;
    r->slot = 0;
}

static struct mapping *last_of(const struct sparse *table, const struct new_mappings *to,
                               uint64_t frame, uint32_t generation, uint64_t length)
{
    if (!to->remembered || !generation)
        return NULL;
    const struct remembered *r = remembered_at(to, place_of(to, frame));
    if (!r->slot || r->generation != generation)
        return NULL;
    struct mapping *mapping = sparse_at(table, r->slot - 1);
    return mapping->last && mapping->frame == frame && mapping->length == length &&
                   may_be_taken(mapping)
               ? mapping
               : NULL;
}

static void remember(const struct sparse *table, struct new_mappings *to, struct mapping *mapping,
                     uint32_t generation)
{
    const bool is = to->remembered && generation;
    if (is) {
        const uint64_t place = place_of(to, mapping->frame);
        forget(table, to, place);
        *remembered_at(to, place) = (struct remembered){(uint32_t)mapping->slot + 1, generation};
    }
    mapping->last = is;
}

/* An address; where there is none left, one that is remembered only. */
static uint64_t next_address(struct sparse *table, struct new_mappings *to, uint64_t length)
{
    uint64_t address = address_range_take(&to->addresses, length, live, table, table->own_count);
    for (uint64_t place = 0; !address && place < to->remembered; place++)
        forget(table, to, place);
    return address || !to->remembered
               ? address
               : address_range_take(&to->addresses, length, live, table, table->own_count);
}

enum verdict mapping_reserve(struct sparse *table, struct new_mappings *to, uint64_t frame,
                             uint32_t frame_generation, uint64_t length, uint32_t rights,
                             uint32_t recorded, struct mapping **reserved)
{
    struct mapping *mapping = last_of(table, to, frame, frame_generation, length);
    uint64_t address = mapping ? mapping->address : 0;
    if (!mapping) {
        mapping = next_free(table, to);
        if (!mapping)
            return VERDICT_NO_SLOT;
        mapping->last = 0;
        address = next_address(table, to, length);
        if (!address)
            return VERDICT_NO_ADDRESS;
        to->next = (mapping->slot - table->own + 1) % table->own_count;
    }
    mapping_fill(mapping, mapping->generation + 1, rights, recorded, address, frame, length);
    remember(table, to, mapping, frame_generation);
    *reserved = mapping;
    return VERDICT_OK;
}

/* --- Looks --- */

void mapping_count(const struct sparse *table, uint32_t *mapped, uint32_t *locked)
{
    *mapped = *locked = 0;
    for (uint32_t i = 1; i < table->fresh; i++) {
        const struct mapping *mapping = (void *)sparse_record(table, i);
        *mapped += mapping_state(mapping) == MAPPING_MAPPED;
        *locked += mapping->lock || mapping_state(mapping) == MAPPING_RESERVED;
    }
}

enum verdict mapping_of_frame(const struct sparse *table, uint32_t keeper, uint64_t frame,
                              uint64_t length)
{
    enum verdict verdict = VERDICT_OK;
    for (uint32_t i = 1; i < table->fresh; i++) {
        const struct mapping *mapping = (void *)sparse_record(table, i);
        const enum mapping_state state = mapping_state(mapping);
        if (state == MAPPING_FREE || mapping->keeper != keeper ||
            mapping->frame >= frame + length || frame >= mapping->frame + mapping->length)
            continue;
        if (state == MAPPING_MAPPED && !mapping->lock)
            return VERDICT_FRAME_IN_USE;
        verdict = VERDICT_BUSY;
    }
    return verdict;
}
