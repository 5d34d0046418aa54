/* The agreed forms: a replica a core, reads on it, and no write takes effect before all that have a
 * replica have been sent it, over a call line from each core to each, and have answered.
 *
 *   two phases  Whoever writes drives (agreed_two_phase.c). PREPARE: each checks, applies, and locks
 *               its replica, or says that another attempt has it locked. COMMIT unlocks, ABORT undoes.
 *   one phase   The owner orders (agreed_by_owner.c). It sends each write once, and has done it when
 *               all have applied it. Not the initiator, as with the monitor's unmap: a page that is
 *               gone too early is only waited for, a value that is read too early is wrong.
 *   owner       The owner decides alone and tells the others that their replicas are no good any
 *               more: each asks the owner until a copy is worth while. So, unlike delegated, reads are
 *               local where nobody writes; and a write costs a message for each core that reads, and
 *               none where nobody has a copy, as with the capabilities that an owner vouches for
 *               alone (monitor/capability/ranges.c).
 *
 * A read that finds a write whose outcome is not known, on its own replica, waits for that.
 *
 * A core joins when it first needs a replica: it asks the owner, which copies its state when no
 * write is under way, and whose own replica the state is. From then on this core has to look at its
 * lines (object_poll), for others wait for its answers.
 *
 * Nobody waits for ever: of two attempts that meet, the younger gives way (wait-die: Rosenkrantz,
 * Stearns and Lewis, ACM TODS 3(2), 1978; monitor/step.c), and it keeps its age. */
#pragma once

#include "object/object_inside.h"

/* False: the mode has changed, or is about to, and nothing was done. */
bool agreed_apply(struct object *o, uint64_t mode, const struct operation *operation,
                  struct result *result);

bool agreed_serve_joined(struct object *o);

/* Answers what has come from others, if this core has joined. False: nothing has. */
static inline bool agreed_serve(struct object *o)
{
    return o->agreed.mode && agreed_serve_joined(o);
}

/* An end's. */
void agreed_open(struct object *o);

/* The owner's: from o->state, in the mode to be set; o->state is what it should be, and nobody
 * reads a replica. */
void agreed_begin(struct object *o, uint64_t mode);
void agreed_end(struct object *o);
