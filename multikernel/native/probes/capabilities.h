/* What local operations on capabilities cost, by how many there are: no cores, no channels, one
 * replica in memory of its own. */
#pragma once

#include "base/histogram.h"
#include "capability/request.h"

enum { PROBE_DESCENDANTS_MAX = 4096, PROBE_SPLITS_MAX = 4096 };

/* CNodes that a replica must have room for. */
uint32_t probe_capabilities_cnodes(uint32_t count);
/* Fills a fresh replica, root CNode at address 0, with count RAM capabilities of two pages, none
 * derived from any yet. */
enum capability_verdict probe_capabilities_fill(struct cspace *cs, uint32_t count);
/* Cycles of a copy, of a retype to one Frame, and of deleting what either made, one value an
 * operation, of capabilities picked at random; `rounds` of the first two. A pick is not touched
 * before it is timed, and deleted after many others were. */
enum capability_verdict probe_capabilities(struct cspace *cs, uint32_t rounds, uint64_t seed,
                                           struct histogram *copy, struct histogram *retype,
                                           struct histogram *delete_);
/* Cycles of a retype of memory that has all the others as descendants: `rounds` of them, at most
 * half, are deleted, then each is made again where it was. */
enum capability_verdict probe_capabilities_split(struct cspace *cs, uint32_t rounds, uint64_t seed,
                                                 struct histogram *histogram);
/* Cycles of revoking RAM under which there are that many one-page Frames, made anew for each
 * round. */
enum capability_verdict probe_capabilities_revoke(struct cspace *cs, uint32_t descendants,
                                                  uint32_t rounds, struct histogram *histogram);
