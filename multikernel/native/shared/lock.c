/* The kernel's one lock, and waiting: a core that waits for it, or for what another core is at,
 * goes on acting on what it is notified of. */
#include "shared/shared.h"

void shared_while_waiting(void *context)
{
    struct driver *d = context;
    shared_private(d)->notification->meanwhile(d);
}

void shared_lock(struct driver *d)
{
    struct shared_kernel *k = shared_state(d);
    const struct lock_waiter waiter = {.while_waiting = shared_while_waiting, .context = d};
    shared_private(d)->lock->acquire(&k->lock, k->nodes, d->me, &waiter);
}

void shared_unlock(struct driver *d)
{
    struct shared_kernel *k = shared_state(d);
    shared_private(d)->lock->release(&k->lock, k->nodes, d->me);
}
