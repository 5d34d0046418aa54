/* Mapping a frame: the home reserves a slot and an address, every holder inserts the page, and the
 * commit makes it known.
 *
 * As it travels: argument 0 the address, 1 the frame, 2 length 0-55 and rights 56-63, 3 the
 * holders, cores in a word; a set that fits into none is kept by its initiator for its lane. */
#include "monitor/mapping/mapping.h"

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    struct mapping *mapping = NULL;
    (void)w;
    if (mapping_has_room(m, m->mappings.own, request->holders))
        mapping = mapping_reserve(&m->mappings, &m->fresh, request->frame, request->length,
                                  request->rights, 0);
    if (!mapping)
        return VERDICT_NO_SLOT;
    mapping_hold(m, mapping, request->holders, request->kept);
    if (cores_form(request->holders) == CORES_KEPT)
        env->routing->keep(env->routing->context, agreement_lane(m, a), request->kept);
    a->slot = (uint32_t)mapping->slot;
    a->generation = mapping->generation;
    a->argument[0] = mapping->address;
    a->argument[1] = request->frame;
    a->argument[2] = request->length | (uint64_t)request->rights << 56;
    a->argument[3] = request->holders;
    return VERDICT_OK;
}

static enum verdict check(const struct monitor *m, const struct agreement *a)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    if (agreement_is_own(m, a) || monitor_is_home(m, a->slot))
        return VERDICT_OK;
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
    mapping_fill(mapping, a->generation, (uint32_t)(a->argument[2] >> 56), 0, a->argument[0],
                 a->argument[1], a->argument[2] & ((1ull << 56) - 1));
    mapping_hold(m, mapping, a->argument[3], set);
    if (a->operation == OPERATION_MAP_FRAME)
        mapping_record(m, a->slot);
}

enum verdict map_prepare(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    /* By capability it is unreachable up to the commit: where a map is refused, its home gives the
     * Mapping back before all others have heard of it. */
    const uint32_t rights = mapping->recorded ? RIGHTS_NONE : mapping->rights;
    if (!mapping->held)
        return VERDICT_OK;
    return env->mmu->insert(env->mmu->context, a->slot, mapping->address, mapping->frame,
                            mapping->length, rights);
}

void map_commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    mapping->state = MAPPING_MAPPED;
    if (mapping->recorded && mapping->held)
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
};
