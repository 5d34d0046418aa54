/* The CPU driver's loop: turns for as long as there is something, then what can wait, then sleep. */
#include "driver/driver.h"

enum {
    REAP_BATCH = 16,
    /* a core may be told to spin for long: it sees the end of the system all the same */
    STOP_LOOKS = 1024,
};

enum event driver_run(struct driver *d)
{
    struct wait wait = {0};
    driver_enter(d);
    interrupt_tick(d, false);
    d->inside = true;
    while (d->event == EVENT_NONE) {
        if (driver_poll(d)) {
            wait_restart(&wait);
            continue;
        }
        bool patient = !wait_step(&wait, &d->patience);
        if ((!patient || wait.rounds % STOP_LOOKS == 0) && driver_stopped(d))
            d->event = EVENT_STOP;
        else if (patient)
            continue;
        else if (!vspace_reap(&d->vspace, REAP_BATCH))
            driver_park(d);
    }
    enum event event = d->event;
    d->event = EVENT_NONE;
    d->inside = false;
    interrupt_tick(d, event == EVENT_RUN);
    driver_leave(d);
    return event;
}
