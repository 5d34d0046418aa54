/* Changing a page's rights. Rights are taken away in prepare and given in commit: between the two a
 * core has what both sides of the change allow. */
#include "monitor/mapping/mapping.h"

enum verdict mapping_check_rights(const struct mapping *mapping, uint32_t generation,
                                  uint32_t rights)
{
    if (!mapping_is_mapped(mapping, generation))
        return VERDICT_NOT_MAPPED;
    if (rights != RIGHTS_READ && rights != RIGHTS_WRITE)
        return VERDICT_BAD_REQUEST;
    return mapping->recorded && rights & ~(uint32_t)mapping->recorded
               ? monitor_verdict(CAP_RIGHTS_EXCEEDED)
               : VERDICT_OK;
}

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    (void)env;
    (void)w;
    a->argument[0] = request->rights;
    const struct mapping *mapping = monitor_mapping(m, request->slot);
    return mapping_is_undecided(mapping, request->generation)
               ? VERDICT_OK
               : mapping_check_rights(mapping, request->generation, request->rights);
}

static void commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    const uint32_t rights = (uint32_t)a->argument[0];
    if (mapping->held && (rights & a->saved) != rights)
        env->mmu->protect(env->mmu->context, a->slot, rights);
    mapping->rights = (uint8_t)rights;
}

static enum verdict check(const struct monitor *m, const struct agreement *a)
{
    const enum verdict verdict =
        mapping_check_rights(monitor_mapping(m, a->slot), a->generation, (uint32_t)a->argument[0]);
    return verdict == VERDICT_OK ? mapping_check(m, a) : verdict;
}

const struct operation_kind protect_operation = {
    .object = &monitor_mappings,
    .begin = begin,
    .check = check,
    .prepare = mapping_take_rights,
    .foresee = mapping_foresee,
    .commit = commit,
    .undo = mapping_restore,
    .early = true,
};
