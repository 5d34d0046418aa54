/* Which pages hang on a capability, and what else its core has of the same.
 *
 * What is dying, or lies in a CNode that is closed, does not count as a capability that is left. A
 * Frame would else keep its pages by one that is on its way out, and that one would take them along
 * later, when nobody can refuse it any more. */
#include "capability/cspace_inside.h"

bool cspace_gone(const struct cspace *cs, uint32_t slot)
{
    return cspace_slot(cs, slot)->flags & CAP_DYING ||
           cspace_cnode(cs, slot)->state > CNODE_CLOSING;
}

/* Of the copies that a core has of what that slot, of any core, holds. */
static enum left left_in(const struct cspace *cs, const struct cspace_space *space, uint32_t slot,
                         uint32_t without)
{
    const struct capability *c = cspace_slot(cs, slot);
    const struct mapping_database *db = cspace_database(cspace_part(cs, c->part));
    enum left left = LEFT_NOTHING;
    for (uint32_t i = mapping_database_last_copy(db, slot);
         i != NO_CAPABILITY && capability_same(cspace_slot(cs, i), c);
         i = mapping_database_previous(db, i)) {
        if (i == without || cspace_space_of(cs, i) != space || cspace_gone(cs, i))
            continue;
        if (cspace_cnode(cs, i)->state != CNODE_CLOSING)
            return LEFT_USABLE;
        left = LEFT_CLOSING;
    }
    return left;
}

enum left cspace_left(const struct cspace *cs, uint32_t slot)
{
    return left_in(cs, cspace_space_of(cs, slot), slot, slot);
}

uint32_t cspace_next_mapping(const struct cspace *cs, uint32_t slot)
{
    uint32_t next = mapping_database_next(cspace_database(cs), slot);
    return next != NO_CAPABILITY && cspace_slot(cs, next)->type == CAP_MAPPING &&
                   cspace_slot(cs, next)->address == cspace_slot(cs, slot)->address
               ? next
               : NO_CAPABILITY;
}

uint32_t cspace_page(const struct cspace *cs, uint32_t slot)
{
    const struct capability *c = cspace_slot(cs, slot);
    if (c->type == CAP_MAPPING)
        return c->flags & CAP_REMOTE_COPIES ? slot : NO_CAPABILITY;
    if (c->type != CAP_FRAME)
        return NO_CAPABILITY;
    for (uint32_t page = mapping_database_last_copy(cspace_database(cs), slot);
         (page = cspace_next_mapping(cs, page)) != NO_CAPABILITY;)
        if (cspace_slot(cs, page)->flags & CAP_REMOTE_COPIES &&
            cspace_space_of(cs, page) == cspace_space_of(cs, slot))
            return page;
    return NO_CAPABILITY;
}

enum capability_verdict cspace_mapped(const struct cspace *cs, uint32_t slot)
{
    static const enum capability_verdict with[] = {
        [LEFT_NOTHING] = CAP_MAPPED, [LEFT_CLOSING] = CAP_BUSY, [LEFT_USABLE] = CAP_OK};
    return cspace_page(cs, slot) == NO_CAPABILITY ? CAP_OK : with[cspace_left(cs, slot)];
}

/* A capability to the Frame of that Mapping: before its first Mapping. */
static uint32_t source_of(const struct cspace *cs, uint32_t mapping)
{
    const struct mapping_database *db =
        cspace_database(cspace_part(cs, cspace_slot(cs, mapping)->part));
    do
        mapping = mapping_database_previous(db, mapping);
    while (cspace_slot(cs, mapping)->type == CAP_MAPPING);
    return mapping;
}

bool cspace_page_goes(const struct cspace *cs, uint32_t page, uint32_t victim)
{
    const struct capability *c = cspace_slot(cs, victim);
    if (page == victim || cspace_cnode(cs, page)->state == CNODE_CLOSING)
        return true;
    if (c->type == CAP_MAPPING)
        return false;
    if (c->type == CAP_RAM && c->address <= cspace_slot(cs, page)->address &&
        capability_end(cspace_slot(cs, page)) <= capability_end(c))
        return true;
    const uint32_t frame = source_of(cs, page);
    if (c->type != CAP_FRAME)
        return left_in(cs, cspace_space_of(cs, page), frame, NO_CAPABILITY) == LEFT_CLOSING;
    return capability_same(cspace_slot(cs, frame), c) &&
           cspace_space_of(cs, page) == cspace_space_of(cs, victim) &&
           cspace_left(cs, victim) == LEFT_NOTHING;
}
