/* A root's multicast tree, as data: of every core the parent, the first child and the next sibling,
 * siblings in sending order. Where a root has none, it sends to everybody itself (flat).
 *
 * Two versions are kept. A message says by which one it travels, so an operation keeps to one tree
 * through all its rounds whatever is installed meanwhile; only the root asks which is current
 * (install_tree.c). Trees are of all cores and are contracted to those that take part: a core that
 * does not is never sent anything, even where it is an inner node.
 *
 * Who uses it: step.c (routing), install_tree.c (installing), collective.c (programs'
 * collectives), shared/tree.c (both, in the shared kernel). Source: paper section 5.1 (multicast
 * and NUMA-aware multicast trees); the tree comes from the system knowledge base (knowledge/). */
#pragma once

#include "base/core_set.h"

enum { TREE_EDGES_MAX = 6 }; /* that a message carries */

enum {
    TREE_FLAT = 0, /* as a version: no tree */
    TREE_VERSIONS = 2,
    TREE_NOBODY = 0xffff,
};

struct tree_link {
    uint16_t parent;
    uint16_t first_child;
    uint16_t next_sibling;
};

struct tree {
    uint64_t lock;    /* core-local: the installation that is under way, 0 when none */
    uint16_t current; /* TREE_FLAT, or 1 + index of a version */
    /* edges of the version that is not current, as far as they have come */
    uint16_t staged;
    uint16_t number;         /* of the installation they belong to */
    uint16_t installed;      /* how many have been made current so far */
    struct tree_link link[]; /* TREE_VERSIONS * cores */
};

/* Part of a tree that is being installed, in sending order. */
struct tree_piece {
    uint32_t position, total; /* of its first edge, and of all edges */
    uint32_t number;          /* of the installation: any but 0 */
    uint32_t count;
    uint32_t edge[TREE_EDGES_MAX]; /* parent in the low half, child in the high half */
};

/* As it travels: word 0 has position 0-15, edges in all 16-31, the installation's number 32-47 and
 * edges here 48-63; words 1 to 3 have two edges each. */
static inline struct tree_piece tree_piece_of(const uint64_t argument[4])
{
    struct tree_piece p = {
        .position = argument[0] & 0xffff,
        .total = argument[0] >> 16 & 0xffff,
        .number = argument[0] >> 32 & 0xffff,
        .count = (uint32_t)(argument[0] >> 48),
    };
    for (uint32_t i = 0; i < TREE_EDGES_MAX; i++)
        p.edge[i] = (uint32_t)(argument[1 + i / 2] >> (i % 2 ? 32 : 0));
    return p;
}

static inline bool tree_piece_fits(const struct tree_piece *p, uint32_t cores)
{
    return p->total == cores - 1 && p->count >= 1 && p->count <= TREE_EDGES_MAX &&
           p->position + p->count <= p->total && p->number;
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

/* The inverse of tree_add, for the edge that was added last below its parent. */
static inline void tree_remove(struct tree_link *link, uint32_t edge)
{
    uint32_t parent = edge & 0xffff, child = edge >> 16;
    uint16_t *place = &link[parent].first_child;
    while (*place != child)
        place = &link[*place].next_sibling;
    *place = TREE_NOBODY;
    link[child].parent = TREE_NOBODY;
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
        for (uint32_t core = at == TREE_NOBODY ? 0 : at + 1; core < cores; core++) {
            if (members)
                core = core_set_next(members, cores, core);
            if (core < cores && core != me)
                return core;
        }
        return TREE_NOBODY;
    }
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
