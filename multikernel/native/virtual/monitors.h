/* The multikernel in virtual time: the monitor of every modelled core, the product's own object
 * files, over a world. Modelled are the messages, the page tables and the time that a step takes;
 * what is decided, sent and known is the monitors'. Around them stands what a driver does: requests
 * in its own words (driver/requests.h), from a program on a core or on another. */
#pragma once

#include "virtual/answer.h"
#include "virtual/work.h"
#include "virtual/world.h"

struct monitors;

/* NULL: no memory. Machine and work table outlive it; the shape's cores are the machine's. */
struct monitors *monitors_new(const struct machine *machine, const struct work_table *work,
                              const struct monitor_shape *shape);
void monitors_free(struct monitors *m);

struct world *monitors_world(struct monitors *m);
const struct monitor *monitors_monitor(const struct monitors *m, uint32_t core);

/* Before anything runs: the root's tree, of cores - 1 edges (tree_make). False: it is none, or
 * there is no memory. */
bool monitors_plant(struct monitors *m, uint32_t root, const uint32_t *edges);

/* A program on core `from` asks the kernel of core `core`, at that time. kept: the set that the
 * request names and no word holds, or NULL. False: no memory. */
bool monitors_ask(struct monitors *m, uint64_t time, uint32_t from, uint32_t core, uint64_t ticket,
                  const struct message *request, const uint64_t *kept);

/* Goes on until a program has its answer; false: nothing more happens. */
bool monitors_run(struct monitors *m, struct answer *answer);

/* Before anything runs: what each core does is kept, the last so many events, a power of two. False:
 * no memory. */
bool monitors_trace(struct monitors *m, uint64_t events);
/* NULL: that is not done. */
const struct trace_log *monitors_traced(const struct monitors *m, uint32_t core);

/* From now on steps are timed on this host, into that table of WORK_KEYS; NULL: no more. cold: a
 * monitor's state has left the caches when it begins a turn. The mean of what reading the clock
 * takes of a sample, in cycles. */
double monitors_measure(struct monitors *m, struct work_sample *samples, bool cold);
