/* The combined form: the log of the replicated one, and a replica a node, which the cores of a node
 * share. A core posts an operation that writes on a line of its own; whoever gets the node's lock is
 * its combiner: it takes what is posted in its node, appends all of it by one compare-and-swap,
 * brings the replica there, and posts the results. A read waits until the replica has what the log
 * has, as its combiner if nobody else is, and reads among the lock's readers (locks/readers.h). After
 * flat combining (Hendler et al., SPAA'10) and NR (Calciu et al., ASPLOS'17).
 *
 * No replica is ever more than a log behind: who wants room brings the ones that are there itself,
 * under their nodes' locks. So nobody is overtaken, and nobody waits for a node whose cores do
 * something else. Who holds a node's lock and does not run is waited for, as with any lock.
 *
 * The form begins with the state, which each node's first combiner copies, and ends with an entry
 * that says so: the owner's replica at that entry is the state. A combiner that comes later finds the
 * entry, or that the log has gone on, and does nothing. What nobody has taken by then its core takes
 * back, under the lock.
 *
 * Where a type's words are plain ones the owner has had every node's lock before it writes to the
 * state, so that nobody still copies it. */
#pragma once

#include "object/object_inside.h"

/* False: the form has ended, and nothing was done. */
bool combined_apply(struct object *o, uint64_t mode, const struct operation *operation,
                    struct result *result);

/* Keeps up with the log, if this core has operated in this form. */
bool combined_follow(struct object *o);

/* The owner's: the log begins, from o->state; ends, the replica is the state. */
void combined_begin(struct object *o);
void combined_end(struct object *o, uint64_t mode);
