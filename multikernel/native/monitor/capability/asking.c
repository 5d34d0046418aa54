/* What a workflow about capabilities asks of the others next. It is tried alone first (task.c);
 * what one core must not decide alone becomes an agreement, and what is left after that is tried
 * again. */
#include "monitor/capability/ranges.h"

/* What was asked for is in the workflow's task; the range to reclaim is not. */
enum verdict capability_begin(struct monitor *m, const struct environment *env, struct workflow *w,
                              struct agreement *a, const struct request *request)
{
    (void)m;
    (void)env;
    (void)w;
    about_range(a, request->frame, request->length);
    return VERDICT_OK;
}

/* How a copy is to be made depends on the other cores that have copies. */
static void ask_to_copy(const struct monitor *m, struct agreement *a,
                        const struct capability_task *t, uint32_t slot)
{
    const struct cspace *cs = monitor_cspace(m);
    const struct mapping_database *db = cspace_database(cs);
    const struct capability *c = cspace_slot(cs, slot);
    uint32_t owner = c->owner, how = t->move ? HOW_MOVE : 0;
    uint32_t relations = (c->flags & CAP_REMOTE) | mapping_database_relations(db, slot);
    if (t->move && owner == m->me && mapping_database_other_copy(db, slot) == NO_CAPABILITY) {
        how |= HOW_OWNER | (c->flags & CAP_REMOTE_COPIES ? HOW_EVERYBODY : 0);
        owner = t->to;
    } else {
        relations |= CAP_REMOTE_COPIES;
    }
    a->argument[1] = c->type | (uint64_t)t->rights << 8 | (uint64_t)relations << 12 |
                     (uint64_t)how << 16 | (uint64_t)t->place.index << 20 | (uint64_t)owner << 32 |
                     (uint64_t)t->to << 48;
    a->argument[2] = t->place.cnode;
}

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

/* All pages that have to go before the task's victim, which was found just now, are to be unmapped.
 * OK; ALONE: there are none; BUSY, or PINNED here. */
static enum verdict ask_to_unmap(struct monitor *m, const struct workflow *w, struct agreement *a,
                                 uint32_t victim)
{
    struct cspace *cs = monitor_cspace(m);
    const struct capability_task *t = &w->task;
    const bool revoked = t->operation == OPERATION_REVOKE && t->victim == t->source;
    enum verdict verdict = VERDICT_ALONE;
    if (!revoked && cspace_slot(cs, victim)->type != CAP_CNODE &&
        cspace_page(cs, victim) == NO_CAPABILITY)
        return VERDICT_ALONE; /* others have copies of it, or what is made of it */
    cspace_close(cs, victim);
    for (uint32_t i = m->me * m->slots_per_core;
         verdict != VERDICT_BUSY && (i = capability_next_going(m, i, victim)) != NO_PAGE; i++) {
        enum verdict own = capability_page_may_go(m, i);
        if (own == VERDICT_BUSY || verdict != VERDICT_PINNED)
            verdict = own;
    }
    cspace_reopen(cs, victim);
    assert(verdict != VERDICT_ALONE); /* a Mapping with copies has an entry */
    a->operation = OPERATION_UNMAP_GOING;
    memset(a->argument, 0, sizeof a->argument);
    return verdict;
}

/* Fills the operation for what is still to be agreed. What it is about may have changed since the
 * last attempt: everything is looked at anew. */
enum verdict capability_resume(struct monitor *m, struct workflow *w, struct agreement *a)
{
    const struct cspace *cs = monitor_cspace(m);
    struct capability_task *t = &w->task;
    enum verdict verdict = t->tried ? VERDICT_PENDING : capability_alone(m, t);
    t->tried = 0;
    a->operation = t->operation;
    if (verdict == VERDICT_OK) {
        capability_made(a, t);
        return VERDICT_ALONE;
    }
    if (verdict != VERDICT_PENDING)
        return verdict;
    const uint32_t slot = cspace_find_any(cs, t->victim ? t->victim : t->source);
    if (slot == NO_CAPABILITY)
        return monitor_verdict(CAP_STALE);
    const struct capability *c = cspace_slot(cs, slot);
    if (t->victim && (verdict = ask_to_unmap(m, w, a, slot)) != VERDICT_ALONE)
        return verdict;
    if (t->victim)
        a->operation = OPERATION_DELETE;
    if (m->capability_protocol == CAPABILITIES_OWNER && c->owner != w->declined)
        a->root = c->owner;
    about_range(a, c->address, c->size);
    a->argument[1] = c->type;
    if (a->operation == OPERATION_COPY) {
        ask_to_copy(m, a, t, slot);
    } else if (a->operation == OPERATION_RETYPE) {
        about_range(a, c->address + t->offset, t->size * t->count);
        a->argument[1] = c->address;
        a->argument[2] = c->size;
    } else if (a->operation == OPERATION_DELETE) {
        const bool derived =
            mapping_database_relations(cspace_database(cs), slot) & CAP_REMOTE_DESCENDANTS;
        a->argument[2] = NO_HEIR | (derived ? HEIR_HAS_DESCENDANTS : 0);
    }
    return VERDICT_OK;
}

/* One step of a deletion or revoke that takes several: what is left is tried alone. */
bool capability_step_settled(struct monitor *m, struct workflow *w, struct agreement *a)
{
    struct capability_task *t = &w->task;
    t->begun = 1;
    if (capability_alone(m, t) != VERDICT_OK)
        return false; /* resume finds out why */
    return capability_settled(m, w, a);
}
