/* Mapping a frame: the home reserves a slot and an address, every holder inserts the page, and the
 * commit makes it known.
 *
 * A frame that a core keeps (memory/frames.h) is mapped if that core says so: it takes part in
 * whatever is done with the page, so it knows of every page that its frames have.
 *
 * As it travels: argument 0 the address; 1 the frame's first page 0-39, keeper 40-55, rights 56-63;
 * 2 its pages 0-31, generation 32-63; 3 the holders, cores in a word; a set that fits into none is
 * kept by its initiator for its lane. */
#include "monitor/mapping/mapping.h"

enum { PAGE_NUMBER_BITS = 40, KEEPER_BITS = 16 };

uint64_t map_frame(const struct agreement *a)
{
    return (a->argument[1] & ((1ull << PAGE_NUMBER_BITS) - 1)) * PAGE_BYTES;
}
uint64_t map_length(const struct agreement *a)
{
    return (a->argument[2] & UINT32_MAX) * PAGE_BYTES;
}
static uint32_t keeper_of(const struct agreement *a)
{
    return a->argument[1] >> PAGE_NUMBER_BITS & ((1u << KEEPER_BITS) - 1);
}
static uint32_t rights_of(const struct agreement *a)
{
    return (uint32_t)(a->argument[1] >> (PAGE_NUMBER_BITS + KEEPER_BITS));
}

static bool has_bits(const struct monitor *m, const struct request *request)
{
    return request->length && (request->frame | request->length) % PAGE_BYTES == 0 &&
           request->frame / PAGE_BYTES >> PAGE_NUMBER_BITS == 0 &&
           request->length / PAGE_BYTES <= UINT32_MAX && request->keeper <= m->cores;
}

/* Of this core's own slots, is one in use of which another core has said, or is about to say, that it
 * is free? */
static bool is_about_to_change(const struct monitor *m)
{
    for (uint32_t i = 0; i < m->mappings.own_count; i++) {
        const struct mapping *mapping = monitor_mapping(m, m->mappings.own + i);
        if (mapping->state == MAPPING_GONE ||
            (mapping->lock && mapping->lock >> AGREEMENT_CORE_SHIFT != m->me))
            return true;
    }
    return false;
}

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    struct mapping *mapping;
    (void)w;
    /* From the reservation on the frame cannot be freed (mapping_of_frame). */
    if (!has_bits(m, request) ||
        (request->keeper == m->me + 1 &&
         !frames_has(monitor_frames(m), request->frame, request->length, request->generation)))
        return VERDICT_NOT_A_FRAME;
    if (!mapping_has_room(m, m->mappings.own, request->holders))
        return VERDICT_NO_SLOT;
    enum verdict verdict = mapping_reserve(&m->mappings, &m->fresh, request->frame,
                                           request->afresh ? 0 : request->generation,
                                           request->length, request->rights, 0, &mapping);
    if ((verdict == VERDICT_NO_SLOT || verdict == VERDICT_NO_ADDRESS) && is_about_to_change(m))
        verdict = VERDICT_BUSY;
    if (verdict != VERDICT_OK)
        return verdict;
    mapping_hold(m, mapping, request->holders, request->kept);
    mapping->keeper = (uint16_t)request->keeper;
    if (cores_form(request->holders) == CORES_KEPT)
        env->routing->keep(env->routing->context, agreement_lane(m, a), request->kept);
    a->slot = (uint32_t)mapping->slot;
    a->generation = mapping->generation;
    a->argument[0] = mapping->address;
    a->argument[1] = request->frame / PAGE_BYTES | (uint64_t)request->keeper << PAGE_NUMBER_BITS |
                     (uint64_t)request->rights << (PAGE_NUMBER_BITS + KEEPER_BITS);
    a->argument[2] = request->length / PAGE_BYTES | (uint64_t)request->generation << 32;
    a->argument[3] = request->holders;
    return VERDICT_OK;
}

static enum verdict check(const struct monitor *m, const struct agreement *a)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    const uint32_t rights = rights_of(a);
    if (agreement_is_own(m, a))
        return VERDICT_OK;
    if (monitor_home(m, a->slot) != agreement_initiator(a) || keeper_of(a) > m->cores ||
        (rights != RIGHTS_READ && rights != RIGHTS_WRITE))
        return VERDICT_BAD_REQUEST;
    if (keeper_of(a) == m->me + 1 && !frames_has(monitor_frames(m), map_frame(a), map_length(a),
                                                 (uint32_t)(a->argument[2] >> 32)))
        return VERDICT_NOT_A_FRAME;
    /* Its home found the slot free, so nobody maps it; GONE is what one-phase left for its home to
     * release. */
    if (mapping->state != MAPPING_FREE && mapping->state != MAPPING_GONE)
        return VERDICT_NO_SLOT;
    return mapping_has_room(m, a->slot, a->argument[3]) ? VERDICT_OK : VERDICT_NO_SLOT;
}

void map_adopt(struct monitor *m, const struct environment *env, struct agreement *a)
{
    if (agreement_is_own(m, a))
        return;
    if (sparse_find(&m->mappings, a->slot)) /* what one phase left */
        mapping_free(m, env, monitor_mapping(m, a->slot));
    struct mapping *mapping = mapping_make(m, a->slot);
    const uint64_t *set = NULL;
    const struct routing *r = env->routing;
    if (cores_form(a->argument[3]) == CORES_KEPT)
        set = r->set(r->context, agreement_initiator(a), agreement_lane(m, a));
    mapping_fill(mapping, a->generation, rights_of(a), 0, a->argument[0], map_frame(a),
                 map_length(a));
    mapping_hold(m, mapping, a->argument[3], set);
    mapping->keeper = (uint16_t)keeper_of(a);
    if (a->operation == OPERATION_MAP_FRAME)
        mapping_record(m, a->slot);
}

/* By capability it is unreachable up to the commit: where a map is refused, its home gives the Mapping
 * back before all others have heard of it. So it is of a frame that its home does not keep: the core
 * that does may have freed it. */
static bool is_hidden(const struct monitor *m, const struct mapping *mapping)
{
    return mapping->recorded ||
           (mapping->keeper && mapping->keeper != monitor_home(m, (uint32_t)mapping->slot) + 1);
}

enum verdict map_prepare(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    const uint32_t rights = is_hidden(m, mapping) ? RIGHTS_NONE : mapping->rights;
    if (!mapping->held)
        return VERDICT_OK;
    return env->mmu->insert(env->mmu->context, a->slot, mapping->address, mapping->frame,
                            mapping->length, rights);
}

void map_commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    mapping->state = MAPPING_MAPPED;
    if (mapping->held && is_hidden(m, mapping))
        env->mmu->protect(env->mmu->context, a->slot, mapping->rights);
}

void map_undo(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    if (mapping->held) {
        env->mmu->protect(env->mmu->context, a->slot, RIGHTS_NONE);
        env->mmu->retire(env->mmu->context, a->slot);
    }
    /* Between two tries the slot stays the operation's: another map must not take it. */
    if (agreement_is_own(m, a) && agreement_retries(a))
        mapping->state = MAPPING_RESERVED;
    else
        mapping_free(m, env, mapping);
}

const struct operation_kind map_operation = {
    .object = &monitor_mappings,
    .begin = begin,
    .check = check,
    .adopt = map_adopt,
    .prepare = map_prepare,
    .commit = map_commit,
    .undo = map_undo,
    .early = true,
};
