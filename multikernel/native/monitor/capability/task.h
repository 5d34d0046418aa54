/* A program's request about capabilities, as its own core's monitor keeps it: references mean
 * something on that core alone, so none of this travels. What does travel is in ranges.c. The
 * monitor tries it alone first; only what one core must not decide becomes an agreement. */
#pragma once

#include <stdint.h>

struct capability_task {
    uint64_t source; /* reference */
    uint64_t cnode;  /* reference, on the core where the new capability goes */
    uint64_t offset, size, about;
    uint32_t index, count;
    uint32_t type, rights;
    uint32_t to;       /* copy: the core */
    uint8_t move;      /* copy: the source goes */
    uint8_t begun;     /* delete, revoke: something is gone; STALE means that others did the rest */
    uint8_t operation; /* what is asked for: enum operation */
    uint8_t tried;     /* alone, just now, and the others have to agree */
    uint64_t victim;   /* delete, revoke: what stands in the way and needs agreement; 0: nothing */
    uint64_t made;
};
