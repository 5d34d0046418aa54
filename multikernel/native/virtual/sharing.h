/* An object that modelled cores operate on, in one of the forms of object/object.h, or in those
 * that the chooser takes: how many operations they get done in virtual time.
 *
 * Each form is the real code's steps, one by one, on modelled lines (caches.h):
 * sharing_locked.c, sharing_delegated.c, sharing_replicated.c say which step of which file each
 * is. So how often a line travels is the code's doing, what it takes is the machine's, and what
 * a core does by itself are a few costs. Cores work as in the probe (probes/sharing.c): think,
 * operate, and wait where they are ahead of their share of the operations.
 *
 * Where the form is chosen, races are simulated, and what is between them until its rate is known;
 * for the rest of the time to the next race the chooser is given windows of that rate
 * (sharing_counting.c). So it never sees a change where nothing has changed.
 *
 * Guarantees: the same calls bring about the same run. What operations change is not modelled,
 * only that they happen: locks exclude, logs have an order, requests are answered once. Not
 * modelled: a log that is full for long, cores that lose their processor, operations of other
 * types than counters (object/counters.c), several in flight, and the
 * agreed forms. */
#pragma once

#include "object/chooser.h"
#include "virtual/machine.h"

enum { SHARING_LINES_MOST = 32, SHARING_CORES_MOST = 1024 };

/* What a core does by itself, in cycles of the machine. */
struct sharing_costs {
    double
        operation; /* the loop, the object's dispatch, and an operation on one line that it has */
    double line;   /* each further one */
    double atomic; /* an atomic operation on a line that it has */
    double look;   /* at a line that it has, in a loop that waits */
    double relax;  /* the processor's pause */
    double turn;   /* of the driver in which nothing comes */
    double clock;  /* a look at the clock: who thinks looks until the time is over */
};

enum sharing_lock { SHARING_TICKET, SHARING_MCS };

struct sharing {
    uint32_t form;  /* at first; where it is chosen too */
    uint32_t lock;  /* of the form `fifo` */
    uint32_t lines; /* that an operation touches */
    uint32_t reads; /* percent */
    uint32_t share; /* of the owner, of a thousand */
    uint32_t owner;
    uint64_t think;
    uint64_t edge, span; /* cycles that do not count, then those that do */
    /* Ten-thousandths: it ends where its rate is as well known as that (standard error), after the
     * span at most; 0: after the span. Where the form is chosen: of each form that it is in for long,
     * after `counted` cycles of it at most. */
    uint32_t precision;
    uint64_t counted;
    bool migrates; /* caches.h */
    bool counts;   /* the mix is kept as in the probe: in batches, over lines that travel */
    uint64_t seed;
    /* To choose: these forms, as bits; 0: it stays as it is. */
    uint32_t forms;
    const struct chooser_rules *rules;
    const struct chooser_row *rows;
    uint32_t row_count;
};

struct sharing_done {
    uint64_t done, reads;
};

struct sharing_outcome {
    uint64_t cycles;  /* that are counted: the span */
    uint64_t moved;   /* transactions of lines, in all */
    uint64_t events;  /* that were simulated */
    uint64_t longest; /* row of operations of one core */
    uint64_t rows;    /* and how many there were */
    /* Chosen. */
    uint32_t form;
    uint64_t changes, races, cycles_in[OBJECT_FORMS];
};

/* All cores of the machine. done: by core. False: no memory, or nobody could go on. */
bool sharing_run(const struct machine *machine, const struct sharing_costs *costs,
                 const struct sharing *sharing, struct sharing_done *done,
                 struct sharing_outcome *outcome);
