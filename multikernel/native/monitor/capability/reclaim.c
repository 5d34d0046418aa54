/* Has anybody a capability to any of that memory? All cores vote, and what nobody has can be handed
 * out anew (reclaim.c). Each keeps the range locked from its vote to the outcome, so that a copy
 * which is on its way from one core to another is met on one of the two. Nothing changes in any
 * replica. What is said of all rows about capabilities is in ranges.c. */
#include "monitor/capability/ranges.h"

static enum verdict begin(struct monitor *m, struct operation *op, const struct request *request)
{
    if (!m->cspace_offset)
        return VERDICT_BAD_REQUEST;
    about_range(op, request->frame, request->length);
    return VERDICT_OK;
}

static enum verdict may_prepare(struct monitor *m, const struct operation *op)
{
    if (!makes_sense(op))
        return VERDICT_BAD_REQUEST;
    const struct mapping_database *db = cspace_database(monitor_cspace(m));
    return mapping_database_overlapping(db, range_address(op), range_end(op)) == NO_CAPABILITY
               ? VERDICT_OK
               : monitor_verdict(CAP_RETYPE_CONFLICT);
}

static enum verdict prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    (void)m;
    (void)op;
    (void)env;
    return VERDICT_OK;
}

const struct row capability_reclaim_row = {
    .name = "reclaim",
    .object = &capability_ranges,
    .begin = begin,
    .may_prepare = may_prepare,
    .adopt = capability_adopt,
    .prepare = prepare,
    .commit = capability_abort_nothing,
    .abort = capability_abort_nothing,
};
