/* What the Python face needs of a segment. Atomics stay in C: Cython sees plain functions. */
#pragma once

#include "segment/segment.h"

void segment_go(struct segment *segment);
bool segment_going(struct segment *segment);
void segment_stop(struct segment *segment);
/* mode, pid, tid, served, interrupts, parks */
void segment_core_state(struct segment *segment, uint32_t core, uint64_t *out);
