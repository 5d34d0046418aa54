/* A copy, or a move, to another core: the destination takes the record in at prepare, the source of
 * a move goes at commit. What all operations on capabilities have in common is in ranges.c. */
#include "monitor/capability/ranges.h"

static uint16_t copy_owner(const struct agreement *a)
{
    return (uint16_t)(a->argument[1] >> 32);
}

static enum verdict copy_check(const struct monitor *m, const struct agreement *a)
{
    const bool cores = copy_destination(a) < m->cores && copy_owner(a) < m->cores;
    return makes_sense(a) && cores ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

/* A destination has the copy from now on, locked. The initiator notes it at commit: a refusal
 * changes nothing, and its lock keeps everybody from the range up to then. */
static enum verdict copy_prepare(struct monitor *m, const struct environment *env,
                                 struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    (void)env;
    if (agreement_is_own(m, a)) { /* it may have waited for an owner, without a lock */
        const struct capability_task *t = agreement_task(m, a);
        const uint32_t slot = cspace_find(cs, t->source);
        if (slot == NO_CAPABILITY)
            return monitor_verdict(CAP_STALE);
        return t->move ? monitor_verdict(cspace_mapped(cs, slot)) : VERDICT_OK;
    }
    if (copy_destination(a) != m->me)
        return VERDICT_OK;
    const struct capability record = {.address = range_address(a),
                                      .size = a->argument[0],
                                      .type = a->argument[1] & 0xff,
                                      .rights = a->argument[1] >> 8 & 0xf,
                                      .flags = a->argument[1] >> 12 & 0xf,
                                      .owner = copy_owner(a)};
    const struct cspace_place place = {.cnode = a->argument[2],
                                       .index = a->argument[1] >> 20 & 0xfff};
    return monitor_verdict(cspace_receive(cs, &record, &place, a->id, &a->argument[3]));
}

static void copy_gather(struct agreement *a, const uint64_t argument[4])
{
    a->argument[3] |= argument[3]; /* one core's answer has it */
}

/* There is a copy elsewhere. Another's outcome may have taken the source itself, with the CNode
 * that it was in. */
static void note_copy(struct monitor *m, const struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    uint32_t copy = capability_found(cs, a);
    if (copy != NO_CAPABILITY)
        cspace_relate(cs, copy, cspace_slot(cs, copy)->owner, CAP_REMOTE, CAP_REMOTE_COPIES);
    else
        cspace_derived_elsewhere(cs, range_address(a), range_end(a));
}

static void copy_commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    (void)env;
    if (agreement_is_own(m, a)) {
        struct capability_task *t = agreement_task(m, a);
        t->made = a->argument[3];
        note_copy(m, a);
        if (t->move)
            cspace_delete(cs, t->source, CSPACE_OUTCOME, UINT32_MAX, NULL);
    } else if (copy_how(a) & HOW_OWNER) {
        /* The destination too: what it was sent took after the copies that it had. */
        uint32_t brought = copy_destination(a) == m->me ? a->argument[1] >> 12 & CAP_REMOTE : 0;
        capability_changes_hands(m);
        cspace_relate(cs, capability_found(cs, a), copy_destination(a), CAP_REMOTE, brought);
    }
}

static void copy_abort(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    (void)env;
    if (!agreement_is_own(m, a) && copy_destination(a) == m->me && a->argument[3])
        cspace_delete(cs, a->argument[3], a->id, UINT32_MAX, NULL);
    a->argument[3] = 0;
}

const struct operation_kind copy_operation = {
    .object = &capability_ranges,
    .alone = capability_alone,
    .begin = capability_begin,
    .resume = capability_resume,
    .sequence = capability_sequence,
    .check = copy_check,
    .prepare = copy_prepare,
    .commit = copy_commit,
    .undo = copy_abort,
    .gather = copy_gather,
    .gathered = 3,
    .settled = capability_settled,
    .early = true,
};
