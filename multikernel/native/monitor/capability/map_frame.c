/* Mapping a page of a Frame that is a capability: the operation of monitor/mapping/map.c, with a
 * Mapping capability beside the entry.
 *
 * What holds: a page of such a Frame is reachable on some core only while its home, the core that
 * mapped it, has the Mapping capability, and so the Frame that is derived from. The Mapping is made
 * before any core maps the page, in the step in which the operation begins; it goes in the step in
 * which the entry becomes free at home, which every way of unmapping comes to (mapping_free).
 *
 * An unmap by another core may have returned before the home has heard the outcome (COMMIT, or
 * RELEASE). From the home's vote up to then the Mapping is undecided (CAP_UNDECIDED): what asks for
 * its slot waits.
 *
 * Every core keeps to it by the locks of ranges: a map is refused, and tries again, where a revoke
 * of that memory awaits its outcome.
 *
 * A Mapping is a capability with copies elsewhere, for what other cores have in their page tables
 * is one: so nothing that would take it along is decided by one core. A deletion unmaps all that
 * goes with it in one agreement before anything goes (unmap_going.c), a revoke all pages of its
 * range within its own two phases (revoke.c): a pin refuses either before anything has changed.
 *
 * Source: paper section 4.7; Barrelfish kernel/mapping.c and include/barrelfish_kpi (Frame_Mapping:
 * the page table slot in a capability). */
#include "monitor/capability/ranges.h"
#include "monitor/mapping/mapping.h"

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    uint32_t slot;
    if (!m->cspace_offset)
        return VERDICT_BAD_REQUEST;
    struct cspace *cs = monitor_cspace(m);
    struct capability_task *t = &w->task;
    const enum capability_verdict found = capability_find_frame(cs, t, &slot);
    if (found != CAP_OK)
        return monitor_verdict(found);
    const struct new_mappings before = m->fresh;
    struct request plain = *request;
    plain.frame = cspace_slot(cs, slot)->address;
    plain.length = cspace_slot(cs, slot)->size;
    plain.keeper = 0;
    enum verdict verdict = map_operation.begin(m, env, w, a, &plain);
    if (verdict != VERDICT_OK)
        return verdict;
    verdict = monitor_verdict(capability_map(cs, t, a->argument[0], request->rights));
    if (verdict != VERDICT_OK) {
        /* Nobody has heard of it: no address and no generation is lost by asking again. */
        m->fresh = before;
        monitor_mapping(m, a->slot)->generation--;
        mapping_free(m, env, monitor_mapping(m, a->slot));
        return verdict;
    }
    mapping_record(m, a->slot);
    return VERDICT_OK;
}

/* A core that has voted for a revoke has blocked all pages of its range: another one must not come
 * behind the vote. */
static enum verdict check(const struct monitor *m, const struct agreement *a)
{
    if (!m->cspace_offset)
        return VERDICT_BAD_REQUEST;
    if (cspace_locked(monitor_cspace(m), map_frame(a), map_frame(a) + map_length(a), 0))
        return VERDICT_BUSY;
    return map_operation.check(m, a);
}

/* The program gets the Mapping too, in argument 1. */
static bool settled(struct monitor *m, struct workflow *w, struct agreement *a)
{
    (void)m;
    a->argument[1] = w->task.made;
    return true;
}

const struct operation_kind map_frame_operation = {
    .object = &monitor_mappings,
    .begin = begin,
    .check = check,
    .adopt = map_adopt,
    .prepare = map_prepare,
    .commit = map_commit,
    .undo = map_undo,
    .settled = settled,
};
