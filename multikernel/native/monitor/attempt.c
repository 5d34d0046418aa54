/* An attempt at an agreement that this core drives, from the question whether others are to be asked
 * to what becomes of it: it is done, or it waits and is tried again. The engine as a whole:
 * step.c. */
#include "monitor/step_inside.h"

/* --- The end --- */

static void leave_lane(struct monitor *m, const struct agreement *a)
{
    agreement_workflow(m, a)->state = WORKFLOW_FREE;
    m->lanes_taken &= ~(1ull << agreement_lane(m, a));
}

void agreement_done(struct monitor *m, struct agreement *a, enum verdict verdict, uint32_t core,
                    struct output *out)
{
    a->verdict = (uint8_t)verdict;
    if (agreement_is_own(m, a)) {
        agreement_tell(m, a, verdict, core, out);
        leave_lane(m, a);
    } else {
        agreement_fill(&emit(out, OUTPUT_NOTICE, agreement_initiator(a))->message, m, a,
                       KIND_ANSWER, core);
    }
    agreement_forget(m, a);
}

void agreement_succeed(struct monitor *m, const struct environment *env, struct agreement *a,
                       struct output *out)
{
    const struct operation_kind *kind = kind_of(env, a);
    const bool own = agreement_is_own(m, a);
    const bool answered = own && agreement_workflow(m, a)->state == WORKFLOW_ANSWERED;
    if (kind->settled && !answered) {
        kind->object->give(m, env, a);
        if (own && !kind->settled(m, agreement_workflow(m, a), a)) {
            agreement_wait(m, a, env->now); /* this was a step on the way to what was asked for */
            return;
        }
    }
    if (a->notify_home)
        agreement_fill(&emit(out, OUTPUT_NOTICE, monitor_home(m, a->slot))->message, m, a,
                       KIND_RELEASE, m->me);
    if (answered) {
        leave_lane(m, a);
        agreement_forget(m, a);
    } else {
        agreement_done(m, a, VERDICT_OK, m->me, out);
    }
}

/* After an abort. The stronger attempt that this one met comes next, if it waits here already; else
 * it is let pass: its messages are here by the time that an abort takes, and then its lock says for
 * how long to wait. Where that has not been enough, chance keeps several apart. Nothing of this
 * depends on a core's number, nor on how many there are. */
RARE static void back_off(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct workflow *w = agreement_is_own(m, a) ? agreement_workflow(m, a) : NULL;
    const struct agreement *other = monitor_agreement(m, number_of(m, a->opponent));
    const uint64_t took = env->now - a->began;
    const uint64_t lap = took > env->backoff ? took : env->backoff;
    const uint32_t attempts = w ? ++w->attempts : a->strength + 1u;
    uint64_t wait = other->phase == PHASE_QUEUED && other->id == a->opponent ? 0 : lap;
    if (attempts > 2)
        wait += lap * (hash_mix(a->id, attempts) % attempts);
    a->strength = (uint8_t)(attempts < m->strength_max ? attempts : m->strength_max);
    agreement_wait(m, a, env->now + wait);
}

void agreement_end(struct monitor *m, const struct environment *env, struct agreement *a,
                   struct output *out)
{
    if (a->phase == PHASE_COMMITTING) {
        agreement_succeed(m, env, a, out);
        return;
    }
    m->aborting--;
    if (agreement_retries(a))
        back_off(m, env, a);
    else
        agreement_done(m, a, (enum verdict)a->verdict, a->named, out);
}

/* --- The beginning --- */

/* What is this core to drive now, for a workflow of its own or for another core? */
static enum verdict next_step(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const struct operation_kind *kind;
    enum verdict verdict;
    if (agreement_is_own(m, a)) {
        struct workflow *w = agreement_workflow(m, a);
        kind = env->operations->kind[w->operation];
        a->protocol = w->protocol;
        /* While another's outcome is awaited here, what the object is is not known. */
        if (!kind->resume)
            return agreement_holder(m, env, a) ? VERDICT_BUSY : kind->check(m, a);
        verdict = kind->resume(m, w, a);
        return verdict == VERDICT_OK && agreement_holder(m, env, a) ? VERDICT_BUSY : verdict;
    }
    /* While an outcome is awaited here, its owner is not known. */
    if (agreement_holder(m, env, a))
        return VERDICT_BUSY;
    kind = kind_of(env, a);
    verdict = kind->sequence(m, a);
    if (verdict == VERDICT_OK && agreement_holder(m, env, a))
        return VERDICT_BUSY;
    return verdict == VERDICT_OK ? kind->check(m, a) : verdict;
}

bool agreement_looks(struct monitor *m, const struct environment *env, struct agreement *a,
                     struct output *out)
{
    a->root = (uint16_t)m->me;
    const enum verdict verdict = next_step(m, env, a);
    out->work.operation = a->operation;
    if (verdict == VERDICT_BUSY)
        agreement_wait(m, a, env->now + env->backoff);
    else if (verdict == VERDICT_MORE)
        agreement_wait(m, a, env->now);
    else if (verdict != VERDICT_OK)
        agreement_done(m, a, verdict == VERDICT_ALONE ? VERDICT_OK : verdict, m->me, out);
    return verdict == VERDICT_OK;
}

void agreement_attempt(struct monitor *m, const struct environment *env, struct agreement *a,
                       struct output *out)
{
    agreement_wait_no_longer(m, a);
    if (!agreement_looks(m, env, a, out))
        return;
    if (agreement_is_own(m, a))
        a->id = (uint64_t)m->me << SEQUENCE_BITS |
                ((++m->sequence * m->lanes + agreement_lane(m, a)) & SEQUENCE_MASK);
    /* Else the id is kept: all that was sent by it has been answered, so nothing is mistaken. */
    a->verdict = VERDICT_OK;
    a->named = NOBODY;
    a->opponent = 0;
    a->joined = 0;
    if (a->root != m->me) {
        a->phase = PHASE_ASKED;
        agreement_workflow(m, a)->moved = 0;
        agreement_fill(&emit(out, OUTPUT_NOTICE, a->root)->message, m, a, KIND_ASK, a->root);
        return;
    }
    a->place = (uint8_t)tree_place(monitor_tree(m, m->me)->version);
    agreement_take(m, env, a);
    if (agreement_begin_round(m, env, a, a->protocol == ONE_PHASE ? KIND_APPLY : KIND_PREPARE, out))
        agreement_end(m, env, a, out);
}
