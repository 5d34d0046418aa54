/* Finding the capability, or the empty slots, that an operation works on; and making the first
 * capability of some memory, or another one like it. */
#include "capability/cspace_inside.h"

/* --- Finding --- */

uint32_t cspace_find(const struct cspace *cs, uint64_t reference)
{
    const uint32_t slot = cspace_find_any(cs, reference);
    return slot != NO_CAPABILITY && cspace_gone(cs, slot) ? NO_CAPABILITY : slot;
}

/* Does another operation hold all of it? */
static bool held(const struct cspace *cs, const struct capability *c, uint64_t operation)
{
    if (c->address < cs->locked_from || capability_end(c) > cs->locked_to)
        return false;
    const uint32_t before = cspace_locks_before(cs, c->address + 1);
    const struct cspace_lock *lock = cspace_locks(cs) + before - 1;
    return before && lock->operation != operation && capability_end(c) <= lock->end;
}

enum capability_verdict cspace_find_usable(const struct cspace *cs, uint64_t reference,
                                           uint64_t operation, uint32_t *slot)
{
    *slot = cspace_find(cs, reference);
    if (*slot == NO_CAPABILITY)
        return CAP_STALE;
    if (cspace_cnode(cs, *slot)->state == CNODE_CLOSING)
        return CAP_BUSY;
    if (cspace_is_root(cs, *slot))
        return CAP_OK; /* nobody's memory: no lock covers it */
    const struct capability *c = cspace_slot(cs, *slot);
    return held(cspace_part(cs, c->part), c, operation) ? CAP_BUSY : CAP_OK;
}

/* The first run of count empty slots of a CNode. */
static enum capability_verdict find_empty(const struct cspace *cs, uint32_t index, uint32_t count,
                                          uint32_t *first)
{
    const uint32_t slots = 1u << cs->slot_bits, begin = index << cs->slot_bits;
    uint32_t run = 0;
    *first = begin; /* what asks for nothing is refused for that */
    if (count > slots - cspace_cnodes(cs)[index].used)
        return CAP_NO_SLOTS;
    for (uint32_t slot = begin; run < count && slot < begin + slots; slot++) {
        run = cspace_slot(cs, slot)->type == CAP_NULL ? run + 1 : 0;
        *first = slot + 1 - run;
    }
    return run < count ? CAP_NO_SLOTS : CAP_OK;
}

enum capability_verdict cspace_find_place(const struct cspace *cs, const struct cspace_place *to,
                                          uint32_t count, uint64_t operation, uint32_t *first)
{
    uint32_t slot;
    enum capability_verdict verdict = cspace_find_usable(cs, to->cnode, operation, &slot);
    if (verdict != CAP_OK)
        return verdict;
    const struct capability *c = cspace_slot(cs, slot);
    if (c->type != CAP_CNODE)
        return CAP_NOT_A_CNODE;
    if (!(c->rights & CAP_WRITE))
        return CAP_RIGHTS_EXCEEDED;
    if (cspace_cnodes(cs)[c->about].state == CNODE_CLOSING)
        return CAP_BUSY;
    const uint32_t slots = 1u << cs->slot_bits;
    if (to->index == CNODE_ANY)
        return find_empty(cs, (uint32_t)c->about, count, first);
    if (to->index >= slots || count > slots - to->index)
        return CAP_NO_SLOTS;
    *first = ((uint32_t)c->about << cs->slot_bits) + to->index;
    /* What another operation has put there may be taken back, what it takes away is still there:
     * that will be known. Not of another part, whose locks are not for this call to look at: there
     * it is in use until it is gone. */
    verdict = CAP_OK;
    for (uint32_t i = 0; i < count; i++) {
        const struct capability *there = cspace_slot(cs, *first + i);
        if (there->type != CAP_NULL && !(there->flags & CAP_UNDECIDED) &&
            (there->part != cs->part || !held(cs, there, operation)))
            return CAP_SLOT_IN_USE;
        if (there->type != CAP_NULL)
            verdict = CAP_BUSY;
    }
    return verdict;
}

/* --- Making --- */

enum capability_verdict cspace_create_ram(struct cspace *cs, uint64_t address, uint64_t size,
                                          const struct cspace_place *to, uint64_t *made)
{
    uint32_t slot;
    enum capability_verdict verdict = cspace_find_place(cs, to, 1, 0, &slot);
    if (verdict != CAP_OK)
        return verdict;
    if (!cspace_whole_pages(address, size))
        return CAP_BAD_SIZE;
    if (cspace_locked(cs, address, address + size, 0))
        return CAP_BUSY;
    if (!cspace_is_clear(cs, address, address + size))
        return CAP_RETYPE_CONFLICT;
    const struct capability ram = {.address = address,
                                   .size = size,
                                   .owner = (uint16_t)cs->me,
                                   .type = CAP_RAM,
                                   .rights = CAP_RIGHTS_ALL};
    cspace_fill(cs, slot, &ram, NO_CAPABILITY);
    *made = cspace_reference(cs, slot);
    return CAP_OK;
}

enum capability_verdict cspace_mint(struct cspace *cs, uint64_t source, uint32_t rights,
                                    const struct cspace_place *to, uint64_t operation,
                                    uint64_t *made)
{
    uint32_t from, slot;
    enum capability_verdict verdict = cspace_find_usable(cs, source, operation, &from);
    if (verdict != CAP_OK)
        return verdict;
    verdict = cspace_find_place(cs, to, 1, operation, &slot);
    if (verdict != CAP_OK)
        return verdict;
    struct capability copy = *cspace_slot(cs, from);
    if (!capability_rules[copy.type].copyable)
        return CAP_NOT_COPYABLE;
    if (!(copy.rights & CAP_GRANT) || rights & ~(uint32_t)copy.rights)
        return CAP_RIGHTS_EXCEEDED;
    if (copy.type == CAP_CNODE &&
        cspace_cnode(cs, slot)->level >= cspace_cnodes(cs)[copy.about].level)
        return CAP_CNODE_CYCLE;
    copy.rights = (uint8_t)rights;
    cspace_fill(cs, slot, &copy, from);
    *made = cspace_reference(cs, slot);
    return CAP_OK;
}

bool cspace_nests(const struct capability *outer, const struct capability *inner)
{
    if (capability_same(outer, inner))
        return true;
    if (outer->address > inner->address || capability_end(outer) < capability_end(inner))
        return false;
    if (inner->type == CAP_MAPPING) /* RAM, or its Frame, or another Mapping of that */
        return outer->type == CAP_RAM ||
               (outer->address == inner->address && outer->size == inner->size &&
                (outer->type == CAP_FRAME || outer->type == CAP_MAPPING));
    return outer->type == CAP_RAM && (inner->size < outer->size || inner->type != CAP_RAM);
}
