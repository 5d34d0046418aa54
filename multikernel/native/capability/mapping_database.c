/* A weak AVL tree over slots; the promises are in the header.
 *
 * Each node has a rank; a missing one has -1, a leaf 0, and a child's is its parent's less one or
 * two. An insertion may leave a child with its parent's rank, a removal one with three less: both
 * are mended upwards from there, until a promotion, demotion or rotation settles it. */
#include "capability/mapping_database_inside.h"

static void change_rank(struct mapping_database *db, uint32_t i, int by)
{
    at(db, i)->rank = (uint8_t)(at(db, i)->rank + by);
}

/* --- shape --- */

static enum side side_of(const struct mapping_database *db, uint32_t parent, uint32_t child)
{
    return at(db, parent)->child[RIGHT] == child ? RIGHT : LEFT;
}

/* Puts `by` where i hangs below its parent. */
static void replace(struct mapping_database *db, uint32_t i, uint32_t by)
{
    uint32_t parent = at(db, i)->parent;
    if (parent == NO_CAPABILITY)
        db->root = by;
    else if (at(db, parent)->child[LEFT] == i)
        at(db, parent)->child[LEFT] = by;
    else
        at(db, parent)->child[RIGHT] = by;
    if (by != NO_CAPABILITY)
        at(db, by)->parent = parent;
}

/* Lifts i above its parent, whose child it is on that side. Together they cover what they
 * covered. */
static inline void rotate(struct mapping_database *db, uint32_t i, uint32_t parent, enum side side)
{
    struct capability *up = at(db, i), *down = at(db, parent);
    uint32_t moved = up->child[!side];
    replace(db, parent, i);
    down->child[side] = moved;
    down->reach[side] = up->reach[!side];
    if (moved != NO_CAPABILITY)
        at(db, moved)->parent = parent;
    down->parent = i;
    up->child[!side] = parent;
    up->reach[!side] = reach(db, parent);
}

/* A side that is known when this is compiled saves time: hence not rotate(…, side_of(…)). */
static void rotate_up(struct mapping_database *db, uint32_t i)
{
    uint32_t parent = at(db, i)->parent;
    if (side_of(db, parent, i) == LEFT)
        rotate(db, i, parent, LEFT);
    else
        rotate(db, i, parent, RIGHT);
}

static void mend_insertion(struct mapping_database *db, uint32_t x)
{
    for (uint32_t p = at(db, x)->parent; p != NO_CAPABILITY && rank(db, p) == rank(db, x);
         p = at(db, x)->parent) {
        enum side side = side_of(db, p, x);
        if (rank(db, p) - rank(db, at(db, p)->child[!side]) == 1) {
            change_rank(db, p, 1);
            x = p;
            continue;
        }
        uint32_t inner = at(db, x)->child[!side];
        if (rank(db, x) - rank(db, inner) == 2) {
            rotate_up(db, x);
        } else {
            rotate_up(db, inner);
            rotate_up(db, inner);
            change_rank(db, inner, 1);
            change_rank(db, x, -1);
        }
        change_rank(db, p, -1);
        return;
    }
}

/* x, which may be missing, has taken the place of what was removed below p. */
static void mend_removal(struct mapping_database *db, uint32_t x, uint32_t p)
{
    if (p != NO_CAPABILITY && rank(db, p) == 1 && is_leaf(at(db, p))) {
        change_rank(db, p, -1);
        x = p;
        p = at(db, p)->parent;
    }
    while (p != NO_CAPABILITY && rank(db, p) - rank(db, x) == 3) {
        int left = at(db, p)->child[LEFT] == x;
        uint32_t y = left ? at(db, p)->child[RIGHT] : at(db, p)->child[LEFT];
        uint32_t outer = left ? at(db, y)->child[RIGHT] : at(db, y)->child[LEFT];
        uint32_t inner = left ? at(db, y)->child[LEFT] : at(db, y)->child[RIGHT];
        int to_outer = rank(db, y) - rank(db, outer), to_inner = rank(db, y) - rank(db, inner);
        if (rank(db, p) - rank(db, y) == 2) {
            change_rank(db, p, -1);
        } else if (to_outer == 2 && to_inner == 2) {
            change_rank(db, p, -1);
            change_rank(db, y, -1);
        } else if (to_outer == 1) {
            rotate_up(db, y);
            change_rank(db, y, 1);
            change_rank(db, p, -1);
            if (is_leaf(at(db, p)))
                change_rank(db, p, -1);
            return;
        } else {
            rotate_up(db, inner);
            rotate_up(db, inner);
            change_rank(db, inner, 2);
            change_rank(db, y, -1);
            change_rank(db, p, -2);
            return;
        }
        x = p;
        p = at(db, p)->parent;
    }
}

/* --- insertion and removal --- */

void mapping_database_init(struct mapping_database *db, uint32_t capacity, struct capability *nodes)
{
    *db = (struct mapping_database){.root = NO_CAPABILITY,
                                    .capacity = capacity,
                                    .nodes_offset = (uint64_t)((char *)nodes - (char *)db)};
}

void mapping_database_insert(struct mapping_database *db, uint32_t i, uint32_t hint)
{
    struct capability *c = at(db, i);
    uint32_t parent = NO_CAPABILITY;
    enum side side = RIGHT;
    if (hint != NO_CAPABILITY) {
        side = compare(at(db, hint), hint, c, i) < 0;
        uint32_t other =
            side == RIGHT ? mapping_database_next(db, hint) : mapping_database_previous(db, hint);
        if (other == NO_CAPABILITY || (compare(c, i, at(db, other), other) < 0) == side) {
            /* Of two neighbours one has no child on the side of the other. */
            bool below_other = at(db, hint)->child[side] != NO_CAPABILITY;
            parent = below_other ? other : hint;
            side ^= below_other;
        }
    }
    if (parent == NO_CAPABILITY)
        for (uint32_t down = db->root; down != NO_CAPABILITY; down = at(db, parent)->child[side]) {
            parent = down;
            side = compare(c, i, at(db, parent), parent) > 0;
        }
    c->child[LEFT] = c->child[RIGHT] = NO_CAPABILITY;
    c->parent = parent;
    c->rank = 0;
    c->reach[LEFT] = c->reach[RIGHT] = 0;
    if (parent == NO_CAPABILITY)
        db->root = i;
    else
        at(db, parent)->child[side] = i;
    for (uint32_t child = i; parent != NO_CAPABILITY;
         child = parent, parent = at(db, parent)->parent) {
        uint64_t *kept = &at(db, parent)->reach[side_of(db, parent, child)];
        if (*kept >= capability_end(c))
            break;
        *kept = capability_end(c);
    }
    mend_insertion(db, i);
    db->count++;
}

void mapping_database_remove(struct mapping_database *db, uint32_t i)
{
    struct capability *c = at(db, i);
    uint32_t x, p, heir = NO_CAPABILITY;
    if (c->child[LEFT] == NO_CAPABILITY || c->child[RIGHT] == NO_CAPABILITY) {
        x = c->child[LEFT] == NO_CAPABILITY ? c->child[RIGHT] : c->child[LEFT];
        p = c->parent;
        replace(db, i, x);
    } else {
        /* takes i's place, and its own right child the heir's */
        heir = outermost(db, c->child[RIGHT], LEFT);
        x = at(db, heir)->child[RIGHT];
        p = at(db, heir)->parent;
        if (p == i) {
            p = heir;
        } else {
            replace(db, heir, x);
            at(db, heir)->child[RIGHT] = c->child[RIGHT];
            at(db, c->child[RIGHT])->parent = heir;
        }
        replace(db, i, heir);
        at(db, heir)->child[LEFT] = c->child[LEFT];
        at(db, c->child[LEFT])->parent = heir;
        at(db, heir)->reach[LEFT] = c->reach[LEFT];
        at(db, heir)->rank = c->rank;
    }
    if (p != NO_CAPABILITY) {
        at(db, p)->reach[LEFT] = reach(db, at(db, p)->child[LEFT]);
        at(db, p)->reach[RIGHT] = reach(db, at(db, p)->child[RIGHT]);
    }
    /* Upwards while it changes anything, but at least to the heir, which is new where it is. */
    bool passed = heir == NO_CAPABILITY || p == heir;
    for (uint32_t child = p; child != NO_CAPABILITY && at(db, child)->parent != NO_CAPABILITY;
         child = at(db, child)->parent) {
        uint32_t up = at(db, child)->parent;
        uint64_t *kept = &at(db, up)->reach[side_of(db, up, child)], now = reach(db, child);
        if (*kept == now && passed)
            break;
        *kept = now;
        passed = passed || up == heir;
    }
    mend_removal(db, x, p);
    c->child[LEFT] = c->child[RIGHT] = c->parent = 0;
    c->reach[LEFT] = c->reach[RIGHT] = 0;
    c->rank = 0;
    db->count--;
}
