/* What goes with a capability, found before any of it has gone: so a deletion that may be refused
 * is refused while nothing has changed.
 *
 * Deleting takes many calls, and with the last capability to a Frame its pages go, which a pin
 * forbids. So a CNode is *closed* first, with all CNodes that are reached from nowhere else: from
 * that moment on what they hold is gone for programs, and it is emptied in time. While the others
 * are asked whether its pages may go it is *closing*: an operation that would use what it holds, or
 * take away what else there is of that, waits until it is known whether it closes or stays open.
 *
 * A revocation of RAM on one core alone does the same with the CNodes that lie in it. */
#include "capability/cspace_inside.h"

/* --- Closing --- */

/* The CNode, if there is one in that slot. Of those that it holds, one with several capabilities is
 * closed when the last of them is met that lie in closing ones. */
static void close_if_live(struct cspace *cs, uint32_t cnode)
{
    const struct capability *c = cspace_slot(cs, cnode);
    const uint32_t first = (uint32_t)c->about << cs->slot_bits;
    if (c->type != CAP_CNODE || cspace_cnodes(cs)[c->about].state != CNODE_LIVE)
        return;
    cspace_cnodes(cs)[c->about].state = CNODE_CLOSING;
    for (uint32_t slot = first; slot < first + (1u << cs->slot_bits); slot++)
        if (cspace_slot(cs, slot)->type == CAP_CNODE && cspace_left(cs, slot) != LEFT_USABLE)
            close_if_live(cs, slot); /* CNODE_LEVELS deep at most */
}

void cspace_close(struct cspace *cs, uint32_t slot)
{
    const struct capability *c = cspace_slot(cs, slot);
    uint32_t i = NO_CAPABILITY;
    cs = cspace_part(cs, c->part);
    if (c->type != CAP_RAM)
        close_if_live(cs, slot);
    else
        while ((i = cspace_overlapping(cs, i, c->address, capability_end(c))) != NO_CAPABILITY)
            if (cspace_space_of(cs, i) == cspace_space_of(cs, slot))
                close_if_live(cs, i);
}

/* A CNode's or RAM's; nothing else has any. */
static void settle(struct cspace *cs, uint32_t slot, enum cnode_state state)
{
    const uint32_t type = cspace_slot(cs, slot)->type;
    const uint32_t first = slot / cspace_space_slots(cs) * cs->cnodes;
    if (type != CAP_CNODE && type != CAP_RAM)
        return;
    for (uint32_t i = first; i < first + cs->cnodes; i++)
        if (cspace_cnodes(cs)[i].state == CNODE_CLOSING)
            cspace_cnodes(cs)[i].state = (uint8_t)state;
}

void cspace_closed(struct cspace *cs, uint32_t slot)
{
    struct capability *c = cspace_slot(cs, slot);
    settle(cs, slot, CNODE_CLOSED);
    if (c->type != CAP_RAM) /* which stays */
        c->flags |= CAP_DYING;
}

void cspace_reopen(struct cspace *cs, uint32_t slot)
{
    settle(cs, slot, CNODE_LIVE);
}

/* --- What goes --- */

/* OK: no page goes with the CNodes that are closing. BUSY: another operation is at some of it. */
static enum capability_verdict pages_go(const struct cspace *cs, uint32_t victim)
{
    const uint32_t first = victim / cspace_space_slots(cs) * cspace_space_slots(cs);
    enum capability_verdict verdict = CAP_OK;
    for (uint32_t slot = first; slot < first + cspace_space_slots(cs); slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        if (cspace_cnode(cs, slot)->state != CNODE_CLOSING || c->type == CAP_NULL)
            continue;
        const struct cspace *part = cspace_part(cs, c->part);
        const uint32_t page = cspace_page(part, slot);
        if (c->type != CAP_CNODE && page == NO_CAPABILITY)
            continue;
        if (cspace_locked(part, c->address, capability_end(c), 0))
            return CAP_BUSY;
        if (page != NO_CAPABILITY && cspace_page_goes(cs, page, victim))
            verdict = CAP_NEEDS_AGREEMENT;
    }
    return verdict;
}

static bool closing(const struct cspace *cs, uint32_t slot)
{
    const uint32_t first = slot / cspace_space_slots(cs) * cs->cnodes;
    bool found = false;
    for (uint32_t i = first; i < first + cs->cnodes; i++)
        found |= cspace_cnodes(cs)[i].state == CNODE_CLOSING;
    return found;
}

enum capability_verdict cspace_going(struct cspace *cs, uint32_t slot)
{
    const struct capability *c = cspace_slot(cs, slot);
    cs = cspace_part(cs, c->part);
    if (cspace_gone(cs, slot) || cspace_is_root(cs, slot) ||
        (c->type != CAP_CNODE && cspace_page(cs, slot) == NO_CAPABILITY))
        return CAP_OK;
    if (cspace_locked(cs, c->address, capability_end(c), 0))
        return CAP_BUSY;
    const enum left left = cspace_left(cs, slot);
    if (left != LEFT_NOTHING)
        return left == LEFT_USABLE ? CAP_OK : CAP_BUSY;
    if (c->type != CAP_CNODE)
        return CAP_NEEDS_AGREEMENT;
    if (closing(cs, slot))
        return CAP_BUSY;
    cspace_close(cs, slot);
    enum capability_verdict verdict = pages_go(cs, slot);
    if (verdict == CAP_OK)
        cspace_closed(cs, slot);
    else
        cspace_reopen(cs, slot);
    return verdict;
}

enum capability_verdict cspace_revoking(struct cspace *cs, uint32_t slot)
{
    const struct capability *c = cspace_slot(cs, slot);
    if (c->type != CAP_RAM)
        return CAP_OK;
    if (cspace_locked(cs, c->address, capability_end(c), 0) || closing(cs, slot))
        return CAP_BUSY;
    cspace_close(cs, slot);
    enum capability_verdict verdict = closing(cs, slot) ? pages_go(cs, slot) : CAP_OK;
    cspace_reopen(cs, slot);
    return verdict;
}

static bool holds_pages(const struct cspace *cs, uint64_t address, uint64_t end, uint32_t cnode)
{
    for (uint32_t slot = cnode << cs->slot_bits; slot < (cnode + 1) << cs->slot_bits; slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == CAP_NULL || (address <= c->address && capability_end(c) <= end))
            continue;
        if (c->type == CAP_CNODE ? holds_pages(cs, address, end, (uint32_t)c->about)
                                 : cspace_page(cspace_part(cs, c->part), slot) != NO_CAPABILITY)
            return true;
    }
    return false;
}

enum capability_verdict cspace_cnodes_mapped(const struct cspace *cs, uint64_t address,
                                             uint64_t end, uint32_t but)
{
    uint32_t i = NO_CAPABILITY;
    while ((i = cspace_overlapping(cs, i, address, end)) != NO_CAPABILITY)
        if (cspace_slot(cs, i)->type == CAP_CNODE && i / cspace_space_slots(cs) != but &&
            holds_pages(cs, address, end, (uint32_t)cspace_slot(cs, i)->about))
            return CAP_MAPPED;
    return CAP_OK;
}
