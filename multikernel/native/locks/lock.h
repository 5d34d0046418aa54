/* A lock between cores, in shared memory: what all its kinds have in common. Each kind is one
 * header beside this one, opened by its guarantee and its paper:
 *
 *     ttas.h      unfair: test-and-test-and-set, with back-off
 *     ticket.h    FIFO, one line for all
 *     mcs.h       FIFO, a queue of nodes: each waiter looks at its own line
 *     hapax.h     FIFO, by values that never come again: no queue to be broken
 *     readers.h   many readers, each on its own line, or one writer
 *     robust.h    the host's mutex: the next holder hears of one that has died
 *
 * Memory of zeros is a free lock of every kind but robust.h's. Links are numbers of nodes, because
 * segments lie at different addresses in different processes.
 *
 * A core that waits must go on answering what the lock's holder may ask of it (a holder waiting for
 * acknowledgements from a core that waits for the holder is the classic shootdown deadlock), so
 * acquire is given something to do while it waits. It parks only where it is allowed to: waiting.h.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"

enum { LOCK_NONE = 0 }; /* of a node's number + 1 */

/* Where the waiters of a lock are parked: waiting.h. */
struct parking {
    _Atomic uint32_t parked; /* how many keep a place in the queue; bit 31: some at the door */
    _Atomic uint32_t epoch;  /* counts the wake-ups; the futex's word */
};

struct lock {
    _Alignas(PAD_BYTES) union {
        _Atomic uint32_t holder; /* ttas, readers (the writer): node + 1 */
        _Atomic uint32_t tail;   /* mcs: node + 1 of the last in the queue */
        struct {
            _Atomic uint32_t next, serving, owner; /* ticket; owner: node + 1, once it has come */
        };
        struct {
            _Atomic uint64_t arrived, departed; /* hapax: the last of each */
        };
        pthread_mutex_t mutex; /* robust */
    };
    _Atomic uint32_t last; /* node + 1: robust: who had it last; readers: the highest known */
    struct parking parking;
};
static_assert(sizeof(struct lock) == PAD_BYTES, "a lock is one place of one writer");

/* One a core, in the segment, on lines of its own; in one lock's queue at a time. */
struct lock_node {
    _Alignas(PAD_BYTES) _Atomic uint32_t waiting; /* mcs: up to the hand-over; readers: it reads */
    _Atomic uint32_t next;                        /* mcs: node + 1 of the successor */
    _Atomic uint32_t before; /* mcs, hapax: node + 1 of whom it waits for, while it does */
    _Atomic uint32_t parked; /* mcs: the waiter is, or about to be */
    _Atomic uint32_t cpu;    /* + 1, where the core is pinned to that one; 0: may be any */
    _Atomic uint32_t process;
    _Atomic uint64_t number;                        /* hapax: the last one drawn */
    _Alignas(LINE_BYTES) _Atomic uint64_t departed; /* hapax: others look here */
};
static_assert(sizeof(struct lock_node) == PAD_BYTES, "a node is one place of one writer");

/* How a core waits. All zeros: it spins, for ever. */
struct lock_waiter {
    /* Called again and again while waiting; crowded machines yield in it. */
    void (*while_waiting)(void *context);
    void *context;
    /* It may be put to sleep, 50 us at a time where it has something to do meanwhile. */
    bool parks;
    uint64_t patience_ns; /* then it gives up; 0: never */
};

enum lock_outcome {
    LOCK_TAKEN,
    LOCK_OWNER_DIED, /* taken, and what it guards is as the dead holder left it: robust alone */
    /* Not taken within the patience. Where there is a queue it cannot be left: nobody gets this
     * lock any more, even if its holder lives and releases it. */
    LOCK_GIVEN_UP,
};

struct lock_algorithm {
    const char *name;
    bool fifo;
    enum lock_outcome (*acquire)(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                 const struct lock_waiter *waiter);
    void (*release)(struct lock *lock, struct lock_node *nodes, uint32_t me);
    /* Who holds it, or is about to, as far as it shows: node + 1; 0: nobody. me: who asks. */
    uint32_t (*holder)(struct lock *lock, struct lock_node *nodes, uint32_t me);
};

/* For who does not know at compile time which; readers as a writer. The last is NULL. */
extern const struct lock_algorithm *const lock_algorithms[];
extern const struct lock_algorithm lock_mcs; /* of the shared kernel */
