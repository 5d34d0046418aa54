/* What other cores have to do with the capabilities of this one: locks on behalf of operations that
 * span cores, what has been sent, owners, and what may have been derived elsewhere (after
 * Barrelfish usr/monitor/capops/ and TN-013). Nothing here sends. */
#include <string.h>

#include "capability/cspace_inside.h"

/* Does everything that shares a byte with that range nest with the record? */
static bool nests_in(const struct cspace *cs, const struct capability *record, uint64_t from,
                     uint64_t to)
{
    uint32_t i = NO_CAPABILITY;
    while ((i = cspace_overlapping(cs, i, from, to)) != NO_CAPABILITY) {
        const struct capability *c = cspace_slot(cs, i);
        if (!cspace_nests(c, record) && !cspace_nests(record, c))
            return false;
    }
    return true;
}

enum capability_verdict cspace_may_receive(const struct cspace *cs, const struct capability *record,
                                           const struct cspace_place *to, uint64_t operation,
                                           uint32_t *slot)
{
    enum capability_verdict verdict = cspace_find_place(cs, to, 1, operation, slot);
    if (verdict != CAP_OK)
        return verdict;
    if (record->type >= CAP_TYPES || !capability_rules[record->type].remote)
        return CAP_NOT_COPYABLE;
    if (!cspace_whole_pages(record->address, record->size))
        return CAP_BAD_SIZE;
    uint64_t end = capability_end(record);
    if (cspace_locked(cs, record->address, end, operation))
        return CAP_BUSY;
    /* Whatever begins and ends inside RAM may be made of it. */
    uint64_t first = record->type == CAP_RAM ? record->address + 1 : end;
    return nests_in(cs, record, record->address, first) && nests_in(cs, record, end - 1, end)
               ? CAP_OK
               : CAP_RETYPE_CONFLICT;
}

enum capability_verdict cspace_receive(struct cspace *cs, const struct capability *record,
                                       const struct cspace_place *to, uint64_t operation,
                                       uint64_t *made)
{
    uint32_t slot;
    const enum capability_verdict verdict = cspace_may_receive(cs, record, to, operation, &slot);
    if (verdict != CAP_OK)
        return verdict;
    struct capability copy = *record;
    copy.rights &= capability_rules[copy.type].rights;
    const uint32_t here = mapping_database_find(cspace_database(cs), &copy);
    if (here != NO_CAPABILITY) {
        copy.owner = cspace_slot(cs, here)->owner;
        copy.flags = cspace_slot(cs, here)->flags;
    }
    cspace_fill(cs, slot, &copy, NO_CAPABILITY);
    *made = cspace_reference(cs, slot);
    return CAP_OK;
}

enum capability_verdict cspace_lock(struct cspace *cs, uint64_t address, uint64_t size,
                                    uint64_t operation)
{
    assert(operation);
    if (!cspace_whole_pages(address, size))
        return CAP_BAD_SIZE;
    if (cs->locks == cs->lock_limit || cspace_lock_on(cs, address, address + size, 0))
        return CAP_BUSY;
    struct cspace_lock *lock = cspace_locks(cs) + cspace_locks_before(cs, address);
    memmove(lock + 1, lock, (size_t)((char *)(cspace_locks(cs) + cs->locks) - (char *)lock));
    *lock = (struct cspace_lock){.address = address, .end = address + size, .operation = operation};
    cs->locks++;
    if (cs->locks == 1 || address < cs->locked_from)
        cs->locked_from = address;
    if (address + size > cs->locked_to)
        cs->locked_to = address + size;
    return CAP_OK;
}

void cspace_unlock(struct cspace *cs, uint64_t operation)
{
    struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = cs->locks; i-- > 0;) {
        if (lock[i].operation != operation)
            continue;
        cs->locks--;
        memmove(&lock[i], &lock[i + 1], (cs->locks - i) * sizeof *lock);
        lock[cs->locks] = (struct cspace_lock){0};
    }
    if (!cs->locks)
        cs->locked_from = cs->locked_to = 0;
}

enum capability_verdict cspace_conflict(const struct cspace *cs, uint64_t address, uint64_t size,
                                        uint64_t from, uint64_t end)
{
    const struct capability ram = {.address = address, .size = size, .type = CAP_RAM};
    uint32_t i = NO_CAPABILITY;
    while ((i = cspace_overlapping(cs, i, from, end)) != NO_CAPABILITY)
        if (!cspace_nests(cspace_slot(cs, i), &ram))
            return CAP_RETYPE_CONFLICT;
    return CAP_OK;
}

uint32_t cspace_find_object(const struct cspace *cs, uint64_t address, uint64_t size, uint32_t type)
{
    const struct capability key = {.address = address, .size = size, .type = (uint8_t)type};
    uint32_t slot =
        type < CAP_TYPES ? mapping_database_find(cspace_database(cs), &key) : NO_CAPABILITY;
    return slot != NO_CAPABILITY && cspace_slot(cs, slot)->flags & CAP_DYING ? NO_CAPABILITY : slot;
}

void cspace_derived_elsewhere(struct cspace *cs, uint64_t address, uint64_t end)
{
    uint32_t i = NO_CAPABILITY;
    while ((i = cspace_overlapping(cs, i, address, address + 1)) != NO_CAPABILITY) {
        struct capability *c = cspace_slot(cs, i);
        if (c->type == CAP_RAM && capability_end(c) >= end)
            c->flags |= CAP_REMOTE_DESCENDANTS;
    }
}

enum capability_verdict cspace_relate(struct cspace *cs, uint32_t slot, uint32_t owner,
                                      uint32_t kept, uint32_t new)
{
    if (slot == NO_CAPABILITY)
        return CAP_STALE;
    const struct capability key = *cspace_slot(cs, slot);
    const uint32_t relations = (key.flags & kept) | new;
    uint32_t i = NO_CAPABILITY;
    if (!capability_rules[key.type].remote)
        return CAP_NOT_COPYABLE;
    /* All that covers the first byte: ancestors first, then the copies. */
    while ((i = cspace_overlapping(cs, i, key.address, key.address + 1)) != NO_CAPABILITY) {
        struct capability *c = cspace_slot(cs, i);
        if (capability_same(c, &key)) {
            c->owner = (uint16_t)owner;
            c->flags =
                (uint8_t)((c->flags & (CAP_DYING | CAP_UNDECIDED)) | (relations & CAP_REMOTE));
        } else if (c->size > key.size || c->type < key.type) {
            if (relations & (CAP_REMOTE_COPIES | CAP_REMOTE_DESCENDANTS))
                c->flags |= CAP_REMOTE_DESCENDANTS;
        } else {
            break;
        }
    }
    return CAP_OK;
}
