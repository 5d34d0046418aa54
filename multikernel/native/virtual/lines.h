/* Cache lines on their way: what a transaction takes, with the queues at homes and on links. */
#pragma once

#include "virtual/machine.h"

struct lines {
    const struct machine *machine;
    double *probe;         /* places * places, requester and home: hops, where all are asked */
    uint64_t *home_free;   /* since when each home, */
    uint64_t *link_free;   /* ... and each link has nothing to do */
    uint64_t *link_passed; /* transactions that passed each link */
};

/* False: no memory. */
bool lines_open(struct lines *lines, const struct machine *machine);
void lines_close(struct lines *lines);

enum access { FETCH, OWN };

/* When a core at one place has the line that another place has, whose home is a third's, if it asks
 * at that time. line_free: of a line that several want, since when nobody has it under way; NULL: of
 * one that two share. Ask in the order of time. */
uint64_t line_move(struct lines *lines, uint64_t now, enum access access, uint32_t requester,
                   uint32_t holder, uint32_t home, uint64_t *line_free);
/* The same where nobody is in the way. */
uint64_t line_alone(const struct lines *lines, uint64_t now, enum access access, uint32_t requester,
                    uint32_t holder, uint32_t home);
