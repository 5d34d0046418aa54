/* Messages without a kernel, in virtual time: to all cores along a tree and back with their answers,
 * or by one line that all poll. Source: paper section 5.1 and figure 6 (unicast is a tree of depth
 * one). */
#pragma once

#include "monitor/tree.h"
#include "virtual/world.h"

/* Cycles until the root has all answers; or, where they meet (a barrier), from all arriving at once
 * until the last has left. 0: no memory, or no tree. edges: as for tree_make, of the members alone;
 * cores are 0 to cores - 1. */
uint64_t bare_tree(const struct machine *machine, enum buffers buffers, bool meets, uint32_t root,
                   uint32_t cores, const uint32_t *edges);
/* To all and back by one line that the root writes and all poll; each acknowledges on a line of its
 * own, which lies with the root, and the root reads one after the other. part: what each does in
 * between, in cycles; so does a kernel of one locked state notify its cores (shared/line.c). */
uint64_t bare_broadcast(const struct machine *machine, uint32_t root, uint32_t cores, double part);

/* Cycles that each of `cores` cores takes for an update of `lines` shared lines, when all update
 * them over and over, so many times each: figure 3. 0: no memory. */
double bare_shared_update(const struct machine *machine, uint32_t cores, uint32_t lines,
                          uint32_t rounds);
