/* What the work of a step costs, in cycles of the machine that it was measured on: a table by what
 * the step was given, and by what it says that it did (struct work). Measured where steps are made
 * over and over, so that code and state are near (warm), and where the state has left the caches
 * (cold), which costs ten times as much: two tables. */
#pragma once

#include "monitor/monitor.h"

enum {
    WORK_ROLES = ROLE_LEAF + 1,
    /* By input, operation, kind, role, own part, and whether it puts anything out. */
    WORK_KEYS = INPUTS * (OPERATIONS + 1) * AGREEMENT_KINDS * WORK_ROLES * 2 * 2,
};

static inline uint32_t work_key(enum input_kind input, const struct work *work, bool puts_out)
{
    uint32_t key = (uint32_t)input;
    key = key * (OPERATIONS + 1) + work->operation;
    key = key * AGREEMENT_KINDS + work->kind;
    key = key * WORK_ROLES + work->role;
    return (key * 2 + (work->own_part != 0)) * 2 + puts_out;
}

struct work_table {
    double warm[WORK_KEYS], cold[WORK_KEYS];
    double message; /* a further message put out */
    double driver;  /* a message that comes: the driver's way to its monitor */
};

/* What reading the clock takes, of what is timed by it: the mean, in cycles. */
double work_clock(void);

/* Out of all caches. sparse: whole pages, of which nearly all are not there and stay so. */
void work_evict(char *from, size_t bytes, bool sparse);

/* What was measured, by key. */
struct work_sample {
    uint64_t count, messages;
    double cycles, squares;
    uint64_t least;
};
