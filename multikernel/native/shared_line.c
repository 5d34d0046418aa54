/* The shared kernel's own way of telling: one shared line (a sequence number, what to do, and the count of acknowledgements still
 * missing) which every core polls; one that computes is signalled, one that is parked is woken. With one core to tell, line and counter
 * travel together: as many line transfers as a message and its reply. With more, the counter has a line of its own, so that the
 * acknowledgements do not disturb the cores that have yet to read. Called by: shared_kernel.c. */
#include "shared_kernel.h"

bool line_serve(struct driver *d)
{
    struct shared_kernel *k = d->shared;
    struct told_line *told = &k->told;
    /* Pairs with the release store in line_tell(). */
    uint64_t sequence = atomic_load_explicit(&told->sequence, memory_order_acquire);
    if (sequence == d->told_seen)
        return false;
    d->told_seen = sequence;
    uint32_t slot = atomic_load_explicit(&told->slot, memory_order_relaxed);
    struct shared_entry *entry = entry_at(k, slot);
    if (k->set_words == 1 ? !(atomic_load_explicit(&told->targets, memory_order_relaxed) >> d->me & 1)
                          : !core_set_has(entry->sets, d->me))
        return false;
    /* If we were meant the line cannot change until we acknowledge: its writer holds the lock and waits. If we were not, it may have,
     * under our eyes, to something that is meant for us, and that we shall see by its own sequence number. The fence pairs with
     * the one in line_tell(): who read a word of the next change reads its number here. */
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&told->number, memory_order_relaxed) != sequence)
        return false;
    enum verdict verdict = VERDICT_OK;
    /* Relaxed, all of these: the acquire of sequence orders them. */
    uint32_t what = atomic_load_explicit(&told->what, memory_order_relaxed);
    uint32_t rights = atomic_load_explicit(&told->rights, memory_order_relaxed);
    bool apart = atomic_load_explicit(&told->from, memory_order_relaxed) >> 15;
    if (what == TELL_INSERT)
        verdict = vspace_insert(&d->vspace, slot, entry->address, entry->frame, entry->length, rights);
    else
        verdict = vspace_protect(&d->vspace, slot, what == TELL_UNMAP ? (uint32_t)RIGHTS_NONE : rights);
    if (verdict != VERDICT_OK)
        atomic_store_explicit(&told->failed, 1, memory_order_relaxed);
    /* Release: our page table is changed before the initiator can see the count fall (its acquire is in line_await). */
    atomic_fetch_sub_explicit(apart ? &told->missing_apart : &told->missing_here, 1, memory_order_release);
    if (what == TELL_UNMAP)
        vspace_retire(&d->vspace, slot);
    return true;
}

_Atomic uint32_t *line_tell(struct driver *d, struct shared_entry *entry, uint32_t slot, enum tell what,
                            uint32_t rights)
{
    struct shared_kernel *k = d->shared;
    struct told_line *told = &k->told;
    uint32_t count = shared_others(d, entry->sets);
    if (!count)
        return NULL;
    _Atomic uint32_t *missing = count == 1 ? &told->missing_here : &told->missing_apart;
    uint64_t targets = entry->sets[0] & (d->me < 64 ? ~(1ull << d->me) : ~0ull);
    d->told_seen = atomic_load_explicit(&told->sequence, memory_order_relaxed) + 1;
    atomic_store_explicit(&told->number, d->told_seen, memory_order_relaxed);
    /* Pairs with the fence in line_serve(). */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&told->slot, slot, memory_order_relaxed);
    atomic_store_explicit(&told->what, (uint8_t)what, memory_order_relaxed);
    atomic_store_explicit(&told->rights, (uint8_t)rights, memory_order_relaxed);
    atomic_store_explicit(&told->from, (uint16_t)(d->me | (count == 1 ? 0u : 1u << 15)), memory_order_relaxed);
    atomic_store_explicit(&told->targets, targets, memory_order_relaxed);
    atomic_store_explicit(missing, count, memory_order_relaxed);
    atomic_store_explicit(&told->failed, 0, memory_order_relaxed);
    /* Pairs with the acquire in line_serve(). */
    atomic_store_explicit(&told->sequence, d->told_seen, memory_order_release);
    for (uint32_t core = core_set_next(entry->sets, d->cores, 0); core < d->cores;
         core = core_set_next(entry->sets, d->cores, core + 1))
        if (core != d->me)
            doorbell_ring(d->peers[core].doorbell);
    return missing;
}

enum verdict line_await(struct driver *d, _Atomic uint32_t *missing)
{
    struct shared_kernel *k = d->shared;
    /* Pairs with the release in line_serve(). Nobody else can tell anything now: we hold the lock. */
    while (missing && atomic_load_explicit(missing, memory_order_acquire))
        shared_breathe(d);
    if (missing && k->set_words > 1) {
        /* Who was not meant may still be looking at the entry, whose holders may change from now on. Pairs with the fence in line_serve(). */
        atomic_store_explicit(&k->told.number, 0, memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
    }
    return missing && atomic_load_explicit(&k->told.failed, memory_order_relaxed) ? VERDICT_HOST : VERDICT_OK;
}
