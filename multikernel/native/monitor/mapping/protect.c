/* Changing a page's rights. Rights are taken away in prepare and given in commit: between the two a
 * core has what both sides of the change allow. */
#include "monitor/mapping/mapping.h"

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    const struct mapping *mapping = monitor_mapping(m, request->slot);
    (void)env;
    (void)w;
    if (!mapping_is_mapped(mapping, request->generation))
        return VERDICT_NOT_MAPPED;
    if (request->rights != RIGHTS_READ && request->rights != RIGHTS_WRITE)
        return VERDICT_BAD_REQUEST;
    if (mapping->recorded && request->rights & ~(uint32_t)mapping->recorded)
        return monitor_verdict(CAP_RIGHTS_EXCEEDED);
    a->argument[0] = request->rights;
    return VERDICT_OK;
}

static enum verdict prepare(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    const uint32_t both = mapping->rights & (uint32_t)a->argument[0];
    if (!mapping->held || both == mapping->rights)
        return VERDICT_OK;
    return env->mmu->protect(env->mmu->context, a->slot, both);
}

static void commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    const uint32_t rights = (uint32_t)a->argument[0];
    if (mapping->held && (rights & a->saved) != rights)
        env->mmu->protect(env->mmu->context, a->slot, rights);
    mapping->rights = (uint8_t)rights;
}

static void undo(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    mapping->rights = a->saved;
    if (mapping->held)
        env->mmu->protect(env->mmu->context, a->slot, a->saved);
}

const struct operation_kind protect_operation = {
    .name = "protect",
    .object = &monitor_mappings,
    .begin = begin,
    .check = mapping_check_unpinned,
    .adopt = mapping_note_rights,
    .prepare = prepare,
    .commit = commit,
    .undo = undo,
};
