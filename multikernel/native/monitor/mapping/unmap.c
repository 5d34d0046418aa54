/* Unmapping a page, by two phases or by one.
 *
 * A page becomes unreachable in prepare and is forgotten in commit, so from the vote to the outcome
 * a read of it faults and waits (monitor_fault): PageFault after commit, success after an abort.
 * Nothing here inserts or removes a host mapping; retire leaves that to idle time. */
#include "monitor/mapping/mapping.h"

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    const struct mapping *mapping = monitor_mapping(m, request->slot);
    (void)env;
    a->argument[0] = RIGHTS_NONE;
    if (!mapping_is_mapped(mapping, request->generation) &&
        !mapping_is_undecided(mapping, request->generation))
        return VERDICT_NOT_MAPPED;
    /* One phase is ordered by the initiator's own lock on an entry that it holds; a home that only
     * keeps the directory uses two. So does one whose frame is kept by a third core, which nobody
     * would notify that the unmap is final. */
    if (!mapping->held || !(mapping->keeper == m->me + 1 || !mapping->keeper ||
                            mapping->keeper == monitor_home(m, request->slot) + 1))
        w->protocol = TWO_PHASE;
    return VERDICT_OK;
}

/* At home a Mapping may go along: up to the outcome it counts neither as there nor as gone. */
static void decided(struct monitor *m, const struct environment *env, const struct agreement *a,
                    bool undecided)
{
    const struct mapping *mapping = monitor_mapping(m, a->slot);
    if (mapping->recorded && monitor_is_home(m, a->slot) && mapping->generation == a->generation)
        env->operations->page_undecided(m, mapping, undecided);
}

static enum verdict prepare(struct monitor *m, const struct environment *env, struct agreement *a)
{
    decided(m, env, a, true);
    return mapping_take_rights(m, env, a);
}

static void undo(struct monitor *m, const struct environment *env, struct agreement *a)
{
    mapping_restore(m, env, a);
    decided(m, env, a, false);
}

static void commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct mapping *mapping = monitor_mapping(m, a->slot);
    const bool held = mapping->held;
    /* What one phase left there. */
    a->notify_home = a->protocol == ONE_PHASE && !m->notifies_all && agreement_is_own(m, a) &&
                     !monitor_is_home(m, a->slot);
    if (a->protocol == TWO_PHASE || agreement_is_own(m, a))
        mapping_free(m, env, mapping);
    else
        mapping->state = MAPPING_GONE;
    if (held)
        env->mmu->retire(env->mmu->context, a->slot);
}

const struct operation_kind unmap_operation = {
    .object = &monitor_mappings,
    .one_phase = true,
    .early = true,
    .begin = begin,
    .check = mapping_check,
    .prepare = prepare,
    .foresee = mapping_foresee,
    .commit = commit,
    .undo = undo,
};
