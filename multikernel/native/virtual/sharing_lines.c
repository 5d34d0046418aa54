/* What modelled cores do to lines, in the order of time: reads, stores, atomic operations, and
 * waiting for a line to change. */
#include "virtual/sharing_inside.h"

void party_push(struct party *p, uint64_t time, uint32_t kind, uint32_t core)
{
    time = time > p->wheel.now ? time : p->wheel.now;
    if (kind == GOES_ON)
        p->member[core].goes_on = time;
    if (!wheel_push(&p->wheel, time, kind | core << EVENT_BITS))
        p->failed = true;
}

bool party_is_now(struct party *p, struct member *m)
{
    if (m->clock <= p->now)
        return true;
    if (p->wheel.count && wheel_soonest(&p->wheel) < m->clock) {
        party_push(p, m->clock, GOES_ON, m->me);
        return false;
    }
    p->now = m->clock;
    return true;
}

bool party_loaded(struct party *p, struct member *m, uint32_t line)
{
    if (!party_is_now(p, m))
        return false;
    if (caches_have(&p->caches, m->me, line, p->now))
        return true;
    m->clock = caches_ask(&p->caches, FETCH, m->me, line, p->now);
    return party_is_now(p, m);
}

bool party_owned(struct party *p, struct member *m, uint32_t line)
{
    if (m->clock < m->drained)
        m->clock = m->drained;
    if (!party_is_now(p, m))
        return false;
    if (!caches_alone(&p->caches, m->me, line, p->now)) {
        m->clock = caches_ask(&p->caches, OWN, m->me, line, p->now);
        if (!party_is_now(p, m))
            return false;
    }
    p->caches.line[line].changed = true;
    takes(m, p->costs->atomic);
    return true;
}

/* The first of its stores is there. */
void party_stored(struct member *m)
{
    const struct store *s = &m->store[m->stores_first];
    *s->word = s->value;
    m->stores_first = (m->stores_first + 1) % STORES;
    m->stores--;
}

void party_store(struct party *p, struct member *m, uint32_t line, uint64_t *word, uint64_t value)
{
    struct cache_line *l = &p->caches.line[line];
    const struct cached *its = &l->of[m->me];
    uint64_t there = caches_ask(&p->caches, OWN, m->me, line, m->clock);
    /* Another core gets the line before the earlier stores are done: then it is fetched again. Else
     * who has read it meanwhile would not be told of this store. */
    if (there < m->drained && its->alone_until <= m->drained)
        there = caches_ask(&p->caches, OWN, m->me, line, its->alone_until);
    if (there < m->drained)
        there = m->drained;
    if (there > m->clock) {
        /* It keeps the line until the store is in it. */
        l->free = l->free < there ? there : l->free;
        m->drained = there;
    }
    l->changed = true;
    if (!word)
        return;
    if (there <= p->now) {
        *word = value;
        return;
    }
    if (m->stores == STORES) { /* the buffer is full: unusual enough to be let pass at once */
        party_stored(m);
    }
    m->store[(m->stores_first + m->stores++) % STORES] = (struct store){word, value, there};
    party_push(p, there, STORED, m->me);
}

uint64_t party_word(const struct member *m, const uint64_t *word)
{
    for (uint32_t i = m->stores; i > 0; i--) {
        const struct store *s = &m->store[(m->stores_first + i - 1) % STORES];
        if (s->word == word)
            return s->value;
    }
    return *word;
}

uint64_t party_asks_all(struct party *p, struct member *m, uint32_t first)
{
    uint64_t at = m->clock, last = m->clock;
    for (uint32_t line = first; line < first + p->sharing->lines; line++) {
        if (caches_have(&p->caches, m->me, line, at))
            continue;
        const uint64_t there = caches_ask(&p->caches, FETCH, m->me, line, at);
        last = there > last ? there : last;
        at += (there - at) / p->machine->lines_under_way;
    }
    return last;
}

void party_writes_all(struct party *p, struct member *m, uint32_t first)
{
    for (uint32_t line = first; line < first + p->sharing->lines; line++)
        party_store(p, m, line, NULL, 0);
}

/* --- Waiting for a line to change --- */

bool party_spins(struct party *p, struct member *m, uint32_t line)
{
    const struct cached *its = &p->caches.line[line].of[m->me];
    const double every = party_moment(p, m);
    if (m->clock >= its->until) {
        takes(m, every);
        return false;
    }
    m->began = m->clock;
    if (its->until != UINT64_MAX) {
        const uint64_t looks = (uint64_t)((double)(its->until - m->began) / every) + 1;
        m->clock = m->began + (uint64_t)((double)looks * every);
        party_push(p, m->clock, GOES_ON, m->me);
    } else {
        m->spins_on = line + 1;
    }
    return true;
}

void party_lost(void *context, uint32_t core, uint32_t line, uint64_t when)
{
    struct party *p = context;
    struct member *m = &p->member[core];
    if (m->spins_on != line + 1)
        return;
    if (m->sleeps_for) {
        party_wakes(p, m, when);
        return;
    }
    const double every = party_moment(p, m);
    const double looks = when > m->began ? (double)(when - m->began) / every : 0;
    m->spins_on = 0;
    m->clock = m->began + (uint64_t)((double)((uint64_t)looks + 1) * every);
    party_push(p, m->clock, GOES_ON, core);
}

static double duties(const struct party *p, const struct member *m)
{
    return p->costs->look * (m->me == p->sharing->owner ? 1 + 2 * (double)(p->cores - 1) : 1);
}

/* A turn of the wait in which nothing comes. */
static uint64_t wait_turn(const struct party *p)
{
    return (uint64_t)(p->costs->look + 0.5) + (uint64_t)(p->costs->turn + 0.5);
}

uint64_t party_turn_at(const struct party *p, const struct member *m, uint64_t when)
{
    const uint64_t every = wait_turn(p), late = when > m->began ? when - m->began : 0;
    return m->began + (late + every - 1) / every * every;
}

void party_wakes(struct party *p, struct member *m, uint64_t when)
{
    m->clock = party_turn_at(p, m, when);
    m->sleeps_for = m->spins_on = 0;
    party_push(p, m->clock, GOES_ON, m->me);
}

/* adaptive.c, moment(): three looks, and a fourth with the duties and what the caller gave. */
double party_moment(const struct party *p, const struct member *m)
{
    return p->costs->look + (duties(p, m) + p->costs->turn) / MOMENTS;
}

/* adaptive.c, back_off() */
double party_back_off(const struct party *p, const struct member *m)
{
    return duties(p, m) + p->costs->turn;
}

void party_counts_row(struct party *p, const struct member *m)
{
    p->rows += p->had_by != m->me;
    p->row = p->had_by == m->me ? p->row + 1 : 1;
    p->had_by = m->me;
    if (p->row > p->longest)
        p->longest = p->row;
}
