/* Retype where it needs agreement: all cores vote, or the owner alone where it vouches for the
 * others; the initiator makes the objects at prepare, and by the commit the others know of
 * descendants elsewhere. What all operations on capabilities have in common is in ranges.c. */
#include "monitor/capability/ranges.h"

static enum verdict retype_check(const struct monitor *m, const struct agreement *a)
{
    if (!makes_sense(a))
        return VERDICT_BAD_REQUEST;
    return monitor_verdict(cspace_conflict(monitor_cspace(m), a->argument[1], a->argument[2],
                                           range_address(a), range_end(a)));
}

static enum verdict retype_prepare(struct monitor *m, const struct environment *env,
                                   struct agreement *a)
{
    (void)env;
    if (!agreement_is_own(m, a))
        return VERDICT_OK;
    return monitor_verdict(capability_retype(monitor_cspace(m), agreement_task(m, a), a->id));
}

static void retype_foresee(const struct monitor *m, const struct agreement *a, struct foresight *f)
{
    (void)m;
    (void)a;
    f->protects = false;
}

static void retype_commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)env;
    if (!agreement_is_own(m, a))
        cspace_derived_elsewhere(monitor_cspace(m), range_address(a), range_end(a));
}

static void retype_abort(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)env;
    if (!agreement_is_own(m, a))
        return;
    struct cspace *cs = monitor_cspace(m);
    struct capability_task *t = agreement_task(m, a);
    for (uint32_t i = 0; t->made && i < t->count; i++) {
        /* What is of that type in the range that we hold is what we made; another's outcome may
         * have emptied the CNode. */
        uint32_t slot = (uint32_t)t->made + i;
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == t->type && c->address >= range_address(a) &&
            capability_end(c) <= range_end(a))
            cspace_delete(cs, cspace_reference(cs, slot), CSPACE_OUTCOME, UINT32_MAX, NULL);
    }
    t->made = 0;
}

const struct operation_kind retype_operation = {
    .object = &capability_ranges,
    .alone = capability_alone,
    .begin = capability_begin,
    .resume = capability_resume,
    .sequence = capability_sequence,
    .check = retype_check,
    .prepare = retype_prepare,
    .foresee = retype_foresee,
    .commit = retype_commit,
    .undo = retype_abort,
    .settled = capability_settled,
    .early = true,
};
