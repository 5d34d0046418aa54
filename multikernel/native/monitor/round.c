/* A round of an operation: down the tree, this core's own part, and the answers; and what the root
 * makes of it. What the engine does is told in step.c, which takes the messages and calls
 * this. */
#include "monitor/step_inside.h"

static const struct object_kind *object_of(const struct operation *op)
{
    return monitor_rows[op->row]->object;
}

/* Who else holds the object, or a part of it; 0: nobody. */
uint64_t agreement_holder(struct monitor *m, const struct operation *op)
{
    const struct object_kind *object = object_of(op);
    return object->lock ? *object->lock(m, op->slot) : object->holder(m, op);
}

void agreement_take(struct monitor *m, const struct operation *op)
{
    const struct object_kind *object = object_of(op);
    if (object->lock)
        *object->lock(m, op->slot) = op->id;
    else
        object->take(m, op);
}

static void fill(struct message *message, const struct monitor *m, const struct operation *op,
                 uint32_t kind, uint32_t core)
{
    message->word[0] = message_head(kind, op->row, op->verdict, core, m->view) | (uint64_t)op->tree
                                                                                     << 25;
    message->word[1] = op->id;
    message->word[2] = op->slot | (uint64_t)op->generation << 32;
    for (int i = 0; i < 4; i++)
        message->word[3 + i] = op->argument[i];
}

void agreement_reply(struct monitor *m, const struct operation *op, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, op->from);
    entry->token = op->token;
    fill(&entry->message, m, op, op->phase, op->named);
}

/* --- Sending down the tree --- */

/* A set of more than 64 cores that is not all of them travels ahead of the message, a window of 64
 * a notice. */
static void send_set(const struct monitor *m, const struct operation *op, const uint64_t *set,
                     uint32_t to, struct output *out)
{
    for (uint32_t word = 0; word < m->set_words; word++) {
        struct output_entry *entry = emit(out, OUTPUT_NOTICE, to);
        fill(&entry->message, m, op, KIND_SET, op->root);
        entry->message.word[3] = word;
        entry->message.word[4] = set[word];
    }
}

/* That place's table of root's; NULL: flat. */
static const struct tree_link *links(const struct environment *env, uint32_t root, uint32_t place)
{
    return place == TREE_FLAT ? NULL : env->routing->links(env->routing->context, root, place);
}

/* Sends to this core's children: the participants below it in the root's tree with no participant
 * in between. */
static uint32_t forward(struct monitor *m, const struct environment *env, const struct operation *op, uint32_t kind,
                        struct output *out)
{
    const struct row *row = monitor_rows[op->row];
    uint64_t buffer[CORE_SET_WORDS_MAX];
    const uint64_t *participants = row->object->participants(m, op, buffer);
    uint32_t root = op->root, sent = 0;
    const struct tree_link *link = links(env, root, op->tree);
    bool set = row->set_travels && m->set_words > 1 && (kind == KIND_PREPARE || kind == KIND_APPLY);
    for (uint32_t core = NOBODY;
         (core = tree_next(link, participants, m->cores, root, m->me, core)) != NOBODY; sent++) {
        if (set)
            send_set(m, op, participants, core, out);
        fill(&emit(out, OUTPUT_REQUEST, core)->message, m, op, kind, root);
    }
    return sent;
}

/* --- A round: forward, own part, gather --- */

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

/* This core's own part of the round. A root that does not hold the page has none, but for its
 * directory entry. */
void agreement_own_part(struct monitor *m, const struct environment *env, struct operation *op)
{
    const struct row *row = monitor_rows[op->row];
    int root = op->root == m->me;
    enum verdict verdict;
    op->local = 0;
    switch (op->phase) {
    case PHASE_PREPARING:
        merge(op, row->prepare(m, op, env), m->me);
        break;
    case PHASE_APPLYING:
        verdict = row->prepare(m, op, env);
        merge(op, verdict, m->me);
        if (root)
            /* commits when all have answered: its lock is what orders concurrent one-phase
             * operations */
            break;
        if (verdict != VERDICT_OK)
            /* unlocks at the ABORT that this brings: that must not undo what another operation did
             * meanwhile */
            break;
        row->commit(m, op, env);
        unlock(m, op);
        break;
    case PHASE_COMMITTING:
        row->commit(m, op, env);
        if (!(root || is_own(m, op)) || !row->settled)
            unlock(m, op);
        break;
    case PHASE_ABORTING:
        row->abort(m, op, env);
        unlock(m, op);
        break;
    default:
        break;
    }
}

void agreement_begin_round(struct monitor *m, const struct environment *env, struct operation *op,
                           uint32_t kind, struct output *out)
{
    static const uint8_t phase_of[] = {
        [KIND_PREPARE] = PHASE_PREPARING,
        [KIND_APPLY] = PHASE_APPLYING,
        [KIND_COMMIT] = PHASE_COMMITTING,
        [KIND_ABORT] = PHASE_ABORTING,
    };
    op->phase = phase_of[kind];
    op->waiting = forward(m, env, op, kind, out);
    op->local = 1;
    if (op->waiting) {
        /* The messages leave first; this core works while they travel. */
        out->local = (uint32_t)(op - monitor_operation(m, 0));
        return;
    }
    agreement_own_part(m, env, op);
    agreement_finish_round(m, env, op, out);
}

/* --- The root --- */

void agreement_done(struct monitor *m, struct operation *op, enum verdict verdict, uint32_t core,
                    struct output *out)
{
    struct output_entry *entry =
        is_own(m, op) ? emit(out, OUTPUT_DONE, m->me) : emit(out, OUTPUT_NOTICE, initiator_of(op));
    entry->token = is_own(m, op) ? op->ticket : 0;
    op->verdict = (uint8_t)verdict;
    op->named = (uint16_t)core;
    fill(&entry->message, m, op, is_own(m, op) ? 0 : KIND_ANSWER, core);
    op->phase = PHASE_IDLE;
}

/* Without haste: at the next tick at which nobody else holds the object. */
void agreement_wait_for_tick(struct monitor *m, const struct environment *env, struct operation *op)
{
    op->phase = PHASE_BACKOFF;
    op->retry_at = env->now;
    m->waiting++;
}

void agreement_succeed(struct monitor *m, const struct environment *env, struct operation *op,
                       struct output *out)
{
    const struct row *row = monitor_rows[op->row];
    if (row->settled) {
        unlock(m, op);
        if (is_own(m, op) && !row->settled(m, op)) {
            /* this was a step on the way to what was asked for */
            agreement_wait_for_tick(m, env, op);
            return;
        }
    }
    int tell_home = row->release_home && row->release_home(m, op);
    agreement_done(m, op, VERDICT_OK, m->me, out);
    if (tell_home) {
        struct output_entry *entry = emit(out, OUTPUT_NOTICE, monitor_home(m, op->slot));
        fill(&entry->message, m, op, KIND_RELEASE, m->me);
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

void agreement_attempt(struct monitor *m, const struct environment *env, struct operation *op,
                       struct output *out)
{
    const struct row *row = monitor_rows[op->row];
    bool own = is_own(m, op);
    op->root = (uint16_t)m->me;
    enum verdict verdict;
    if (!own) /* while an outcome is awaited here, nobody can say who owns it */
        verdict = agreement_holder(m, op) ? VERDICT_BUSY : row->sequence(m, op);
    else
        verdict = row->resume ? row->resume(m, op) : row->may_prepare(m, op);
    if (verdict == VERDICT_BUSY || (verdict == VERDICT_OK && agreement_holder(m, op))) {
        /* another operation is at it, or there is more to do here */
        agreement_wait_for_tick(m, env, op);
        return;
    }
    if (!own && verdict == VERDICT_OK)
        verdict = row->may_prepare(m, op);
    if (verdict != VERDICT_OK) {
        agreement_done(m, op, verdict == VERDICT_ALONE ? VERDICT_OK : verdict, m->me, out);
        return;
    }
    row = monitor_rows[op->row]; /* resume may have chosen another one, as a step on the way */
    if (own) {
        uint32_t lane = (uint32_t)(op - monitor_own(m, 0));
        op->id =
            (uint64_t)m->me << SEQUENCE_BITS | ((++m->sequence * m->lanes + lane) & SEQUENCE_MASK);
        /* else all that was sent by that id has been answered: nothing will be mistaken for this
     * attempt */
    }
    op->verdict = VERDICT_OK;
    op->named = NOBODY;
    if (op->root != m->me) {
        op->phase = PHASE_ASKED;
        op->moved = 0;
        fill(&emit(out, OUTPUT_NOTICE, op->root)->message, m, op, KIND_ASK, op->root);
        return;
    }
    op->tree = (uint8_t)tree_place(monitor_tree(m, m->me)->version);
    agreement_take(m, op);
    row->adopt(m, op);
    agreement_begin_round(m, env, op, op->protocol == ONE_PHASE ? KIND_APPLY : KIND_PREPARE, out);
}

/* --- Rounds end --- */

static void finish_driven(struct monitor *m, const struct environment *env, struct operation *op,
                          struct output *out)
{
    int yes = op->verdict == VERDICT_OK;
    switch (op->phase) {
    case PHASE_PREPARING:
        if (yes && monitor_rows[op->row]->more && monitor_rows[op->row]->more(m, op))
            agreement_begin_round(m, env, op, KIND_PREPARE, out);
        else
            agreement_begin_round(m, env, op, yes ? KIND_COMMIT : KIND_ABORT, out);
        break;
    case PHASE_APPLYING:
        if (yes) {
            op->phase = PHASE_COMMITTING;
            agreement_own_part(m, env, op);
            agreement_succeed(m, env, op, out);
        } else {
            agreement_begin_round(m, env, op, KIND_ABORT, out);
        }
        break;
    case PHASE_COMMITTING:
        agreement_succeed(m, env, op, out);
        break;
    case PHASE_ABORTING:
        if (monitor_retries(op))
            back_off(m, env, op);
        else
            agreement_done(m, op, (enum verdict)op->verdict, op->named, out);
        break;
    default:
        break;
    }
}

void agreement_finish_round(struct monitor *m, const struct environment *env, struct operation *op,
                            struct output *out)
{
    if (op->waiting || op->local)
        return;
    if (op->root == m->me) {
        finish_driven(m, env, op, out);
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
    agreement_reply(m, op, out);
    if (op->phase == PHASE_ABORTED && is_own(m, op))
        op->phase = PHASE_ASKED;
}
