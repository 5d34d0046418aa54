/* How workflows about capabilities go on from step to step. */
#pragma once

#include "monitor/capability/ranges.h"

enum verdict capability_begin(struct monitor *m, const struct environment *env, struct workflow *w,
                              struct agreement *a, const struct request *request);
/* Fills the agreement for what is still to be agreed. */
enum verdict capability_resume(struct monitor *m, struct workflow *w, struct agreement *a);
/* Fills the agreement for the unmap of all pages that have to go before the task's victim, which was
 * found just now (unmap_going.c). OK; ALONE: there are none; BUSY, or PINNED here. */
enum verdict capability_ask_to_unmap(struct monitor *m, const struct workflow *w,
                                     struct agreement *a, uint32_t victim);
/* After a step on the way to what was asked for: true when nothing is left to do. */
bool capability_step_settled(struct monitor *m, struct workflow *w, struct agreement *a);
