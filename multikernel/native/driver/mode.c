/* In the driver, or in a program: what is published, and what may interrupt. */
#include "driver/driver.h"

void driver_enter(struct driver *d)
{
    d->disabled = 1;
    /* The handler runs on this very thread: a compiler barrier is enough. */
    atomic_signal_fence(memory_order_seq_cst);
    doorbell_poll(d->doorbell);
    if (d->transport->interrupt)
        d->transport->interrupt(d, false);
}

void driver_leave(struct driver *d)
{
    driver_resume(d);
    if (d->transport->interrupt)
        d->transport->interrupt(d, true); /* what has come meanwhile interrupts now */
}

void driver_resume(struct driver *d)
{
    for (;;) {
        doorbell_enter(d->doorbell, MODE_USER);
        /* what was published before our mode was visible; pairs with doorbell_ring */
        driver_poll(d);
        notify_all(d);
        d->disabled = 0;
        atomic_signal_fence(memory_order_seq_cst);
        if (!d->mark)
            return;
        d->disabled = 1;
        atomic_signal_fence(memory_order_seq_cst);
        d->mark = 0;
    }
}
