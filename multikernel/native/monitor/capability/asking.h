/* How workflows about capabilities go on from step to step. */
#pragma once

#include "monitor/capability/ranges.h"

enum verdict capability_begin(struct monitor *m, const struct environment *env, struct workflow *w,
                              struct agreement *a, const struct request *request);
/* Fills the agreement for what is still to be agreed. */
enum verdict capability_resume(struct monitor *m, struct workflow *w, struct agreement *a);
/* The next own page from that slot on that goes with the victim, whose CNodes are closing; NO_PAGE:
 * there is none. */
uint32_t capability_next_going(const struct monitor *m, uint32_t slot, uint32_t victim);
enum { NO_PAGE = UINT32_MAX };
/* After a step on the way to what was asked for: true when nothing is left to do. */
bool capability_step_settled(struct monitor *m, struct workflow *w, struct agreement *a);
