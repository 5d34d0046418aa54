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

/* What a node keeps of the side on which that child hangs. */
static uint64_t *kept_reach(struct mapping_database *db, uint32_t parent, uint32_t child)
{
    struct capability *c = at(db, parent);
    return c->left == child ? &c->reach_left : &c->reach_right;
}

/* --- shape --- */

/* Puts `by` where i hangs below its parent. */
static void replace(struct mapping_database *db, uint32_t i, uint32_t by)
{
    uint32_t parent = at(db, i)->parent;
    if (parent == NO_CAPABILITY)
        db->root = by;
    else if (at(db, parent)->left == i)
        at(db, parent)->left = by;
    else
        at(db, parent)->right = by;
    if (by != NO_CAPABILITY)
        at(db, by)->parent = parent;
}

/* Lifts i above its parent. Together they cover what they covered. */
static void rotate_up(struct mapping_database *db, uint32_t i)
{
    uint32_t parent = at(db, i)->parent, moved;
    struct capability *up = at(db, i), *down = at(db, parent);
    replace(db, parent, i);
    if (down->left == i) {
        moved = down->left = up->right;
        down->reach_left = up->reach_right;
        up->right = parent;
    } else {
        moved = down->right = up->left;
        down->reach_right = up->reach_left;
        up->left = parent;
    }
    if (moved != NO_CAPABILITY)
        at(db, moved)->parent = parent;
    down->parent = i;
    *kept_reach(db, i, parent) = reach(db, parent);
}

static void mend_insertion(struct mapping_database *db, uint32_t x)
{
    for (uint32_t p = at(db, x)->parent; p != NO_CAPABILITY && rank(db, p) == rank(db, x);
         p = at(db, x)->parent) {
        int left = at(db, p)->left == x;
        uint32_t sibling = left ? at(db, p)->right : at(db, p)->left;
        if (rank(db, p) - rank(db, sibling) == 1) {
            change_rank(db, p, 1);
            x = p;
            continue;
        }
        uint32_t inner = left ? at(db, x)->right : at(db, x)->left;
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
    if (p != NO_CAPABILITY && rank(db, p) == 1 && at(db, p)->left == NO_CAPABILITY &&
        at(db, p)->right == NO_CAPABILITY) {
        change_rank(db, p, -1);
        x = p;
        p = at(db, p)->parent;
    }
    while (p != NO_CAPABILITY && rank(db, p) - rank(db, x) == 3) {
        int left = at(db, p)->left == x;
        uint32_t y = left ? at(db, p)->right : at(db, p)->left;
        uint32_t outer = left ? at(db, y)->right : at(db, y)->left;
        uint32_t inner = left ? at(db, y)->left : at(db, y)->right;
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
            if (at(db, p)->left == NO_CAPABILITY && at(db, p)->right == NO_CAPABILITY)
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
    uint32_t parent = NO_CAPABILITY, previous = NO_CAPABILITY, next = NO_CAPABILITY;
    bool right = true, placed = false;
    if (hint != NO_CAPABILITY && compare(at(db, hint), hint, c, i) < 0) {
        previous = hint;
        next = mapping_database_next(db, hint);
        placed = next == NO_CAPABILITY || compare(c, i, at(db, next), next) < 0;
    } else if (hint != NO_CAPABILITY) {
        next = hint;
        previous = mapping_database_previous(db, hint);
        placed = previous == NO_CAPABILITY || compare(at(db, previous), previous, c, i) < 0;
    }
    if (placed) {
        /* Of two neighbours one has no child on the side of the other. */
        right = previous != NO_CAPABILITY && at(db, previous)->right == NO_CAPABILITY;
        parent = right ? previous : next;
    } else {
        for (uint32_t down = db->root; down != NO_CAPABILITY;) {
            parent = down;
            right = compare(c, i, at(db, parent), parent) > 0;
            down = right ? at(db, parent)->right : at(db, parent)->left;
        }
    }
    c->left = c->right = NO_CAPABILITY;
    c->parent = parent;
    c->rank = 0;
    c->reach_left = c->reach_right = 0;
    if (parent == NO_CAPABILITY)
        db->root = i;
    else if (right)
        at(db, parent)->right = i;
    else
        at(db, parent)->left = i;
    for (uint32_t child = i; parent != NO_CAPABILITY;
         child = parent, parent = at(db, parent)->parent) {
        uint64_t *kept = kept_reach(db, parent, child);
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
    if (c->left == NO_CAPABILITY || c->right == NO_CAPABILITY) {
        x = c->left == NO_CAPABILITY ? c->right : c->left;
        p = c->parent;
        replace(db, i, x);
    } else {
        heir = leftmost(db, c->right); /* takes i's place, and its own right child the heir's */
        x = at(db, heir)->right;
        p = at(db, heir)->parent;
        if (p == i) {
            p = heir;
        } else {
            replace(db, heir, x);
            at(db, heir)->right = c->right;
            at(db, c->right)->parent = heir;
        }
        replace(db, i, heir);
        at(db, heir)->left = c->left;
        at(db, c->left)->parent = heir;
        at(db, heir)->reach_left = c->reach_left;
        at(db, heir)->rank = c->rank;
    }
    if (p != NO_CAPABILITY) {
        at(db, p)->reach_left = reach(db, at(db, p)->left);
        at(db, p)->reach_right = reach(db, at(db, p)->right);
    }
    /* Upwards while it changes anything, but at least to the heir, which is new where it is. */
    bool passed = heir == NO_CAPABILITY || p == heir;
    for (uint32_t child = p; child != NO_CAPABILITY && at(db, child)->parent != NO_CAPABILITY;
         child = at(db, child)->parent) {
        uint32_t up = at(db, child)->parent;
        uint64_t *kept = kept_reach(db, up, child), now = reach(db, child);
        if (*kept == now && passed)
            break;
        *kept = now;
        passed = passed || up == heir;
    }
    mend_removal(db, x, p);
    c->left = c->right = c->parent = 0;
    c->reach_left = c->reach_right = 0;
    c->rank = 0;
    db->count--;
}
