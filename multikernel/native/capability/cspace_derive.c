/* Retype and map: a plan, in which everything is checked and nothing changed, and its execution,
 * which cannot fail (Barrelfish kernel/capabilities.c, caps_retype; there too the checks come
 * first). */
#include "capability/cspace_inside.h"
#include "capability/request.h"

/* What a derivation will do, once all checks have passed. */
struct plan {
    uint32_t source; /* slot */
    uint32_t first;  /* slot */
    uint32_t hint;   /* a capability next to the first one made */
    struct capability object;
};

/* What objects and Mappings have in common; the object has no rights beyond its source's. */
static enum capability_verdict plan_derivation(const struct cspace *cs,
                                               const struct capability_task *t, uint32_t needed,
                                               uint64_t operation, struct plan *plan)
{
    enum capability_verdict verdict = cspace_find_usable(cs, t->source, operation, &plan->source);
    if (verdict != CAP_OK)
        return verdict;
    verdict = cspace_find_place(cs, &t->place, t->count, operation, &plan->first);
    if (verdict != CAP_OK)
        return verdict;
    const struct capability *source = cspace_slot(cs, plan->source);
    if (t->type >= CAP_TYPES || !(capability_rules[source->type].derives >> t->type & 1))
        return CAP_WRONG_TYPE;
    if (needed & ~(uint32_t)source->rights)
        return CAP_RIGHTS_EXCEEDED;
    bool elsewhere =
        source->flags & (CAP_REMOTE_COPIES | CAP_REMOTE_ANCESTORS) || source->owner != cs->me;
    plan->object = (struct capability){.address = source->address + t->offset,
                                       .size = t->size,
                                       .owner = (uint16_t)cs->me,
                                       .type = (uint8_t)t->type,
                                       .rights = source->rights & capability_rules[t->type].rights,
                                       .flags = elsewhere ? CAP_REMOTE_ANCESTORS : 0};
    return CAP_OK;
}

static enum capability_verdict plan_retype(const struct cspace *cs, const struct capability_task *t,
                                           uint64_t operation, struct plan *plan)
{
    if (t->type == CAP_MAPPING)
        return CAP_WRONG_TYPE;
    enum capability_verdict verdict = plan_derivation(cs, t, CAP_WRITE, operation, plan);
    if (verdict != CAP_OK)
        return verdict;
    const struct capability *source = cspace_slot(cs, plan->source);
    uint32_t size = capability_rules[t->type].size;
    if (!cspace_whole_pages(t->offset, t->size) || (size && t->size != size) || !t->count ||
        t->offset >= source->size || t->count > (source->size - t->offset) / t->size)
        return CAP_BAD_SIZE;
    if (t->type == source->type && t->size == source->size)
        return CAP_BAD_SIZE; /* it would be a copy */
    if (t->type == CAP_CNODE) {
        if (cspace_cnode(cs, plan->first)->level == CNODE_LEVELS)
            return CAP_CNODE_CYCLE;
        if (t->count > cspace_space_of(cs, plan->first)->free_count)
            return CAP_NO_CNODES;
    }
    uint64_t end = plan->object.address + t->size * t->count;
    if (cspace_locked(cs, plan->object.address, end, operation))
        return CAP_BUSY;
    if (cspace_needs_agreement(cs, source, operation) || (source->owner != cs->me && !operation))
        return CAP_NEEDS_AGREEMENT; /* which finds out what is made of that memory already */
    plan->hint = mapping_database_last_copy(cspace_database(cs), plan->source);
    if (cspace_overlapping(cs, plan->hint, plan->object.address, end) != NO_CAPABILITY)
        return CAP_RETYPE_CONFLICT;
    return CAP_OK;
}

static void derive(struct cspace *cs, struct plan *plan, uint32_t count, uint64_t *made)
{
    uint32_t hint = plan->hint;
    for (uint32_t i = 0; i < count; i++) {
        struct capability *object = &plan->object;
        if (object->type == CAP_CNODE) {
            struct cspace_space *space = cspace_space_of(cs, plan->first);
            struct cnode *cnodes = cspace_cnodes(cs);
            uint32_t index = space->free;
            space->free = cnodes[index].capability;
            space->free_count--;
            cs->cnode_objects++;
            cnodes[index] =
                (struct cnode){.capability = plan->first + i,
                               .level = (uint8_t)(cspace_cnode(cs, plan->first)->level + 1),
                               .state = CNODE_LIVE};
            object->about = index;
        }
        hint = cspace_fill(cs, plan->first + i, object, hint);
        object->address += object->size;
    }
    *made = cspace_reference(cs, plan->first);
}

enum capability_verdict capability_retype(struct cspace *cs, struct capability_task *t,
                                          uint64_t operation)
{
    struct plan plan;
    enum capability_verdict verdict = plan_retype(cs, t, operation, &plan);
    if (verdict != CAP_OK)
        return verdict;
    t->fresh = plan.object.address;
    t->fresh_size = t->type == CAP_FRAME ? t->size * t->count : 0;
    derive(cs, &plan, t->count, &t->made);
    return CAP_OK;
}

enum capability_verdict capability_map(struct cspace *cs, struct capability_task *t,
                                       uint64_t virtual_address, uint32_t rights)
{
    const struct mapping_database *db = cspace_database(cs);
    struct plan plan;
    t->type = CAP_MAPPING;
    t->count = 1;
    t->offset = 0; /* all of it */
    enum capability_verdict verdict = plan_derivation(cs, t, rights, 0, &plan);
    if (verdict != CAP_OK)
        return verdict;
    struct capability *mapping = &plan.object;
    mapping->size = cspace_slot(cs, plan.source)->size;
    mapping->about = virtual_address;
    mapping->rights = (uint8_t)rights;
    mapping->flags |= CAP_REMOTE_COPIES;
    uint32_t next = mapping_database_not_before(db, mapping, 0);
    if (next != NO_CAPABILITY && capability_same(cspace_slot(cs, next), mapping))
        return CAP_RETYPE_CONFLICT;
    if (cspace_locked(cs, mapping->address, capability_end(mapping), 0))
        return CAP_BUSY;
    if (rights & ~(uint32_t)capability_rules[CAP_MAPPING].rights)
        return CAP_RIGHTS_EXCEEDED;
    if (!cspace_whole_pages(virtual_address, mapping->size))
        return CAP_BAD_SIZE;
    cspace_fill(cs, plan.first, mapping, mapping_database_previous(db, next));
    t->made = cspace_reference(cs, plan.first);
    return CAP_OK;
}
