/* The shared kernel's own way to notify: one line that all cores poll (change_line.h). A core that
 * computes is signalled, one that is parked is woken. */
#include "shared/shared.h"

static bool is_meant(struct driver *d, uint32_t slot)
{
    struct shared_kernel *k = shared_state(d);
    if (k->set_words == 1)
        return change_targets(&k->line) >> d->me & 1;
    bool has = core_set_has(entry_at(k, slot)->sets, d->me);
    /* Pairs with the fence in await: a core that has read holders of another time reads the
     * line's number as it was then, or later. */
    atomic_thread_fence(memory_order_acquire);
    return has;
}

bool line_serve(struct driver *d)
{
    struct shared_kernel *k = shared_state(d);
    struct change_line *line = &k->line;
    uint64_t sequence = change_look(line, &d->pending_seen);
    if (!sequence)
        return false;
    uint32_t slot = change_slot(line);
    if (!is_meant(d, slot) || !change_holds(line, sequence))
        return false;
    /* Relaxed: it holds, so the acquire in change_look orders them. */
    enum change_kind what = atomic_load_explicit(&line->what, memory_order_relaxed);
    uint32_t rights = atomic_load_explicit(&line->rights, memory_order_relaxed);
    if (shared_own_part(d, slot, what, rights, &entry_at(k, slot)->page) != VERDICT_OK)
        atomic_store_explicit(&line->failed, 1, memory_order_relaxed);
    change_acknowledge(line);
    if (what == CHANGE_UNMAP)
        shared_retire(d, slot);
    return true;
}

static void notify_holders(struct driver *d, uint32_t slot, enum change_kind what, uint32_t rights)
{
    struct shared_kernel *k = shared_state(d);
    const uint64_t *holders = entry_at(k, slot)->sets;
    const uint32_t count = shared_others(d, holders);
    shared_private(d)->missing = NULL;
    if (!count)
        return;
    struct change change = {.slot = slot, .what = (uint8_t)what, .rights = (uint8_t)rights};
    change.targets = holders[0] & (d->me < 64 ? ~(1ull << d->me) : ~0ull);
    shared_private(d)->missing = change_write(&k->line, &change, count, &d->pending_seen);
    for (uint32_t core = core_set_next(holders, d->cores, 0); core < d->cores;
         core = core_set_next(holders, d->cores, core + 1))
        if (core != d->me)
            doorbell_ring(d->peers[core].doorbell);
}

static enum verdict await(struct driver *d)
{
    struct shared_kernel *k = shared_state(d);
    _Atomic uint32_t *missing = shared_private(d)->missing;
    if (!missing)
        return VERDICT_OK;
    /* No other change can come now: we hold the lock. */
    while (change_missing(missing))
        shared_breathe(d);
    if (k->set_words > 1) {
        /* Sets larger than a word are in the entry, which may change from now on, and somebody not
         * meant may still be looking. */
        atomic_store_explicit(&k->line.number, 0, memory_order_relaxed);
        atomic_thread_fence(memory_order_release); /* pairs with is_meant */
    }
    return atomic_load_explicit(&k->line.failed, memory_order_relaxed) ? VERDICT_HOST : VERDICT_OK;
}

static void meanwhile(struct driver *d)
{
    if (!line_serve(d))
        shared_breathe(d);
}

const struct notification notification_by_line = {notify_holders, await, meanwhile};
