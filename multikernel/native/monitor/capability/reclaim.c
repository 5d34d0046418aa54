/* Has anybody a capability to any of that memory? All cores vote, and what nobody has can be handed
 * out anew. Each keeps the range locked from its vote to the outcome, so that a copy which is on
 * its way from one core to another is met on one of the two. Nothing changes in any replica. What
 * all operations on capabilities have in common is in ranges.c. */
#include "monitor/capability/ranges.h"

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    (void)env;
    (void)w;
    if (!m->cspace_offset)
        return VERDICT_BAD_REQUEST;
    about_range(a, request->frame, request->length);
    return VERDICT_OK;
}

static enum verdict check(const struct monitor *m, const struct agreement *a)
{
    if (!makes_sense(a))
        return VERDICT_BAD_REQUEST;
    const bool nobodys = cspace_is_clear(monitor_cspace(m), range_address(a), range_end(a));
    return nobodys ? VERDICT_OK : monitor_verdict(CAP_RETYPE_CONFLICT);
}

static enum verdict prepare(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)m;
    (void)a;
    (void)env;
    return VERDICT_OK;
}

const struct operation_kind reclaim_operation = {
    .name = "reclaim",
    .object = &capability_ranges,
    .begin = begin,
    .check = check,
    .adopt = capability_nothing,
    .prepare = prepare,
    .commit = capability_nothing,
    .undo = capability_nothing,
};
