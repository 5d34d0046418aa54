/* The replica of mappings: entries, their holders, and looks at them. What operations do with
 * entries is in map.c, unmap.c and protect.c.
 *
 * A core has records of what it holds and of what it is the home of. Another core's entry is made
 * when this core takes part in its map, and forgotten when it is free and nobody holds its lock. */
#include "monitor/mapping/mapping.h"

/* --- Holders --- */

/* How many mappings have the set at that place, and behind that the set. */
static uint64_t *users_at(const struct monitor *m, uint32_t place)
{
    return (uint64_t *)((uintptr_t)m + m->sets_offset) + (size_t)place * (1 + m->set_words);
}

/* The place that holds that set already, or a free one, as for NULL; m->sets: neither. */
static uint32_t place_for(const struct monitor *m, const uint64_t *set)
{
    uint32_t found = m->sets;
    for (uint32_t i = 0; i < m->sets; i++) {
        const uint64_t *users = users_at(m, i);
        if (*users && set && memcmp(users + 1, set, 8 * (size_t)m->set_words) == 0)
            return i;
        if (!*users && found == m->sets)
            found = i;
    }
    return found;
}

/* A place that is free is enough: an equal set needs none. */
bool mapping_has_room(const struct monitor *m, uint32_t slot, uint64_t holders)
{
    const bool place = cores_form(holders) != CORES_KEPT || place_for(m, NULL) < m->sets;
    return place && (sparse_find(&m->mappings, slot) || sparse_has_room(&m->mappings));
}

static void unhold(struct monitor *m, struct mapping *mapping)
{
    if (cores_form(mapping->holders) == CORES_KEPT)
        --*users_at(m, (uint32_t)mapping->holders);
    mapping->holders = 0;
}

void mapping_hold(struct monitor *m, struct mapping *mapping, uint64_t holders, const uint64_t *set)
{
    unhold(m, mapping);
    mapping->holders = holders;
    mapping->held = cores_has(holders, m->me, set);
    if (cores_form(holders) != CORES_KEPT)
        return;
    const uint32_t place = place_for(m, set);
    assert(place < m->sets);
    memcpy(users_at(m, place) + 1, set, 8 * (size_t)m->set_words);
    ++*users_at(m, place);
    mapping->holders = (uint64_t)CORES_KEPT << 60 | place;
}

static const uint64_t *kept(const struct monitor *m, const struct mapping *mapping)
{
    return cores_form(mapping->holders) == CORES_KEPT ? users_at(m, (uint32_t)mapping->holders) + 1
                                                      : NULL;
}

const uint64_t *mapping_holders(const struct monitor *m, const struct mapping *mapping,
                                uint64_t *buffer)
{
    return cores_set(mapping->holders, m->cores, kept(m, mapping), buffer);
}

bool monitor_holds(const struct monitor *m, const struct mapping *mapping, uint32_t core)
{
    return cores_has(mapping->holders, core, kept(m, mapping));
}

/* --- Entries --- */

struct mapping *mapping_make(struct monitor *m, uint32_t slot)
{
    struct mapping *mapping = sparse_make(&m->mappings, slot);
    assert(mapping);
    mapping->slot = slot;
    return mapping;
}

static void forget(struct monitor *m, const struct mapping *mapping)
{
    if (!monitor_is_home(m, (uint32_t)mapping->slot))
        sparse_drop(&m->mappings, (uint32_t)mapping->slot, sizeof *mapping);
}

void mapping_record(struct monitor *m, uint32_t slot)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    m->recorded += !mapping->recorded;
    mapping->recorded = mapping->rights;
}

void mapping_free(struct monitor *m, const struct environment *env, struct mapping *mapping)
{
    mapping->state = MAPPING_FREE;
    unhold(m, mapping);
    if (mapping->recorded) {
        mapping->recorded = 0;
        m->recorded--;
        if (monitor_is_home(m, (uint32_t)mapping->slot))
            env->operations->page_gone(m, mapping);
    }
    if (!mapping->lock)
        forget(m, mapping);
}

void mapping_unlock(struct monitor *m, const struct environment *env, struct mapping *mapping)
{
    mapping->lock = 0;
    if (mapping->released) {
        mapping->released = 0;
        mapping_free(m, env, mapping);
    } else if (mapping->state == MAPPING_FREE) {
        forget(m, mapping);
    }
}

enum verdict mapping_check(const struct monitor *m, const struct agreement *a)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    return mapping_check_unpinned(mapping, a->generation, mapping->pins);
}

void mapping_foresee(const struct monitor *m, const struct agreement *a, struct foresight *f)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    f->slot = a->slot;
    f->rights = mapping->rights & (uint32_t)a->argument[0];
    f->protects = mapping->held && f->rights != mapping->rights;
}

enum verdict mapping_take_rights(struct monitor *m, const struct environment *env,
                                 struct agreement *a)
{
    struct foresight f;
    mapping_foresee(m, a, &f);
    a->saved = monitor_mapping(m, a->slot)->rights;
    return f.protects ? env->mmu->protect(env->mmu->context, f.slot, f.rights) : VERDICT_OK;
}

/* One phase gave the entry back before the outcome was known, and other operations go on while the
 * ABORT travels: a revoke may have locked the page meanwhile, and says what becomes of it, or has
 * taken it away, and another one may be there. */
void mapping_restore(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    if (mapping->state == MAPPING_FREE || mapping->generation != a->generation)
        return;
    mapping->state = MAPPING_MAPPED;
    mapping->rights = a->saved;
    if (mapping->lock && mapping->lock != a->id)
        return;
    if (mapping->held)
        env->mmu->protect(env->mmu->context, a->slot, a->saved);
}

/* --- The object --- */

static uint64_t holder(const struct monitor *m, const struct agreement *a)
{
    return monitor_mapping(m, a->slot)->lock;
}

static void take(struct monitor *m, const struct agreement *a)
{
    monitor_mapping(m, a->slot)->lock = a->id;
}

static void give(struct monitor *m, const struct environment *env, const struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    if (mapping->lock == a->id)
        mapping_unlock(m, env, mapping);
}

static const uint64_t *participants(const struct monitor *m, const struct agreement *a,
                                    uint64_t *buffer)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    const uint32_t home = monitor_home(m, a->slot),
                   keeper = mapping->keeper ? mapping->keeper - 1u : home;
    const uint64_t *all = mapping_holders(m, mapping, buffer);
    if (!all || (core_set_has(all, home) && core_set_has(all, keeper)))
        return all;
    if (all != buffer)
        memcpy(buffer, all, 8 * (size_t)m->set_words);
    core_set_add(buffer, home);
    core_set_add(buffer, keeper);
    return buffer;
}

/* An unmap by others is final. */
static void released(struct monitor *m, const struct environment *env,
                     const struct message *message)
{
    const uint32_t slot = (uint32_t)message->word[2];
    struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->generation != (uint32_t)(message->word[2] >> 32) || !mapping->generation)
        return;
    if (mapping->lock)
        mapping->released = 1;
    else
        mapping_free(m, env, mapping);
}

const struct object_kind monitor_mappings = {.count = monitor_slots,
                                             .holder = holder,
                                             .take = take,
                                             .give = give,
                                             .participants = participants,
                                             .released = released};

/* --- Looking --- */

enum verdict monitor_fault(const struct monitor *m, uint32_t slot, uint32_t generation, bool write)
{
    if (slot >= monitor_slots(m))
        return VERDICT_FAULT;
    const struct mapping *mapping = monitor_mapping(m, slot);
    return mapping_fault(mapping_word(mapping), generation, mapping->held, mapping->lock, write);
}

uint64_t monitor_digest(const struct monitor *m, uint32_t one, uint32_t other)
{
    uint64_t sum = 0;
    for (uint32_t i = 1; i < monitor_mapping_records(m); i++) {
        const struct mapping *mapping = monitor_mapping_record(m, i);
        if (mapping->state != MAPPING_MAPPED ||
            (one != TREE_NOBODY &&
             !(monitor_holds(m, mapping, one) && monitor_holds(m, mapping, other))))
            continue;
        uint64_t hash = mapping_hash(mapping);
        const uint64_t *set = kept(m, mapping);
        for (uint32_t word = 0; set && word < m->set_words; word++)
            hash = hash_mix(hash, set[word]);
        sum += set ? hash : hash_mix(hash, mapping->holders);
    }
    return sum;
}
