/* What waits here for a lock, or for its next attempt: own workflows, each in its record, and what
 * other cores have asked for, in the order of asking. A tick goes on with one. */
#include "monitor/step_inside.h"

bool agreement_may_wait(const struct monitor *m, const struct agreement *a, uint64_t holder)
{
    const uint32_t number = number_of(m, holder), strength = monitor_agreement(m, number)->strength;
    return a->strength != strength ? a->strength > strength : a->number < number;
}

/* Nothing stands in its way any more; or a stronger attempt has come in between, by which what
 * waits to take part is refused. */
static bool is_free(const struct monitor *m, const struct environment *env,
                    const struct agreement *a)
{
    const uint64_t holder = agreement_holder(m, env, a);
    return !holder || (agreement_waits_to_join(m, a) && !agreement_may_wait(m, a, holder));
}

void agreement_wait(struct monitor *m, struct agreement *a, uint64_t until)
{
    m->waiting++;
    if (agreement_is_own(m, a)) {
        struct workflow *w = agreement_workflow(m, a);
        w->state = WORKFLOW_WAITING;
        w->retry_at = until;
        a->phase = PHASE_IDLE;
        return;
    }
    const uint32_t record = sparse_find(&m->agreements, a->number);
    a->phase = PHASE_QUEUED;
    a->began = until;
    a->next = 0;
    if (m->queue_last)
        ((struct agreement *)(void *)sparse_record(&m->agreements, m->queue_last))->next = record;
    else
        m->queue_first = record;
    m->queue_last = record;
}

static void leave_queue(struct monitor *m, struct agreement *a)
{
    const uint32_t record = sparse_find(&m->agreements, a->number);
    uint32_t before = 0;
    for (uint32_t i = m->queue_first; i != record;) {
        before = i;
        i = ((struct agreement *)(void *)sparse_record(&m->agreements, i))->next;
    }
    if (before)
        ((struct agreement *)(void *)sparse_record(&m->agreements, before))->next = a->next;
    else
        m->queue_first = a->next;
    if (m->queue_last == record)
        m->queue_last = before;
    a->next = 0;
    a->phase = PHASE_IDLE;
}

void agreement_leave(struct monitor *m, struct agreement *a)
{
    if (agreement_is_own(m, a) && agreement_workflow(m, a)->state == WORKFLOW_WAITING) {
        agreement_workflow(m, a)->state = WORKFLOW_AGREEING;
        m->waiting--;
    } else if (a->phase == PHASE_QUEUED) {
        leave_queue(m, a);
        m->waiting--;
    }
}

struct agreement *agreement_waiting_longest(struct monitor *m, const struct environment *env)
{
    struct agreement *oldest = NULL;
    uint64_t since = 0;
    for (uint32_t lane = 0; lane < m->lanes && m->waiting; lane++) {
        const struct workflow *w = monitor_workflow(m, lane);
        struct agreement *a = monitor_own(m, lane);
        if (w->state == WORKFLOW_WAITING && (!oldest || w->retry_at < since) &&
            w->retry_at <= env->now && is_free(m, env, a)) {
            oldest = a;
            since = w->retry_at;
        }
    }
    for (uint32_t i = m->queue_first; i;) {
        struct agreement *a = (struct agreement *)(void *)sparse_record(&m->agreements, i);
        i = a->next;
        if ((!oldest || a->began < since) && a->began <= env->now && is_free(m, env, a)) {
            oldest = a;
            since = a->began;
        }
    }
    return oldest;
}

uint64_t agreement_next_tick(const struct monitor *m, const struct environment *env)
{
    uint64_t next = NEVER;
    for (uint32_t lane = 0; lane < m->lanes; lane++) {
        const struct workflow *w = monitor_workflow(m, lane);
        if (w->state == WORKFLOW_WAITING && w->retry_at < next &&
            is_free(m, env, monitor_own(m, lane)))
            next = w->retry_at;
    }
    for (uint32_t i = m->queue_first; i;) {
        const struct agreement *a = (const void *)sparse_record(&m->agreements, i);
        i = a->next;
        if (a->began < next && is_free(m, env, a))
            next = a->began;
    }
    return next;
}
