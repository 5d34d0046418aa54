/* The replicated form: a log of operations that write, and a replica a core, which applies them in
 * the log's order. A read takes the replica as far as the log goes, and reads there.
 *
 * An entry of the log is one word, put there by one compare-and-swap: its position, and where its
 * core has left the operation. So no entry is ever half there, and nobody waits for a core that
 * was stopped in the middle.
 *
 * A core joins by itself, with its first operation: the state stays as it was when the form began
 * for as long as the form lasts, and the core copies it. The form ends with an entry that says so,
 * behind which nothing is appended; the owner's replica at that entry is the state.
 *
 * The log is a ring, and the one who appends waits for those that are behind only for a while, and
 * not twice at the same place. Before it goes past one it leaves a snapshot of its own replica, and
 * another one whenever the log has gone round since; a core has two places for them, by turns, so
 * that one that was stopped while it wrote leaves the other whole. Whoever comes back and finds that
 * the log has gone past it takes the newest. So neither a full log waits for a core that does not run,
 * nor does a core that was overtaken.
 *
 * A core that joins late has never been gone past: it asks for a snapshot, by being at the log's
 * beginning, or copies a replica while its core does not change it. So does one that was overtaken
 * where the state is large, of more lines than eight for each entry of the log: to copy it once a lap
 * would cost more than the operations do. Such a core waits in one case: where nobody appends, and all
 * that are at the log's end stopped in the middle of an operation.
 *
 * Where a type's words are plain ones nobody copies what another may be writing: a core joins by
 * asking the owner, and a full log waits for all that have joined.
 * An entry, and the operation that it leads to, are looked at once more after they have been read:
 * that finds out what was overwritten meanwhile. */
#pragma once

#include "object/object_inside.h"

/* False: the form has ended, and nothing was done. alone: it never ends. */
bool replicated_apply(struct object *o, uint64_t mode, const struct operation *operation,
                      struct result *result);

/* An end's. */
void replicated_open(struct object *o);

/* Keeps up with the log, if this core has joined. */
bool replicated_follow(struct object *o);

/* The owner's: the log begins, from o->state, in the mode to be set; ends, the replica is the
 * state. */
void replicated_begin(struct object *o, uint64_t mode);
void replicated_end(struct object *o, uint64_t mode);
