/* Messages between two bare ends, in virtual time: one way, as fast as they go, and there and back.
 * A window of them is under way at most; every so many the receiver says what it has taken. Source:
 * paper table 2. */
#pragma once

#include "virtual/world.h"

struct stream {
    uint32_t sender, receiver;
    uint32_t window;
    uint32_t acknowledges; /* after so many */
    uint32_t count, batch; /* messages; between two readings of the clock: count is a multiple */
};

/* Of each batch the cycles that the receiver took for it, and how far ahead the sender was at its
 * end. False: no memory. */
bool stream_run(const struct machine *machine, const struct stream *stream, uint64_t *took,
                uint64_t *ahead);
/* Cycles of one there and back. 0: no memory. */
uint64_t stream_echo(const struct machine *machine, uint32_t one, uint32_t other);
