/* Which pages go with a capability that is deleted or revoked, and whether they may. */
#include "monitor/capability/going.h"

uint32_t capability_next_going(const struct monitor *m, uint32_t slot, uint32_t victim)
{
    const uint32_t end = (m->me + 1) * m->slots_per_core;
    const struct capability *c = cspace_slot(monitor_cspace(m), victim);
    const bool anywhere = c->type == CAP_CNODE || c->type == CAP_RAM;
    for (; slot < end; slot++) {
        const struct mapping *mapping = monitor_mapping(m, slot);
        if (!mapping->recorded ||
            (!anywhere && (mapping->frame != c->address || mapping->length != c->size)))
            continue;
        const uint32_t page = capability_of_page(m, mapping);
        if (page != NO_CAPABILITY && cspace_page_goes(monitor_cspace(m), page, victim))
            return slot;
    }
    return NO_PAGE;
}

/* May all of them go, as far as is known here? ALONE: there are none. */
static enum verdict may_go_here(const struct monitor *m, uint32_t victim)
{
    enum verdict verdict = VERDICT_ALONE;
    for (uint32_t i = m->me * m->slots_per_core;
         (i = capability_next_going(m, i, victim)) != NO_PAGE; i++) {
        enum verdict own = capability_page_may_go(m, i);
        if (own == VERDICT_BUSY)
            return own;
        if (verdict != VERDICT_PINNED)
            verdict = own;
    }
    return verdict;
}

enum verdict capability_ask_to_unmap(struct monitor *m, const struct workflow *w,
                                     struct agreement *a, uint32_t victim)
{
    struct cspace *cs = monitor_cspace(m);
    const struct capability *c = cspace_slot(cs, victim);
    const struct capability_task *t = &w->task;
    enum capability_verdict going = CAP_NEEDS_AGREEMENT;
    if (t->operation == OPERATION_REVOKE && t->victim == t->source)
        going = cspace_revoking(cs, victim);
    else if (c->type != CAP_MAPPING) /* which may be met in what is dying */
        going = cspace_going(cs, victim);
    else if (cspace_locked(cs, c->address, capability_end(c), 0))
        going = CAP_BUSY;
    if (going != CAP_NEEDS_AGREEMENT)
        return going == CAP_OK ? VERDICT_ALONE : VERDICT_BUSY;
    cspace_close(cs, victim);
    enum verdict verdict = may_go_here(m, victim);
    cspace_reopen(cs, victim);
    assert(verdict != VERDICT_ALONE); /* a Mapping with copies has an entry */
    a->operation = OPERATION_UNMAP_GOING;
    a->slot = m->me * m->slots_per_core;
    a->generation = 0;
    memset(a->argument, 0, sizeof a->argument);
    return verdict;
}
