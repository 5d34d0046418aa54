/* The shared kernel in virtual time: the product's own object files (shared/, the driver's requests)
 * on every modelled core, over one state. Modelled are the locks (shared_lock.c), the notification
 * of a page's holders (shared_notify.c), the page tables, and the time that the rest takes. An
 * operation runs as on a real core, and stands still wherever it waits for a line, a lock, or other
 * cores, while virtual time goes on; so operations meet each other as they would there. */
#pragma once

#include "virtual/answer.h"
#include "virtual/shared_work.h"
#include "virtual/world.h"

struct shared_cores;

struct shared_shape {
    uint32_t slots_per_core, cnodes;
    uint32_t lock_scope;  /* of capabilities: as a driver's options have it */
    uint32_t along_trees; /* not 0: holders are notified so; else by one line that all poll */
    uint64_t pages;       /* of memory */
};

/* NULL: no memory. Machine and work table outlive it. */
struct shared_cores *shared_cores_new(const struct machine *machine, const struct shared_work *work,
                                      const struct shared_shape *shape);
void shared_cores_free(struct shared_cores *s);

struct world *shared_cores_world(struct shared_cores *s);

/* As monitors_ask and monitors_run. */
bool shared_cores_ask(struct shared_cores *s, uint64_t time, uint32_t from, uint32_t core,
                      uint64_t ticket, const struct message *request, const uint64_t *kept);
bool shared_cores_run(struct shared_cores *s, struct answer *answer);

/* From now on what runs between two places where it may stand still is timed on this host, into that
 * table of SHARED_KEYS; or, which would disturb that, lines that move are counted. Cores that are
 * notified do their part at once. What reading the clock takes, in cycles. */
double shared_cores_measure(struct shared_cores *s, struct work_sample *samples, bool lines);
