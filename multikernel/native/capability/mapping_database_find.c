/* Finding in the mapping database: neighbours, ranges, relations; and whether its promises hold. */
#include "capability/mapping_database_inside.h"

static uint32_t rightmost(const struct mapping_database *db, uint32_t i)
{
    while (at(db, i)->right != NO_CAPABILITY)
        i = at(db, i)->right;
    return i;
}

/* --- neighbours and ranges --- */

uint32_t mapping_database_next(const struct mapping_database *db, uint32_t i)
{
    if (i == NO_CAPABILITY)
        return db->root == NO_CAPABILITY ? NO_CAPABILITY : leftmost(db, db->root);
    if (at(db, i)->right != NO_CAPABILITY)
        return leftmost(db, at(db, i)->right);
    uint32_t up = at(db, i)->parent;
    for (; up != NO_CAPABILITY && at(db, up)->right == i; up = at(db, up)->parent)
        i = up;
    return up;
}

uint32_t mapping_database_previous(const struct mapping_database *db, uint32_t i)
{
    if (i == NO_CAPABILITY)
        return db->root == NO_CAPABILITY ? NO_CAPABILITY : rightmost(db, db->root);
    if (at(db, i)->left != NO_CAPABILITY)
        return rightmost(db, at(db, i)->left);
    uint32_t up = at(db, i)->parent;
    for (; up != NO_CAPABILITY && at(db, up)->left == i; up = at(db, up)->parent)
        i = up;
    return up;
}

uint32_t mapping_database_not_before(const struct mapping_database *db,
                                     const struct capability *key, uint32_t slot)
{
    uint32_t found = NO_CAPABILITY;
    for (uint32_t i = db->root; i != NO_CAPABILITY;) {
        if (compare(at(db, i), i, key, slot) < 0) {
            i = at(db, i)->right;
        } else {
            found = i;
            i = at(db, i)->left;
        }
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
        if (at(db, i)->reach_left > address)
            i = at(db, i)->left;
        else if (capability_end(at(db, i)) > address)
            return i;
        else
            i = at(db, i)->right;
    }
}

uint32_t mapping_database_overlapping(const struct mapping_database *db, uint64_t address,
                                      uint64_t end)
{
    if (reach(db, db->root) <= address)
        return NO_CAPABILITY;
    uint32_t i = first_reaching(db, db->root, address);
    return at(db, i)->address < end ? i : NO_CAPABILITY; /* all that follow begin no earlier */
}

uint32_t mapping_database_next_overlapping(const struct mapping_database *db, uint32_t i,
                                           uint64_t address, uint64_t end)
{
    uint32_t found = NO_CAPABILITY;
    if (at(db, i)->reach_right > address)
        found = first_reaching(db, at(db, i)->right, address);
    while (found == NO_CAPABILITY) {
        uint32_t up = at(db, i)->parent;
        for (; up != NO_CAPABILITY && at(db, up)->right == i; up = at(db, up)->parent)
            i = up;
        if (up == NO_CAPABILITY || at(db, up)->address >= end)
            return NO_CAPABILITY;
        if (capability_end(at(db, up)) > address)
            found = up;
        else if (at(db, up)->reach_right > address)
            found = first_reaching(db, at(db, up)->right, address);
        i = up;
    }
    return at(db, found)->address < end ? found : NO_CAPABILITY;
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
    struct capability behind = *at(db, i);
    next = mapping_database_not_before(db, &behind, NO_CAPABILITY);
    return mapping_database_previous(db, next);
}

bool mapping_database_has_copies(const struct mapping_database *db, uint32_t i)
{
    return same(db, i, mapping_database_next(db, i)) ||
           same(db, i, mapping_database_previous(db, i));
}

bool mapping_database_has_descendants(const struct mapping_database *db, uint32_t i)
{
    const struct capability *c = at(db, i);
    uint32_t next = mapping_database_next(db, mapping_database_last_copy(db, i));
    /* Mappings of one Frame lie side by side and claim nothing of each other. */
    return next != NO_CAPABILITY && at(db, next)->address < capability_end(c) &&
           c->type != CAP_MAPPING;
}

bool mapping_database_has_ancestors(const struct mapping_database *db, uint32_t i)
{
    /* An ancestor covers i's first byte and comes before its copies; the outermost comes before
     * all. */
    const struct capability *c = at(db, i);
    uint32_t first = mapping_database_overlapping(db, c->address, c->address + 1);
    return !same(db, i, first) && at(db, first)->type != CAP_MAPPING;
}

/* --- for tests --- */

static const char *check_node(const struct mapping_database *db, uint32_t i)
{
    const struct capability *c = at(db, i);
    if (c->type == CAP_NULL || c->type >= CAP_TYPES)
        return "type";
    if (c->left == NO_CAPABILITY && c->right == NO_CAPABILITY && c->rank != 0)
        return "a leaf's rank is not 0";
    const uint32_t children[2] = {c->left, c->right};
    for (int side = 0; side < 2; side++) {
        int difference = rank(db, i) - rank(db, children[side]);
        if (difference < 1 || difference > 2)
            return "ranks";
        if (children[side] == NO_CAPABILITY)
            continue;
        if (children[side] >= db->capacity)
            return "a link leads out of the array";
        if (at(db, children[side])->parent != i)
            return "a child names another parent";
        int order = compare(at(db, children[side]), children[side], c, i);
        if (side ? order <= 0 : order >= 0)
            return "a child is on the wrong side";
    }
    return c->reach_left == reach(db, c->left) && c->reach_right == reach(db, c->right) ? NULL
                                                                                        : "reach";
}

const char *mapping_database_check(const struct mapping_database *db)
{
    if (db->root != NO_CAPABILITY &&
        (db->root >= db->capacity || at(db, db->root)->parent != NO_CAPABILITY))
        return "root";
    uint32_t count = 0, last = NO_CAPABILITY;
    for (uint32_t i = mapping_database_next(db, NO_CAPABILITY); i != NO_CAPABILITY;
         i = mapping_database_next(db, i)) {
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
