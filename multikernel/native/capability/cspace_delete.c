/* Deleting and revoking, one capability a time, so that any amount of it can be interleaved with
 * other work (Barrelfish kernel/cap_delete.c: "in delete", clear list, delete steps).
 *
 * Only CNodes nest. When one with contents is to go it is marked dying and becomes its space's
 * `dying`; a CNode with contents that is met in it is emptied first and becomes it in turn. So the
 * dying CNodes are a chain, each in a slot of the one before, and the way back is known from where
 * the capability of the emptied one lies: no stack, no list. */
#include "capability/cspace_inside.h"

static enum capability_verdict delete_one(struct cspace *cs, uint32_t slot, uint64_t operation,
                                          uint32_t *at);

/* One capability's worth of work on a space's innermost dying CNode. */
static enum capability_verdict empty_dying(struct cspace *cs, const struct cspace_space *space,
                                           uint64_t operation, uint32_t *at)
{
    uint32_t index = space->dying;
    struct cnode *cnode = &cspace_cnodes(cs)[index];
    uint32_t slot = cnode->capability;
    if (cnode->used) {
        slot = (index << cs->slot_bits) + cnode->cursor;
        while (cspace_slot(cs, slot)->type == CAP_NULL)
            slot++;
    }
    enum capability_verdict verdict = delete_one(cs, slot, operation, at);
    if (verdict != CAP_OK && verdict != CAP_MORE)
        return verdict;
    /* CNODE_DYING still: only its own deletion frees it. */
    if (slot >> cs->slot_bits == index)
        cnode->cursor = (uint16_t)(slot - (index << cs->slot_bits));
    return CAP_MORE;
}

/* Deletes one capability on the way to an empty slot. OK: the slot is empty. at: the slot that was
 * in the way. */
static enum capability_verdict delete_one(struct cspace *cs, uint32_t slot, uint64_t operation,
                                          uint32_t *at)
{
    struct capability *c = cspace_slot(cs, slot);
    /* What a CNode holds may be of other memory than the CNode itself. */
    cs = cspace_part(cs, c->part);
    *at = slot;
    if (cspace_locked(cs, c->address, capability_end(c), operation))
        return CAP_BUSY;
    /* An operation of the monitors has asked about pages before; the shared kernel asks here. */
    if ((cs->mapped || !operation) && cspace_mapped(cs, slot) == CAP_MAPPED) {
        *at = cspace_page(cs, slot);
        return CAP_NEEDS_AGREEMENT;
    }
    if (mapping_database_other_copy(cspace_database(cs), slot) != NO_CAPABILITY) {
        cspace_empty(cs, slot);
        return CAP_OK;
    }
    if (cspace_needs_agreement(cs, c, operation))
        return CAP_NEEDS_AGREEMENT;
    const uint32_t mapping = c->type == CAP_FRAME ? cspace_next_mapping(cs, slot) : NO_CAPABILITY;
    if (mapping != NO_CAPABILITY) {
        cspace_empty(cs, mapping);
        c->flags |= CAP_DYING;
        return CAP_MORE;
    }
    if (c->type == CAP_CNODE && cspace_cnodes(cs)[c->about].used) {
        struct cnode *cnode = &cspace_cnodes(cs)[c->about];
        struct cspace_space *space = cspace_space_of(cs, slot);
        if (cnode->state == CNODE_DYING ||
            (space->dying != NO_CNODE && space->dying != slot >> cs->slot_bits))
            return empty_dying(cs, space, operation, at);
        cnode->state = CNODE_DYING;
        cnode->cursor = 0;
        space->dying = (uint32_t)c->about;
        c->flags |= CAP_DYING;
        return CAP_MORE;
    }
    cspace_empty(cs, slot);
    return CAP_OK;
}

enum capability_verdict cspace_delete(struct cspace *cs, uint64_t reference, uint64_t operation,
                                      uint32_t work, struct cspace_progress *progress)
{
    const uint32_t slot = cspace_find_any(cs, reference);
    struct cspace_progress unasked;
    progress = progress ? progress : &unasked;
    *progress = (struct cspace_progress){.slot = (uint32_t)reference};
    if (slot == NO_CAPABILITY)
        return CAP_STALE;
    if (cspace_is_root(cs, slot))
        return CAP_PERMANENT;
    while (progress->done < work) {
        enum capability_verdict verdict = delete_one(cs, slot, operation, &progress->slot);
        if (verdict != CAP_OK && verdict != CAP_MORE)
            return progress->done ? CAP_MORE : verdict;
        progress->done++;
        if (cspace_find_any(cs, reference) == NO_CAPABILITY)
            return CAP_OK;
    }
    return CAP_MORE;
}

enum capability_verdict cspace_revoke_begin(const struct cspace *cs, uint64_t reference,
                                            struct cspace_revocation *revocation)
{
    const uint32_t slot = cspace_find(cs, reference);
    if (slot == NO_CAPABILITY)
        return CAP_STALE;
    const struct capability *c = cspace_slot(cs, slot);
    if (cspace_locked(cs, c->address, capability_end(c), 0))
        return CAP_BUSY;
    if (cspace_is_root(cs, slot))
        return CAP_PERMANENT;
    if (!(c->rights & CAP_GRANT))
        return CAP_RIGHTS_EXCEEDED;
    if (cspace_needs_agreement(cs, c, 0) || c->owner != cs->me)
        return CAP_NEEDS_AGREEMENT;
    *revocation = (struct cspace_revocation){.reference = reference, .of = *c};
    return CAP_OK;
}

uint32_t cspace_revoke_next(const struct cspace *cs, const struct cspace_revocation *revocation)
{
    const struct mapping_database *db = cspace_database(cs);
    const struct capability *of = &revocation->of;
    uint32_t next, keep = cspace_find_any(cs, revocation->reference);
    if (keep != NO_CAPABILITY && capability_same(cspace_slot(cs, keep), of)) {
        next = mapping_database_previous(db, keep);
        if (next != NO_CAPABILITY && capability_same(cspace_slot(cs, next), of))
            return next;
        next = mapping_database_next(db, keep);
    } else {
        next = mapping_database_not_before(db, of, 0);
    }
    if (next == NO_CAPABILITY)
        return NO_CAPABILITY;
    /* While the object exists, or what was derived from it, this holds up to the end of its
     * range. */
    const struct capability *c = cspace_slot(cs, next);
    bool below = cspace_nests(of, c) && of->type != CAP_MAPPING;
    return below || capability_same(c, of) ? next : NO_CAPABILITY;
}

enum capability_verdict cspace_revoke_step(struct cspace *cs,
                                           const struct cspace_revocation *revocation,
                                           uint64_t operation, uint32_t work,
                                           struct cspace_progress *progress)
{
    struct cspace_progress unasked;
    progress = progress ? progress : &unasked;
    *progress = (struct cspace_progress){.slot = (uint32_t)revocation->reference};
    for (;;) {
        uint32_t victim = cspace_revoke_next(cs, revocation);
        if (victim == NO_CAPABILITY)
            return CAP_OK;
        if (progress->done == work)
            return CAP_MORE;
        enum capability_verdict verdict = delete_one(cs, victim, operation, &progress->slot);
        if (verdict != CAP_OK && verdict != CAP_MORE)
            return progress->done ? CAP_MORE : verdict;
        progress->done++;
    }
}
