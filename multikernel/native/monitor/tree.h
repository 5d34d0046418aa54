/* A root's multicast tree, as data: of every core the parent, the first child and the next sibling,
 * siblings in sending order. A root without one sends to every core itself (flat).
 *
 * The tables lie outside of the monitor's state, in the environment: one for each root and version,
 * immutable while the version is in use, one copy for all cores. The state knows which version each
 * root has. There are two places for tables a root, taken in turn. A message says by which place it
 * travels, so an operation keeps to one tree through all its rounds whatever is installed
 * meanwhile; only the root asks which version is current (install_tree.c).
 *
 * Trees are of all cores and are contracted to those that take part: a core that does not is never
 * sent anything, even where it is an inner node.
 *
 * Source: paper section 5.1 (multicast and NUMA-aware multicast trees); the tree comes from the
 * system knowledge base (knowledge/). */
#pragma once

#include "base/core_set.h"
#include "base/hint.h"

enum {
    TREE_FLAT = 0,   /* as a version and as a place: no tree */
    TREE_PLACES = 2, /* tables a root */
    TREE_NOBODY = 0xffff,
};

struct tree_link {
    uint16_t parent;
    uint16_t first_child;
    uint16_t next_sibling;
};

/* What a replica knows of a root's tree. */
struct tree {
    uint64_t lock;    /* core-local: the installation that is under way, 0 when none */
    uint32_t version; /* TREE_FLAT, then counted upwards */
    uint32_t reserved;
};

/* Where that version's table lies: 1 or 2; TREE_FLAT where there is none. */
static inline uint32_t tree_place(uint32_t version)
{
    return version == TREE_FLAT ? TREE_FLAT : 1 + (version - 1) % TREE_PLACES;
}

static inline void tree_clear(struct tree_link *link, uint32_t cores)
{
    for (uint32_t core = 0; core < cores; core++)
        link[core] = (struct tree_link){TREE_NOBODY, TREE_NOBODY, TREE_NOBODY};
}

/* Does the edge lead from the tree to a core that is not in it yet? Then the edges so far are a
 * tree, and cores - 1 of them span. */
static inline bool tree_takes(const struct tree_link *link, uint32_t cores, uint32_t root,
                              uint32_t edge)
{
    uint32_t parent = edge & 0xffff, child = edge >> 16;
    if (parent >= cores || child >= cores || child == root || link[child].parent != TREE_NOBODY)
        return false;
    return parent == root || link[parent].parent != TREE_NOBODY;
}

/* Behind the parent's other children: edges come in sending order. */
static inline void tree_add(struct tree_link *link, uint32_t edge)
{
    uint32_t parent = edge & 0xffff, child = edge >> 16;
    uint16_t *place = &link[parent].first_child;
    while (*place != TREE_NOBODY)
        place = &link[*place].next_sibling;
    *place = (uint16_t)child;
    link[child].parent = (uint16_t)parent;
}

/* Makes the table of cores - 1 edges, parent in the low half and child in the high half of each,
 * in sending order. False if they are no tree of all cores. */
static inline bool tree_make(struct tree_link *link, uint32_t cores, uint32_t root,
                             const uint32_t *edges)
{
    tree_clear(link, cores);
    for (uint32_t i = 0; i + 1 < cores; i++) {
        if (!tree_takes(link, cores, root, edges[i]))
            return false;
        tree_add(link, edges[i]);
    }
    return true;
}

/* Has that table been made? One that has not is zero, and leads round in a circle. */
static inline bool tree_is_made(const struct tree_link *link, uint32_t root)
{
    return link[root].parent == TREE_NOBODY;
}

/* Is nobody below `me` in root's tree? link NULL: flat. */
static inline bool tree_is_leaf(const struct tree_link *link, uint32_t root, uint32_t me)
{
    return link ? link[me].first_child == TREE_NOBODY : root != me;
}

/* The next after `at`, where there is a tree. */
APART static uint32_t tree_next_linked(const struct tree_link *link, const uint64_t *members,
                                       uint32_t me, uint32_t at)
{
    int down = at == TREE_NOBODY; /* into me's children; otherwise past what is below `at` */
    uint32_t core = down ? me : at;
    for (;;) {
        if (down && link[core].first_child != TREE_NOBODY) {
            core = link[core].first_child;
        } else {
            while (core != me && link[core].next_sibling == TREE_NOBODY)
                core = link[core].parent;
            if (core == me)
                return TREE_NOBODY;
            core = link[core].next_sibling;
        }
        if (!members || core_set_has(members, core))
            return core;
        down = 1;
    }
}

/* The members next below `me` in root's tree, those with no member in between, one after the other
 * in sending order: the one after `at`, the first for TREE_NOBODY; TREE_NOBODY when there is none
 * left. link NULL: flat. members NULL: all cores are. */
static inline uint32_t tree_next(const struct tree_link *link, const uint64_t *members,
                                 uint32_t cores, uint32_t root, uint32_t me, uint32_t at)
{
    if (!link) {
        if (root != me)
            return TREE_NOBODY;
        uint32_t core = at == TREE_NOBODY ? 0 : at + 1;
        if (members)
            core = core_set_next(members, cores, core);
        if (core == me)
            core = members ? core_set_next(members, cores, core + 1) : core + 1;
        return core < cores ? core : TREE_NOBODY;
    }
    return tree_next_linked(link, members, me, at);
}

/* The member next above `me` in root's tree; TREE_NOBODY above the root. */
static inline uint32_t tree_member_above(const struct tree_link *link, const uint64_t *members,
                                         uint32_t root, uint32_t me)
{
    if (me == root)
        return TREE_NOBODY;
    uint32_t at = link ? link[me].parent : root;
    while (at != root && members && !core_set_has(members, at))
        at = link[at].parent;
    return at;
}
