/* The agreement engine: one- and two-phase commit over a tree, for any kind of operation.
 *
 * Two-phase, from the root. Round 1, PREPARE down the tree: a core that may not take part answers
 * no and forwards nothing; one that may locks the object, forwards, does its own part, and answers
 * when its children have, with the first refusal it met (but the initiator's own before all). Round
 * 2, COMMIT if all said yes, else ABORT: forwarded the same way, so the root knows that the outcome
 * stands everywhere. One-phase: APPLY does both at once; a refusal costs a second round (ABORT)
 * that restores what others applied.
 *
 * Conflict: of two attempts that meet, all cores agree which is the stronger. A core that finds the
 * object locked by a stronger attempt answers BUSY and names it; the root aborts, and tries again
 * later (attempt.c), stronger than before. One that finds it locked by a weaker attempt keeps the
 * request until that one has ended. So what waits while it holds locks waits for weaker attempts
 * only, and there is no circle: hence no deadlock. (Wait-die: Rosenkrantz, Stearns and Lewis, ACM
 * TODS 3(2), 1978. In Barrelfish both abort.)
 *
 * A workflow is what a program asked for: it is tried alone, agreed on with the others, and tried
 * again, in as many steps as it takes. An agreement is one attempt at one step; its kind never
 * changes under way.
 *
 * The root of an agreement drives it: the initiator, unless its kind names another core. Then the
 * initiator hands it over (ASK), takes part like any core, and hears from the root what became of
 * it (ANSWER). What meets a lock waits at the root, in the order of asking, without a message. The
 * initiator holds no lock while it waits.
 *
 * A participant forwards to exactly the cores it would forward to in round 2: the object that names
 * the participants is locked in between, and all rounds travel by the place of the tree that the
 * messages name. What does not fit into one PREPARE is prepared by several, one round after the
 * other, of one agreement: one COMMIT or ABORT says what becomes of all (operation_kind.more).
 *
 * A record of another core's agreement is there while it is under way. Where there is no room for
 * one the answer is BUSY. */
#include "monitor/step_inside.h"

RARE static void refuse(const struct monitor *m, const struct input *in, enum verdict verdict,
                        struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, in->from);
    entry->token = in->token;
    entry->message = *in->message;
    entry->message.word[0] = message_head(message_kind(in->message), message_operation(in->message),
                                          verdict, m->me, m->view);
    if (verdict == VERDICT_BUSY)
        entry->message.word[3] = 0; /* nobody's lock */
}

/* --- Requests --- */

/* The outcome of a request that needs no agreement. */
static void at_once(const struct monitor *m, const struct request *request, enum verdict verdict,
                    const struct capability_task *task, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_DONE, m->me);
    entry->token = request->ticket;
    entry->message =
        (struct message){{message_head(0, request->operation, verdict, m->me, m->view)}};
    if (!task)
        return;
    entry->message.word[2] = task->made;
    entry->message.word[5] = task->fresh;
    entry->message.word[6] = task->fresh_size;
}

static struct workflow *free_lane(const struct monitor *m, uint32_t *lane)
{
    const uint64_t untaken = ~m->lanes_taken;
    *lane = untaken ? (uint32_t)__builtin_ctzll(untaken) : LANES_MAX;
    return *lane < m->lanes ? monitor_workflow(m, *lane) : NULL;
}

static void request(struct monitor *m, const struct environment *env, const struct request *request,
                    struct output *out)
{
    uint32_t lane;
    struct workflow *w = free_lane(m, &lane);
    if (request->operation >= OPERATIONS || !env->operations->kind[request->operation]->begin ||
        !object_exists(m, env->operations->kind[request->operation], request->slot)) {
        at_once(m, request, VERDICT_BAD_REQUEST, NULL, out);
        return;
    }
    const struct operation_kind *kind = env->operations->kind[request->operation];
    struct capability_task spare, *task = w ? &w->task : &spare;
    if (request->task) {
        *task = *request->task;
        task->operation = (uint8_t)request->operation;
    }
    out->work.operation = (uint8_t)request->operation;
    /* What is done in parts has to be remembered, so it needs a lane before it begins. */
    if (kind->alone && (w || !kind->in_parts)) {
        const enum verdict verdict = kind->alone(m, task);
        if (verdict != VERDICT_PENDING && verdict != VERDICT_BUSY && verdict != VERDICT_MORE) {
            out->work.own_part = 1;
            at_once(m, request, verdict, task, out);
            return;
        }
        task->tried = verdict == VERDICT_PENDING;
    }
    if (!w) { /* every lane is taken: the driver keeps the request and asks again */
        at_once(m, request, VERDICT_BUSY, NULL, out);
        return;
    }
    struct agreement *a = monitor_own(m, lane);
    a->number = m->me * m->lanes + lane;
    agreement_renew(a, 0, request->slot, request->generation, request->operation);
    w->ticket = request->ticket;
    w->retry_at = 0;
    w->attempts = 0;
    w->declined = NOBODY;
    w->state = WORKFLOW_AGREEING;
    m->lanes_taken |= 1ull << lane;
    w->operation = (uint8_t)request->operation;
    w->protocol = kind->one_phase ? (uint8_t)request->protocol : TWO_PHASE;
    w->moved = 0;
    const enum verdict verdict = kind->begin(m, env, w, a, request);
    if (verdict == VERDICT_OK)
        agreement_attempt(m, env, a, out);
    else
        agreement_done(m, a, verdict, m->me, out);
}

/* --- Messages --- */

/* own: asked for here, and driven by another core. again: there are pieces of it here already. */
static void take_part(struct monitor *m, const struct environment *env, struct agreement *a,
                      bool own, bool again, struct output *out)
{
    const struct operation_kind *kind = kind_of(env, a);
    const uint64_t holder = agreement_holder(m, env, a);
    if (holder && !own && !again && agreement_may_wait(m, a, holder)) {
        out->work.waits = 1;
        agreement_wait(m, a, env->now);
        return;
    }
    const enum verdict verdict = holder ? VERDICT_BUSY : kind->check(m, a);
    if (verdict != VERDICT_OK) {
        merge(a, verdict, m->me);
        a->phase = PHASE_REFUSED;
        if (verdict == VERDICT_BUSY)
            a->argument[0] = holder;
        agreement_reply(m, env, a, out);
        if (own)
            a->phase = PHASE_ASKED;
        else if (again)
            a->phase = PHASE_PREPARED;
        else
            agreement_forget(m, a);
        return;
    }
    m->engaged -= again;
    agreement_take(m, env, a);
    agreement_begin_round(m, env, a, a->protocol == ONE_PHASE ? KIND_APPLY : KIND_PREPARE, out);
}

static void join(struct monitor *m, const struct environment *env, const struct input *in,
                 struct output *out)
{
    const struct message *message = in->message;
    const uint32_t kind = message_kind(message);
    const bool own = message->word[1] >> SEQUENCE_BITS == m->me;
    struct agreement *a = agreement_record_for(m, message);
    if (!a) {
        refuse(m, in, VERDICT_BUSY, out);
        return;
    }
    /* One more piece of what is prepared here: a refusal leaves what there is to the ABORT. */
    const bool known = a->id == message->word[1] && a->operation == message_operation(message);
    const bool again = known && a->phase == PHASE_PREPARED && kind == KIND_PREPARE &&
                       env->operations->kind[a->operation]->more;
    const bool asked = known && a->phase == PHASE_ASKED && a->root == message_core(message);
    if (own ? !asked : !(again || agreement_is_over(a))) {
        refuse(m, in, VERDICT_BAD_REQUEST, out);
        return;
    }
    agreement_adopt(a, message);
    a->root = (uint16_t)message_core(message);
    a->place = (uint8_t)message_place(message);
    a->strength = (uint8_t)message_strength(message);
    a->protocol = kind == KIND_APPLY ? ONE_PHASE : TWO_PHASE;
    a->from = (uint16_t)in->from;
    a->token = in->token;
    take_part(m, env, a, own, again, out);
}

static void outcome(struct monitor *m, const struct environment *env, const struct input *in,
                    struct agreement *a, struct output *out)
{
    const struct message *message = in->message;
    const bool commit = message_kind(message) == KIND_COMMIT;
    if (a->id != message->word[1] ||
        (a->phase != PHASE_PREPARED && (commit || a->phase != PHASE_APPLIED))) {
        refuse(m, in, VERDICT_OK, out); /* we refused: nothing to undo */
        return;
    }
    const uint32_t gathered = kind_of(env, a)->gathered;
    a->token = in->token;
    a->verdict = VERDICT_OK;
    if (commit && gathered) /* the rest is as it was prepared */
        a->argument[gathered] = message->word[3 + gathered];
    agreement_begin_round(m, env, a, message_kind(message), out);
}

/* It is final everywhere. Where all are notified of that, it is passed on, and what was kept for
 * the case that it is taken back is forgotten. */
static void released(struct monitor *m, const struct environment *env, const struct input *in,
                     struct output *out)
{
    const struct message *message = in->message;
    struct agreement *a = monitor_agreement(m, number_of(m, message->word[1]));
    const struct object_kind *object = env->operations->kind[message_operation(message)]->object;
    if (a->id == message->word[1] && a->phase == PHASE_APPLIED && !agreement_is_own(m, a)) {
        if (m->notifies_all)
            agreement_forward_release(m, env, a, out);
        agreement_forget(m, a);
    }
    if (object->released)
        object->released(m, env, message);
}

/* What comes from others is taken for true, for they are parts of one system: but whatever it says,
 * it leads nowhere out of this state, and no walk round in a circle. */
static void message(struct monitor *m, const struct environment *env, const struct input *in,
                    struct output *out)
{
    const struct message *message = in->message;
    const uint32_t kind = message_kind(message), operation = message_operation(message);
    const enum verdict bad = message_check(m, env, message);
    if (bad != VERDICT_OK) {
        if (kind < KIND_RELEASE || kind >= AGREEMENT_KINDS)
            refuse(m, in, bad, out);
        return;
    }
    out->work.operation = (uint8_t)operation;
    out->work.kind = (uint8_t)kind;
    const uint32_t number = number_of(m, message->word[1]);
    switch (kind) {
    case KIND_PREPARE:
    case KIND_APPLY:
        join(m, env, in, out);
        break;
    case KIND_COMMIT:
    case KIND_ABORT:
        outcome(m, env, in, monitor_agreement(m, number), out);
        break;
    case KIND_RELEASE:
        released(m, env, in, out);
        break;
    case KIND_ASK:
        agreement_asked(m, env, in, out);
        break;
    default:
        agreement_answered(m, env, in, monitor_agreement(m, number), out);
        break;
    }
}

static void answer(struct monitor *m, const struct environment *env, const struct input *in,
                   struct output *out)
{
    const struct message *message = in->message;
    if (message->word[1] >> SEQUENCE_BITS >= m->cores || message_view(message) != m->view)
        return;
    struct agreement *a = monitor_agreement(m, number_of(m, message->word[1]));
    if (agreement_answer(m, env, in, a, out))
        agreement_end(m, env, a, out);
}

/* --- What concerns this core alone --- */

static enum verdict pin(struct monitor *m, const struct input *in)
{
    if (in->slot >= monitor_slots(m))
        return VERDICT_NOT_MAPPED;
    struct mapping *mapping = monitor_mapping(m, in->slot);
    return mapping_pin(mapping, in->generation, mapping->held, &mapping->pins,
                       in->kind == INPUT_PIN);
}

void monitor_step(struct monitor *m, const struct environment *env, const struct input *in,
                  struct output *out)
{
    struct agreement *a;
    out->count = 0;
    out->local = NO_OPERATION;
    out->verdict = VERDICT_OK;
    out->work = (struct work){.operation = OPERATIONS};
    out->made = 0;
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
        a = monitor_agreement(m, in->operation);
        if (agreement_continue(m, env, a, out))
            agreement_end(m, env, a, out);
        break;
    case INPUT_TICK:
        a = agreement_waiting_longest(m, env);
        if (a && agreement_waits_to_join(m, a)) {
            agreement_wait_no_longer(m, a);
            take_part(m, env, a, false, false, out);
        } else if (a) {
            agreement_attempt(m, env, a, out);
        }
        break;
    case INPUT_PIN:
    case INPUT_UNPIN:
        out->verdict = pin(m, in);
        break;
    case INPUT_FRAMES:
        out->verdict = frames_do(monitor_frames(m), &m->mappings, m->me + 1, in->frames);
        break;
    default:
        out->verdict = m->cspace_offset ? monitor_verdict(cspace_create_ram(
                                              monitor_cspace(m), in->creation->address,
                                              in->creation->size, &in->creation->to, &out->made))
                                        : VERDICT_BAD_REQUEST;
        break;
    }
    out->next_tick = m->waiting ? agreement_next_tick(m, env) : NEVER;
}
