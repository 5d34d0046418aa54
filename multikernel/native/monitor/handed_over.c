/* An operation that another core is asked to drive: what that core does when it is asked (ASK),
 * and the initiator when it has the answer (ANSWER). In between the initiator takes part as any
 * core. */
#include "monitor/step_inside.h"

/* Another core has asked this one to drive its operation. */
void agreement_asked(struct monitor *m, const struct environment *env, const struct input *in,
                     struct output *out)
{
    const struct message *message = in->message;
    const uint32_t initiator = (uint32_t)(message->word[1] >> SEQUENCE_BITS);
    if (initiator != in->from || initiator == m->me)
        return;
    struct agreement *a = agreement_record_for(m, message);
    struct agreement none;
    if (a && !agreement_is_over(a))
        return;
    if (!a) {
        a = &none;
        a->number = number_of(m, message->word[1]);
    }
    agreement_adopt(a, message);
    a->from = (uint16_t)in->from;
    a->strength = (uint8_t)message_strength(message);
    if (a == &none)
        agreement_done(m, a, VERDICT_BUSY, m->me, out);
    else if (!kind_of(env, a)->sequence)
        agreement_done(m, a, VERDICT_BAD_REQUEST, m->me, out);
    else
        agreement_attempt(m, env, a, out);
}

/* What became of an agreement that another core drove. */
void agreement_answered(struct monitor *m, const struct environment *env, const struct input *in,
                        struct agreement *a, struct output *out)
{
    const enum verdict verdict = message_verdict(in->message);
    if (a->id != in->message->word[1] || !agreement_is_own(m, a) || a->root != in->from ||
        a->root == m->me)
        return;
    struct workflow *w = agreement_workflow(m, a);
    if (verdict == VERDICT_OK && a->phase == PHASE_COMMITTED) {
        agreement_succeed(m, env, a, out);
    } else if (verdict == VERDICT_NOT_OWNER && a->phase == PHASE_ASKED) {
        w->declined = w->moved ? NOBODY : (uint16_t)in->from;
        agreement_wait(m, a, env->now); /* if it is about to move, the range is locked here too */
    } else if (verdict == VERDICT_BUSY && a->phase == PHASE_ASKED) {
        agreement_wait(m, a, env->now + env->backoff);
    } else if (verdict != VERDICT_OK && a->phase == PHASE_ASKED) {
        /* What it asked with may be gone by now: then whatever else forbids it is beside the point.
         * Or another step comes first now. */
        const uint8_t operation = a->operation;
        const bool asks = agreement_looks(m, env, a, out);
        if (asks && a->operation == operation)
            agreement_done(m, a, verdict, message_core(in->message), out);
        else if (asks)
            agreement_wait(m, a, env->now);
        out->work.operation = operation;
    }
}
