/* The block of an object, and what all its forms share. */
#pragma once

#include "arch/arch.h"
#include "base/align.h"
#include "base/hint.h"
#include "base/wait.h"
#include "object/object.h"

#define OBJECT_MAGIC 0x31304a424f4b4d75ull /* "uMKOBJ01" */

/* Nobody writes it once it is made. */
struct object_header {
    _Alignas(PAD_BYTES) uint64_t magic;
    uint64_t bytes;
    struct object_geometry geometry;
};
static_assert(sizeof(struct object_header) == PAD_BYTES, "the header is a line of its own");

/* A mode is an epoch and a form; no mode comes twice. */
enum { FORM_BITS = 8, FORM_MASK = (1 << FORM_BITS) - 1 };

struct object_line {
    /* Written by the owner. */
    _Alignas(PAD_BYTES) _Atomic uint64_t mode;
    _Atomic uint64_t start;    /* where the log of the replicated form begins, */
    _Atomic uint64_t combined; /* and that of the combined one; 0: nowhere */
    /* The lock of the optimistic form: odd while somebody writes. */
    _Alignas(PAD_BYTES) _Atomic uint64_t sequence;
    /* Agreed in one phase: how many operations all that have a replica have. Written by the owner. */
    _Alignas(PAD_BYTES) _Atomic uint64_t released;
};

enum { OBJECT_COPIES = 3 };

/* Written by its core. */
struct object_core_line {
    _Alignas(PAD_BYTES) _Atomic uint64_t done;
    _Atomic uint64_t reads;
    _Atomic uint64_t position; /* of its replica, now and then; while it joins the owner's */
    /* Of its replica, and of its snapshots: twice the position that it is at; odd: between two. */
    _Atomic uint64_t version[OBJECT_COPIES];
};

/* A node's, written under its lock (combined.h). */
struct object_node {
    struct lock lock;
    _Alignas(PAD_BYTES) _Atomic uint64_t epoch; /* the mode that its replica is of */
    _Atomic uint64_t position;                  /* of the next entry to apply */
    _Atomic uint64_t limit;                     /* up to where there is room in the log */
};

/* An operation that a core has posted, in the mode that `control` says; 0: its result. */
struct object_post {
    _Alignas(PAD_BYTES) struct slot slot;
};

/* Kinds that are no operation's. */
enum { KIND_CLOSE = 1 << 8, KIND_JOIN = 2 << 8 };

/* What one core's calls come on: a line of its own. */
enum { CALL_SLOTS = PAD_BYTES / sizeof(struct slot) };

/* What is in the last word of a request, and of its reply. */
enum { REQUEST_MODE = MESSAGE_WORDS - 1 };
enum { REPLY_DONE = 0, REPLY_REFUSED = 1 };

static inline uint64_t object_mode(const struct object *o)
{
    /* Pairs with the release stores of object_switch: who finds a form finds the state that it
     * begins with. */
    return atomic_load_explicit(&o->line->mode, memory_order_acquire);
}

/* The second look: under an exclusion that the owner changes the mode in, or after it. */
static inline bool object_mode_is(const struct object *o, uint64_t mode)
{
    return atomic_load_explicit(&o->line->mode, memory_order_relaxed) == mode;
}

/* One moment of a wait: this core's duties, and the caller's. For what comes once, and is for this
 * core: it looks again soon. */
static inline void object_moment(struct object *o)
{
    o->waiter.while_waiting(o->waiter.context);
}

/* For what others want as well: each look takes a line away from them. */
static inline void object_back_off(struct object *o)
{
    o->backing_off.while_waiting(o->backing_off.context);
}

static inline void *object_replica_of(const struct object *o, uint32_t core)
{
    return (char *)o->replica + ((int64_t)core - o->me) * (int64_t)o->replica_bytes;
}

/* Word by word: another core may be writing one of the two. */
static inline void object_copy(void *to, const void *from, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes / sizeof(state_word); i++)
        state_set((state_word *)to + i, state_get((const state_word *)from + i));
}

static inline void object_put_operation(struct slot *slot, const struct operation *o)
{
    slot_set(slot, 0, o->kind);
    slot_set(slot, 1, o->key);
    for (uint32_t i = 0; i < OPERATION_VALUES; i++)
        slot_set(slot, 2 + i, o->value[i]);
}

static inline void object_get_operation(const struct slot *slot, struct operation *o)
{
    o->kind = slot_word(slot, 0);
    o->key = slot_word(slot, 1);
    for (uint32_t i = 0; i < OPERATION_VALUES; i++)
        o->value[i] = slot_word(slot, 2 + i);
}
static_assert((int)OPERATION_WORDS == (int)REQUEST_MODE, "an operation and its mode are a message");
