/* What the shared kernel's own code takes, in cycles of the machine that it was measured on: from
 * one place where an operation may stand still to the next, by the request's kind and by what it
 * comes to there. */
#pragma once

#include "virtual/work.h"

enum shared_stage {
    STAGE_TAKES, /* a lock: the kernel's, a region's, a core's space */
    STAGE_TAKES_REGION,
    STAGE_TAKES_SPACE,
    STAGE_GIVES, /* ... back */
    STAGE_GIVES_REGION,
    STAGE_GIVES_SPACE,
    STAGE_PAGE,     /* a page-table entry */
    STAGE_NOTIFIES, /* the others of a page; they are the messages of a sample */
    STAGE_AWAITS,
    STAGE_WAITS, /* a moment, to try again */
    STAGE_SENDS, /* along a tree: the first of several messages */
    STAGE_ENDS,
    STAGE_LINES, /* no time: lines of the state that move with an operation of another core */
    STAGES,
    SHARED_KINDS = 64, /* of requests, and of notices: 0 by the line, KIND_SHOOTDOWN along a tree */
    SHARED_KEYS = SHARED_KINDS * STAGES,
};

struct shared_work {
    double warm[SHARED_KEYS], cold[SHARED_KEYS];
    double lock;            /* the lock's code, taken and given back, where nobody else wants it */
    double ring;            /* a further core that is notified by the line */
    double message, driver; /* as struct work_table's: of what is sent along trees */
};
