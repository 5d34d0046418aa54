/* What the Python face needs of a segment. Atomics stay in C: Cython sees plain functions. */
#pragma once

#include "segment/segment.h"

/* NULL when the host refuses. */
struct segment *segment_map(int fd, uint64_t size);
void segment_unmap(struct segment *segment, uint64_t size);
void segment_go(struct segment *segment);
bool segment_going(struct segment *segment);
void segment_stop(struct segment *segment);
uint64_t segment_region_offset(struct segment *segment, uint32_t core);
/* mode, pid, tid, served, interrupts, parks */
void segment_core_state(struct segment *segment, uint32_t core, uint64_t *out);
