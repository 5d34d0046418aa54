/* A copy, or a move, to another core: the destination takes the record in at prepare, the source of
 * a move goes at commit. What is said of all rows about capabilities is in ranges.c. */
#include "monitor/capability/ranges.h"

void capability_ask_to_copy(const struct monitor *m, struct operation *op,
                            const struct capability_task *t, uint32_t slot)
{
    const struct cspace *cs = monitor_cspace(m);
    const struct capability *c = cspace_slot(cs, slot);
    uint32_t owner = c->owner, how = t->move ? HOW_MOVE : 0;
    uint32_t relations = (c->flags & CAP_REMOTE) | capability_relations_here(cs, slot);
    if (t->move && owner == m->me && !mapping_database_has_copies(cspace_database(cs), slot)) {
        how |= HOW_OWNER | (c->flags & CAP_REMOTE_COPIES ? HOW_EVERYBODY : 0);
        owner = t->to;
    } else {
        relations |= CAP_REMOTE_COPIES;
    }
    op->argument[1] = c->type | (uint64_t)t->rights << 8 | (uint64_t)relations << 12 |
                      (uint64_t)how << 16 | (uint64_t)t->index << 20 | (uint64_t)owner << 32 |
                      (uint64_t)t->to << 48;
    op->argument[2] = t->cnode;
}

static enum verdict copy_may_prepare(struct monitor *m, const struct operation *op)
{
    return makes_sense(op) && copy_destination(op) < m->cores ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

/* A destination has the copy from now on, locked. The initiator notes it at commit: a refusal
 * changes nothing, and its lock keeps everybody from the range up to then. */
static enum verdict copy_prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct cspace *cs = monitor_cspace(m);
    uint32_t slot;
    (void)env;
    if (initiated_here(m, op)) { /* who asked an owner has waited without a lock */
        const struct capability_task *t = task_of(m, op);
        enum capability_verdict found = cspace_find(cs, t->source, &slot);
        if (found == CAP_OK && t->move)
            found = cspace_mapped(cs, (uint32_t)t->source);
        return monitor_verdict(found);
    }
    if (copy_destination(op) != m->me)
        return VERDICT_OK;
    const struct capability record = {.address = range_address(op),
                                      .size = op->argument[0],
                                      .type = op->argument[1] & 0xff,
                                      .rights = op->argument[1] >> 8 & 0xf,
                                      .flags = op->argument[1] >> 12 & 0xf,
                                      .owner = (uint16_t)(op->argument[1] >> 32)};
    const struct cspace_place place = {.cnode = op->argument[2],
                                       .index = op->argument[1] >> 20 & 0xfff};
    return monitor_verdict(cspace_receive(cs, &record, &place, op->id, &op->argument[3]));
}

static void copy_gather(struct monitor *m, struct operation *op, const uint64_t argument[4])
{
    (void)m;
    op->argument[3] |= argument[3]; /* one core's answer has it */
}

/* There is a copy elsewhere. Another's outcome may have taken the source itself, with the CNode
 * that it was in. */
static void note_copy(struct monitor *m, const struct operation *op)
{
    struct cspace *cs = monitor_cspace(m);
    uint64_t copy = capability_found(cs, op);
    if (copy)
        capability_owned_by(cs, copy, cspace_slot(cs, (uint32_t)copy)->owner, CAP_REMOTE_COPIES);
    else
        cspace_derived_elsewhere(cs, range_address(op), range_end(op));
}

static void copy_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    (void)env;
    if (initiated_here(m, op)) {
        struct capability_task *t = task_of(m, op);
        t->made = op->argument[3];
        note_copy(m, op);
        if (t->move)
            cspace_delete(cs, t->source, CSPACE_OUTCOME, UINT32_MAX, &progress);
    } else if (copy_how(op) & HOW_OWNER) {
        /* The destination too: what it was sent took after the copies that it had. */
        uint32_t brought = copy_destination(op) == m->me ? op->argument[1] >> 12 & CAP_REMOTE : 0;
        capability_changes_hands(m);
        capability_owned_by(cs, capability_found(cs, op), copy_destination(op), brought);
    }
}

static void copy_abort(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    (void)env;
    if (!initiated_here(m, op) && copy_destination(op) == m->me && op->argument[3])
        cspace_delete(cs, op->argument[3], op->id, UINT32_MAX, &progress);
    op->argument[3] = 0;
}

const struct row capability_copy_row = {
    .name = "copy",
    .object = &capability_ranges,
    .begin = capability_begin,
    .resume = capability_resume,
    .sequence = capability_sequence,
    .may_prepare = copy_may_prepare,
    .adopt = capability_adopt,
    .prepare = copy_prepare,
    .commit = copy_commit,
    .abort = copy_abort,
    .gather = copy_gather,
    .settled = capability_settled,
};
