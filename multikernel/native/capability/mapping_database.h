/* The mapping database: all capabilities of a core in one order, found by address in O(log n).
 *
 * The order is address, size with the larger first, type, what it is about, slot. Ranges nest or
 * are disjoint (cspace.h), so copies of one object are neighbours, and right after them come its
 * descendants and nothing else until its range ends. A node knows the largest end in either
 * subtree: that finds the ranges which begin before an address and cover it, and by looking at the
 * nodes on one path alone, for with a million capabilities each of them is a cache miss.
 *
 * A weak AVL tree: at most two rotations an insertion or removal, O(1) amortised in any mixture of
 * both (plain AVL trees promise that for insertions alone), no deeper than 2 log2 n, and as deep as
 * an AVL tree while nothing is removed; no random numbers, so that equal histories make equal
 * bytes. Links are indices; with the parent's among them, a node is removed, or one inserted beside
 * it, without a search from the root.
 *
 * Nodes are the slots of the CNodes, all of them one flat array: there is nothing to allocate.
 * Index NO_CAPABILITY is none.
 *
 * Source: Barrelfish lib/mdb/mdb_tree.c (an AA tree; `end` there is `reach` here), paper section 4.7; Haeupler, Sen and Tarjan, Rank-balanced trees, 2015. */
#pragma once

#include <stdalign.h>

#include "capability/capability.h"

struct mapping_database {
    alignas(64) uint32_t root;
    uint32_t count;
    uint32_t capacity;
    uint32_t reserved;
    uint64_t nodes_offset; /* from here, bytes */
};

static inline struct capability *mapping_database_node(const struct mapping_database *db,
                                                       uint32_t i)
{
    return (struct capability *)((uintptr_t)db + db->nodes_offset) + i;
}

/* In zeroed memory. On nodes that several databases may have together: a node is in one of them at
 * most. They follow the head in memory. */
void mapping_database_init(struct mapping_database *db, uint32_t capacity,
                           struct capability *nodes);

/* Takes node i, whose capability is filled in, into the order. hint: a capability that it may come
 * next to, or NO_CAPABILITY; where nothing lies between the two, nothing is searched. */
void mapping_database_insert(struct mapping_database *db, uint32_t i, uint32_t hint);
/* Takes it out; its capability stays as it is, its links are zeroed. */
void mapping_database_remove(struct mapping_database *db, uint32_t i);

/* Neighbours in the order; the first and last of all for NO_CAPABILITY. */
uint32_t mapping_database_next(const struct mapping_database *db, uint32_t i);
uint32_t mapping_database_previous(const struct mapping_database *db, uint32_t i);
/* The first capability that is not before the key (of which address, size, type and about count) in
 * slot `slot`. */
uint32_t mapping_database_not_before(const struct mapping_database *db,
                                     const struct capability *key, uint32_t slot);
/* The first copy of that object. */
uint32_t mapping_database_find(const struct mapping_database *db, const struct capability *key);
/* The next capability after i, the first for NO_CAPABILITY, that shares a byte with [address, end).
 * Outermost first. */
uint32_t mapping_database_overlapping(const struct mapping_database *db, uint32_t i,
                                      uint64_t address, uint64_t end);

/* The last copy of i's object (i itself when it is the only one). */
uint32_t mapping_database_last_copy(const struct mapping_database *db, uint32_t i);
/* A neighbour that is another copy; NO_CAPABILITY: there is none. */
uint32_t mapping_database_other_copy(const struct mapping_database *db, uint32_t i);
/* Is anything here derived from it, or it from something? CAP_REMOTE_DESCENDANTS and
 * CAP_REMOTE_ANCESTORS, as other cores have to see it. */
uint32_t mapping_database_relations(const struct mapping_database *db, uint32_t i);

/* For tests: NULL, or what is wrong with order, links, ranks, ends, count. */
const char *mapping_database_check(const struct mapping_database *db);
