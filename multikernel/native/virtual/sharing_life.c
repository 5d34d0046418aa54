/* What a core does: probes/sharing.c. */
#include "virtual/sharing_inside.h"

static void draws(struct party *p, struct member *m)
{
    m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
    m->reads = (m->seed >> 33 & 1023) < p->sharing->reads * 1024ull / 100;
}

static bool is_ahead(const struct party *p, const struct member *m, uint64_t ahead)
{
    return (int64_t)(m->progress - ahead * SHARE_UNIT - p->member[m->other].progress) > 0;
}

/* --- Waiting for the others --- */

/* Nothing that the core's polls could find is there: it need not be simulated turn by turn until
 * `other` has gone on or the log has. */
static bool may_sleep(const struct party *p, const struct member *m)
{
    if (p->sharing->counts || m->me == p->sharing->owner)
        return false;
    if (!party_follows(p, m))
        return true;
    return m->position == p->log_end && m->published == m->position &&
           caches_have(&p->caches, m->me, party_log_line(p, m->position), m->clock);
}

static void sleeps(struct party *p, struct member *m, uint64_t until)
{
    uint64_t *wakes = &p->member[m->other].wakes_at;
    m->began = m->clock;
    m->sleeps_for = m->other + 1;
    m->sleeps_until = until;
    *wakes = !*wakes || until < *wakes ? until : *wakes;
    if (!party_follows(p, m))
        return;
    const uint32_t line = party_log_line(p, m->position);
    const uint64_t goes = p->caches.line[line].of[m->me].until;
    if (goes == UINT64_MAX)
        m->spins_on = line + 1;
    else
        party_push(p, party_turn_at(p, m, goes), GOES_ON, m->me);
}

/* That core has gone on. */
static void wakes_others(struct party *p, struct member *m)
{
    if (!m->wakes_at || m->progress < m->wakes_at)
        return;
    m->wakes_at = 0;
    for (uint32_t core = 0; core < p->cores; core++) {
        struct member *its = &p->member[core];
        if (its->sleeps_for != m->me + 1)
            continue;
        if (its->sleeps_until <= m->progress)
            party_wakes(p, its, p->now);
        else if (!m->wakes_at || its->sleeps_until < m->wakes_at)
            m->wakes_at = its->sleeps_until;
    }
}

/* wait_for_the_others() */
static bool waits_for_others(struct party *p, struct member *m)
{
    const bool counts = p->sharing->counts;
    const uint64_t ahead = p->sharing->think >= SLOW ? AHEAD_SLOW : AHEAD;
    BEGIN(m->at_wait);
    for (m->other = 0; m->other < p->cores; m->other++) {
        for (;;) {
            if (counts)
                UNTIL(m->at_wait, party_loaded(p, m, line_of(p, m->other, LINE_PROGRESS)));
            if (!is_ahead(p, m, ahead))
                break;
            if (may_sleep(p, m)) {
                sleeps(p, m, m->progress - ahead * SHARE_UNIT);
                STAND(m->at_wait);
                if (m->sleeps_for) { /* nobody woke it: the line has gone */
                    m->sleeps_for = 0;
                    m->clock = p->now;
                }
                continue;
            }
            UNTIL(m->at_wait, party_polls(p, m));
            takes(m, p->costs->turn);
            UNTIL(m->at_wait, party_is_now(p, m));
        }
    }
    END(m->at_wait);
}

bool party_lives(struct party *p, struct member *m)
{
    const struct sharing *s = p->sharing;
    /* Of many cores each batch of all would be a phase of its own: there the mix is kept one by
     * one. */
    const uint32_t batch = s->think >= SLOW || !s->counts ? 1 : BATCH;
    BEGIN(m->at_life);
    for (;;) {
        for (m->in_batch = 0; m->in_batch < batch; m->in_batch++) {
            draws(p, m);
            UNTIL(m->at_life, party_applies(p, m));
            if (!s->think)
                continue;
            takes(m, p->costs->clock);
            m->thinks_until = m->clock + s->think;
            for (m->thought += s->think; m->thought >= POLL_CYCLES && m->clock < m->thinks_until;
                 m->thought -= POLL_CYCLES) {
                UNTIL(m->at_life, party_polls(p, m));
                takes(m, p->costs->clock);
            }
            /* It looks on till then: half a look late, on the mean. */
            if (m->clock < m->thinks_until)
                m->clock = m->thinks_until;
            takes(m, p->costs->clock * 2 * (party_varies(m) - 0.75));
        }
        m->progress += batch * m->step;
        wakes_others(p, m);
        if (s->counts)
            STORE(m->at_life, line_of(p, m->me, LINE_PROGRESS), NULL, 0);
        takes(m, s->think >= SLOW ? p->costs->turn : p->costs->turn * batch / BATCH);
        if (p->cores > 1)
            UNTIL(m->at_life, waits_for_others(p, m));
        UNTIL(m->at_life, party_is_now(p, m));
    }
    END(m->at_life);
}
