/* The shared kernel's own way of telling: one line that all cores poll (told_line.h); one that
 * computes is signalled, one that is parked is woken. Called by: page.c. */
#include "shared/shared.h"

static bool is_meant(struct driver *d, uint32_t slot)
{
    struct shared_kernel *k = shared_state(d);
    if (k->set_words == 1)
        return told_targets(&k->told) >> d->me & 1;
    bool has = core_set_has(entry_at(k, slot)->sets, d->me);
    /* Pairs with the fence in line_await: who read holders of another time reads the line's number
     * as it was then, or later. */
    atomic_thread_fence(memory_order_acquire);
    return has;
}

bool line_serve(struct driver *d)
{
    struct shared_kernel *k = shared_state(d);
    struct told_line *told = &k->told;
    uint64_t sequence = told_look(told, &d->pending_seen);
    if (!sequence)
        return false;
    uint32_t slot = told_slot(told);
    if (!is_meant(d, slot) || !told_holds(told, sequence))
        return false;
    const struct mapping *page = &entry_at(k, slot)->page;
    /* Relaxed: it holds, so the acquire in told_look orders them. */
    uint32_t what = atomic_load_explicit(&told->what, memory_order_relaxed);
    uint32_t rights = atomic_load_explicit(&told->rights, memory_order_relaxed);
    enum verdict verdict = VERDICT_OK;
    if (what == TELL_INSERT)
        verdict = vspace_insert(&d->vspace, slot, page->address, page->frame, page->length, rights);
    else
        verdict =
            vspace_protect(&d->vspace, slot, what == TELL_UNMAP ? (uint32_t)RIGHTS_NONE : rights);
    if (verdict != VERDICT_OK)
        atomic_store_explicit(&told->failed, 1, memory_order_relaxed);
    told_acknowledge(told);
    if (what == TELL_UNMAP)
        vspace_retire(&d->vspace, slot);
    return true;
}

_Atomic uint32_t *line_tell(struct driver *d, struct shared_entry *entry, uint32_t slot,
                            enum tell what, uint32_t rights)
{
    struct shared_kernel *k = shared_state(d);
    uint32_t count = shared_others(d, entry->sets);
    if (!count)
        return NULL;
    struct change change = {.slot = slot, .what = (uint8_t)what, .rights = (uint8_t)rights};
    change.targets = entry->sets[0] & (d->me < 64 ? ~(1ull << d->me) : ~0ull);
    _Atomic uint32_t *missing = told_write(&k->told, &change, count, &d->pending_seen);
    for (uint32_t core = core_set_next(entry->sets, d->cores, 0); core < d->cores;
         core = core_set_next(entry->sets, d->cores, core + 1))
        if (core != d->me)
            doorbell_ring(d->peers[core].doorbell);
    return missing;
}

enum verdict line_await(struct driver *d, _Atomic uint32_t *missing)
{
    struct shared_kernel *k = shared_state(d);
    /* Nobody else can tell anything now: we hold the lock. */
    while (missing && told_missing(missing))
        shared_breathe(d);
    if (missing && k->set_words > 1) {
        /* Sets larger than a word are in the entry, which may change from now on, and somebody not
         * meant may still be looking. */
        atomic_store_explicit(&k->told.number, 0, memory_order_relaxed);
        atomic_thread_fence(memory_order_release); /* pairs with is_meant */
    }
    return missing && atomic_load_explicit(&k->told.failed, memory_order_relaxed) ? VERDICT_HOST
                                                                                  : VERDICT_OK;
}
