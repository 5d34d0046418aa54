/* The deletion of an owner's last copy: the votes say who has another copy, and the commit names
 * the heir. What is said of all rows about capabilities is in ranges.c. */
#include "monitor/capability/ranges.h"

static void delete_gather(struct monitor *m, struct operation *op, const uint64_t argument[4])
{
    (void)m;
    uint64_t ours = op->argument[2], theirs = argument[2];
    uint64_t heir = (ours & 0xffff) < (theirs & 0xffff) ? ours & 0xffff : theirs & 0xffff;
    op->argument[2] = heir | ((ours & 0xffff0000) + (theirs & 0xffff0000)) |
                      ((ours | theirs) & HEIR_HAS_DESCENDANTS);
}

static enum verdict delete_prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    const struct cspace *cs = monitor_cspace(m);
    uint64_t answer[4] = {0, 0, NO_HEIR, 0};
    uint64_t copy = capability_found(cs, op);
    (void)env;
    if (initiated_here(m, op))
        return VERDICT_OK;
    if (copy)
        answer[2] = m->me | 1ull << 16;
    if (op->argument[1] == CAP_RAM && cspace_conflict(cs, range_address(op), op->argument[0],
                                                      range_address(op), range_end(op)) != CAP_OK)
        answer[2] |= HEIR_HAS_DESCENDANTS;
    delete_gather(m, op, answer);
    return VERDICT_OK;
}

static void delete_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    uint64_t copy = capability_found(cs, op), heir = op->argument[2] & 0xffff;
    uint32_t slot;
    (void)env;
    if (initiated_here(m, op)) {
        cspace_delete(cs, task_of(m, op)->victim, CSPACE_OUTCOME, UINT32_MAX, &progress);
    } else if (copy && heir == m->me) {
        uint32_t relations = (op->argument[2] >> 16 & 0xffff) > 1 ? CAP_REMOTE_COPIES : 0;
        relations |= op->argument[2] & HEIR_HAS_DESCENDANTS ? CAP_REMOTE_DESCENDANTS : 0;
        if (cspace_find_any(cs, copy, &slot) == CAP_OK)
            relations |= cspace_slot(cs, slot)->flags & CAP_REMOTE_ANCESTORS;
        cspace_relate(cs, copy, m->me, relations);
    } else if (copy) {
        capability_changes_hands(m);
        capability_owned_by(cs, copy, (uint32_t)heir, 0);
    }
}

/* It may have been one step of emptying a CNode, or of a revoke. */
bool capability_step_settled(struct monitor *m, struct operation *op)
{
    struct capability_task *t = task_of(m, op);
    t->begun = 1;
    if (monitor_capability(m, t) != VERDICT_OK)
        return false; /* resume will see why */
    return capability_settled(m, op);
}

const struct row capability_delete_row = {
    .name = "delete",
    .object = &capability_ranges,
    .begin = capability_begin,
    .resume = capability_resume,
    .may_prepare = capability_may_prepare,
    .adopt = capability_adopt,
    .prepare = delete_prepare,
    .commit = delete_commit,
    .abort = capability_abort_nothing,
    .gather = delete_gather,
    .settled = capability_step_settled,
};
