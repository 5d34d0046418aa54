#include "memory/mapping_table.h"

static int live(void *table, uint32_t i, uint64_t *start, uint64_t *end)
{
    const struct sparse *own = table;
    const struct mapping *mapping = sparse_at(own, own->own + i);
    *start = mapping->address;
    *end = mapping->address + mapping->length;
    return mapping_state(mapping) != MAPPING_FREE;
}

enum verdict mapping_reserve(struct sparse *table, struct new_mappings *to, uint64_t frame,
                             uint64_t length, uint32_t rights, uint32_t recorded,
                             struct mapping **reserved)
{
    struct mapping *mapping = NULL;
    for (uint32_t i = 0; i < table->own_count && !mapping; i++) {
        const uint32_t slot = table->own + (uint32_t)((to->next + i) % table->own_count);
        struct mapping *candidate = sparse_at(table, slot);
        if (mapping_state(candidate) == MAPPING_FREE && !candidate->lock) {
            mapping = candidate;
            mapping->slot = slot;
        }
    }
    if (!mapping)
        return VERDICT_NO_SLOT;
    const uint64_t address =
        address_range_take(&to->addresses, length, live, table, table->own_count);
    if (!address)
        return VERDICT_NO_ADDRESS;
    to->next = (mapping->slot - table->own + 1) % table->own_count;
    mapping_fill(mapping, mapping->generation + 1, rights, recorded, address, frame, length);
    *reserved = mapping;
    return VERDICT_OK;
}

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
