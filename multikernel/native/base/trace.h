/* What a core does, as events of one size in a ring of the core's own: the same for a core that is
 * a process and for a modelled one. Where it is full the oldest go, and who reads it learns how many
 * have gone.
 *
 * One writer, which never waits; any reader, at any time. Idea: a sequence lock without the lock
 * (Boehm, MSPC'12): an event that may have been written over while it was copied is left out. */
#pragma once

#include "base/message.h"

enum trace_kind {
    TRACE_BEGAN = 1, /* the core turns to what has come: what (enum input_kind), about, peer, ... */
    TRACE_STEP,      /* a step of its monitor begins; */
    TRACE_STEPPED,   /* ... and ends: the operation, phase and role that it was about */
    TRACE_SENT,      /* a message to a peer, or a reply (what: enum output_kind) */
    TRACE_DONE,      /* an operation that was asked for here: about its ticket, with a verdict */
    TRACE_ENDED,     /* of what the last TRACE_BEGAN began */
    TRACE_PARKS,     /* the core sleeps; */
    TRACE_WOKEN,     /* ... no more */
    TRACE_PROGRAM,   /* a program runs on it; */
    TRACE_PROGRAM_ENDED,
    TRACE_KINDS
};

struct trace_event {
    uint64_t time;            /* cycles */
    uint64_t about;           /* the attempt (monitor/protocol.h), or the ticket of an operation */
    uint64_t object;          /* what it is about: word 2 of a message */
    uint8_t kind;             /* enum trace_kind */
    uint8_t operation, phase; /* enum operation_number, agreement_kind; OPERATIONS, 0: none */
    uint8_t verdict;
    uint16_t peer;
    uint8_t what, role;
};

enum { TRACE_WORDS = 4 };
static_assert(sizeof(struct trace_event) == 8 * TRACE_WORDS, "an event is whole words");

struct trace_log {
    _Alignas(PAD_BYTES) _Atomic uint64_t count; /* that were ever written */
    _Alignas(PAD_BYTES) _Atomic uint64_t word[];
};

/* The writer's. */
struct trace {
    struct trace_log *log;
    uint64_t count, mask;
};

/* Bytes of a log of so many events, a power of two. */
static inline uint64_t trace_bytes(uint64_t events)
{
    return events ? sizeof(struct trace_log) + events * sizeof(struct trace_event) : 0;
}

static inline void trace_put(struct trace *t, const struct trace_event *event)
{
    _Atomic uint64_t *to = &t->log->word[TRACE_WORDS * (t->count & t->mask)];
    uint64_t word[TRACE_WORDS];
    __builtin_memcpy(word, event, sizeof word);
    /* Pairs with the fence of trace_read: who sees a word of this event also sees the count that
     * was published before it. */
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < TRACE_WORDS; i++)
        atomic_store_explicit(&to[i], word[i], memory_order_relaxed);
    /* Pairs with the first load of trace_read. */
    atomic_store_explicit(&t->log->count, ++t->count, memory_order_release);
}

/* What there is nothing more to say of. */
static inline void trace_mark(struct trace *t, uint64_t now, enum trace_kind kind)
{
    const struct trace_event event = {.time = now, .kind = (uint8_t)kind};
    trace_put(t, &event);
}

/* Copies what is still there of the last `events`, the log's size, oldest first, and how many there
 * were ever. How many were copied. */
static inline uint64_t trace_read(const struct trace_log *log, uint64_t events,
                                  struct trace_event *to, uint64_t *count)
{
    /* Pairs with the store of the count. */
    const uint64_t end = atomic_load_explicit(&log->count, memory_order_acquire);
    uint64_t first = end > events ? end - events : 0;
    for (uint64_t i = first; i < end; i++) {
        uint64_t word[TRACE_WORDS];
        for (int w = 0; w < TRACE_WORDS; w++)
            word[w] = atomic_load_explicit(
                &log->word[TRACE_WORDS * (i & (events - 1)) + (uint64_t)w], memory_order_relaxed);
        __builtin_memcpy(&to[i - first], word, sizeof word);
    }
    /* Pairs with the fence of trace_put. */
    atomic_thread_fence(memory_order_acquire);
    const uint64_t now = atomic_load_explicit(&log->count, memory_order_relaxed);
    /* One more may be being written, over the oldest. */
    uint64_t gone = now + 1 > first + events ? now + 1 - events - first : 0;
    gone = gone < end - first ? gone : end - first;
    __builtin_memmove(to, to + gone, (end - first - gone) * sizeof *to);
    *count = end;
    return end - first - gone;
}
