/* What becomes of one page of a Frame on one core, in an agreement that takes the Frame or its
 * Mapping away: blocked at prepare, then gone or back again. And of all pages of a range, for
 * revokes.
 *
 * Who has voted has locked the entry: no pin comes behind the vote, and an unmap that one phase has
 * applied here already, and may undo, finds the lock and leaves the page table alone
 * (monitor/mapping/mapping.c). */
#include "monitor/capability/ranges.h"
#include "monitor/mapping/mapping.h"

static bool held(const struct monitor *m, const struct mapping *mapping)
{
    return core_set_has(mapping->holders, m->me);
}

enum verdict capability_page_may_go(const struct monitor *m, uint32_t slot)
{
    const struct mapping *mapping = monitor_mapping((struct monitor *)(uintptr_t)m, slot);
    if (mapping->lock || mapping->state == MAPPING_RESERVED)
        return VERDICT_BUSY;
    return mapping->state == MAPPING_MAPPED && mapping->pins ? VERDICT_PINNED : VERDICT_OK;
}

enum verdict capability_page_block(struct monitor *m, const struct operation *op, uint32_t slot,
                                   const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    mapping->lock = op->id;
    return mapping->state == MAPPING_MAPPED && held(m, mapping)
               ? env->mmu->protect(env->mmu->context, slot, RIGHTS_NONE)
               : VERDICT_OK;
}

void capability_page_restore(struct monitor *m, const struct operation *op, uint32_t slot,
                             const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->lock != op->id)
        return;
    if (mapping->state == MAPPING_MAPPED && held(m, mapping))
        env->mmu->protect(env->mmu->context, slot, mapping->rights);
    mapping->lock = 0;
    mapping_unlocked(m, slot);
}

void capability_page_drop(struct monitor *m, const struct operation *op, uint32_t slot,
                          const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->lock != op->id)
        return;
    bool here = mapping->state == MAPPING_MAPPED && held(m, mapping);
    mapping->lock = 0;
    mapping->released = 0;
    mapping_free(m, slot);
    if (here)
        env->mmu->retire(env->mmu->context, slot);
}

/* --- All pages of a range, within a revoke --- */

/* The next entry from that one on that has a capability and whose frame shares a byte with the
 * operation's range; of the `left` entries that have one. monitor_slots: there is none. */
static uint32_t next_page(const struct monitor *m, const struct operation *op, uint32_t slot,
                          uint32_t *left)
{
    for (; *left && slot < monitor_slots(m); slot++) {
        const struct mapping *mapping = monitor_mapping((struct monitor *)(uintptr_t)m, slot);
        *left -= mapping->recorded != 0;
        if (mapping->recorded && mapping->frame < range_end(op) &&
            range_address(op) < mapping->frame + mapping->length)
            return slot;
    }
    return monitor_slots(m);
}

/* Does a CNode in the range hold what is mapped and is not in the range itself? It would go with
 * the CNode, and nobody was asked. Of Frames each counts, not the last one alone: the CNode may
 * hold all that there are. */
static bool holds_pages(const struct cspace *cs, const struct operation *op, uint32_t cnode)
{
    for (uint32_t slot = cnode << cs->slot_bits; slot < (cnode + 1) << cs->slot_bits; slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == CAP_NULL ||
            (range_address(op) <= c->address && capability_end(c) <= range_end(op)))
            continue;
        bool page = cspace_page(cs, slot) != NO_CAPABILITY;
        if (c->type == CAP_CNODE ? holds_pages(cs, op, (uint32_t)c->about) : page)
            return true;
    }
    return false;
}

static enum verdict cnodes_may_go(const struct monitor *m, const struct operation *op)
{
    const struct cspace *cs = monitor_cspace(m);
    const struct mapping_database *db = cspace_database(cs);
    for (uint32_t i = mapping_database_overlapping(db, range_address(op), range_end(op));
         i != NO_CAPABILITY;
         i = mapping_database_next_overlapping(db, i, range_address(op), range_end(op))) {
        const struct capability *c = cspace_slot(cs, i);
        if (c->type == CAP_CNODE && op->argument[1] == CAP_RAM &&
            holds_pages(cs, op, (uint32_t)c->about))
            return monitor_verdict(CAP_MAPPED);
    }
    return VERDICT_OK;
}

enum verdict capability_pages_prepare(struct monitor *m, struct operation *op,
                                      const struct environment *env)
{
    if (!m->recorded)
        return VERDICT_OK;
    const uint32_t slots = monitor_slots(m);
    enum verdict verdict = cnodes_may_go(m, op);
    uint32_t left = m->recorded;
    for (uint32_t i = 0; verdict == VERDICT_OK && (i = next_page(m, op, i, &left)) < slots; i++)
        verdict = capability_page_may_go(m, i);
    left = m->recorded;
    for (uint32_t i = 0; verdict == VERDICT_OK && (i = next_page(m, op, i, &left)) < slots; i++)
        verdict = capability_page_block(m, op, i, env);
    return verdict;
}

void capability_pages_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    uint32_t left = m->recorded;
    for (uint32_t i = 0; (i = next_page(m, op, i, &left)) < monitor_slots(m); i++)
        capability_page_drop(m, op, i, env);
}

void capability_pages_abort(struct monitor *m, struct operation *op, const struct environment *env)
{
    uint32_t left = m->recorded;
    for (uint32_t i = 0; (i = next_page(m, op, i, &left)) < monitor_slots(m); i++)
        capability_page_restore(m, op, i, env);
}
