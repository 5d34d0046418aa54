/* What the kernels' operations are compared with, at best: two processes that share memory and one
 * line, and do the same by hand. */
#pragma once

#include "pair.h"

/* A page that both have mapped anew and used is taken away from both: cycles on core 0, the other
 * polling, or computing and notified by a signal. */
void by_hand_unmap(uint64_t count, bool signals, struct histogram *times);
/* ... and all of its life: map, touch, unmap, remove, the latter one by one. The mean. fresh: it is
 * mapped anew every time; else it is the same mapping, given its rights back, and nothing is
 * removed. */
uint64_t by_hand_life(uint64_t count, bool fresh);
/* Each process takes away pages of its own: the mean of both, in cycles of one page. base: as of
 * own-pages; the meeting counter grows by 4 a round. */
uint64_t by_hand_own_pages(uint64_t base, uint64_t rounds);
