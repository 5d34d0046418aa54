/* What the monitors agree about: who may do what with a range of memory. Four rows of the agreement engine, about ranges.
 *
 *   copy, move  initiator and destination (all cores when a move takes the ownership along and there may be copies elsewhere). The record
 *               travels, the destination takes it in at prepare, the source goes at commit.
 *   retype      all cores: each votes whether that part of the source is already something else there. The initiator makes the objects at
 *               prepare, locked, and takes them away at abort; with the commit the others know of descendants elsewhere.
 *   revoke      all cores: at commit each deletes what was derived, and the copies; then the initiator owns what it keeps, without relations.
 *   delete      all cores: the owner's last copy goes, and who has another one inherits. The votes say who; COMMIT names the heir.
 *
 * All of them lock the range they are about wherever they take part, so of two that touch the same byte on the same core one waits. Every
 * operation locks its initiator, until its outcome stands everywhere: that is why a copy can do with two participants, for whoever has to
 * rely on all copies being known asks all cores, and meets the lock of a core that is sending one.
 *
 * What lies in a CNode goes with the CNode. When a revoke's commit takes a CNode away, that may be an owner's last copy of something else;
 * nothing is sure to be agreed then, because a commit cannot be refused. The copies elsewhere are left without an owner: they go on asking
 * all cores, and belong to whoever revokes one. A deletion of a CNode by its own core does better (capability_task.c): it stops there until the
 * inheritance is agreed.
 *
 * As it travels: word 2 address, argument 0 size of the range; then, by row,
 *   copy    1: type 0-7, rights 8-11, relations 12-15, how 16-19, index 20-31, owner 32-47, destination 48-63; 2: CNode; 3: reference made
 *   retype  1, 2: address and size of the source
 *   revoke  1: type
 *   delete  1: type; 2: heir 0-15, cores that have a copy 16-31, descendants anywhere 32
 *
 * Source: paper section 4.7; Barrelfish 2011 usr/monitor (lock everywhere, apply, unlock), usr/monitor/capops/ (moving ownership). */
#include "cspace_inside.h"
#include "monitor.h"

enum how { HOW_MOVE = 1, HOW_OWNER = 2, HOW_EVERYBODY = 4 };

#define NO_HEIR              0xffffull
#define HEIR_HAS_DESCENDANTS (1ull << 32)

static bool initiated_here(const struct monitor *m, const struct operation *op)
{
    return op->id >> 48 == m->me;
}

static struct capability_task *task_of(struct monitor *m, const struct operation *op)
{
    return monitor_task(m, (uint32_t)(op - monitor_own(m, 0)));
}

/* --- The object ------------------------------------------------------------------------------------------------------------------ */

static uint64_t range_address(const struct operation *op)
{
    return op->slot | (uint64_t)op->generation << 32;
}

static uint64_t range_end(const struct operation *op)
{
    return range_address(op) + op->argument[0];
}

static void about_range(struct operation *op, uint64_t address, uint64_t size)
{
    op->slot = (uint32_t)address;
    op->generation = (uint32_t)(address >> 32);
    op->argument[0] = size;
    op->argument[1] = op->argument[2] = op->argument[3] = 0;
}

static uint64_t holder(struct monitor *m, const struct operation *op)
{
    const struct cspace *cs = monitor_cspace(m);
    const struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = 0; i < cs->locks; i++, lock++) {
        if (lock->operation == op->id)
            continue;
        if (MUTANT(RANGE_BY_ADDRESS) ? lock->address == range_address(op)
                                     : lock->address < range_end(op) && range_address(op) < lock->end)
            return lock->operation;
    }
    return 0;
}

static void take(struct monitor *m, const struct operation *op)
{
    if (MUTANT(RANGE_NOT_TAKEN) && !initiated_here(m, op))
        return;
    enum capability_verdict verdict = cspace_lock(monitor_cspace(m), range_address(op), op->argument[0], op->id);
    assert(verdict == CAP_OK || MK_MUTANT); /* one lock an operation, and nobody else's in the way (holder) */
    (void)verdict;
}

static void give(struct monitor *m, const struct operation *op)
{
    cspace_unlock(monitor_cspace(m), op->id);
}

static uint32_t copy_destination(const struct operation *op)
{
    return (uint32_t)(op->argument[1] >> 48);
}

static uint32_t copy_how(const struct operation *op)
{
    return op->argument[1] >> 16 & 0xf;
}

static const uint64_t *participants(struct monitor *m, const struct operation *op, uint64_t *buffer)
{
    if (op->row != ROW_CAP_COPY || copy_how(op) & HOW_EVERYBODY)
        return NULL;
    for (uint32_t word = 0; word < m->set_words; word++)
        buffer[word] = 0;
    core_set_add(buffer, (uint32_t)(op->id >> 48));
    core_set_add(buffer, copy_destination(op));
    return buffer;
}

static const struct object_kind ranges = {.holder = holder, .take = take, .give = give, .participants = participants};

/* --- Beginning: the same for all rows ---------------------------------------------------------------------------------------------- */

static enum verdict begin(struct monitor *m, struct operation *op, const struct request *request)
{
    struct capability_task *task = task_of(m, op);
    *task = request->capability;
    task->row = op->row;
    return VERDICT_OK;
}

/* What others have, for who takes part in deciding: is anything derived from it here, or it from something? */
static uint32_t relations_here(const struct cspace *cs, uint32_t slot)
{
    const struct mapping_database *db = cspace_database(cs);
    return (mapping_database_has_descendants(db, slot) ? CAP_REMOTE_DESCENDANTS : 0) |
           (mapping_database_has_ancestors(db, slot) ? CAP_REMOTE_ANCESTORS : 0);
}

static void ask_to_copy(const struct monitor *m, struct operation *op, const struct capability_task *t, uint32_t slot)
{
    const struct cspace *cs = monitor_cspace(m);
    const struct capability *c = cspace_slot(cs, slot);
    uint32_t owner = c->owner, how = t->move ? HOW_MOVE : 0;
    uint32_t relations = (c->flags & CAP_REMOTE) | relations_here(cs, slot);
    if (t->move && owner == m->me && !mapping_database_has_copies(cspace_database(cs), slot)) {
        how |= HOW_OWNER | (c->flags & CAP_REMOTE_COPIES && !MUTANT(MOVE_OTHERS_NOT_TOLD) ? HOW_EVERYBODY : 0);
        owner = t->to;
    } else {
        relations |= CAP_REMOTE_COPIES;
    }
    op->argument[1] = c->type | (uint64_t)t->rights << 8 | (uint64_t)relations << 12 | (uint64_t)how << 16 |
                      (uint64_t)t->index << 20 | (uint64_t)owner << 32 | (uint64_t)t->to << 48;
    op->argument[2] = t->cnode;
}

/* Fills the operation for what is still to be agreed. What it is about may have changed since the last attempt: everything is looked at
 * anew. */
static enum verdict resume(struct monitor *m, struct operation *op)
{
    const struct cspace *cs = monitor_cspace(m);
    struct capability_task *t = task_of(m, op);
    enum verdict verdict = monitor_capability(m, t);
    uint32_t slot;
    op->row = t->row;
    if (verdict == VERDICT_OK) {
        about_range(op, t->made, 0);
        return VERDICT_ALONE;
    }
    if (verdict != VERDICT_PENDING)
        return verdict;
    if (cspace_find_any(cs, t->victim ? t->victim : t->source, &slot) != CAP_OK)
        return monitor_verdict(CAP_STALE);
    const struct capability *c = cspace_slot(cs, slot);
    if (t->victim)
        op->row = ROW_CAP_DELETE;
    about_range(op, c->address, c->size);
    switch (op->row) {
    case ROW_CAP_COPY:
        ask_to_copy(m, op, t, slot);
        break;
    case ROW_CAP_RETYPE:
        about_range(op, c->address + t->offset, t->size * t->count);
        op->argument[1] = c->address;
        op->argument[2] = c->size;
        break;
    case ROW_CAP_DELETE:
        op->argument[1] = c->type;
        op->argument[2] = NO_HEIR;
        if (relations_here(cs, slot) & CAP_REMOTE_DESCENDANTS)
            op->argument[2] |= HEIR_HAS_DESCENDANTS;
        break;
    default:
        op->argument[1] = c->type;
        break;
    }
    return VERDICT_OK;
}

static void adopt(struct monitor *m, struct operation *op)
{
    (void)m;
    (void)op;
}

/* What came in a message is not trusted. */
static bool makes_sense(const struct operation *op)
{
    return cspace_whole_pages(range_address(op), op->argument[0]);
}

static enum verdict prepare_nothing(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)m;
    (void)op;
    (void)mmu;
    return VERDICT_OK;
}

static void abort_nothing(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)m;
    (void)op;
    (void)mmu;
}

static enum verdict may_prepare(struct monitor *m, const struct operation *op)
{
    (void)m;
    return makes_sense(op) && (op->row == ROW_CAP_RETYPE || op->argument[1] < CAP_TYPES) ? VERDICT_OK
                                                                                         : VERDICT_BAD_REQUEST;
}

static bool settled(struct monitor *m, struct operation *op)
{
    uint64_t made = task_of(m, op)->made;
    op->slot = (uint32_t)made;
    op->generation = (uint32_t)(made >> 32);
    return true;
}

/* --- copy and move ----------------------------------------------------------------------------------------------------------------- */

static enum verdict copy_may_prepare(struct monitor *m, const struct operation *op)
{
    return makes_sense(op) && copy_destination(op) < m->cores ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

/* A destination has the copy from now on, locked. The initiator notes it at commit: a refusal changes nothing, and until then its lock keeps
 * everybody from the range. */
static enum verdict copy_prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    struct cspace *cs = monitor_cspace(m);
    uint32_t slot;
    (void)mmu;
    if (initiated_here(m, op))
        return monitor_verdict(cspace_find(cs, task_of(m, op)->source, &slot));
    if (copy_destination(op) != m->me)
        return VERDICT_OK;
    const struct capability record = {.address = range_address(op),
                                      .size = op->argument[0],
                                      .type = op->argument[1] & 0xff,
                                      .rights = op->argument[1] >> 8 & 0xf,
                                      .flags = op->argument[1] >> 12 & 0xf,
                                      .owner = (uint16_t)(op->argument[1] >> 32)};
    const struct cspace_place place = {.cnode = op->argument[2], .index = op->argument[1] >> 20 & 0xfff};
    return monitor_verdict(cspace_receive(cs, &record, &place, op->id, &op->argument[3]));
}

static void copy_gather(struct monitor *m, struct operation *op, const uint64_t argument[4])
{
    (void)m;
    op->argument[3] |= argument[3]; /* one core's answer has it */
}

/* The first capability here to what the operation's range is; 0: there is none. */
static uint64_t found(const struct cspace *cs, const struct operation *op)
{
    uint32_t slot;
    return cspace_find_object(cs, range_address(op), op->argument[0], op->argument[1] & 0xff, &slot) == CAP_OK
               ? cspace_reference(cs, slot)
               : 0;
}

/* Copies here, of an object that has another owner from now on, and more relations, if any. */
static void owned_by(struct cspace *cs, uint64_t reference, uint32_t owner, uint32_t relations)
{
    uint32_t slot;
    if (reference && cspace_find_any(cs, reference, &slot) == CAP_OK)
        cspace_relate(cs, reference, owner, (cspace_slot(cs, slot)->flags & CAP_REMOTE) | relations);
}

/* There is a copy elsewhere. Another's outcome may have taken the source itself, with the CNode that it was in. */
static void note_copy(struct cspace *cs, const struct operation *op)
{
    uint64_t copy = found(cs, op);
    if (copy)
        owned_by(cs, copy, cspace_slot(cs, (uint32_t)copy)->owner, CAP_REMOTE_COPIES);
    else
        cspace_derived_elsewhere(cs, range_address(op), range_end(op));
}

static void copy_commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    (void)mmu;
    if (initiated_here(m, op)) {
        struct capability_task *t = task_of(m, op);
        t->made = op->argument[3];
        if (!MUTANT(COPY_NOT_NOTED))
            note_copy(cs, op);
        if (t->move && !MUTANT(MOVE_KEEPS_SOURCE))
            cspace_delete(cs, t->source, CSPACE_OUTCOME, UINT32_MAX, &progress);
    } else if (copy_how(op) & HOW_OWNER) {
        /* The destination too: what it was sent took after the copies that it had. */
        uint32_t brought = copy_destination(op) == m->me ? op->argument[1] >> 12 & CAP_REMOTE : 0;
        owned_by(cs, found(cs, op), copy_destination(op), brought);
    }
}

static void copy_abort(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    (void)mmu;
    if (!initiated_here(m, op) && copy_destination(op) == m->me && op->argument[3] && !MUTANT(COPY_ABORT_LEAVES))
        cspace_delete(cs, op->argument[3], op->id, UINT32_MAX, &progress);
    op->argument[3] = 0;
}

/* --- retype ---------------------------------------------------------------------------------------------------------------------------- */

static enum verdict retype_may_prepare(struct monitor *m, const struct operation *op)
{
    if (!makes_sense(op))
        return VERDICT_BAD_REQUEST;
    if (MUTANT(RETYPE_VOTE_IGNORED))
        return VERDICT_OK;
    return monitor_verdict(
        cspace_conflict(monitor_cspace(m), op->argument[1], op->argument[2], range_address(op), range_end(op)));
}

static enum verdict retype_prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)mmu;
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

static void retype_commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)mmu;
    if (!initiated_here(m, op) && !MUTANT(DESCENDANTS_NOT_TOLD))
        cspace_derived_elsewhere(monitor_cspace(m), range_address(op), range_end(op));
}

static void retype_abort(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)mmu;
    if (!initiated_here(m, op))
        return;
    struct cspace *cs = monitor_cspace(m);
    struct capability_task *t = task_of(m, op);
    struct cspace_progress progress;
    for (uint32_t i = 0; t->made && i < t->count && !MUTANT(RETYPE_ABORT_LEAVES); i++) {
        /* What is of that type in the range that we hold is what we made; another's outcome may have emptied the CNode. */
        uint32_t slot = (uint32_t)t->made + i;
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == t->type && c->address >= range_address(op) && capability_end(c) <= range_end(op))
            cspace_delete(cs, cspace_reference(cs, slot), CSPACE_OUTCOME, UINT32_MAX, &progress);
    }
    t->made = 0;
}

/* --- revoke ---------------------------------------------------------------------------------------------------------------------------- */

static void own_alone(struct monitor *m, const struct operation *op)
{
    struct cspace *cs = monitor_cspace(m);
    uint64_t source = task_of(m, op)->source;
    uint32_t slot;
    if (cspace_find_any(cs, source, &slot) != CAP_OK)
        return;
    uint32_t owner = MUTANT(REVOKED_NOT_OWNED) ? cspace_slot(cs, slot)->owner : m->me;
    cspace_relate(cs, source, owner, cspace_slot(cs, slot)->flags & CAP_REMOTE_ANCESTORS);
}

static void revoke_commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    const struct cspace_revocation revocation = {.reference = initiated_here(m, op) ? task_of(m, op)->source : 0,
                                                 .address = range_address(op),
                                                 .size = op->argument[0],
                                                 .type = (uint32_t)op->argument[1]};
    (void)mmu;
    if (MUTANT(REVOKE_HERE_ALONE) && !initiated_here(m, op))
        return;
    cspace_revoke_step(cs, &revocation, CSPACE_OUTCOME, UINT32_MAX, &progress);
    if (MUTANT(REVOKE_SETTLED_EARLY) && initiated_here(m, op)) {
        own_alone(m, op);
        give(m, op);
    }
}

static bool revoke_settled(struct monitor *m, struct operation *op)
{
    own_alone(m, op);
    return settled(m, op);
}

/* --- delete ---------------------------------------------------------------------------------------------------------------------------- */

static void delete_gather(struct monitor *m, struct operation *op, const uint64_t argument[4])
{
    (void)m;
    uint64_t ours = op->argument[2], theirs = argument[2];
    uint64_t heir = (ours & 0xffff) < (theirs & 0xffff) ? ours & 0xffff : theirs & 0xffff;
    op->argument[2] = heir | ((ours & 0xffff0000) + (theirs & 0xffff0000)) | ((ours | theirs) & HEIR_HAS_DESCENDANTS);
}

static enum verdict delete_prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    const struct cspace *cs = monitor_cspace(m);
    uint64_t answer[4] = {0, 0, NO_HEIR, 0};
    uint64_t copy = found(cs, op);
    (void)mmu;
    if (initiated_here(m, op))
        return VERDICT_OK;
    if (copy)
        answer[2] = m->me | 1ull << 16;
    if (op->argument[1] == CAP_RAM &&
        cspace_conflict(cs, range_address(op), op->argument[0], range_address(op), range_end(op)) != CAP_OK)
        answer[2] |= HEIR_HAS_DESCENDANTS;
    delete_gather(m, op, answer);
    return VERDICT_OK;
}

static void delete_commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    struct cspace *cs = monitor_cspace(m);
    struct cspace_progress progress;
    uint64_t copy = found(cs, op), heir = op->argument[2] & 0xffff;
    uint32_t slot;
    (void)mmu;
    if (initiated_here(m, op)) {
        cspace_delete(cs, task_of(m, op)->victim, CSPACE_OUTCOME, UINT32_MAX, &progress);
    } else if (copy && heir == m->me) {
        uint32_t relations = (op->argument[2] >> 16 & 0xffff) > 1 ? CAP_REMOTE_COPIES : 0;
        relations |= op->argument[2] & HEIR_HAS_DESCENDANTS ? CAP_REMOTE_DESCENDANTS : 0;
        if (cspace_find_any(cs, copy, &slot) == CAP_OK)
            relations |= cspace_slot(cs, slot)->flags & CAP_REMOTE_ANCESTORS;
        cspace_relate(cs, copy, m->me, MUTANT(DELETE_HEIR_FEARLESS) ? 0 : relations);
    } else if (copy && !MUTANT(DELETE_OTHERS_NOT_TOLD)) {
        owned_by(cs, copy, (uint32_t)heir, 0);
    }
}

/* It may have been one step of emptying a CNode, or of a revoke. */
static bool delete_settled(struct monitor *m, struct operation *op)
{
    struct capability_task *t = task_of(m, op);
    t->begun = 1;
    if (monitor_capability(m, t) != VERDICT_OK)
        return false; /* resume will see why */
    return settled(m, op);
}

/* --------------------------------------------------------------------------------------------------------------------------------------- */

const struct row capability_copy_row = {
    .name = "copy",
    .object = &ranges,
    .begin = begin,
    .resume = resume,
    .may_prepare = copy_may_prepare,
    .adopt = adopt,
    .prepare = copy_prepare,
    .commit = copy_commit,
    .abort = copy_abort,
    .gather = copy_gather,
    .settled = settled,
};
const struct row capability_retype_row = {
    .name = "retype",
    .object = &ranges,
    .begin = begin,
    .resume = resume,
    .may_prepare = retype_may_prepare,
    .adopt = adopt,
    .prepare = retype_prepare,
    .commit = retype_commit,
    .abort = retype_abort,
    .settled = settled,
};
const struct row capability_revoke_row = {
    .name = "revoke",
    .object = &ranges,
    .begin = begin,
    .resume = resume,
    .may_prepare = may_prepare,
    .adopt = adopt,
    .prepare = prepare_nothing,
    .commit = revoke_commit,
    .abort = abort_nothing,
    .settled = revoke_settled,
};
const struct row capability_delete_row = {
    .name = "delete",
    .object = &ranges,
    .begin = begin,
    .resume = resume,
    .may_prepare = may_prepare,
    .adopt = adopt,
    .prepare = delete_prepare,
    .commit = delete_commit,
    .abort = abort_nothing,
    .gather = delete_gather,
    .settled = delete_settled,
};
