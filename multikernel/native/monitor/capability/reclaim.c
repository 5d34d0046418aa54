/* Has anybody a capability to any of that memory? All cores vote, and what nobody has can be handed
 * out anew. Each keeps the range locked from its vote to the outcome, so that a copy which is on
 * its way from one core to another is met on one of the two. Nothing changes in any replica. What
 * all operations on capabilities have in common is in ranges.c. */
#include "monitor/capability/ranges.h"

static enum verdict reclaim_prepare(struct monitor *m, const struct environment *env,
                                    struct agreement *a)
{
    const bool nobodys = cspace_is_clear(monitor_cspace(m), range_address(a), range_end(a));
    (void)env;
    return nobodys ? VERDICT_OK : monitor_verdict(CAP_RETYPE_CONFLICT);
}

const struct operation_kind reclaim_operation = {
    .object = &capability_ranges,
    .begin = capability_begin,
    .check = capability_check,
    .prepare = reclaim_prepare,
    .commit = capability_nothing,
    .undo = capability_nothing,
};
