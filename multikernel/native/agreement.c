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
 * Who drives an operation (its root) is who asked for it (its initiator), unless the row names another core: then the initiator hands it
 * over (ASK), takes part like anybody, and hears from the root what became of it (ANSWER). The root uses the record that every core has
 * for that lane of that initiator, so there is always room; what meets a lock waits there, oldest first, without a message. The initiator
 * holds no lock while it waits.
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

/* Asked for here? (Before its first attempt it has no id.) */
static bool is_own(const struct monitor *m, const struct operation *op)
{
    return !op->id || initiator_of(op) == m->me;
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

static void fill(struct message *message, const struct monitor *m, const struct operation *op, uint32_t kind,
                 uint32_t core)
{
    message->word[0] = message_head(kind, op->row, op->verdict, core, m->view) | (uint64_t)op->tree << 25;
    message->word[1] = op->id;
    message->word[2] = op->slot | (uint64_t)op->generation << 32;
    for (int i = 0; i < 4; i++)
        message->word[3 + i] = op->argument[i];
}

static void reply(struct monitor *m, const struct operation *op, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, op->from);
    entry->token = op->token;
    fill(&entry->message, m, op, op->phase, op->named);
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
        fill(&entry->message, m, op, KIND_SET, op->root);
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
    uint32_t root = MUTANT(ROUTED_BY_INITIATOR) ? initiator_of(op) : op->root, sent = 0, first = out->count;
    const struct tree_link *link =
        monitor_links(m, root, MUTANT(TREE_OF_THE_MOMENT) ? monitor_tree(m, root)->current : op->tree);
    bool set = row->set_travels && m->set_words > 1 && (kind == KIND_PREPARE || kind == KIND_APPLY);
    for (uint32_t core = NOBODY; (core = tree_next(link, participants, m->cores, root, m->me, core)) != NOBODY;
         sent++) {
        if (set)
            send_set(m, op, participants, core, out);
        fill(&emit(out, OUTPUT_REQUEST, core)->message, m, op, kind, root);
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

/* This core's own part of the round. A root that does not hold the page has none, but for its directory entry. */
static void own_part(struct monitor *m, const struct environment *env, struct operation *op)
{
    const struct row *row = monitor_rows[op->row];
    int root = op->root == m->me;
    enum verdict verdict;
    op->local = 0;
    switch (op->phase) {
    case PHASE_PREPARING:
        merge(op, row->prepare(m, op, env->mmu), m->me);
        if (MUTANT(UNLOCK_AT_VOTE) && !root)
            unlock(m, op);
        break;
    case PHASE_APPLYING:
        verdict = row->prepare(m, op, env->mmu);
        merge(op, verdict, m->me);
        if (root)
            break; /* commits when all have answered: its lock is what orders concurrent one-phase operations */
        if (verdict == VERDICT_OK)
            row->commit(m, op, env->mmu);
        if (verdict == VERDICT_OK || MUTANT(UNLOCK_AT_FAILED_APPLY))
            unlock(m,
                   op); /* else at the ABORT that this brings: it must not undo what another operation did meanwhile */
        break;
    case PHASE_COMMITTING:
        row->commit(m, op, env->mmu);
        if (!(root || (is_own(m, op) && !MUTANT(ASKED_GIVES_EARLY))) || !row->settled || MUTANT(RANGE_GIVEN_EARLY))
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
    if ((MUTANT(REPLY_BEFORE_CHILDREN) && op->root != m->me) ||
        (MUTANT(OWNER_ANSWERS_EARLY) && kind == KIND_COMMIT && op->root == m->me && !is_own(m, op)))
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

/* --- The root ------------------------------------------------------------------------------------------------------------ */

static void done(struct monitor *m, struct operation *op, enum verdict verdict, uint32_t core, struct output *out)
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
        if (is_own(m, op) && !row->settled(m, op)) {
            wait_for_tick(m, env, op); /* this was a step on the way to what was asked for */
            return;
        }
    }
    int tell_home = row->release_home && row->release_home(m, op);
    done(m, op, VERDICT_OK, m->me, out);
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

static void attempt(struct monitor *m, const struct environment *env, struct operation *op, struct output *out)
{
    const struct row *row = monitor_rows[op->row];
    bool own = is_own(m, op);
    op->root = (uint16_t)m->me;
    enum verdict verdict;
    if (!own) /* while an outcome is awaited here, nobody can say who owns it */
        verdict = holder(m, op) && !MUTANT(OWNER_TOO_SURE) ? VERDICT_BUSY : row->sequence(m, op);
    else
        verdict = row->resume ? row->resume(m, op) : row->may_prepare(m, op);
    if (verdict == VERDICT_BUSY || (verdict == VERDICT_OK && holder(m, op))) {
        wait_for_tick(m, env, op); /* another operation is at it, or there is more to do here */
        return;
    }
    if (!own && verdict == VERDICT_OK)
        verdict = row->may_prepare(m, op);
    if (verdict != VERDICT_OK) {
        done(m, op, verdict == VERDICT_ALONE ? VERDICT_OK : verdict, m->me, out);
        return;
    }
    row = monitor_rows[op->row]; /* resume may have chosen another one, as a step on the way */
    if (own) {
        uint32_t lane = (uint32_t)(op - monitor_own(m, 0));
        op->id = (uint64_t)m->me << SEQUENCE_BITS | ((++m->sequence * m->lanes + lane) & SEQUENCE_MASK);
    } /* else all that was sent by that id has been answered: nothing will be mistaken for this attempt */
    op->verdict = VERDICT_OK;
    op->named = NOBODY;
    if (op->root != m->me) {
        op->phase = PHASE_ASKED;
        op->moved = 0;
        fill(&emit(out, OUTPUT_NOTICE, op->root)->message, m, op, KIND_ASK, op->root);
        return;
    }
    op->tree = (uint8_t)monitor_tree(m, m->me)->current;
    if (own || !MUTANT(OWNER_WITHOUT_LOCK))
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
    op->declined = NOBODY;
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

static void finish_driven(struct monitor *m, const struct environment *env, struct operation *op, struct output *out)
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
    reply(m, op, out);
    if (op->phase == PHASE_ABORTED && is_own(m, op) && !MUTANT(ASKED_NOT_AGAIN))
        op->phase = PHASE_ASKED;
}

/* --- Messages -------------------------------------------------------------------------------------------------------------------- */

static void adopt_message(struct operation *op, const struct message *message)
{
    memset(op, 0, sizeof *op);
    op->id = message->word[1];
    op->slot = (uint32_t)message->word[2];
    op->generation = (uint32_t)(message->word[2] >> 32);
    memcpy(op->argument, &message->word[3], sizeof op->argument);
    op->row = (uint8_t)message_row(message);
    op->named = op->declined = NOBODY;
}

/* Another core has asked this one to drive its operation. */
static void asked(struct monitor *m, const struct environment *env, const struct input *in, struct operation *op,
                  struct output *out)
{
    uint32_t initiator = (uint32_t)(in->message->word[1] >> SEQUENCE_BITS);
    if (initiator != in->from || initiator == m->me || op->phase == PHASE_BACKOFF)
        return;
    adopt_message(op, in->message);
    op->from = (uint16_t)in->from;
    if (monitor_rows[op->row]->sequence)
        attempt(m, env, op, out);
    else
        done(m, op, VERDICT_BAD_REQUEST, m->me, out);
}

/* What became of an operation that another core drove. */
static void answered(struct monitor *m, const struct environment *env, const struct input *in, struct operation *op,
                     struct output *out)
{
    enum verdict verdict = message_verdict(in->message);
    if (op->id != in->message->word[1] || !is_own(m, op) || op->root != in->from || op->root == m->me)
        return;
    if (verdict == VERDICT_OK && op->phase == PHASE_COMMITTED) {
        succeed(m, env, op, out);
    } else if (verdict == VERDICT_NOT_OWNER && op->phase == PHASE_ASKED) {
        op->declined = op->moved ? NOBODY : (uint16_t)in->from;
        wait_for_tick(m, env, op); /* if it is about to move, the range is locked here too */
    } else if (verdict != VERDICT_OK && op->phase == PHASE_ASKED) {
        done(m, op, verdict, message_core(in->message), out);
    }
}

static void join(struct monitor *m, const struct environment *env, const struct input *in, struct operation *op,
                 struct output *out)
{
    const struct message *message = in->message;
    uint32_t kind = message_kind(message);
    uint64_t ticket = op->ticket;
    bool own = message->word[1] >> SEQUENCE_BITS == m->me;
    if (own && (op->id != message->word[1] || op->phase != PHASE_ASKED || op->root != message_core(message))) {
        refuse(m, in, VERDICT_BAD_REQUEST, out);
        return;
    }
    adopt_message(op, message);
    op->ticket = own ? ticket : 0;
    op->root = (uint16_t)message_core(message);
    op->tree = (uint8_t)message_tree(message);
    op->protocol = kind == KIND_APPLY ? ONE_PHASE : TWO_PHASE;
    op->from = (uint16_t)in->from;
    op->token = in->token;

    const struct row *row = monitor_rows[op->row];
    enum verdict verdict = holder(m, op) && !MUTANT(LOCK_IGNORED) ? VERDICT_BUSY : row->may_prepare(m, op);
    if (verdict != VERDICT_OK) {
        merge(op, verdict, m->me);
        op->phase = PHASE_REFUSED;
        reply(m, op, out);
        if (own)
            op->phase = PHASE_ASKED;
        return;
    }
    if (!own || !MUTANT(ASKED_WITHOUT_LOCK))
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
    int notice = kind >= KIND_SET && kind < AGREEMENT_KINDS;
    enum verdict bad = VERDICT_OK;
    if (message_view(message) != m->view)
        bad = VERDICT_STALE_VIEW;
    else if (kind == 0 || kind >= AGREEMENT_KINDS || row >= ROWS || initiator >= m->cores ||
             message_tree(message) > TREE_VERSIONS || (kind <= KIND_ABORT && message_core(message) >= m->cores) ||
             !exists(m, row, (uint32_t)message->word[2]))
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
    case KIND_ASK:
        asked(m, env, in, op, out);
        break;
    case KIND_ANSWER:
        answered(m, env, in, op, out);
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
    /* Others' operations wait here only where owners drive. */
    bool owner = m->capability_protocol == CAPABILITIES_OWNER;
    struct operation *first = owner ? monitor_operation(m, 0) : monitor_own(m, 0), *oldest = NULL;
    for (struct operation *op = first; op < first + (owner ? m->cores * m->lanes : m->lanes); op++)
        if (op->phase == PHASE_BACKOFF && op->retry_at <= env->now && !holder(m, op) &&
            (!oldest || op->retry_at < oldest->retry_at))
            oldest = op;
    if (!oldest)
        return;
    m->waiting--;
    /* One a tick keeps the output within its bound. One that still has to wait becomes the youngest, and so keeps no other waiting. */
    attempt(m, env, oldest, out);
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
