/* Capabilities of one core: making, copying, deriving, looking. Deleting and revoking are in cspace_delete.c. */
#include "cspace_inside.h"

#include <string.h>

/* --- Slots and CNodes ---------------------------------------------------------------------------------------------------------- */

uint32_t cspace_fill(struct cspace *cs, uint32_t slot, const struct capability *record, uint32_t hint)
{
    struct capability *c = cspace_slot(cs, slot);
    uint32_t generation = c->generation + !CAP_MUTANT(GENERATION_KEPT);
    *c = *record;
    c->generation = generation ? generation : 1; /* a reference is never 0 */
    c->flags = record->flags & CAP_REMOTE;
    cspace_cnode(cs, slot)->used++;
    mapping_database_insert(cspace_database(cs), slot, hint);
    return slot;
}

void cspace_empty(struct cspace *cs, uint32_t slot)
{
    struct mapping_database *db = cspace_database(cs);
    struct capability *c = cspace_slot(cs, slot);
    struct cnode *holder = cspace_cnode(cs, slot);
    if (c->type == CAP_CNODE) {
        uint32_t index = (uint32_t)c->about, next = mapping_database_next(db, slot);
        struct cnode *cnode = &cs->cnode[index];
        if (next == NO_CAPABILITY || !capability_same(cspace_slot(cs, next), c))
            next = mapping_database_previous(db, slot);
        if (next != NO_CAPABILITY && capability_same(cspace_slot(cs, next), c)) {
            cnode->capability = next; /* any that is left */
        } else {
            if (cs->dying == index)
                cs->dying = holder->state == CNODE_DYING ? (uint32_t)(holder - cs->cnode) : NO_CNODE;
            *cnode = (struct cnode){.capability = cs->free};
            cs->free = index;
            cs->free_count++;
        }
    }
    mapping_database_remove(db, slot);
    uint32_t generation = c->generation;
    *c = (struct capability){.generation = generation};
    holder->used--;
}

/* --- Making one ------------------------------------------------------------------------------------------------------------------ */

static size_t locks_offset(uint32_t cnodes)
{
    return (sizeof(struct cspace) + sizeof(struct cnode) * cnodes + 7) / 8 * 8;
}

static size_t database_offset(uint32_t cnodes, uint32_t locks)
{
    return (locks_offset(cnodes) + sizeof(struct cspace_lock) * locks + 63) / 64 * 64;
}

size_t cspace_size(uint32_t cnodes, uint32_t locks)
{
    return database_offset(cnodes, locks) + mapping_database_size(cnodes * CNODE_SLOTS);
}

void cspace_init(struct cspace *cs, uint32_t me, uint32_t cnodes, uint32_t locks, uint64_t root_address)
{
    *cs = (struct cspace){
        .size = cspace_size(cnodes, locks),
        .database_offset = database_offset(cnodes, locks),
        .locks_offset = locks_offset(cnodes),
        .lock_limit = locks,
        .me = me,
        .cnodes = cnodes,
        .free = cnodes > 1 ? 1 : NO_CNODE,
        .free_count = cnodes - 1,
        .dying = NO_CNODE,
    };
    mapping_database_init(cspace_database(cs), cnodes * CNODE_SLOTS);
    for (uint32_t i = 1; i < cnodes; i++)
        cs->cnode[i].capability = i + 1 < cnodes ? i + 1 : NO_CNODE;
    cs->cnode[0] = (struct cnode){.capability = 0, .state = CNODE_LIVE};
    const struct capability root = {.address = root_address,
                                    .size = CNODE_BYTES,
                                    .owner = (uint16_t)me,
                                    .type = CAP_CNODE,
                                    .rights = CAP_WRITE | CAP_GRANT};
    cspace_fill(cs, 0, &root, NO_CAPABILITY);
}

/* --- Checks ------------------------------------------------------------------------------------------------------------------------ */

/* Where the reference leads, be it dying or not. */
enum capability_verdict cspace_find_any(const struct cspace *cs, uint64_t reference, uint32_t *slot)
{
    *slot = (uint32_t)reference;
    if (*slot >= cspace_slots(cs))
        return CAP_STALE;
    const struct capability *c = cspace_slot(cs, *slot);
    return c->type == CAP_NULL || c->generation != reference >> 32 ? CAP_STALE : CAP_OK;
}

enum capability_verdict cspace_find(const struct cspace *cs, uint64_t reference, uint32_t *slot)
{
    if (cspace_find_any(cs, reference, slot) != CAP_OK || cspace_slot(cs, *slot)->flags & CAP_DYING ||
        cspace_cnode(cs, *slot)->state != CNODE_LIVE)
        return CAP_STALE;
    return CAP_OK;
}

/* The capability to work on. Locked here means that it lies inside a locked range; a part of it may be. */
static enum capability_verdict find_usable(const struct cspace *cs, uint64_t reference, uint64_t operation,
                                           uint32_t *slot)
{
    if (cspace_find(cs, reference, slot) != CAP_OK)
        return CAP_STALE;
    const struct capability *c = cspace_slot(cs, *slot);
    const struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = 0; i < cs->locks; i++, lock++)
        if (lock->operation != operation && lock->address <= c->address && capability_end(c) <= lock->end)
            return CAP_BUSY;
    return CAP_OK;
}

static enum capability_verdict find_place(const struct cspace *cs, const struct cspace_place *to, uint32_t count,
                                          uint64_t operation, uint32_t *first)
{
    uint32_t slot;
    enum capability_verdict verdict = find_usable(cs, to->cnode, operation, &slot);
    if (verdict != CAP_OK)
        return verdict;
    const struct capability *c = cspace_slot(cs, slot);
    if (c->type != CAP_CNODE)
        return CAP_NOT_A_CNODE;
    if (!(c->rights & CAP_WRITE))
        return CAP_RIGHTS_EXCEEDED;
    if (to->index >= CNODE_SLOTS || count > CNODE_SLOTS - to->index)
        return CAP_NO_SLOTS;
    *first = (uint32_t)c->about * CNODE_SLOTS + to->index;
    for (uint32_t i = 0; i < count; i++)
        if (cspace_slot(cs, *first + i)->type != CAP_NULL && !CAP_MUTANT(SLOT_CHECKED_LATE))
            return CAP_SLOT_IN_USE;
    return CAP_OK;
}

static bool whole_pages(uint64_t address, uint64_t size)
{
    return size && address % CAP_PAGE == 0 && size % CAP_PAGE == 0 && address + size > address;
}

/* --- Copies ------------------------------------------------------------------------------------------------------------------------ */

enum capability_verdict cspace_create_ram(struct cspace *cs, uint64_t address, uint64_t size,
                                          const struct cspace_place *to, uint64_t *made)
{
    uint32_t slot;
    enum capability_verdict verdict = find_place(cs, to, 1, 0, &slot);
    if (verdict != CAP_OK)
        return verdict;
    if (!whole_pages(address, size))
        return CAP_BAD_SIZE;
    if (cspace_locked(cs, address, address + size, 0))
        return CAP_BUSY;
    if (mapping_database_overlapping(cspace_database(cs), address, address + size) != NO_CAPABILITY)
        return CAP_RETYPE_CONFLICT;
    const struct capability ram = {
        .address = address, .size = size, .owner = (uint16_t)cs->me, .type = CAP_RAM, .rights = CAP_RIGHTS_ALL};
    cspace_fill(cs, slot, &ram, NO_CAPABILITY);
    *made = cspace_reference(cs, slot);
    return CAP_OK;
}

enum capability_verdict cspace_mint(struct cspace *cs, uint64_t source, uint32_t rights, const struct cspace_place *to,
                                    uint64_t operation, uint64_t *made)
{
    uint32_t from, slot;
    enum capability_verdict verdict = find_usable(cs, source, operation, &from);
    if (verdict != CAP_OK)
        return verdict;
    verdict = find_place(cs, to, 1, operation, &slot);
    if (verdict != CAP_OK)
        return verdict;
    struct capability copy = *cspace_slot(cs, from);
    if (!capability_rules[copy.type].copyable)
        return CAP_NOT_COPYABLE;
    if (!(copy.rights & CAP_GRANT) || rights & ~(uint32_t)copy.rights)
        return CAP_RIGHTS_EXCEEDED;
    if (copy.type == CAP_CNODE && cspace_cnode(cs, slot)->level >= cs->cnode[copy.about].level &&
        !CAP_MUTANT(CYCLE_ALLOWED))
        return CAP_CNODE_CYCLE;
    if (!CAP_MUTANT(MINT_KEEPS_RIGHTS))
        copy.rights = (uint8_t)rights;
    cspace_fill(cs, slot, &copy, from);
    *made = cspace_reference(cs, slot);
    return CAP_OK;
}

enum capability_verdict cspace_copy(struct cspace *cs, uint64_t source, const struct cspace_place *to,
                                    uint64_t operation, uint64_t *made)
{
    uint32_t from;
    uint32_t rights = cspace_find(cs, source, &from) == CAP_OK ? cspace_slot(cs, from)->rights : 0;
    return cspace_mint(cs, source, rights, to, operation, made);
}

bool cspace_nests(const struct capability *outer, const struct capability *inner)
{
    if (capability_same(outer, inner))
        return true;
    if (outer->address > inner->address || capability_end(outer) < capability_end(inner))
        return false;
    if (capability_rules[inner->type].view) /* RAM, or what it is a view of, or another view of that */
        return outer->type == CAP_RAM || (outer->address == inner->address && outer->size == inner->size &&
                                          (capability_derives(outer->type, inner->type) || outer->type == inner->type));
    return outer->type == CAP_RAM && (inner->size < outer->size || inner->type != CAP_RAM);
}

/* Does everything that covers that byte nest with the record? */
static bool nests_at(const struct cspace *cs, const struct capability *record, uint64_t byte)
{
    const struct mapping_database *db = cspace_database(cs);
    for (uint32_t i = mapping_database_overlapping(db, byte, byte + 1); i != NO_CAPABILITY;
         i = mapping_database_next_overlapping(db, i, byte, byte + 1)) {
        const struct capability *c = cspace_slot(cs, i);
        if (!cspace_nests(c, record) && !cspace_nests(record, c))
            return false;
    }
    return true;
}

enum capability_verdict cspace_receive(struct cspace *cs, const struct capability *record,
                                       const struct cspace_place *to, uint64_t operation, uint64_t *made)
{
    const struct mapping_database *db = cspace_database(cs);
    uint32_t slot;
    enum capability_verdict verdict = find_place(cs, to, 1, operation, &slot);
    if (verdict != CAP_OK)
        return verdict;
    if (record->type >= CAP_TYPES || !capability_rules[record->type].remote)
        return CAP_NOT_COPYABLE;
    uint32_t size = capability_rules[record->type].size;
    if (!whole_pages(record->address, record->size) || (size && size != record->size))
        return CAP_BAD_SIZE;
    uint64_t end = capability_end(record);
    if (cspace_locked(cs, record->address, end, operation))
        return CAP_BUSY;
    if (!nests_at(cs, record, record->address) || !nests_at(cs, record, end - 1))
        return CAP_RETYPE_CONFLICT;
    struct capability copy = {.address = record->address,
                              .size = record->size,
                              .owner = record->owner,
                              .type = record->type,
                              .rights = record->rights & capability_rules[record->type].rights,
                              .flags = record->flags};
    uint32_t next = mapping_database_not_before(db, &copy, 0);
    if (next != NO_CAPABILITY && capability_same(cspace_slot(cs, next), &copy)) {
        const struct capability *here = cspace_slot(cs, next);
        copy.owner = here->owner;
        copy.flags = here->flags;
    } else if (copy.type != CAP_RAM) {
        /* What begins and ends inside memory that is no RAM, and is no view of it. */
        for (; next != NO_CAPABILITY && cspace_slot(cs, next)->address < end; next = mapping_database_next(db, next))
            if (!cspace_nests(&copy, cspace_slot(cs, next)))
                return CAP_RETYPE_CONFLICT;
    }
    cspace_fill(cs, slot, &copy, NO_CAPABILITY);
    *made = cspace_reference(cs, slot);
    return CAP_OK;
}

/* --- Derivation ------------------------------------------------------------------------------------------------------------------- */

/* What a derivation will do, once all checks have passed. */
struct plan {
    uint32_t source; /* slot */
    uint32_t first;  /* slot */
    uint32_t hint;   /* a capability next to the first one made */
    struct capability object;
};

static enum capability_verdict plan_view(const struct cspace *cs, const struct cspace_retype *r, uint64_t operation,
                                         struct plan *plan)
{
    const struct mapping_database *db = cspace_database(cs);
    if (r->offset || r->size || !r->count || r->about + r->count < r->about)
        return CAP_BAD_SIZE;
    uint32_t next = mapping_database_not_before(db, &plan->object, 0);
    const struct capability *c = next == NO_CAPABILITY ? NULL : cspace_slot(cs, next);
    if (c && c->address == plan->object.address && c->size == plan->object.size && c->type == r->type &&
        c->about - r->about < r->count)
        return CAP_RETYPE_CONFLICT; /* there is that view of it already */
    if (cspace_locked(cs, plan->object.address, capability_end(&plan->object), operation))
        return CAP_BUSY;
    plan->hint = mapping_database_previous(db, next);
    return CAP_OK;
}

static enum capability_verdict plan_objects(const struct cspace *cs, const struct cspace_retype *r, uint64_t operation,
                                            struct plan *plan)
{
    const struct mapping_database *db = cspace_database(cs);
    const struct capability *source = cspace_slot(cs, plan->source);
    uint32_t size = capability_rules[r->type].size;
    if (r->about || !whole_pages(r->offset, r->size) || (size && r->size != size) || !r->count ||
        r->offset >= source->size || r->count > (source->size - r->offset) / r->size)
        return CAP_BAD_SIZE;
    if (r->type == source->type && r->size == source->size)
        return CAP_BAD_SIZE; /* it would be a copy */
    if (r->type == CAP_CNODE) {
        if (cspace_cnode(cs, plan->first)->level == CNODE_LEVELS)
            return CAP_CNODE_CYCLE;
        if (r->count > cs->free_count)
            return CAP_NO_CNODES;
    }
    uint64_t end = plan->object.address + r->size * r->count;
    if (cspace_locked(cs, plan->object.address, end, operation))
        return CAP_BUSY;
    if (CAP_MUTANT(LAST_PAGE_UNCHECKED))
        end -= CAP_PAGE;
    plan->hint = mapping_database_last_copy(db, plan->source);
    if (mapping_database_next_overlapping(db, plan->hint, plan->object.address, end) != NO_CAPABILITY)
        return CAP_RETYPE_CONFLICT;
    return cspace_needs_agreement(cs, source, operation) || (source->owner != cs->me && !operation)
               ? CAP_NEEDS_AGREEMENT
               : CAP_OK;
}

static enum capability_verdict plan_derivation(const struct cspace *cs, const struct cspace_retype *r, uint32_t needed,
                                               uint64_t operation, struct plan *plan)
{
    enum capability_verdict verdict = find_usable(cs, r->source, operation, &plan->source);
    if (verdict != CAP_OK)
        return verdict;
    verdict = find_place(cs, &r->to, r->count, operation, &plan->first);
    if (verdict != CAP_OK)
        return verdict;
    const struct capability *source = cspace_slot(cs, plan->source);
    if (r->type >= CAP_TYPES || !capability_derives(source->type, r->type))
        return CAP_WRONG_TYPE;
    if (needed & ~(uint32_t)source->rights)
        return CAP_RIGHTS_EXCEEDED;
    const struct capability_rule *rule = &capability_rules[r->type];
    bool elsewhere = source->flags & (CAP_REMOTE_COPIES | CAP_REMOTE_ANCESTORS) || source->owner != cs->me;
    plan->object = (struct capability){.address = source->address + (rule->view ? 0 : r->offset),
                                       .size = rule->view ? source->size : r->size,
                                       .about = r->about,
                                       .owner = (uint16_t)cs->me,
                                       .type = (uint8_t)r->type,
                                       .rights = source->rights & rule->rights,
                                       .flags = elsewhere ? CAP_REMOTE_ANCESTORS : 0};
    return rule->view ? plan_view(cs, r, operation, plan) : plan_objects(cs, r, operation, plan);
}

static void derive(struct cspace *cs, struct plan *plan, uint32_t count, uint64_t *made)
{
    uint32_t hint = plan->hint;
    for (uint32_t i = 0; i < count; i++) {
        struct capability *object = &plan->object;
        if (object->type == CAP_CNODE) {
            uint32_t index = cs->free;
            cs->free = cs->cnode[index].capability;
            cs->free_count--;
            cs->cnode[index] = (struct cnode){.capability = plan->first + i,
                                              .level = (uint8_t)(cspace_cnode(cs, plan->first)->level + 1),
                                              .state = CNODE_LIVE};
            object->about = index;
        }
        hint = cspace_fill(cs, plan->first + i, object, hint);
        if (capability_rules[object->type].view)
            object->about++;
        else
            object->address += object->size;
    }
    *made = cspace_reference(cs, plan->first);
}

enum capability_verdict cspace_may_retype(const struct cspace *cs, const struct cspace_retype *r, uint64_t operation)
{
    struct plan plan;
    return r->type == CAP_MAPPING ? CAP_WRONG_TYPE : plan_derivation(cs, r, CAP_WRITE, operation, &plan);
}

enum capability_verdict cspace_retype(struct cspace *cs, const struct cspace_retype *r, uint64_t operation,
                                      uint64_t *made)
{
    struct plan plan;
    if (r->type == CAP_MAPPING)
        return CAP_WRONG_TYPE;
    enum capability_verdict verdict = plan_derivation(cs, r, CAP_WRITE, operation, &plan);
    if (verdict == CAP_OK)
        derive(cs, &plan, r->count, made);
    return verdict;
}

enum capability_verdict cspace_map(struct cspace *cs, uint64_t source, uint64_t virtual_address, uint32_t rights,
                                   const struct cspace_place *to, uint64_t operation, uint64_t *made)
{
    const struct cspace_retype r = {
        .source = source, .about = virtual_address, .type = CAP_MAPPING, .count = 1, .to = *to};
    struct plan plan;
    enum capability_verdict verdict = plan_derivation(cs, &r, rights, operation, &plan);
    if (verdict == CAP_OK && rights & ~(uint32_t)capability_rules[CAP_MAPPING].rights)
        verdict = CAP_RIGHTS_EXCEEDED;
    if (verdict == CAP_OK && !whole_pages(virtual_address, plan.object.size))
        verdict = CAP_BAD_SIZE;
    if (verdict != CAP_OK)
        return verdict;
    plan.object.rights = (uint8_t)rights;
    derive(cs, &plan, 1, made);
    return CAP_OK;
}

/* --- For agreement --------------------------------------------------------------------------------------------------------------- */

enum capability_verdict cspace_lock(struct cspace *cs, uint64_t address, uint64_t size, uint64_t operation)
{
    assert(operation);
    if (!whole_pages(address, size))
        return CAP_BAD_SIZE;
    if (cs->locks == cs->lock_limit || cspace_locked(cs, address, address + size, operation))
        return CAP_BUSY;
    cspace_locks(cs)[cs->locks++] =
        (struct cspace_lock){.address = address, .end = address + size, .operation = operation};
    return CAP_OK;
}

void cspace_unlock(struct cspace *cs, uint64_t operation)
{
    struct cspace_lock *lock = cspace_locks(cs);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < cs->locks; i++)
        if (lock[i].operation != operation && !CAP_MUTANT(UNLOCK_ALL))
            lock[kept++] = lock[i];
    for (uint32_t i = kept; i < cs->locks; i++)
        lock[i] = (struct cspace_lock){0};
    cs->locks = kept;
}

enum capability_verdict cspace_conflict(const struct cspace *cs, uint64_t address, uint64_t size, uint64_t from,
                                        uint64_t end)
{
    const struct mapping_database *db = cspace_database(cs);
    const struct capability ram = {.address = address, .size = size, .type = CAP_RAM};
    for (uint32_t i = mapping_database_overlapping(db, from, end); i != NO_CAPABILITY;
         i = mapping_database_next_overlapping(db, i, from, end)) {
        const struct capability *c = cspace_slot(cs, i);
        if (!capability_same(c, &ram) && !cspace_nests(c, &ram))
            return CAP_RETYPE_CONFLICT;
    }
    return CAP_OK;
}

enum capability_verdict cspace_relate(struct cspace *cs, uint64_t reference, uint32_t owner, uint32_t relations)
{
    const struct mapping_database *db = cspace_database(cs);
    uint32_t slot;
    if (cspace_find_any(cs, reference, &slot) != CAP_OK)
        return CAP_STALE;
    const struct capability key = *cspace_slot(cs, slot);
    if (!capability_rules[key.type].remote)
        return CAP_NOT_COPYABLE;
    /* All that covers the first byte: ancestors first, then the copies. */
    for (uint32_t i = mapping_database_overlapping(db, key.address, key.address + 1); i != NO_CAPABILITY;
         i = mapping_database_next_overlapping(db, i, key.address, key.address + 1)) {
        struct capability *c = cspace_slot(cs, i);
        if (capability_same(c, &key)) {
            c->owner = (uint16_t)owner;
            c->flags = (uint8_t)((c->flags & CAP_DYING) | (relations & CAP_REMOTE));
        } else if (c->size > key.size || c->type < key.type) {
            if (relations & (CAP_REMOTE_COPIES | CAP_REMOTE_DESCENDANTS) && !CAP_MUTANT(ANCESTORS_NOT_TOLD))
                c->flags |= CAP_REMOTE_DESCENDANTS;
        } else {
            break;
        }
    }
    return CAP_OK;
}

/* --- Looking ----------------------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash =
        (hash ^ value) * 0x9e3779b97f4a7c15ull; /* Fibonacci hashing; order matters within a slot, not between slots */
    return hash ^ hash >> 29;
}

uint64_t cspace_digest(const struct cspace *cs)
{
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < cspace_slots(cs); slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == CAP_NULL)
            continue;
        uint64_t hash = mix(mix(mix(cspace_reference(cs, slot), c->address), c->size), c->about);
        sum += mix(mix(hash, c->owner), c->type | (uint64_t)c->rights << 8 | (uint64_t)c->flags << 16);
    }
    const struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = 0; i < cs->locks; i++, lock++)
        sum += mix(mix(mix(~lock->operation, lock->address), lock->end), lock->operation);
    return sum;
}

static const char *check_cnodes(const struct cspace *cs)
{
    uint32_t free_count = 0;
    for (uint32_t i = 0; i < cs->cnodes; i++) {
        const struct cnode *cnode = &cs->cnode[i];
        uint32_t used = 0;
        for (uint32_t slot = i * CNODE_SLOTS; slot < (i + 1) * CNODE_SLOTS; slot++)
            used += cspace_slot(cs, slot)->type != CAP_NULL;
        if (used != cnode->used)
            return "a CNode's count of used slots";
        if (cnode->state == CNODE_FREE) {
            free_count++;
            continue;
        }
        const struct capability *c = cspace_slot(cs, cnode->capability);
        if (c->type != CAP_CNODE || c->about != i)
            return "a CNode's capability";
        if (i && cspace_cnode(cs, cnode->capability)->level >= cnode->level)
            return "a CNode in one that is no less deep";
    }
    return free_count == cs->free_count ? NULL : "the count of free CNodes";
}

const char *cspace_check(const struct cspace *cs)
{
    const struct mapping_database *db = cspace_database(cs);
    const char *wrong = mapping_database_check(db);
    if (!wrong)
        wrong = check_cnodes(cs);
    for (uint32_t i = mapping_database_next(db, NO_CAPABILITY); i != NO_CAPABILITY && !wrong;
         i = mapping_database_next(db, i)) {
        const struct capability *c = cspace_slot(cs, i);
        for (uint32_t j = mapping_database_overlapping(db, c->address, c->address + 1); j != i;
             j = mapping_database_next_overlapping(db, j, c->address, c->address + 1))
            if (!cspace_nests(cspace_slot(cs, j), c))
                wrong = "memory under two types";
        if (c->rights & ~(uint32_t)capability_rules[c->type].rights)
            wrong = "rights that mean nothing";
        if (c->type == CAP_CNODE && (c->about >= cs->cnodes || cs->cnode[c->about].state == CNODE_FREE))
            wrong = "a CNode without slots";
    }
    return wrong;
}
