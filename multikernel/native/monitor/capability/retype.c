/* Retype where it needs agreement: all cores vote, or the owner alone where it vouches for the
 * others; the initiator makes the objects at prepare, and the commit tells the others that there
 * are descendants elsewhere. What is said of all rows about capabilities is in
 * ranges.c. */
#include "monitor/capability/ranges.h"

static enum verdict retype_may_prepare(struct monitor *m, const struct operation *op)
{
    if (!makes_sense(op))
        return VERDICT_BAD_REQUEST;
    return monitor_verdict(cspace_conflict(monitor_cspace(m), op->argument[1], op->argument[2],
                                           range_address(op), range_end(op)));
}

static enum verdict retype_prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    (void)env;
    if (!initiated_here(m, op))
        return VERDICT_OK;
    struct capability_task *t = task_of(m, op);
    const struct cspace_retype r = {.source = t->source,
                                    .offset = t->offset,
                                    .size = t->size,
                                    .type = t->type,
                                    .count = t->count,
                                    .to = {.cnode = t->cnode, .index = t->index}};
    return monitor_verdict(cspace_retype(monitor_cspace(m), &r, op->id, &t->made));
}

static void retype_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    (void)env;
    if (!initiated_here(m, op))
        cspace_derived_elsewhere(monitor_cspace(m), range_address(op), range_end(op));
}

static void retype_abort(struct monitor *m, struct operation *op, const struct environment *env)
{
    (void)env;
    if (!initiated_here(m, op))
        return;
    struct cspace *cs = monitor_cspace(m);
    struct capability_task *t = task_of(m, op);
    struct cspace_progress progress;
    for (uint32_t i = 0; t->made && i < t->count; i++) {
        /* What is of that type in the range that we hold is what we made; another's outcome may
         * have emptied the CNode. */
        uint32_t slot = (uint32_t)t->made + i;
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == t->type && c->address >= range_address(op) &&
            capability_end(c) <= range_end(op))
            cspace_delete(cs, cspace_reference(cs, slot), CSPACE_OUTCOME, UINT32_MAX, &progress);
    }
    t->made = 0;
}

const struct row capability_retype_row = {
    .name = "retype",
    .object = &capability_ranges,
    .begin = capability_begin,
    .resume = capability_resume,
    .sequence = capability_sequence,
    .may_prepare = retype_may_prepare,
    .adopt = capability_adopt,
    .prepare = retype_prepare,
    .commit = retype_commit,
    .abort = retype_abort,
    .settled = capability_settled,
};
