/* A lock between cores, in shared memory: two functions. Algorithms come and go behind them; the
 * shared kernel knows only this.
 *
 * A core that waits must go on answering what the lock's holder may ask of it (a holder waiting for
 * acknowledgements from a core that waits for the holder is the classic shootdown deadlock), so
 * acquire is given something to do while it waits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"

/* One a core, in the segment, on a line of its own: the core spins on it. */
struct lock_node {
    _Alignas(PAD_BYTES) _Atomic uint32_t waiting;
    _Atomic uint32_t next; /* core + 1 of the successor, 0: none */
};

struct lock {
    _Alignas(PAD_BYTES) _Atomic uint32_t tail; /* core + 1 of the last in the queue, 0: free */
};

/* Called again and again while waiting; crowded machines yield in it. */
struct lock_waiter {
    void (*while_waiting)(void *context);
    void *context;
};

struct lock_algorithm {
    const char *name;
    void (*acquire)(struct lock *lock, struct lock_node *nodes, uint32_t me,
                    const struct lock_waiter *waiter);
    void (*release)(struct lock *lock, struct lock_node *nodes, uint32_t me);
};

extern const struct lock_algorithm lock_mcs;
