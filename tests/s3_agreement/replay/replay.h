/* What the files of the replayer share. */
#pragma once

#include "monitor/operation.h"

extern struct monitor *monitor;

/* This step comes out otherwise: says so, and ends. */
_Noreturn void differ(const char *format, ...);

/* --- work.c --- */

/* By agreement: what this core has sent on last. */
struct sent {
    uint64_t id;
    uint32_t kind, operation;
    bool root;
};

extern uint64_t work_rounds; /* steps that said a role in a round */

/* One for each agreement there can be, zeroed. */
void work_open(struct sent *sent);
/* What the step says of its work must fit what came in and what goes out. */
void work_check(const struct input *input, const struct output *output);
