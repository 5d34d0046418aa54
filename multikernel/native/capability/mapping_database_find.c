/* Finding in the mapping database: neighbours, ranges, relations; and whether its promises hold. */
#include "capability/mapping_database_inside.h"

/* --- neighbours and ranges --- */

/* The nearest ancestor on that side: i is below its other one. */
static uint32_t above(const struct mapping_database *db, uint32_t i, enum side side)
{
    uint32_t up = at(db, i)->parent;
    for (; up != NO_CAPABILITY && at(db, up)->child[side] == i; up = at(db, up)->parent)
        i = up;
    return up;
}

static uint32_t neighbour(const struct mapping_database *db, uint32_t i, enum side side)
{
    uint32_t down = i == NO_CAPABILITY ? db->root : at(db, i)->child[side];
    if (down != NO_CAPABILITY)
        return outermost(db, down, !side);
    return i == NO_CAPABILITY ? NO_CAPABILITY : above(db, i, side);
}

uint32_t mapping_database_next(const struct mapping_database *db, uint32_t i)
{
    return neighbour(db, i, RIGHT);
}

uint32_t mapping_database_previous(const struct mapping_database *db, uint32_t i)
{
    return neighbour(db, i, LEFT);
}

uint32_t mapping_database_not_before(const struct mapping_database *db,
                                     const struct capability *key, uint32_t slot)
{
    uint32_t found = NO_CAPABILITY;
    for (uint32_t i = db->root; i != NO_CAPABILITY;) {
        bool before = compare(at(db, i), i, key, slot) < 0;
        if (!before)
            found = i;
        i = at(db, i)->child[before];
    }
    return found;
}

uint32_t mapping_database_find(const struct mapping_database *db, const struct capability *key)
{
    uint32_t i = mapping_database_not_before(db, key, 0);
    return i != NO_CAPABILITY && capability_same(at(db, i), key) ? i : NO_CAPABILITY;
}

/* The first node at or below i that ends behind address; there is one, as i's parent knows. */
static uint32_t first_reaching(const struct mapping_database *db, uint32_t i, uint64_t address)
{
    for (;;) {
        if (at(db, i)->reach[LEFT] > address)
            i = at(db, i)->child[LEFT];
        else if (capability_end(at(db, i)) > address)
            return i;
        else
            i = at(db, i)->child[RIGHT];
    }
}

uint32_t mapping_database_overlapping(const struct mapping_database *db, uint32_t i,
                                      uint64_t address, uint64_t end)
{
    uint32_t found = NO_CAPABILITY;
    if (i == NO_CAPABILITY && reach(db, db->root) > address)
        found = first_reaching(db, db->root, address);
    else if (i != NO_CAPABILITY && at(db, i)->reach[RIGHT] > address)
        found = first_reaching(db, at(db, i)->child[RIGHT], address);
    while (found == NO_CAPABILITY) {
        i = i == NO_CAPABILITY ? i : above(db, i, RIGHT);
        if (i == NO_CAPABILITY || at(db, i)->address >= end)
            return NO_CAPABILITY;
        if (capability_end(at(db, i)) > address)
            found = i;
        else if (at(db, i)->reach[RIGHT] > address)
            found = first_reaching(db, at(db, i)->child[RIGHT], address);
    }
    return at(db, found)->address < end ? found : NO_CAPABILITY; /* all behind begin no earlier */
}

/* --- relations --- */

static bool same(const struct mapping_database *db, uint32_t i, uint32_t j)
{
    return j != NO_CAPABILITY && capability_same(at(db, i), at(db, j));
}

uint32_t mapping_database_last_copy(const struct mapping_database *db, uint32_t i)
{
    uint32_t next = mapping_database_next(db, i);
    if (!same(db, i, next))
        return i; /* the common case, without a search */
    next = mapping_database_not_before(db, at(db, i), NO_CAPABILITY);
    return mapping_database_previous(db, next);
}

uint32_t mapping_database_other_copy(const struct mapping_database *db, uint32_t i)
{
    uint32_t other = mapping_database_next(db, i);
    if (!same(db, i, other))
        other = mapping_database_previous(db, i);
    return same(db, i, other) ? other : NO_CAPABILITY;
}

uint32_t mapping_database_relations(const struct mapping_database *db, uint32_t i)
{
    const struct capability *c = at(db, i);
    uint32_t last = mapping_database_last_copy(db, i), relations = 0;
    /* Mappings of one Frame lie side by side and claim nothing of each other. */
    if (c->type != CAP_MAPPING &&
        mapping_database_overlapping(db, last, c->address, capability_end(c)) != NO_CAPABILITY)
        relations |= CAP_REMOTE_DESCENDANTS;
    /* An ancestor covers i's first byte and comes before its copies; the outermost comes before
     * all. */
    uint32_t first = mapping_database_overlapping(db, NO_CAPABILITY, c->address, c->address + 1);
    if (!same(db, i, first) && at(db, first)->type != CAP_MAPPING)
        relations |= CAP_REMOTE_ANCESTORS;
    return relations;
}

/* --- for tests --- */

static const char *check_node(const struct mapping_database *db, uint32_t i)
{
    const struct capability *c = at(db, i);
    if (c->type == CAP_NULL || c->type >= CAP_TYPES)
        return "type";
    if (is_leaf(c) && c->rank != 0)
        return "a leaf's rank is not 0";
    for (int side = LEFT; side <= RIGHT; side++) {
        uint32_t child = c->child[side];
        if (child != NO_CAPABILITY && child >= db->capacity)
            return "a link leads out of the array";
        if (child != NO_CAPABILITY && at(db, child)->parent != i)
            return "a child names another parent";
        int difference = rank(db, i) - rank(db, child);
        if (difference < 1 || difference > 2)
            return "ranks";
        if (c->reach[side] != reach(db, child))
            return "reach";
    }
    return NULL;
}

const char *mapping_database_check(const struct mapping_database *db)
{
    if (db->root != NO_CAPABILITY &&
        (db->root >= db->capacity || at(db, db->root)->parent != NO_CAPABILITY))
        return "root";
    uint32_t count = 0, last = NO_CAPABILITY, i = NO_CAPABILITY;
    while ((i = mapping_database_next(db, i)) != NO_CAPABILITY) {
        const char *wrong = check_node(db, i);
        if (wrong)
            return wrong;
        if (last != NO_CAPABILITY && compare(at(db, last), last, at(db, i), i) >= 0)
            return "order";
        if (++count > db->count)
            return "more nodes than counted";
        last = i;
    }
    return count == db->count ? NULL : "fewer nodes than counted";
}
