/* What a core's driver has of the multikernel: its monitor, and what the monitor is given. */
#pragma once

#include "driver/driver.h"
#include "multikernel/record.h"

struct multikernel {
    /* Two cache lines that every message looks at. */
    _Alignas(LINE_BYTES) struct monitor *monitor;
    struct output *output;
    struct record *record;    /* NULL: nothing is written down */
    struct trace *trace;      /* the driver's */
    bool watched;             /* there is one of the two */
    _Atomic uint64_t waiting; /* the monitor wants a tick; where the loop sees it */
    uint64_t next_tick;       /* ... when, in cycles */
    struct environment environment;
    struct environment ahead; /* the same for what is asked ahead of a step: no part of a record */
    uint64_t asked, ticket;   /* that memory is asked about, if ticket is not 0 */
    struct routing routing;
};

static inline struct multikernel *multikernel_of(const struct driver *d)
{
    return d->kernel_state;
}
static inline struct monitor *monitor_of(const struct driver *d)
{
    return multikernel_of(d)->monitor;
}

/* What a core's state has room for. */
struct monitor_shape multikernel_shape(uint32_t cores, uint32_t slots_per_core, uint32_t cnodes);

/* --- monitor_port.c --- */

/* Steps the monitor and delivers what comes out; returns the verdict of a DONE output for ticket,
 * else PENDING. */
enum verdict monitor_turn(struct driver *driver, const struct input *input, uint64_t ticket,
                          struct message *result);
/* An input that is answered at once and puts out nothing: its verdict, and what was made. */
enum verdict monitor_local(struct driver *driver, const struct input *input, uint64_t *made);
/* What another core's monitor says. */
bool monitor_message(struct driver *driver, const struct arrival *arrival);
/* An operation of this core, as kernel->begin has it. */
enum verdict monitor_begin(struct driver *driver, const struct request *request,
                           struct message *result);
