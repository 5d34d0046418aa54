/* Has anybody a capability to any of that memory, or a frame of it? All cores vote, and what nobody
 * has can be handed out anew by core 0, which asks. Each keeps the range locked from its vote to the
 * outcome, so that a copy which is on its way from one core to another is met on one of the two. A
 * core that borrowed pages there, and has handed out none of them, gives them back. What all
 * operations on capabilities have in common is in ranges.c. */
#include "monitor/capability/ranges.h"

static enum verdict reclaim_prepare(struct monitor *m, const struct environment *env,
                                    struct agreement *a)
{
    const uint64_t address = range_address(a);
    (void)env;
    if (!cspace_is_clear(monitor_cspace(m), address, range_end(a)) ||
        (!agreement_is_own(m, a) && !frames_leave(monitor_frames(m), address, a->argument[0])))
        return monitor_verdict(CAP_RETYPE_CONFLICT);
    return VERDICT_OK;
}

static void reclaim_commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)env;
    frames_left(monitor_frames(m), range_address(a), a->argument[0], true);
}

static void reclaim_undo(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)env;
    frames_left(monitor_frames(m), range_address(a), a->argument[0], false);
}

const struct operation_kind reclaim_operation = {
    .object = &capability_ranges,
    .begin = capability_begin,
    .check = capability_check,
    .prepare = reclaim_prepare,
    .commit = reclaim_commit,
    .undo = reclaim_undo,
};
