/* What becomes of one page of a Frame on one core, in an agreement that takes the Frame or its
 * Mapping away: blocked at prepare, then gone or back again. And of all pages of a range, for
 * revokes.
 *
 * A core that has voted has locked the entry: no pin comes behind the vote, and an unmap that one
 * phase has applied here already, and may undo, finds the lock and leaves the page table alone
 * (monitor/mapping/mapping.c). */
#include "monitor/capability/ranges.h"
#include "monitor/mapping/mapping.h"

uint32_t capability_of_page(const struct monitor *m, const struct mapping *mapping)
{
    const struct capability key = {.address = mapping->frame,
                                   .size = mapping->length,
                                   .about = mapping->address,
                                   .type = CAP_MAPPING};
    return mapping_database_find(cspace_database(monitor_cspace(m)), &key);
}

void capability_page_deleted(struct monitor *m, const struct mapping *mapping)
{
    struct cspace *cs = monitor_cspace(m);
    uint32_t i = capability_of_page(m, mapping);
    if (i != NO_CAPABILITY)
        cspace_delete(cs, cspace_reference(cs, i), CSPACE_OUTCOME, 1, NULL);
}

void capability_page_undecided(struct monitor *m, const struct mapping *mapping, bool undecided)
{
    const uint32_t i = capability_of_page(m, mapping);
    if (i == NO_CAPABILITY)
        return;
    struct capability *c = cspace_slot(monitor_cspace(m), i);
    c->flags = (uint8_t)(undecided ? c->flags | CAP_UNDECIDED : c->flags & ~CAP_UNDECIDED);
}

enum verdict capability_page_may_go(const struct monitor *m, uint32_t slot)
{
    const struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->lock || mapping->state == MAPPING_RESERVED)
        return VERDICT_BUSY;
    return mapping->state == MAPPING_MAPPED && mapping->pins ? VERDICT_PINNED : VERDICT_OK;
}

enum verdict capability_page_block(struct monitor *m, const struct environment *env,
                                   const struct agreement *a, uint32_t slot)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    mapping->lock = a->id;
    return mapping->state == MAPPING_MAPPED && mapping->held
               ? env->mmu->protect(env->mmu->context, slot, RIGHTS_NONE)
               : VERDICT_OK;
}

void capability_page_settle(struct monitor *m, const struct environment *env,
                            const struct agreement *a, uint32_t slot, bool goes)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    const bool here = mapping->state == MAPPING_MAPPED && mapping->held;
    if (mapping->lock != a->id)
        return;
    if (here && !goes)
        env->mmu->protect(env->mmu->context, slot, mapping->rights);
    mapping->released |= goes;
    mapping_unlock(m, env, mapping);
    if (here && goes)
        env->mmu->retire(env->mmu->context, slot);
}

/* --- All pages of a range, within a revoke --- */

/* The next record from that one on of an entry that has a capability, and whose frame shares a byte
 * with the agreement's range; NULL: there is none. */
static const struct mapping *next_page(const struct monitor *m, const struct agreement *a,
                                       uint32_t *record)
{
    while (m->recorded && *record < monitor_mapping_records(m)) {
        const struct mapping *mapping = monitor_mapping_record(m, (*record)++);
        if (mapping->recorded && mapping->frame < range_end(a) &&
            range_address(a) < mapping->frame + mapping->length)
            return mapping;
    }
    return NULL;
}

enum verdict capability_pages_prepare(struct monitor *m, const struct environment *env,
                                      struct agreement *a)
{
    const struct mapping *page;
    enum verdict verdict = VERDICT_OK;
    if (m->recorded && a->argument[1] == CAP_RAM)
        verdict = monitor_verdict(
            cspace_cnodes_mapped(monitor_cspace(m), range_address(a), range_end(a), NO_SPACE));
    for (uint32_t i = 1; verdict == VERDICT_OK && (page = next_page(m, a, &i));)
        verdict = capability_page_may_go(m, (uint32_t)page->slot);
    for (uint32_t i = 1; verdict == VERDICT_OK && (page = next_page(m, a, &i));)
        verdict = capability_page_block(m, env, a, (uint32_t)page->slot);
    return verdict;
}

void capability_pages_settle(struct monitor *m, const struct environment *env,
                             const struct agreement *a, bool go)
{
    const struct mapping *page;
    for (uint32_t i = 1; (page = next_page(m, a, &i));)
        capability_page_settle(m, env, a, (uint32_t)page->slot, go);
}
