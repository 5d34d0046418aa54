/* What a state holds, as one number, and whether what cspace.h promises of it holds. */
#include "base/hash.h"
#include "capability/cspace_inside.h"

/* --- Looking --- */

bool cspace_look(const struct cspace *cs, uint32_t space, uint64_t slot, bool next,
                 struct capability *found, uint64_t *reference)
{
    const uint32_t first = space * cspace_space_slots(cs), end = first + cspace_space_slots(cs);
    if (slot >= end - first)
        return false;
    uint32_t at = first + (uint32_t)slot;
    while (next && at + 1 < end && cspace_slot(cs, at)->type == CAP_NULL) {
        const uint32_t behind = ((at >> cs->slot_bits) + 1) << cs->slot_bits;
        /* CNodes without contents at a step */
        at = cspace_cnode(cs, at)->used || behind == end ? at + 1 : behind;
    }
    const struct capability *c = cspace_slot(cs, at);
    /* What else there is of it is the mapping database's, which others may be changing. */
    *found =
        (struct capability){.address = c->address,
                            .size = c->size,
                            .about = c->about - (c->type == CAP_CNODE ? space * cs->cnodes : 0),
                            .owner = c->owner,
                            .type = c->type,
                            .rights = c->rights,
                            .flags = c->flags};
    *reference = cspace_reference(cs, at) - first;
    return true;
}

void cspace_figures(const struct cspace *cs, uint32_t space, uint64_t words[5])
{
    const uint32_t slots = cspace_space_slots(cs), first = space * slots;
    words[0] = words[1] = words[2] = 0;
    for (uint32_t slot = first; slot < first + slots; slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == CAP_NULL)
            continue;
        uint64_t hash =
            hash_mix(hash_mix(hash_mix(cspace_reference(cs, slot), c->address), c->size), c->about);
        words[0] += hash_mix(hash_mix(hash, c->owner),
                             c->type | (uint64_t)c->rights << 8 | (uint64_t)c->flags << 16);
        words[1]++;
    }
    for (uint32_t part = 0; part < cs->parts; part++)
        words[2] += cspace_part(cs, part)->locks;
    words[3] = slots;
    words[4] = cspace_check(cs) != NULL;
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
    uint32_t i = NO_CAPABILITY;
    while (!wrong && (i = mapping_database_next(db, i)) != NO_CAPABILITY) {
        const struct capability *c = cspace_slot(cs, i);
        bool source = false;
        uint32_t j = NO_CAPABILITY;
        while ((j = cspace_overlapping(cs, j, c->address, c->address + 1)) != i) {
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
                !cspace_is_clear(cspace_part(cs, part), c->address, capability_end(c)))
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
