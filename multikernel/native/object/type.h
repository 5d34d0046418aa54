/* An object, described once: how many bytes its state has, what they are at first, and what an
 * operation makes of them. Forms (form.h) are drivers over this: none of them knows a type, and no
 * type knows whether its state is locked, owned or replicated.
 *
 * State is flat, without pointers, in words that move one by one through relaxed atomics: a core
 * may read a state while another writes it, and finds out afterwards. So `apply` has to end,
 * within the state, whatever a word holds; a type that cannot promise it says that its words are
 * plain ones (`plain`). It depends on state and operation alone: replicas that apply the same
 * operations in the same order are equal.
 *
 * What one operation is, and what there is of a log and of check, apply and undo, is after NrOS
 * (Bhardwaj et al., OSDI'21), and this core's monitor (monitor/operation.h). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"

enum { OPERATION_VALUES = 4, OPERATION_WORDS = 2 + OPERATION_VALUES };

/* With the word of its carrier and the one that publishes it, a line. A kind is 1 to 255. */
struct operation {
    uint64_t kind, key, value[OPERATION_VALUES];
};
static_assert(sizeof(struct operation) == 8 * OPERATION_WORDS, "words, and nothing between");

enum { OPERATION_READS = 0x80 }; /* in a kind: it changes nothing */

static inline bool operation_reads(const struct operation *operation)
{
    return operation->kind & OPERATION_READS;
}

enum result_status {
    RESULT_OK,
    RESULT_ABSENT, /* no such key */
    RESULT_FULL,
    RESULT_EMPTY,
    RESULT_BAD,     /* no such kind of operation, or key, or value: nothing was done */
    RESULT_REFUSED, /* nothing was done, and the value says why */
};

struct result {
    uint64_t status, value;
};

/* Words of a state. */
typedef _Atomic uint64_t state_word;

static inline uint64_t state_get(const state_word *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}
static inline void state_set(state_word *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* What several cores may do to one state at once, without any exclusion. It works on a state of its
 * own, which is opened with what the object's holds and can be closed under way: from then on
 * `apply` does nothing and says so, however long ago its caller began. */
struct lockfree {
    bool (*suits)(uint32_t shape);
    bool (*apply)(void *free, const struct operation *operation, struct result *result);
    void (*open)(void *free, const void *state);
    void (*close)(void *free, void *state);
};

struct object_type {
    const char *name;
    uint64_t (*bytes)(uint32_t shape); /* 0: there is no such shape */
    void (*init)(void *state, uint32_t shape);
    void (*apply)(void *state, const struct operation *operation, struct result *result);
    /* For who must know before: would it change the state now, or refuse? */
    bool (*check)(const void *state, const struct operation *operation);
    /* Of the last operation that was applied, with its result: the state answers as before. */
    void (*undo)(void *state, const struct operation *operation, const struct result *result);
    const struct lockfree *lockfree; /* NULL: there is none */
    /* Its words are not atomic, and make sense together only: nobody reads a state that another core
     * may be writing, not even to copy it. */
    bool plain;
};

/* Counters: each on a line of its own; an operation takes `value[0]` of them, from `key` on. ADD adds
 * 1 to each, and `value[1]`. They have room for 2^63, which whoever adds keeps to. */
enum { COUNTERS_ADD = 1, COUNTERS_SUM = 2 | OPERATION_READS, COUNTERS_MOST = 32 };
/* The result of both is the sum before. Shape: how many. */
extern const struct object_type object_counters;

/* A hash map, of keys that are not 0. Shape: slots, a power of two; seven of eight may be in use.
 * The result is the value before, and ABSENT where there was none. */
enum {
    MAP_GET = 1 | OPERATION_READS,
    MAP_PUT = 2,
    MAP_REMOVE = 3,
    MAP_ADD = 4, /* to no value as to 0 */
    MAP_SLOTS_MOST = 1 << 24,
};
extern const struct object_type object_map;

/* A FIFO queue of values below 2^32. Shape: how many it holds, a power of two. */
enum {
    QUEUE_PUT = 1,
    QUEUE_TAKE = 2,
    QUEUE_FRONT = 3 | OPERATION_READS,
    QUEUE_SLOTS_MOST = 1 << 24,
};
extern const struct object_type object_queue;

/* The mapping database of a core's capabilities (capability/cspace.h), with the product's own checks
 * and changes: which memory is what. A key is a slot; 0 is the root's. Shape: slots, a power of two.
 * The result of FIND and COUNT is OK. */
enum {
    MAPPINGS_INSERT = 1, /* RAM or a Frame of address, size and type, in an empty slot */
    MAPPINGS_REMOVE = 2, /* result: its address */
    MAPPINGS_REVOKE = 3, /* what is made of it, and its copies; result: how many */
    MAPPINGS_FIND = 4 | OPERATION_READS, /* result: the innermost slot that has the byte `key`; or
                                             ABSENT */
    MAPPINGS_COUNT = 5 |
        OPERATION_READS, /* result: those that have a byte of the size value[0] from
                                             `key` on */
    MAPPINGS_SLOTS_LEAST = 4,
    MAPPINGS_SLOTS_MOST = 256,
    MAPPINGS_REVOKED_MOST = 16, /* by one REVOKE; more: REFUSED, CAP_MORE */
};
/* REFUSED: a verdict of capability/capability.h. */
extern const struct object_type object_mappings;
