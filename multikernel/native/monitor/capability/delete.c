/* The deletion of an owner's last copy: the votes say which cores have another copy, and the commit
 * names the heir. What all operations on capabilities have in common is in ranges.c. */
#include "monitor/capability/ranges.h"

static void delete_gather(struct agreement *a, const uint64_t argument[4])
{
    uint64_t ours = a->argument[2], theirs = argument[2];
    uint64_t heir = (ours & 0xffff) < (theirs & 0xffff) ? ours & 0xffff : theirs & 0xffff;
    a->argument[2] = heir | ((ours & 0xffff0000) + (theirs & 0xffff0000)) |
                     ((ours | theirs) & HEIR_HAS_DESCENDANTS);
}

static enum verdict delete_prepare(struct monitor *m, const struct environment *env,
                                   struct agreement *a)
{
    const struct cspace *cs = monitor_cspace(m);
    uint64_t answer[4] = {0, 0, NO_HEIR, 0};
    (void)env;
    if (agreement_is_own(m, a))
        return VERDICT_OK;
    if (capability_found(cs, a) != NO_CAPABILITY)
        answer[2] = m->me | 1ull << 16;
    if (a->argument[1] == CAP_RAM && cspace_conflict(cs, range_address(a), a->argument[0],
                                                     range_address(a), range_end(a)) != CAP_OK)
        answer[2] |= HEIR_HAS_DESCENDANTS;
    delete_gather(a, answer);
    return VERDICT_OK;
}

static void delete_commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    const uint32_t copy = capability_found(cs, a), heir = a->argument[2] & 0xffff;
    (void)env;
    if (agreement_is_own(m, a)) {
        cspace_delete(cs, agreement_task(m, a)->victim, CSPACE_OUTCOME, UINT32_MAX, NULL);
    } else if (copy != NO_CAPABILITY && heir == m->me) {
        uint32_t relations = (a->argument[2] >> 16 & 0xffff) > 1 ? CAP_REMOTE_COPIES : 0;
        relations |= a->argument[2] & HEIR_HAS_DESCENDANTS ? CAP_REMOTE_DESCENDANTS : 0;
        cspace_relate(cs, copy, m->me, CAP_REMOTE_ANCESTORS, relations);
    } else if (copy != NO_CAPABILITY && heir < m->cores) {
        capability_changes_hands(m);
        cspace_relate(cs, copy, heir, CAP_REMOTE, 0);
    }
}

const struct operation_kind delete_operation = {
    .object = &capability_ranges,
    .in_parts = true,
    .alone = capability_alone,
    .begin = capability_begin,
    .resume = capability_resume,
    .check = capability_check,
    .prepare = delete_prepare,
    .commit = delete_commit,
    .undo = capability_nothing,
    .gather = delete_gather,
    .gathered = 2,
    .settled = capability_step_settled,
};
