/* Revoke where it needs agreement: at commit all cores delete what was derived, and the copies; the
 * initiator owns what it keeps. What is said of all rows about capabilities is in
 * ranges.c. */
#include "monitor/capability/ranges.h"

static void own_alone(struct monitor *m, const struct operation *op)
{
    struct cspace *cs = monitor_cspace(m);
    uint64_t source = task_of(m, op)->source;
    uint32_t slot;
    if (cspace_find_any(cs, source, &slot) != CAP_OK)
        return;
    cspace_relate(cs, source, m->me, cspace_slot(cs, slot)->flags & CAP_REMOTE_ANCESTORS);
}

/* Pages of what goes are blocked. Who asked an owner has waited without a lock: what it wants to
 * keep may have been taken from it. */
static enum verdict revoke_prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    uint32_t slot;
    if (initiated_here(m, op)) {
        enum capability_verdict kept =
            cspace_find(monitor_cspace(m), task_of(m, op)->source, &slot);
        if (kept != CAP_OK)
            return monitor_verdict(kept);
    }
    return capability_pages_prepare(m, op, env);
}

static void revoke_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    const struct cspace_revocation revocation = {
        .reference = initiated_here(m, op) ? task_of(m, op)->source : 0,
        .address = range_address(op),
        .size = op->argument[0],
        .type = (uint32_t)op->argument[1]};
    capability_pages_commit(m, op, env);
    cspace_revoke_step(cs, &revocation, CSPACE_OUTCOME, UINT32_MAX, &progress);
}

static bool revoke_settled(struct monitor *m, struct operation *op)
{
    own_alone(m, op);
    return capability_settled(m, op);
}

const struct row capability_revoke_row = {
    .name = "revoke",
    .object = &capability_ranges,
    .begin = capability_begin,
    .resume = capability_resume,
    .sequence = capability_sequence,
    .may_prepare = capability_may_prepare,
    .adopt = capability_adopt,
    .prepare = revoke_prepare,
    .commit = revoke_commit,
    .abort = capability_pages_abort,
    .settled = revoke_settled,
};
