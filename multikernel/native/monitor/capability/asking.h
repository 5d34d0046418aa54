/* How workflows about capabilities go on from step to step. */
#pragma once

#include "monitor/capability/ranges.h"

enum verdict capability_begin(struct monitor *m, const struct environment *env, struct workflow *w,
                              struct agreement *a, const struct request *request);
/* Fills the agreement for what is still to be agreed. */
enum verdict capability_resume(struct monitor *m, struct workflow *w, struct agreement *a);
/* A step on the way to what was asked for: what else is there to do? (delete, unmap) */
bool capability_step_settled(struct monitor *m, struct workflow *w, struct agreement *a);
