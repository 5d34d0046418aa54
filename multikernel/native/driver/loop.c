/* The CPU driver's loop: turns for as long as there is something, then what can wait, then sleep;
 * and the same in the middle of a system call that waits. */
#include <unistd.h>

#include "driver/driver.h"

enum {
    REPLY_LOOKS = 4,
    SHORT_SLICE_US = 50,
    STOP_LOOKS = 1024, /* a core that spins for long sees the end of the system all the same */
};

static void mark(struct driver *d, enum trace_kind kind)
{
    if (d->trace)
        trace_mark(d->trace, arch_cycles(), kind);
}

static void park(struct driver *d)
{
    uint32_t seen = doorbell_bell(d->doorbell);
    doorbell_enter(d->doorbell, d->transport->by_host ? MODE_LISTENING : MODE_PARKED);
    /* Once more: what was published before our mode was visible. Pairs with doorbell_ring. */
    if (!driver_poll(d) && !driver_stopped(d)) {
        /* With something to try again by time, sleep for moments only. */
        bool again = d->deferred_count || d->groups_waiting ||
                     atomic_load_explicit(d->pending, memory_order_relaxed) != d->pending_seen;
        atomic_fetch_add_explicit(&d->doorbell->parks, 1, memory_order_relaxed);
        const uint32_t slice_us = again ? SHORT_SLICE_US : d->slice_us;
        mark(d, TRACE_PARKS);
        if (d->transport->park)
            d->transport->park(d, slice_us);
        else
            doorbell_park(d->doorbell, seen, slice_us);
        mark(d, TRACE_WOKEN);
        watch_doubted(d);
    }
    doorbell_poll(d->doorbell);
}

void driver_wait(struct driver *d, struct wait *wait)
{
    /* Mostly it is a reply that is waited for: look there more often than everywhere. */
    for (int i = 0; i < REPLY_LOOKS && d->awaited_count; i++) {
        if (driver_poll_replies(d)) {
            wait_restart(wait);
            return;
        }
        wait_relax((uint32_t)i);
    }
    if (driver_poll(d) || driver_owed(d)) {
        wait_restart(wait);
        return;
    }
    if (!wait_step(wait, &d->patience))
        return;
    if (driver_stopped(d))
        _exit(0); /* the system is being taken down in the middle of a system call */
    park(d);
}

enum event driver_run(struct driver *d)
{
    struct wait wait = {0};
    driver_keep_out(d, true);
    fault_stand_first();
    interrupt_arm();
    driver_enter(d);
    interrupt_tick(d, false);
    mark(d, TRACE_PROGRAM_ENDED);
    while (d->event == EVENT_NONE) {
        /* Relaxed: a hint; driver_unpin_dropped looks itself. */
        if (atomic_load_explicit(&d->dropped, memory_order_relaxed))
            driver_unpin_dropped(d);
        if (driver_poll(d) || driver_owed(d)) {
            wait_restart(&wait);
            continue;
        }
        bool patient = !wait_step(&wait, &d->patience);
        if ((!patient || wait.rounds % STOP_LOOKS == 0) && driver_stopped(d))
            d->event = EVENT_STOP;
        else if (patient)
            continue;
        else if (!vspace_reap(&d->vspace, RETIRED_KEPT))
            park(d);
    }
    enum event event = d->event;
    d->event = EVENT_NONE;
    if (event == EVENT_RUN)
        mark(d, TRACE_PROGRAM);
    interrupt_tick(d, event == EVENT_RUN);
    driver_leave(d);
    driver_keep_out(d, false);
    return event;
}
