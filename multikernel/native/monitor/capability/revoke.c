/* Revoke where it needs agreement: at commit all cores delete what was derived, and the copies; the
 * initiator owns what it keeps. What all operations on capabilities have in common is in
 * ranges.c. */
#include "monitor/capability/ranges.h"

/* Pages of what goes are blocked. An initiator that asked an owner has waited without a lock: what
 * it wants to keep may have been taken from it. */
static enum verdict revoke_prepare(struct monitor *m, const struct environment *env,
                                   struct agreement *a)
{
    if (agreement_is_own(m, a) &&
        cspace_find(monitor_cspace(m), agreement_task(m, a)->source) == NO_CAPABILITY)
        return monitor_verdict(CAP_STALE);
    return capability_pages_prepare(m, env, a);
}

static void revoke_commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    const struct cspace_revocation revocation = {
        .reference = agreement_is_own(m, a) ? agreement_task(m, a)->source : 0,
        .of = {
            .address = range_address(a), .size = a->argument[0], .type = (uint8_t)a->argument[1]}};
    capability_pages_settle(m, env, a, true);
    cspace_revoke_step(cs, &revocation, CSPACE_OUTCOME, UINT32_MAX, NULL);
}

static void revoke_abort(struct monitor *m, const struct environment *env, struct agreement *a)
{
    capability_pages_settle(m, env, a, false);
}

static bool revoke_settled(struct monitor *m, struct workflow *w, struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    cspace_relate(cs, cspace_find_any(cs, w->task.source), m->me, CAP_REMOTE_ANCESTORS, 0);
    return capability_settled(m, w, a);
}

const struct operation_kind revoke_operation = {
    .object = &capability_ranges,
    .in_parts = true,
    .alone = capability_alone,
    .begin = capability_begin,
    .resume = capability_resume,
    .sequence = capability_sequence,
    .check = capability_check,
    .prepare = revoke_prepare,
    .commit = revoke_commit,
    .undo = revoke_abort,
    .settled = revoke_settled,
};
