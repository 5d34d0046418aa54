/* Capabilities of one core: slots and CNodes, finding, copying, and what is looked at. What is
 * derived is in cspace_derive.c, what goes in cspace_delete.c, what other cores have to do with it
 * in cspace_remote.c. */
#include "capability/cspace_inside.h"

/* --- Slots and CNodes --- */

uint32_t cspace_fill(struct cspace *cs, uint32_t slot, const struct capability *record,
                     uint32_t hint)
{
    struct capability *c = cspace_slot(cs, slot);
    uint32_t generation = c->generation + 1;
    *c = *record;
    c->generation = generation ? generation : 1; /* a reference is never 0 */
    c->flags = record->flags & CAP_REMOTE;
    c->part = (uint16_t)cs->part;
    cspace_cnode(cs, slot)->used++;
    mapping_database_insert(cspace_database(cs), slot, hint);
    cspace_set_home(cs, slot, cs->part);
    return slot;
}

void cspace_empty(struct cspace *cs, uint32_t slot)
{
    struct mapping_database *db = cspace_database(cs);
    struct capability *c = cspace_slot(cs, slot);
    struct cnode *holder = cspace_cnode(cs, slot);
    if (c->type == CAP_CNODE) {
        uint32_t index = (uint32_t)c->about, next = mapping_database_next(db, slot);
        struct cnode *cnode = &cspace_cnodes(cs)[index];
        struct cspace_space *space = cspace_space_of(cs, slot);
        if (next == NO_CAPABILITY || !capability_same(cspace_slot(cs, next), c))
            next = mapping_database_previous(db, slot);
        if (next != NO_CAPABILITY && capability_same(cspace_slot(cs, next), c)) {
            cnode->capability = next; /* any that is left */
        } else {
            if (space->dying == index)
                space->dying = holder->state == CNODE_DYING ? (uint32_t)(holder - cspace_cnodes(cs))
                                                            : NO_CNODE;
            *cnode = (struct cnode){.capability = space->free};
            space->free = index;
            space->free_count++;
            cs->cnode_objects--;
        }
    }
    mapping_database_remove(db, slot);
    uint32_t generation = c->generation;
    *c = (struct capability){.generation = generation};
    holder->used--;
    cspace_set_home(cs, slot, NO_PART);
}

/* --- Making one --- */

/* Where everything is, from the head of part 0: the parts' heads, each with its locks and its
 * database's head; then what they have in common. Who has several parts changes them on several
 * cores, so those keep two lines' distance. */
struct layout {
    size_t spaces, parts, unit; /* how many; and the distance */
    size_t database, part_stride, space_stride;
    size_t spaces_at, cnodes_at, homes_at, nodes_at, size;
};

static struct layout layout_of(const struct cspace_shape *shape)
{
    struct layout l = {.spaces = shape->spaces ? shape->spaces : 1,
                       .parts = shape->parts ? shape->parts : 1};
    const size_t slots = l.spaces * shape->cnodes << shape->slot_bits;
    l.unit = l.parts > 1 ? 128 : 64;
    l.database = round_up(sizeof(struct cspace) + sizeof(struct cspace_lock) * shape->locks, 64);
    l.part_stride = round_up(l.database + sizeof(struct mapping_database), l.unit);
    l.space_stride = l.spaces > 1 ? 128 : sizeof(struct cspace_space);
    l.spaces_at = l.parts * l.part_stride;
    l.cnodes_at = l.spaces_at + l.spaces * l.space_stride;
    l.homes_at = l.cnodes_at + sizeof(struct cnode) * shape->cnodes * l.spaces;
    l.nodes_at = round_up(l.homes_at + (l.parts > 1 ? sizeof(uint16_t) * slots : 0), 64);
    l.size = l.nodes_at + sizeof(struct capability) * slots;
    return l;
}

size_t cspace_size(const struct cspace_shape *shape)
{
    return layout_of(shape).size;
}

static void init_part(struct cspace *cs, uint32_t me, const struct cspace_shape *shape,
                      uint32_t part)
{
    const struct layout l = layout_of(shape);
    const size_t before = part * l.part_stride;
    *cs = (struct cspace){
        .size = l.size,
        .database_offset = l.database,
        .locks_offset = sizeof(struct cspace),
        .spaces_offset = l.spaces_at - before,
        .cnodes_offset = l.cnodes_at - before,
        .homes_offset = l.parts > 1 ? l.homes_at - before : 0,
        .lock_limit = shape->locks,
        .me = me,
        .spaces = (uint32_t)l.spaces,
        .space_stride = (uint32_t)l.space_stride,
        .part = part,
        .parts = (uint32_t)l.parts,
        .part_stride = (uint32_t)l.part_stride,
        .cnodes = shape->cnodes,
        .slot_bits = shape->slot_bits,
    };
    mapping_database_init(cspace_database(cs), cspace_slots(cs),
                          (struct capability *)((uintptr_t)cs + l.nodes_at - before));
}

static void init_space(struct cspace *cs, uint32_t space, uint64_t root_address)
{
    const uint32_t first = space * cs->cnodes, end = first + cs->cnodes;
    *cspace_space(cs, space) = (struct cspace_space){.free = cs->cnodes > 1 ? first + 1 : NO_CNODE,
                                                     .free_count = cs->cnodes - 1,
                                                     .dying = NO_CNODE};
    for (uint32_t i = first + 1; i < end; i++)
        cspace_cnodes(cs)[i].capability = i + 1 < end ? i + 1 : NO_CNODE;
    cspace_cnodes(cs)[first] =
        (struct cnode){.capability = first << cs->slot_bits, .state = CNODE_LIVE};
    const struct capability root = {.address = root_address + (uint64_t)space * CNODE_BYTES,
                                    .size = CNODE_BYTES,
                                    .about = first,
                                    .owner = (uint16_t)cs->me,
                                    .type = CAP_CNODE,
                                    .rights = CAP_WRITE | CAP_GRANT};
    cspace_fill(cs, first << cs->slot_bits, &root, NO_CAPABILITY);
}

void cspace_init(struct cspace *cs, uint32_t me, const struct cspace_shape *shape,
                 uint64_t root_address)
{
    assert(shape->cnodes && shape->slot_bits <= CNODE_SLOT_BITS);
    const uint32_t parts = shape->parts ? shape->parts : 1;
    cs->part_stride = (uint32_t)layout_of(shape).part_stride; /* leads to the other parts */
    for (uint32_t part = 0; part < parts; part++)
        init_part((struct cspace *)((uintptr_t)cs + part * (uintptr_t)cs->part_stride), me, shape,
                  part);
    for (uint32_t slot = 0; slot < cspace_slots(cs); slot++)
        cspace_set_home(cs, slot, NO_PART);
    for (uint32_t space = 0; space < cs->spaces; space++)
        init_space(cs, space, root_address);
}

/* --- Checks --- */

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
    return cspace_find_any(cs, reference, slot) != CAP_OK || cspace_gone(cs, *slot) ? CAP_STALE
                                                                                    : CAP_OK;
}

/* Does another operation hold all of it? */
static bool held(const struct cspace *cs, const struct capability *c, uint64_t operation)
{
    if (c->address < cs->locked_from || capability_end(c) > cs->locked_to)
        return false;
    const struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = 0; i < cs->locks; i++, lock++)
        if (lock->operation != operation && lock->address <= c->address &&
            capability_end(c) <= lock->end)
            return true;
    return false;
}

enum capability_verdict cspace_find_usable(const struct cspace *cs, uint64_t reference,
                                           uint64_t operation, uint32_t *slot)
{
    if (cspace_find(cs, reference, slot) != CAP_OK)
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
    const uint32_t slots = 1u << cs->slot_bits;
    uint32_t run = 0;
    *first = index << cs->slot_bits;
    if (!count)
        return CAP_OK; /* what asks for nothing is refused for that */
    for (uint32_t i = 0; i < slots && count <= slots - cspace_cnodes(cs)[index].used; i++) {
        *first = (index << cs->slot_bits) + i + 1 - count;
        run = cspace_slot(cs, (index << cs->slot_bits) + i)->type == CAP_NULL ? run + 1 : 0;
        if (run == count)
            return CAP_OK;
    }
    return CAP_NO_SLOTS;
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
        if (there->type != CAP_NULL && (there->part != cs->part || !held(cs, there, operation)))
            return CAP_SLOT_IN_USE;
        if (there->type != CAP_NULL)
            verdict = CAP_BUSY;
    }
    return verdict;
}

/* --- Copies --- */

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
    if (mapping_database_overlapping(cspace_database(cs), address, address + size) != NO_CAPABILITY)
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

enum capability_verdict cspace_copy(struct cspace *cs, uint64_t source,
                                    const struct cspace_place *to, uint64_t operation,
                                    uint64_t *made)
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
    if (inner->type == CAP_MAPPING) /* RAM, or its Frame, or another Mapping of that */
        return outer->type == CAP_RAM ||
               (outer->address == inner->address && outer->size == inner->size &&
                (outer->type == CAP_FRAME || outer->type == CAP_MAPPING));
    return outer->type == CAP_RAM && (inner->size < outer->size || inner->type != CAP_RAM);
}

/* --- Looking --- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash =
        /* Fibonacci hashing; order matters within a slot, not between slots */
        (hash ^ value) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

uint64_t cspace_digest_space(const struct cspace *cs, uint32_t space, uint32_t *used)
{
    uint64_t sum = 0;
    *used = 0;
    const uint32_t first = space * cspace_space_slots(cs);
    for (uint32_t slot = first; slot < first + cspace_space_slots(cs); slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == CAP_NULL)
            continue;
        uint64_t hash = mix(mix(mix(cspace_reference(cs, slot), c->address), c->size), c->about);
        sum +=
            mix(mix(hash, c->owner), c->type | (uint64_t)c->rights << 8 | (uint64_t)c->flags << 16);
        ++*used;
    }
    return sum;
}

uint64_t cspace_digest(const struct cspace *cs)
{
    uint64_t sum = 0;
    uint32_t used;
    for (uint32_t space = 0; space < cs->spaces; space++)
        sum += cspace_digest_space(cs, space, &used);
    for (uint32_t part = 0; part < cs->parts; part++) {
        const struct cspace *head = cspace_part(cs, part);
        const struct cspace_lock *lock = cspace_locks(head);
        for (uint32_t i = 0; i < head->locks; i++, lock++)
            sum += mix(mix(mix(~lock->operation, lock->address), lock->end), lock->operation);
    }
    return sum;
}

static const char *check_cnodes(const struct cspace *cs, uint32_t space)
{
    uint32_t free_count = 0;
    const uint32_t first = space * cs->cnodes;
    for (uint32_t i = first; i < first + cs->cnodes; i++) {
        const struct cnode *cnode = &cspace_cnodes(cs)[i];
        uint32_t used = 0;
        for (uint32_t slot = i << cs->slot_bits; slot < (i + 1) << cs->slot_bits; slot++)
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
        if (i > first && cspace_cnode(cs, cnode->capability)->level >= cnode->level)
            return "a CNode in one that is no less deep";
    }
    return free_count == cspace_space(cs, space)->free_count ? NULL : "the count of free CNodes";
}

static const char *check_part(const struct cspace *cs)
{
    const struct mapping_database *db = cspace_database(cs);
    const char *wrong = mapping_database_check(db);
    uint32_t mapped = 0;
    for (uint32_t i = mapping_database_next(db, NO_CAPABILITY); i != NO_CAPABILITY && !wrong;
         i = mapping_database_next(db, i)) {
        const struct capability *c = cspace_slot(cs, i);
        bool source = false;
        for (uint32_t j = mapping_database_overlapping(db, c->address, c->address + 1); j != i;
             j = mapping_database_next_overlapping(db, j, c->address, c->address + 1)) {
            if (!cspace_nests(cspace_slot(cs, j), c))
                wrong = "memory under two types";
            source |= cspace_slot(cs, j)->type == CAP_FRAME &&
                      cspace_space_of(cs, j) == cspace_space_of(cs, i);
        }
        if ((cs->spaces > 1 || cs->mapped) && c->type == CAP_MAPPING &&
            c->flags & CAP_REMOTE_COPIES) {
            mapped++;
            if (!source)
                wrong = "a page of a Frame that its core has not";
        }
        if (c->rights & ~(uint32_t)capability_rules[c->type].rights)
            wrong = "rights that mean nothing";
        if (c->part != cs->part || cspace_home(cs, i) != c->part)
            wrong = "a capability in another part's database";
        for (uint32_t part = 0; part < cs->parts; part++)
            if (part != cs->part &&
                mapping_database_overlapping(cspace_database(cspace_part(cs, part)), c->address,
                                             capability_end(c)) != NO_CAPABILITY)
                wrong = "memory in two parts";
        if (c->type != CAP_CNODE)
            continue;
        if (c->about / cs->cnodes != i / cspace_space_slots(cs))
            wrong = "a CNode of another core";
        else if (cspace_cnodes(cs)[c->about].state == CNODE_FREE)
            wrong = "a CNode without slots";
    }
    return !wrong && mapped != cs->mapped ? "the count of pages" : wrong;
}

const char *cspace_check(const struct cspace *cs)
{
    const char *wrong = NULL;
    for (uint32_t space = 0; space < cs->spaces && !wrong; space++)
        wrong = check_cnodes(cs, space);
    uint32_t slots = 0, counted = 0;
    for (uint32_t part = 0; part < cs->parts && !wrong; part++) {
        wrong = check_part(cspace_part(cs, part));
        counted += cspace_database(cspace_part(cs, part))->count;
    }
    for (uint32_t i = 0; i < cs->spaces * cs->cnodes; i++)
        slots += cspace_cnodes(cs)[i].used;
    return !wrong && slots != counted ? "a capability in no database" : wrong;
}
