/* The types that cores may operate on without excluding each other: one counter, and the queue.
 *
 * The form has to end while operations are under way, and nobody can be asked to wait for a core
 * that does not run. So each word that decides an operation has a bit that closes it: what comes
 * behind fails, however long ago it began, and what is there is the state. Opened again, a word is
 * again what decides: an operation from before that finds it as it expected takes effect, once, in
 * the form that is set now, as it should. */
#pragma once

#include "object/type.h"

extern const struct lockfree lockfree_counters, lockfree_queue;
