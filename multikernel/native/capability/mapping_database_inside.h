/* What the files mapping_database*.c share. */
#pragma once

#include "capability/mapping_database.h"

enum side { LEFT, RIGHT };

static inline struct capability *at(const struct mapping_database *db, uint32_t i)
{
    return mapping_database_node(db, i);
}

static inline int rank(const struct mapping_database *db, uint32_t i)
{
    return i == NO_CAPABILITY ? -1 : at(db, i)->rank;
}

static inline bool is_leaf(const struct capability *c)
{
    return c->child[LEFT] == NO_CAPABILITY && c->child[RIGHT] == NO_CAPABILITY;
}

/* Below 0 when a in slot i comes first, above when b in slot j does, 0 when they are one. */
static inline int compare(const struct capability *a, uint32_t i, const struct capability *b,
                          uint32_t j)
{
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->about != b->about)
        return a->about < b->about ? -1 : 1;
    return i == j ? 0 : i < j ? -1 : 1;
}

/* The largest end in a subtree. */
static inline uint64_t reach(const struct mapping_database *db, uint32_t i)
{
    if (i == NO_CAPABILITY)
        return 0;
    const struct capability *c = at(db, i);
    uint64_t furthest = c->reach[LEFT] > c->reach[RIGHT] ? c->reach[LEFT] : c->reach[RIGHT];
    return capability_end(c) > furthest ? capability_end(c) : furthest;
}

/* The last node below i, or i, on that side. */
static inline uint32_t outermost(const struct mapping_database *db, uint32_t i, enum side side)
{
    while (at(db, i)->child[side] != NO_CAPABILITY)
        i = at(db, i)->child[side];
    return i;
}
