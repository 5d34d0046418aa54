/* Barriers over shared memory in virtual time, as bare loops have them (probes/barriers.c): all
 * cores come at once, and the last leaves after so many cycles. */
#pragma once

#include "virtual/world.h"

/* A counter that all add to, one after the other, and a line that all poll, written by the last.
 * 0: no memory. */
uint64_t barrier_central(const struct machine *machine, uint32_t cores);
/* In round k every core writes to the one 2^k further on and waits for the one 2^k behind. */
uint64_t barrier_dissemination(const struct machine *machine, uint32_t cores);
