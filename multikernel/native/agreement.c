/* The agreement engine: one- and two-phase commit over a tree, for any operation that is a row.
 *
 * Two-phase, root = initiator. Round 1, PREPARE down the tree: a core that may not take part answers no and forwards nothing; one
 * that may locks the entry, forwards, does its own part, and answers when its children have, with the first refusal it met.
 * Round 2, COMMIT if all said yes, else ABORT: forwarded the same way, so the initiator knows that the outcome stands everywhere.
 * One-phase: APPLY does both at once; a refusal costs a second round (ABORT) that restores what others applied.
 *
 * Conflict: who finds the entry locked answers BUSY; the initiator aborts and retries after a wait that grows with its number,
 * so of two the same one gives way. Nobody waits while it holds a lock, hence no deadlock (paper.md section 4: Barrelfish 2011).
 *
 * A participant forwards to exactly the cores it would forward to in round 2: the object that names the participants is locked in
 * between, and all rounds travel by the version of the tree that the messages name. */
#include <string.h>

#include "monitor.h"

enum { SEQUENCE_BITS = 48, NOBODY = TREE_NOBODY };
#define SEQUENCE_MASK ((1ull << SEQUENCE_BITS) - 1)

static uint32_t initiator_of(const struct operation *op)
{
    return (uint32_t)(op->id >> SEQUENCE_BITS);
}

/* The initiator is a core there is. */
static struct operation *record_of(struct monitor *m, uint64_t id)
{
    return monitor_operation(m, (uint32_t)(id >> SEQUENCE_BITS) * m->lanes + (uint32_t)(id & (m->lanes - 1)));
}

static const struct object_kind *object_of(const struct operation *op)
{
    return monitor_rows[op->row]->object;
}

/* Who else holds the object, or a part of it; 0: nobody. */
static uint64_t holder(struct monitor *m, const struct operation *op)
{
    const struct object_kind *object = object_of(op);
    return object->lock ? *object->lock(m, op->slot) : object->holder(m, op);
}

static void take(struct monitor *m, const struct operation *op)
{
    const struct object_kind *object = object_of(op);
    if (object->lock)
        *object->lock(m, op->slot) = op->id;
    else
        object->take(m, op);
}

static struct output_entry *emit(struct output *out, enum output_kind kind, uint32_t to)
{
    struct output_entry *entry = &out->entry[out->count++];
    entry->kind = kind;
    entry->to = to;
    return entry;
}

static void fill(struct message *message, const struct monitor *m, const struct operation *op, uint32_t kind)
{
    message->word[0] = message_head(kind, op->row, op->verdict, op->named, m->view) | (uint64_t)op->tree << 25;
    message->word[1] = op->id;
    message->word[2] = op->slot | (uint64_t)op->generation << 32;
    for (int i = 0; i < 4; i++)
        message->word[3 + i] = op->argument[i];
}

static void reply(struct monitor *m, const struct operation *op, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, op->from);
    entry->token = op->token;
    fill(&entry->message, m, op, op->phase);
}

static void refuse(const struct monitor *m, const struct input *in, enum verdict verdict, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, in->from);
    entry->token = in->token;
    entry->message = *in->message;
    entry->message.word[0] = message_head(message_kind(in->message), message_row(in->message), verdict, m->me, m->view);
}

/* --- Sending down the tree ---------------------------------------------------------------------------------------------- */

/* A set of more than 64 cores that is not all of them travels ahead of the message, a window of 64 a notice. */
static void send_set(const struct monitor *m, const struct operation *op, const uint64_t *set, uint32_t to,
                     struct output *out)
{
    for (uint32_t word = 0; word < m->set_words; word++) {
        struct output_entry *entry = emit(out, OUTPUT_NOTICE, to);
        fill(&entry->message, m, op, KIND_SET);
        entry->message.word[3] = word;
        entry->message.word[4] = set[word];
    }
}

/* Sends to this core's children: the participants below it in the root's tree with no participant in between. */
static uint32_t forward(struct monitor *m, const struct operation *op, uint32_t kind, struct output *out)
{
    const struct row *row = monitor_rows[op->row];
    uint64_t buffer[CORE_SET_WORDS_MAX];
    const uint64_t *participants = row->object->participants(m, op, buffer);
    uint32_t root = initiator_of(op), sent = 0, first = out->count;
    const struct tree_link *link =
        monitor_links(m, root, MUTANT(TREE_OF_THE_MOMENT) ? monitor_tree(m, root)->current : op->tree);
    bool set = row->set_travels && m->set_words > 1 && (kind == KIND_PREPARE || kind == KIND_APPLY);
    for (uint32_t core = NOBODY; (core = tree_next(link, participants, m->cores, root, m->me, core)) != NOBODY;
         sent++) {
        if (set)
            send_set(m, op, participants, core, out);
        fill(&emit(out, OUTPUT_REQUEST, core)->message, m, op, kind);
    }
    if (MUTANT(LAST_CHILD_FORGOTTEN) && kind == KIND_COMMIT && sent > 1) {
        out->count--;
        sent--;
    }
    if (MUTANT(ABORT_TO_NOBODY) && kind == KIND_ABORT) {
        out->count = first;
        sent = 0;
    }
    return sent;
}

/* --- A round: forward, own part, gather ------------------------------------------------------------------------------------ */

static void finish_round(struct monitor *m, const struct environment *env, struct operation *op, struct output *out);

static void merge(struct operation *op, enum verdict verdict, uint32_t core)
{
    if (op->verdict == VERDICT_OK && verdict != VERDICT_OK) {
        op->verdict = (uint8_t)verdict;
        op->named = (uint16_t)core;
    }
}

static void unlock(struct monitor *m, struct operation *op)
{
    const struct object_kind *object = object_of(op);
    if (!object->lock) {
        object->give(m, op);
        return;
    }
    uint64_t *lock = object->lock(m, op->slot);
    if (*lock != op->id)
        return;
    *lock = 0;
    if (object->unlocked)
        object->unlocked(m, op->slot);
}

/* This core's own part of the round. An initiator that does not hold the page has none, but for its directory entry. */
static void own_part(struct monitor *m, const struct environment *env, struct operation *op)
{
    const struct row *row = monitor_rows[op->row];
    int initiator = initiator_of(op) == m->me;
    enum verdict verdict;
    op->local = 0;
    switch (op->phase) {
    case PHASE_PREPARING:
        merge(op, row->prepare(m, op, env->mmu), m->me);
        if (MUTANT(UNLOCK_AT_VOTE) && !initiator)
            unlock(m, op);
        break;
    case PHASE_APPLYING:
        verdict = row->prepare(m, op, env->mmu);
        merge(op, verdict, m->me);
        if (initiator)
            break; /* commits when all have answered: its lock is what orders concurrent one-phase operations */
        if (verdict == VERDICT_OK)
            row->commit(m, op, env->mmu);
        if (verdict == VERDICT_OK || MUTANT(UNLOCK_AT_FAILED_APPLY))
            unlock(m,
                   op); /* else at the ABORT that this brings: it must not undo what another operation did meanwhile */
        break;
    case PHASE_COMMITTING:
        row->commit(m, op, env->mmu);
        if (!initiator || !row->settled || MUTANT(RANGE_GIVEN_EARLY))
            unlock(m, op);
        break;
    case PHASE_ABORTING:
        row->abort(m, op, env->mmu);
        unlock(m, op);
        break;
    default:
        break;
    }
}

static void begin_round(struct monitor *m, const struct environment *env, struct operation *op, uint32_t kind,
                        struct output *out)
{
    static const uint8_t phase_of[] = {
        [KIND_PREPARE] = PHASE_PREPARING,
        [KIND_APPLY] = PHASE_APPLYING,
        [KIND_COMMIT] = PHASE_COMMITTING,
        [KIND_ABORT] = PHASE_ABORTING,
    };
    op->phase = phase_of[kind];
    op->waiting = forward(m, op, kind, out);
    if (MUTANT(REPLY_BEFORE_CHILDREN) && initiator_of(op) != m->me)
        op->waiting = 0;
    op->local = 1;
    if (op->waiting) {
        /* The messages leave first; this core works while they travel. */
        out->local = (uint32_t)(op - monitor_operation(m, 0));
        return;
    }
    own_part(m, env, op);
    finish_round(m, env, op, out);
}

/* --- The initiator ------------------------------------------------------------------------------------------------------------ */

static void done(struct monitor *m, struct operation *op, enum verdict verdict, uint32_t core, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_DONE, m->me);
    entry->token = op->ticket;
    op->verdict = (uint8_t)verdict;
    op->named = (uint16_t)core;
    fill(&entry->message, m, op, 0);
    op->phase = PHASE_IDLE;
}

/* Without haste: at the next tick at which nobody else holds the object. */
static void wait_for_tick(struct monitor *m, const struct environment *env, struct operation *op)
{
    op->phase = PHASE_BACKOFF;
    op->retry_at = env->now;
    m->waiting++;
}

static void succeed(struct monitor *m, const struct environment *env, struct operation *op, struct output *out)
{
    const struct row *row = monitor_rows[op->row];
    if (row->settled) {
        unlock(m, op);
        if (!row->settled(m, op)) {
            wait_for_tick(m, env, op); /* this was a step on the way to what was asked for */
            return;
        }
    }
    int tell_home = row->release_home && row->release_home(m, op);
    done(m, op, VERDICT_OK, m->me, out);
    if (tell_home) {
        struct output_entry *entry = emit(out, OUTPUT_NOTICE, monitor_home(m, op->slot));
        fill(&entry->message, m, op, KIND_RELEASE);
    }
}

static void back_off(struct monitor *m, const struct environment *env, struct operation *op)
{
    uint32_t shift = op->attempts < 6 ? op->attempts : 6;
    op->attempts++;
    op->phase = PHASE_BACKOFF;
    /* The wait grows with the core's number: two that collide do not collide again for ever. */
    op->retry_at = env->now + (env->backoff << shift) * (m->me + 1);
    m->waiting++;
}

static void attempt(struct monitor *m, const struct environment *env, struct operation *op, struct output *out)
{
    const struct row *row = monitor_rows[op->row];
    enum verdict verdict = row->resume ? row->resume(m, op) : row->may_prepare(m, op);
    if (verdict == VERDICT_BUSY || (verdict == VERDICT_OK && holder(m, op))) {
        wait_for_tick(m, env, op); /* another operation is at it, or there is more to do here */
        return;
    }
    if (verdict != VERDICT_OK) {
        done(m, op, verdict == VERDICT_ALONE ? VERDICT_OK : verdict, m->me, out);
        return;
    }
    row = monitor_rows[op->row]; /* resume may have chosen another one, as a step on the way */
    uint32_t lane = (uint32_t)(op - monitor_own(m, 0));
    op->id = (uint64_t)m->me << SEQUENCE_BITS | ((++m->sequence * m->lanes + lane) & SEQUENCE_MASK);
    op->verdict = VERDICT_OK;
    op->named = NOBODY;
    op->tree = (uint8_t)monitor_tree(m, m->me)->current;
    take(m, op);
    row->adopt(m, op);
    begin_round(m, env, op, op->protocol == ONE_PHASE ? KIND_APPLY : KIND_PREPARE, out);
}

static bool exists(const struct monitor *m, uint32_t row, uint32_t number)
{
    const struct object_kind *object = monitor_rows[row]->object;
    return object->count ? number < object->count(m) : m->cspace_offset != 0;
}

static void request(struct monitor *m, const struct environment *env, const struct request *request, struct output *out)
{
    struct operation *op = NULL;
    for (uint32_t lane = 0; lane < m->lanes && !op; lane++) {
        struct operation *candidate = monitor_own(m, lane);
        if (candidate->phase == PHASE_IDLE)
            op = candidate;
    }
    struct operation scratch;
    enum verdict verdict = VERDICT_BUSY; /* every lane is taken: the driver keeps the request and asks again */
    if (!op)
        op = &scratch;
    memset(op, 0, sizeof *op);
    op->row = (uint8_t)request->row;
    op->ticket = request->ticket;
    op->generation = request->generation;
    if (request->row >= ROWS || !exists(m, request->row, request->slot)) {
        verdict = VERDICT_BAD_REQUEST;
    } else if (op != &scratch) {
        const struct row *row = monitor_rows[request->row];
        op->slot = request->slot;
        op->protocol = row->one_phase ? (uint8_t)request->protocol : TWO_PHASE;
        verdict = row->begin(m, op, request);
    }
    if (verdict != VERDICT_OK) {
        done(m, op, verdict, m->me, out);
        return;
    }
    attempt(m, env, op, out);
}

/* --- Rounds end ------------------------------------------------------------------------------------------------------------------ */

static void finish_initiated(struct monitor *m, const struct environment *env, struct operation *op, struct output *out)
{
    int yes = op->verdict == VERDICT_OK;
    switch (op->phase) {
    case PHASE_PREPARING:
        if (MUTANT(NO_SECOND_ROUND) && yes) {
            op->phase = PHASE_COMMITTING;
            own_part(m, env, op);
            succeed(m, env, op, out);
        } else {
            begin_round(m, env, op, yes || MUTANT(COMMIT_ON_REFUSAL) ? KIND_COMMIT : KIND_ABORT, out);
        }
        break;
    case PHASE_APPLYING:
        if (yes || MUTANT(ONE_PHASE_WITHOUT_RESTORE)) {
            op->phase = PHASE_COMMITTING;
            own_part(m, env, op);
            if (yes)
                succeed(m, env, op, out);
            else
                done(m, op, (enum verdict)op->verdict, op->named, out);
        } else {
            begin_round(m, env, op, KIND_ABORT, out);
        }
        break;
    case PHASE_COMMITTING:
        succeed(m, env, op, out);
        break;
    case PHASE_ABORTING:
        if (monitor_retries(op))
            back_off(m, env, op);
        else
            done(m, op, (enum verdict)op->verdict, op->named, out);
        break;
    default:
        break;
    }
}

static void finish_round(struct monitor *m, const struct environment *env, struct operation *op, struct output *out)
{
    if (op->waiting || op->local)
        return;
    if (initiator_of(op) == m->me) {
        finish_initiated(m, env, op, out);
        return;
    }
    static const uint8_t next[] = {
        [PHASE_PREPARING] = PHASE_PREPARED,
        [PHASE_APPLYING] = PHASE_APPLIED,
        [PHASE_COMMITTING] = PHASE_COMMITTED,
        [PHASE_ABORTING] = PHASE_ABORTED,
    };
    op->phase = next[op->phase];
    if (op->phase == PHASE_PREPARED)
        m->engaged++;
    else if (op->protocol == TWO_PHASE)
        m->engaged--;
    reply(m, op, out);
}

/* --- Messages -------------------------------------------------------------------------------------------------------------------- */

static void join(struct monitor *m, const struct environment *env, const struct input *in, struct operation *op,
                 struct output *out)
{
    const struct message *message = in->message;
    uint32_t kind = message_kind(message);
    memset(op, 0, sizeof *op);
    op->id = message->word[1];
    op->slot = (uint32_t)message->word[2];
    op->generation = (uint32_t)(message->word[2] >> 32);
    memcpy(op->argument, &message->word[3], sizeof op->argument);
    op->row = (uint8_t)message_row(message);
    op->tree = (uint8_t)message_tree(message);
    op->protocol = kind == KIND_APPLY ? ONE_PHASE : TWO_PHASE;
    op->from = (uint16_t)in->from;
    op->token = in->token;
    op->named = NOBODY;

    const struct row *row = monitor_rows[op->row];
    enum verdict verdict = holder(m, op) && !MUTANT(LOCK_IGNORED) ? VERDICT_BUSY : row->may_prepare(m, op);
    if (verdict != VERDICT_OK) {
        merge(op, verdict, m->me);
        op->phase = PHASE_REFUSED;
        reply(m, op, out);
        return;
    }
    take(m, op);
    row->adopt(m, op);
    begin_round(m, env, op, kind, out);
}

static void message(struct monitor *m, const struct environment *env, const struct input *in, struct output *out)
{
    const struct message *message = in->message;
    uint32_t kind = message_kind(message);
    uint32_t initiator = (uint32_t)(message->word[1] >> SEQUENCE_BITS);
    uint32_t row = message_row(message);
    int notice = kind == KIND_SET || kind == KIND_RELEASE;
    enum verdict bad = VERDICT_OK;
    if (message_view(message) != m->view)
        bad = VERDICT_STALE_VIEW;
    else if (kind == 0 || kind >= AGREEMENT_KINDS || row >= ROWS || initiator >= m->cores ||
             message_tree(message) > TREE_VERSIONS || !exists(m, row, (uint32_t)message->word[2]))
        bad = VERDICT_BAD_REQUEST;
    if (bad != VERDICT_OK) {
        if (!notice)
            refuse(m, in, bad, out);
        return;
    }
    struct operation *op = record_of(m, message->word[1]);
    switch (kind) {
    case KIND_PREPARE:
    case KIND_APPLY:
        join(m, env, in, op, out);
        break;
    case KIND_COMMIT:
    case KIND_ABORT:
        if (op->id != message->word[1] || (op->phase != PHASE_PREPARED && op->phase != PHASE_APPLIED)) {
            refuse(m, in, VERDICT_OK, out); /* we refused: nothing to undo */
            break;
        }
        op->token = in->token;
        op->verdict = VERDICT_OK;
        if (kind == KIND_COMMIT && monitor_rows[op->row]->gather)
            memcpy(op->argument, &message->word[3], sizeof op->argument);
        begin_round(m, env, op, kind, out);
        break;
    case KIND_SET:
    case KIND_RELEASE:
        if (monitor_rows[row]->object->notice)
            monitor_rows[row]->object->notice(m, message);
        break;
    default:
        break;
    }
}

static void answer(struct monitor *m, const struct environment *env, const struct input *in, struct output *out)
{
    const struct message *message = in->message;
    uint32_t initiator = (uint32_t)(message->word[1] >> SEQUENCE_BITS);
    if (initiator >= m->cores)
        return;
    struct operation *op = record_of(m, message->word[1]);
    if (op->id != message->word[1] || !op->waiting)
        return;
    op->waiting--;
    merge(op, message_verdict(message), message_core(message));
    if (op->phase == PHASE_PREPARING && monitor_rows[op->row]->gather && !MUTANT(GATHER_FORGOTTEN))
        monitor_rows[op->row]->gather(m, op, &message->word[3]);
    finish_round(m, env, op, out);
}

static void tick(struct monitor *m, const struct environment *env, struct output *out)
{
    if (!m->waiting)
        return;
    for (uint32_t lane = 0; lane < m->lanes; lane++) {
        struct operation *op = monitor_own(m, lane);
        if (op->phase != PHASE_BACKOFF || op->retry_at > env->now || holder(m, op))
            continue;
        m->waiting--;
        attempt(m, env, op, out);
        if (op->phase != PHASE_BACKOFF)
            return; /* one a tick keeps the output within its bound; one that still has to wait keeps no other waiting */
    }
}

void monitor_step(struct monitor *m, const struct environment *env, const struct input *in, struct output *out)
{
    out->count = 0;
    out->local = NO_OPERATION;
    struct operation *op;
    switch (in->kind) {
    case INPUT_MESSAGE:
        message(m, env, in, out);
        break;
    case INPUT_REPLY:
        answer(m, env, in, out);
        break;
    case INPUT_REQUEST:
        request(m, env, in->request, out);
        break;
    case INPUT_CONTINUE:
        op = monitor_operation(m, in->operation);
        if (op->local) {
            own_part(m, env, op);
            finish_round(m, env, op, out);
        }
        break;
    case INPUT_TICK:
        tick(m, env, out);
        break;
    }
}
