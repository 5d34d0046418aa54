/* The agreement engine: one- and two-phase commit over a tree, for any operation that is a row.
 *
 * Two-phase, from the root. Round 1, PREPARE down the tree: a core that may not take part answers
 * no and forwards nothing; one that may locks the entry, forwards, does its own part, and answers
 * when its children have, with the first refusal it met (but the initiator's own before all). Round
 * 2, COMMIT if all said yes, else ABORT: forwarded the same way, so the root knows that the outcome
 * stands everywhere. One-phase: APPLY does both at once; a refusal costs a second round (ABORT)
 * that restores what others applied.
 *
 * Conflict: who finds the entry locked answers BUSY; the root aborts and retries after a wait that
 * grows with its number, so of two the same one gives way. Nobody waits while it holds a lock,
 * hence no deadlock (paper.md section 4: Barrelfish 2011).
 *
 * Who drives an operation (its root) is who asked for it (its initiator), unless the row names
 * another core: then the initiator hands it over (ASK), takes part like anybody, and hears from the
 * root what became of it (ANSWER). The root uses the record that every core has for that lane of
 * that initiator, so there is always room; what meets a lock waits there, oldest first, without a
 * message. The initiator holds no lock while it waits.
 *
 * A participant forwards to exactly the cores it would forward to in round 2: the object that names
 * the participants is locked in between, and all rounds travel by the version of the tree that the
 * messages name. What does not fit into one PREPARE is prepared by several, one round after the
 * other, of one operation: one COMMIT or ABORT says what becomes of all (row.more). */
#include <string.h>

#include "monitor/step_inside.h"

static void refuse(const struct monitor *m, const struct input *in, enum verdict verdict,
                   struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, in->from);
    entry->token = in->token;
    entry->message = *in->message;
    entry->message.word[0] =
        message_head(message_kind(in->message), message_row(in->message), verdict, m->me, m->view);
}

static bool exists(const struct monitor *m, uint32_t row, uint32_t number)
{
    const struct object_kind *object = monitor_rows[row]->object;
    return object->count ? number < object->count(m) : m->cspace_offset != 0;
}

static void request(struct monitor *m, const struct environment *env, const struct request *request,
                    struct output *out)
{
    struct operation *op = NULL;
    for (uint32_t lane = 0; lane < m->lanes && !op; lane++) {
        struct operation *candidate = monitor_own(m, lane);
        if (candidate->phase == PHASE_IDLE)
            op = candidate;
    }
    struct operation scratch;
    /* every lane is taken: the driver keeps the request and asks again */
    enum verdict verdict = VERDICT_BUSY;
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
        agreement_done(m, op, verdict, m->me, out);
        return;
    }
    agreement_attempt(m, env, op, out);
}

/* --- Messages --- */

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
static void asked(struct monitor *m, const struct environment *env, const struct input *in,
                  struct operation *op, struct output *out)
{
    uint32_t initiator = (uint32_t)(in->message->word[1] >> SEQUENCE_BITS);
    if (initiator != in->from || initiator == m->me || op->phase == PHASE_BACKOFF)
        return;
    adopt_message(op, in->message);
    op->from = (uint16_t)in->from;
    if (monitor_rows[op->row]->sequence)
        agreement_attempt(m, env, op, out);
    else
        agreement_done(m, op, VERDICT_BAD_REQUEST, m->me, out);
}

/* What became of an operation that another core drove. */
static void answered(struct monitor *m, const struct environment *env, const struct input *in,
                     struct operation *op, struct output *out)
{
    enum verdict verdict = message_verdict(in->message);
    if (op->id != in->message->word[1] || !is_own(m, op) || op->root != in->from ||
        op->root == m->me)
        return;
    if (verdict == VERDICT_OK && op->phase == PHASE_COMMITTED) {
        agreement_succeed(m, env, op, out);
    } else if (verdict == VERDICT_NOT_OWNER && op->phase == PHASE_ASKED) {
        op->declined = op->moved ? NOBODY : (uint16_t)in->from;
        /* if it is about to move, the range is locked here too */
        agreement_wait_for_tick(m, env, op);
    } else if (verdict != VERDICT_OK && op->phase == PHASE_ASKED) {
        agreement_done(m, op, verdict, message_core(in->message), out);
    }
}

static void join(struct monitor *m, const struct environment *env, const struct input *in,
                 struct operation *op, struct output *out)
{
    const struct message *message = in->message;
    uint32_t kind = message_kind(message);
    uint64_t ticket = op->ticket;
    bool own = message->word[1] >> SEQUENCE_BITS == m->me;
    /* One more piece of what is prepared here: a refusal leaves what there is to the ABORT. */
    bool again = op->id == message->word[1] && op->phase == PHASE_PREPARED && kind == KIND_PREPARE;
    if (own && (op->id != message->word[1] || op->phase != PHASE_ASKED ||
                op->root != message_core(message))) {
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
    enum verdict verdict = agreement_holder(m, op) ? VERDICT_BUSY : row->may_prepare(m, op);
    if (verdict != VERDICT_OK) {
        merge(op, verdict, m->me);
        op->phase = PHASE_REFUSED;
        agreement_reply(m, op, out);
        if (own)
            op->phase = PHASE_ASKED;
        if (again)
            op->phase = PHASE_PREPARED;
        return;
    }
    m->engaged -= again;
    agreement_take(m, op);
    row->adopt(m, op);
    agreement_begin_round(m, env, op, kind, out);
}

static void message(struct monitor *m, const struct environment *env, const struct input *in,
                    struct output *out)
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
             message_tree(message) > TREE_PLACES ||
             (kind <= KIND_ABORT && message_core(message) >= m->cores) ||
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
        if (op->id != message->word[1] ||
            (op->phase != PHASE_PREPARED && op->phase != PHASE_APPLIED)) {
            refuse(m, in, VERDICT_OK, out); /* we refused: nothing to undo */
            break;
        }
        op->token = in->token;
        op->verdict = VERDICT_OK;
        if (kind == KIND_COMMIT && monitor_rows[op->row]->gather)
            memcpy(op->argument, &message->word[3], sizeof op->argument);
        agreement_begin_round(m, env, op, kind, out);
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

static void answer(struct monitor *m, const struct environment *env, const struct input *in,
                   struct output *out)
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
    if (op->phase == PHASE_PREPARING && monitor_rows[op->row]->gather)
        monitor_rows[op->row]->gather(m, op, &message->word[3]);
    agreement_finish_round(m, env, op, out);
}

static void tick(struct monitor *m, const struct environment *env, struct output *out)
{
    if (!m->waiting)
        return;
    /* Others' operations wait here only where owners drive. */
    bool owner = m->capability_protocol == CAPABILITIES_OWNER;
    struct operation *first = owner ? monitor_operation(m, 0) : monitor_own(m, 0), *oldest = NULL;
    for (struct operation *op = first; op < first + (owner ? m->cores * m->lanes : m->lanes); op++)
        if (op->phase == PHASE_BACKOFF && op->retry_at <= env->now && !agreement_holder(m, op) &&
            (!oldest || op->retry_at < oldest->retry_at))
            oldest = op;
    if (!oldest)
        return;
    m->waiting--;
    /* One a tick keeps the output within its bound. One that still has to wait becomes the
     * youngest, and so keeps no other waiting. */
    agreement_attempt(m, env, oldest, out);
}

void monitor_step(struct monitor *m, const struct environment *env, const struct input *in,
                  struct output *out)
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
            agreement_own_part(m, env, op);
            agreement_finish_round(m, env, op, out);
        }
        break;
    case INPUT_TICK:
        tick(m, env, out);
        break;
    }
}
