/* What the files of a modelled object share: cores as programs that stand still wherever something
 * else happens first, and what they do to lines. */
#pragma once

#include <stddef.h>

#include "virtual/caches.h"
#include "virtual/sharing.h"
#include "virtual/wheel.h"

/* Numbers of the real code: adaptive.c, ttas.h, locked.h, delegated.h, probes/sharing.c. */
enum {
    MOMENTS = 4,
    SERVE_EACH = 8,
    BACK_OFF_MOST = 8,
    LINE_CYCLES = 150, /* base/wait.h */
    PAUSES_MOST = 16,
    LOG_SLOTS = 256,
    LOG_ENTRIES = 8, /* a line */
    BATCH = 32,
    AHEAD = 512,
    AHEAD_SLOW = 16,
    SLOW = 1000,
    POLL_CYCLES = 250,
    SHARE_UNIT = 1000,
};

/* Lines that there is one of; then those of the object, of the log, and of each core. */
enum { LINE_MODE, LINE_LOCK, LINE_SEQUENCE, LINE_FREE, LINE_DATA };
enum core_line {
    LINE_NODE,
    LINE_CALL,
    LINE_COUNTS,
    LINE_PROGRESS,
    LINE_OPERATION, /* its operations go round over so many */
    LINE_OPERATION_LAST = LINE_OPERATION + 7,
    CORE_LINES
};

/* A mode: object/object_inside.h. */
enum { FORM_BITS = 8, FORM_MASK = (1 << FORM_BITS) - 1 };
enum event { GOES_ON, STORED, COUNTS, EVENT_BITS = 2 };
/* Of what is counted: nothing yet; all; all, while what a race has left behind passes; in batches;
 * what follows is known. */
enum phase { PHASE_EDGE, PHASE_SPAN, PHASE_SETTLES, PHASE_BATCHES, PHASE_SKIPS };

enum { STORES = 32 };
struct store {
    uint64_t *word, value, time;
};

/* A core's end. `at_...`: where a function goes on that stood still. */
struct member {
    uint64_t clock;   /* it has come so far */
    uint64_t drained; /* its last store is there */
    uint64_t goes_on; /* at that event; an earlier one that was said is over */
    uint32_t me, at_life, at_apply, at_take, at_log, at_serve, at_serve_lines, at_replay, at_room,
        at_choose, at_switch, at_poll, at_wait;
    struct store store[STORES];
    uint32_t stores_first, stores;
    uint32_t spins_on; /* line + 1; 0: it does not */
    /* The operation. */
    uint64_t seed, mode, until, thought, thinks_until, began;
    bool reads, refused;
    uint32_t form, in_batch, other, i, back_off;
    uint64_t sequence, before, ticket;
    uint64_t turn, polls, moments, looked;
    uint32_t look_each; /* see chooser_pace(); 0: it has not looked yet */
    /* Replicated. */
    uint64_t epoch, position, published, limit, appended;
    bool closes;
    /* Asleep: for which core + 1, until its progress is that; and what wakes those that are so for
     * this core first (0: nothing). */
    uint32_t sleeps_for;
    uint64_t sleeps_until, wakes_at;
    /* So far. */
    uint64_t done, reads_done, progress, step;
    struct sharing_done at_edge, steady;
    struct {
        double done, reads;
    } rate[OBJECT_FORMS], skipped; /* a cycle, by form; and in what is not simulated */
};

struct party {
    const struct machine *machine;
    const struct sharing_costs *costs;
    const struct sharing *sharing;
    struct caches caches;
    struct wheel wheel;
    struct member *member;
    uint64_t now;
    uint32_t cores, lines, logs, own; /* where lines of the log and of cores begin */
    uint32_t pauses;                  /* base/wait.h, pauses_for_a_line() */
    bool failed;
    /* Words: each is what is in the memory that all see. */
    uint64_t mode, holder, sequence, next, serving, tail;
    uint64_t log_end, log_start;
    uint64_t *waiting, *successor; /* by core: of an MCS node */
    uint64_t *call;                /* by core: 1 requested, 2 answered, 3 refused */
    uint64_t *call_mode;
    uint64_t close;   /* position of the entry that ends the log; UINT64_MAX: none */
    uint32_t *log_by; /* by place in the log: the line of the operation */
    /* The row of operations of one core. */
    uint32_t had_by;
    uint64_t row, rows, longest;
    /* Choosing. */
    struct chooser chooser;
    uint64_t window_began, window_ends;
    struct chooser_window counted;
    uint64_t cycles_in[OBJECT_FORMS], form_since;
    uint64_t events;
    /* Counting. looks_at: when there is something to do. known: forms, as bits. */
    enum phase phase;
    uint64_t counts_from, ends, skipped, looks_at, counted_from, batch_began, batch_done;
    uint32_t batches, known;
    double sum, squares;
};

/* --- Standing still: a program is a switch over the place where it stood --- */

#define BEGIN(at) \
    switch (at) { \
    case 0:
#define END(at) \
    }           \
    at = 0;     \
    return true
#define LEAVE(at)    \
    do {             \
        at = 0;      \
        return true; \
    } while (0)
/* Up to there, once the core goes on. */
#define STAND(at)      \
    do {               \
        at = __LINE__; \
        return false;  \
    case __LINE__:;    \
    } while (0)
/* Until that has been so. */
#define UNTIL(at, so)                 \
    do {                              \
        at = __LINE__;                \
        __attribute__((fallthrough)); \
    case __LINE__:                    \
        if (!(so))                    \
            return false;             \
    } while (0)

/* A store: see party_store. */
#define STORE(at, line, word, value)          \
    do {                                      \
        UNTIL(at, party_is_now(p, m));        \
        party_store(p, m, line, word, value); \
    } while (0)

/* False: something happens before the core's clock, and it goes on behind that. */
bool party_is_now(struct party *p, struct member *m);
/* The core has the line, to read; or alone, with its earlier stores done, and does one atomic
 * operation on it. */
bool party_loaded(struct party *p, struct member *m, uint32_t line);
bool party_owned(struct party *p, struct member *m, uint32_t line);
/* A store, which goes on behind the core's back, behind its earlier ones. word: NULL, where what it
 * is does not matter. */
void party_store(struct party *p, struct member *m, uint32_t line, uint64_t *word, uint64_t value);
/* As the core sees it, behind its own stores. */
uint64_t party_word(const struct member *m, const uint64_t *word);
/* The core looks at a line in a loop: false where it has gone, and the next look fetches it;
 * else it stands still until then. */
bool party_spins(struct party *p, struct member *m, uint32_t line);

static inline void takes(struct member *m, double cycles)
{
    m->clock += (uint64_t)(cycles + 0.5);
}

static inline uint32_t line_of(const struct party *p, uint32_t core, uint32_t which)
{
    return p->own + core * CORE_LINES + which;
}

/* The lines that hold the state, from `first` on: they come together. When they are there. */
uint64_t party_asks_all(struct party *p, struct member *m, uint32_t first);
/* They are written. */
void party_writes_all(struct party *p, struct member *m, uint32_t first);
/* An operation on lines that the core has. */
static inline void apply_here(struct party *p, struct member *m)
{
    takes(m, p->sharing->lines * p->costs->line);
}
void party_counts_row(struct party *p, const struct member *m);

/* What is looked at while a core waits: on the mean, and each time it backs off. */
double party_moment(const struct party *p, const struct member *m);
double party_back_off(const struct party *p, const struct member *m);

/* A core that waits for another one goes on, in its first turn at that time or later. */
uint64_t party_turn_at(const struct party *p, const struct member *m, uint64_t when);
void party_wakes(struct party *p, struct member *m, uint64_t when);
/* The first of the core's stores is there; a core has lost a line. */
void party_stored(struct member *m);
void party_lost(void *party, uint32_t core, uint32_t line, uint64_t when);
void party_push(struct party *p, uint64_t time, uint32_t kind, uint32_t core);

/* --- The object, and what a core does --- */

bool party_applies(struct party *p, struct member *m);
bool party_polls(struct party *p, struct member *m);
void party_begins_window(struct party *p, uint64_t now);
double party_varies(const struct member *m);
bool party_lives(struct party *p, struct member *m);

/* --- Counting --- */

/* At a COUNTS event: whether the run has ended. What it says in the end. */
bool party_counts(struct party *p);
void party_says(const struct party *p, struct sharing_done *done, struct sharing_outcome *outcome);
/* A form is chosen; none is; and, where its rate is known, the chooser goes on until it wants a race. */
void party_is_steady(struct party *p);
void party_is_restless(struct party *p);
void party_skips(struct party *p);

/* --- Forms --- */

bool party_locked_take(struct party *p, struct member *m, uint32_t form);
bool party_locked_leave(struct party *p, struct member *m, uint32_t form);
/* Operations: `refused` says that the mode has changed, and nothing was done. */
bool party_locked_apply(struct party *p, struct member *m);
bool party_delegated_apply(struct party *p, struct member *m);
bool party_delegated_serve(struct party *p, struct member *m);
bool party_replicated_apply(struct party *p, struct member *m);
bool party_replicated_follow(struct party *p, struct member *m);
bool party_replicated_end(struct party *p, struct member *m);
/* It has a replica now; the line of the log where an entry of that position is. */
bool party_follows(const struct party *p, const struct member *m);
uint32_t party_log_line(const struct party *p, uint64_t position);
void party_replicated_begin(struct party *p, struct member *m, uint64_t mode);
