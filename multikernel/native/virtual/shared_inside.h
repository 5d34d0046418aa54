/* What the files of the modelled shared kernel share. */
#pragma once

#include <ucontext.h>

#include "shared/capabilities.h"
#include "shared/shared.h"
#include "virtual/shared.h"

/* As virtual/monitors_inside.h has it. */
#define ASK_TOKEN (1ull << 32)

/* What a core is woken for; a number stands beside it: of the ask. */
enum waking {
    WAKE_ASKS,    /* a program on it asks, or its request has come */
    WAKE_GOES_ON, /* its operation, which has been busy, or has waited */
    WAKE_HANDED,  /* ... which is given the lock that it waits for, by the core of that number */
    WAKE_SEES,    /* the line has been written by which it is notified */
    WAKE_READS,
    WAKE_DONE, /* ... and it acknowledges */
    WAKE_COUNTS,
    WAKING_BITS = 3
};

/* A lock, and its queue. Core numbers count from 1; 0: nobody. */
struct modelled_lock {
    uint32_t holder, first, last; /* waiting, in order */
    uint32_t tail;                /* who has the tail's line, */
    uint64_t tail_free;
    uint32_t had; /* and who had the lock last */
};

/* A line that several want: who wrote it last, and who has it now. */
struct shared_line {
    uint32_t writer, holder;
    uint64_t free;
};

struct shared_ask {
    struct message request, reply;
    uint64_t *kept;
    uint64_t ticket, began;
    uint32_t from, core;
    uint32_t next; /* free, or behind it on its core: the next one */
};

struct shared_core {
    struct driver *driver;
    void *stack;
    ucontext_t inside;
    uint32_t ask;         /* that runs; 0: none */
    uint32_t first, last; /* that wait */
    uint32_t queued;      /* for a lock: who is behind it, from 1; 0: nobody */
    uint64_t linked;      /* ... is known from then on */
    uint64_t sent;        /* its last message is there */
    bool awaits;          /* acknowledgements, and nothing else */
    bool moved;           /* the state's lines have come for this operation */
    bool cleared;
};

struct shared_cores {
    struct world world;
    /* The request that runs on that core, as its driver answers it. */
    void (*serves)(struct shared_cores *s, uint32_t core);
    const struct shared_work *work;
    struct shared_shape shape;
    struct work_sample *samples;
    struct segment *segment;
    struct shared_core *core;
    struct modelled_lock *lock; /* the kernel's, regions', spaces' */
    char *memory;               /* what pages hold */
    bool counts_lines;
    char *before, *writer; /* ... the state, and by line who wrote it */
    uint64_t state_bytes, segment_bytes;
    ucontext_t outside;
    uint32_t at;    /* the core that runs, */
    uint32_t kind;  /* ... at what */
    uint64_t since; /* ... and since when, on this host */
    enum shared_stage last;
    struct shared_line change, counter;
    uint32_t *reader; /* by slot: who has read the entry since its last change, from 1; 0: nobody */
    uint32_t initiator, acknowledgements, acknowledged, counted; /* wanted, there, seen */
    struct shared_ask *ask;
    uint32_t asks, ask_room, ask_free;
    struct answer *done;
    uint32_t done_first, done_count, done_room;
};

/* Whose operation runs: locks and transports know no context. */
extern _Thread_local struct shared_cores *shared_at_work;

static inline uint32_t shared_place(const struct shared_cores *s, uint32_t core)
{
    return s->world.machine->place[core];
}

static inline void shared_wake(struct shared_cores *s, uint32_t core, uint64_t time,
                               enum waking what, uint32_t number)
{
    world_wake(&s->world, core, time, (uint32_t)what | number << WAKING_BITS);
}

/* A line of the state, which lies with core 0, or with whoever has it, at the clock, which is the
 * world's (lines.h: in the order of time); the core waits until it is there. */
static inline void shared_fetch(struct shared_cores *s, enum access access, uint32_t core,
                                uint32_t from, uint64_t *line_free)
{
    s->world.clock = line_move(&s->world.lines, s->world.clock, access, shared_place(s, core),
                               shared_place(s, from), shared_place(s, 0), line_free);
}

/* --- shared_run.c --- */

/* The operation that runs has come to that: what it took so far is charged. count: of cores that are
 * notified. From here on its time is not its own, up to shared_resumes. */
void shared_comes_to(struct shared_cores *s, enum shared_stage stage, uint32_t count);
void shared_resumes(struct shared_cores *s);
/* It stands still, until the core is woken to go on. */
void shared_stands(struct shared_cores *s);
/* ... up to its own clock: whatever happens earlier has happened then. */
void shared_catches_up(struct shared_cores *s);
/* That core's operation goes on, or begins. */
void shared_goes_on(struct shared_cores *s, uint32_t core);
/* Something runs on that core that is no operation: it is told of others'. */
void shared_is_told(struct shared_cores *s, uint32_t core, uint32_t kind);
void shared_was_told(struct shared_cores *s);

/* The core's coroutine. False: no memory. */
bool shared_lives(struct shared_cores *s, uint32_t core);
void shared_dies(struct shared_cores *s, uint32_t core);

/* --- shared_open.c --- */

bool shared_cores_open(struct shared_cores *s);
void shared_cores_close(struct shared_cores *s);

/* --- shared_lock.c --- */

extern const struct lock_algorithm lock_modelled;

/* --- shared_notify.c --- */

extern const struct notification notification_modelled_line, notification_modelled_tree;
extern const struct transport transport_modelled;
/* What a core is woken for of it. */
void shared_notified(struct shared_cores *s, uint32_t core, enum waking what);
void shared_message(struct shared_cores *s, uint32_t core, const struct packet *packet);
