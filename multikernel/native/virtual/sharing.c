/* The cores' lives, the object as it goes from form to form, and the run. */
#include "virtual/sharing_inside.h"

#include <stdlib.h>

enum { FORM_BITS = 8, FORM_MASK = (1 << FORM_BITS) - 1 };
enum { STEADY_TURNS = 4 };
enum { GOES_ON, STORED, EDGE, ENDS, KINDS, KIND_BITS = 2 };

/* --- Time and lines --- */

static void push(struct party *p, uint64_t time, uint32_t kind, uint32_t core)
{
    if (!schedule_push(&p->schedule, time, kind | core << KIND_BITS))
        p->failed = true;
}

bool party_is_now(struct party *p, struct member *m)
{
    if (m->clock <= p->now)
        return true;
    if (p->schedule.count && p->schedule.heap[0].time < m->clock) {
        push(p, m->clock, GOES_ON, m->me);
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
static void stored(struct member *m)
{
    const struct store *s = &m->store[m->stores_first];
    *s->word = s->value;
    m->stores_first = (m->stores_first + 1) % STORES;
    m->stores--;
}

void party_store(struct party *p, struct member *m, uint32_t line, uint64_t *word, uint64_t value)
{
    struct cache_line *l = &p->caches.line[line];
    uint64_t there = m->clock;
    if (!caches_alone(&p->caches, m->me, line, m->clock))
        there = caches_ask(&p->caches, OWN, m->me, line, m->clock);
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
        stored(m);
    }
    m->store[(m->stores_first + m->stores++) % STORES] = (struct store){word, value, there};
    push(p, there, STORED, m->me);
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
        push(p, m->clock, GOES_ON, m->me);
    } else {
        m->spins_on = line + 1;
    }
    return true;
}

static void lost(void *context, uint32_t core, uint32_t line, uint64_t when)
{
    struct party *p = context;
    struct member *m = &p->member[core];
    if (m->spins_on != line + 1)
        return;
    const double every = party_moment(p, m);
    const double looks = when > m->began ? (double)(when - m->began) / every : 0;
    m->spins_on = 0;
    m->clock = m->began + (uint64_t)((double)((uint64_t)looks + 1) * every);
    push(p, m->clock, GOES_ON, core);
}

static double duties(const struct party *p, const struct member *m)
{
    return p->costs->look * (m->me == p->sharing->owner ? 1 + 2 * (double)(p->cores - 1) : 1);
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

/* --- The object: object/adaptive.c --- */

/* do_duties() */
static bool polls(struct party *p, struct member *m)
{
    BEGIN(m->at_serve);
    takes(m, p->costs->look);
    if (m->me == p->sharing->owner)
        UNTIL(m->at_serve, party_delegated_serve(p, m));
    UNTIL(m->at_serve, party_replicated_follow(p, m));
    END(m->at_serve);
}

static bool apply_in(struct party *p, struct member *m)
{
    switch ((enum object_form)(m->mode & FORM_MASK)) {
    case FORM_DELEGATED:
        return party_delegated_apply(p, m);
    case FORM_REPLICATED:
        return party_replicated_apply(p, m);
    default:
        return party_locked_apply(p, m);
    }
}

/* object_switch(), to the form that the chooser wants. */
static bool switches(struct party *p, struct member *m)
{
    BEGIN(m->at_switch);
    m->form = p->mode & FORM_MASK;
    if (m->form == FORM_REPLICATED) {
        UNTIL(m->at_switch, party_replicated_end(p, m));
    } else if (m->form == FORM_LOCKFREE) {
        UNTIL(m->at_switch, party_owned(p, m, LINE_FREE));
    } else if (m->form != FORM_DELEGATED) {
        UNTIL(m->at_switch, party_locked_take(p, m, m->form));
    }
    m->mode = ((p->mode >> FORM_BITS) + 1) << FORM_BITS | p->chooser.form;
    if (p->chooser.form == FORM_REPLICATED)
        party_replicated_begin(p, m, m->mode);
    if (p->chooser.form == FORM_LOCKFREE)
        STORE(m->at_switch, LINE_FREE, NULL, 0);
    STORE(m->at_switch, LINE_MODE, &p->mode, m->mode);
    p->cycles_in[m->form] += m->clock - p->form_since;
    p->form_since = m->clock;
    if (m->form != FORM_REPLICATED && m->form != FORM_LOCKFREE && m->form != FORM_DELEGATED)
        UNTIL(m->at_switch, party_locked_leave(p, m, m->form));
    END(m->at_switch);
}

static struct chooser_window counted(const struct party *p)
{
    struct chooser_window sum = {0};
    for (uint32_t core = 0; core < p->cores; core++) {
        sum.done += p->member[core].done;
        sum.reads += p->member[core].reads_done;
    }
    sum.owners = p->member[p->sharing->owner].done;
    return sum;
}

static void begins_window(struct party *p, uint64_t now)
{
    p->counted = counted(p);
    p->window_began = now;
    p->window_ends = now + p->chooser.span;
}

/* From now on nothing is tried for long: what is left of the span is as the next few turns of a race
 * would be. */
static void is_steady(struct party *p)
{
    p->steady_from = p->now;
    for (uint32_t core = 0; core < p->cores; core++)
        p->member[core].steady =
            (struct sharing_done){p->member[core].done, p->member[core].reads_done};
    push(p, p->now + STEADY_TURNS * p->chooser.rules.trial, ENDS, 0);
}

/* choose(): the counts of all cores are read, a line each. */
static bool chooses(struct party *p, struct member *m)
{
    BEGIN(m->at_choose);
    UNTIL(m->at_choose, party_is_now(p, m));
    if (m->clock >= p->window_ends) {
        m->until = m->clock;
        for (m->i = 0; m->i < p->cores; m->i++) {
            const uint64_t there =
                caches_ask(&p->caches, FETCH, m->me, line_of(p, m->i, LINE_COUNTS), m->clock);
            m->until = there > m->until ? there : m->until;
            m->clock += (there - m->clock) / p->machine->lines_under_way;
        }
        m->clock = m->until;
        UNTIL(m->at_choose, party_is_now(p, m));
        const struct chooser_window sum = counted(p);
        const struct chooser_window window = {
            m->clock - p->window_began, sum.done - p->counted.done, sum.reads - p->counted.reads,
            sum.owners - p->counted.owners};
        chooser_next(&p->chooser, &window);
        if (p->chooser.form != (p->mode & FORM_MASK))
            UNTIL(m->at_choose, switches(p, m));
        begins_window(p, m->clock);
        if (p->chooser.state == CHOOSER_STEADY && !p->chooser.settling && !p->steady_from)
            is_steady(p);
    }
    END(m->at_choose);
}

static bool may_choose(const struct party *p, const struct member *m)
{
    return p->sharing->forms && m->me == p->sharing->owner;
}

/* What a core does takes a little more or less each time, by an eighth on the mean: cores that keep in
 * step for long are not met with. */
static double varies(const struct member *m)
{
    return 0.75 + (double)(m->seed >> 20 & 1023) / 2048;
}

/* object_apply() */
static bool applies(struct party *p, struct member *m)
{
    BEGIN(m->at_apply);
    takes(m, p->costs->operation * varies(m));
    for (;;) {
        UNTIL(m->at_apply, party_loaded(p, m, LINE_MODE));
        m->mode = party_word(m, &p->mode);
        UNTIL(m->at_apply, apply_in(p, m));
        if (!m->refused)
            break;
        for (;;) { /* wait_for_another_mode() */
            UNTIL(m->at_apply, party_loaded(p, m, LINE_MODE));
            if (party_word(m, &p->mode) != m->mode)
                break;
            takes(m, party_back_off(p, m));
        }
    }
    STORE(m->at_apply, line_of(p, m->me, LINE_COUNTS), NULL, 0);
    m->done++;
    m->reads_done += m->reads;
    if (m->me == p->sharing->owner && ++m->turn % SERVE_EACH == 0) {
        UNTIL(m->at_apply, party_delegated_serve(p, m));
        if (m->turn % LOOK_EACH == 0 && may_choose(p, m))
            UNTIL(m->at_apply, chooses(p, m));
    }
    END(m->at_apply);
}

void party_counts_row(struct party *p, const struct member *m)
{
    p->rows += p->had_by != m->me;
    p->row = p->had_by == m->me ? p->row + 1 : 1;
    p->had_by = m->me;
    if (p->row > p->longest)
        p->longest = p->row;
}

/* --- A core's life: probes/sharing.c --- */

static void draws(struct party *p, struct member *m)
{
    m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
    m->reads = (m->seed >> 33 & 1023) < p->sharing->reads * 1024ull / 100;
}

static bool polls_and_chooses(struct party *p, struct member *m)
{
    BEGIN(m->at_poll);
    UNTIL(m->at_poll, polls(p, m));
    if (may_choose(p, m) && ++m->polls % LOOK_EACH == 0)
        UNTIL(m->at_poll, chooses(p, m));
    END(m->at_poll);
}

static bool is_ahead(const struct party *p, const struct member *m, uint64_t ahead)
{
    return (int64_t)(m->progress - ahead * SHARE_UNIT - p->member[m->other].progress) > 0;
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
            UNTIL(m->at_wait, polls_and_chooses(p, m));
            takes(m, p->costs->turn);
            UNTIL(m->at_wait, party_is_now(p, m));
        }
    }
    END(m->at_wait);
}

static bool lives(struct party *p, struct member *m)
{
    const struct sharing *s = p->sharing;
    const uint32_t batch = s->think >= SLOW ? 1 : BATCH;
    BEGIN(m->at_life);
    for (;;) {
        for (m->in_batch = 0; m->in_batch < batch; m->in_batch++) {
            draws(p, m);
            UNTIL(m->at_life, applies(p, m));
            if (!s->think)
                continue;
            takes(m, p->costs->clock);
            m->thinks_until = m->clock + s->think;
            for (m->thought += s->think; m->thought >= POLL_CYCLES && m->clock < m->thinks_until;
                 m->thought -= POLL_CYCLES) {
                UNTIL(m->at_life, polls_and_chooses(p, m));
                takes(m, p->costs->clock);
            }
            /* Half a look late, on the mean. */
            if (m->clock < m->thinks_until)
                m->clock = m->thinks_until;
            takes(m, p->costs->clock / 2);
        }
        m->progress += batch * m->step;
        if (s->counts)
            STORE(m->at_life, line_of(p, m->me, LINE_PROGRESS), NULL, 0);
        takes(m, p->costs->turn);
        if (p->cores > 1)
            UNTIL(m->at_life, waits_for_others(p, m));
        UNTIL(m->at_life, party_is_now(p, m));
    }
    END(m->at_life);
}

/* --- The run --- */

static void *array(struct party *p, size_t count, size_t each)
{
    void *made = calloc(count, each);
    p->failed = p->failed || !made;
    return made;
}

static void places_lines(struct party *p)
{
    for (uint32_t core = 0; core < p->cores; core++)
        for (uint32_t which = 0; which < CORE_LINES; which++)
            caches_place(&p->caches, line_of(p, core, which), core);
    for (uint32_t line = 0; line < p->own; line++)
        caches_place(&p->caches, line, p->sharing->owner);
}

static void opens(struct party *p)
{
    const struct sharing *s = p->sharing;
    p->logs = LINE_DATA + s->lines;
    p->own = p->logs + LOG_SLOTS / LOG_ENTRIES;
    p->member = array(p, p->cores, sizeof *p->member);
    p->waiting = array(p, p->cores, sizeof *p->waiting);
    p->successor = array(p, p->cores, sizeof *p->successor);
    p->call = array(p, p->cores, sizeof *p->call);
    p->call_mode = array(p, p->cores, sizeof *p->call_mode);
    p->log_by = array(p, LOG_SLOTS, sizeof *p->log_by);
    if (p->failed || !caches_open(&p->caches, p->machine, p->own + p->cores * CORE_LINES)) {
        p->failed = true;
        return;
    }
    p->caches.lost = lost;
    p->caches.context = p;
    p->caches.migrates = s->migrates;
    places_lines(p);
    p->mode = 1 << FORM_BITS | s->form;
    p->close = UINT64_MAX;
    const double pauses = LINE_CYCLES / (p->costs->relax > 1 ? p->costs->relax : 1);
    p->pauses = pauses < PAUSES_MOST ? (uint32_t)(pauses + 0.5) : PAUSES_MOST;
    const uint64_t others = p->cores - 1;
    for (uint32_t core = 0; core < p->cores; core++) {
        struct member *m = &p->member[core];
        double share = s->share;
        if (core != s->owner)
            share = others ? (SHARE_UNIT - share) / (double)others : 0;
        m->me = core;
        m->seed = (77 + core) * 0x9e3779b97f4a7c15ull + s->seed;
        m->step = (uint64_t)(SHARE_UNIT * SHARE_UNIT / (others && share > 0 ? share : SHARE_UNIT));
        push(p, 1 + core % 64, GOES_ON, core);
    }
    push(p, s->edge, EDGE, 0);
    push(p, s->edge + s->span, ENDS, 0);
    if (s->forms) {
        chooser_begin(&p->chooser, s->rules, s->forms, s->form, s->lines, s->rows, s->row_count);
        begins_window(p, 0);
    }
}

static void closes(struct party *p)
{
    caches_close(&p->caches);
    schedule_free(&p->schedule);
    free(p->member);
    free(p->waiting);
    free(p->successor);
    free(p->call);
    free(p->call_mode);
    free(p->log_by);
}

static void comes_to_edge(struct party *p)
{
    for (uint32_t core = 0; core < p->cores; core++)
        p->member[core].at_edge =
            (struct sharing_done){p->member[core].done, p->member[core].reads_done};
    p->longest = p->row = p->rows = 0;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        p->cycles_in[form] = 0;
    p->form_since = p->now;
}

/* Up to the end; false: nobody can go on. */
static bool runs(struct party *p)
{
    while (p->schedule.count && !p->failed) {
        const struct scheduled event = schedule_pop(&p->schedule);
        struct member *m = &p->member[event.what >> KIND_BITS];
        p->now = event.time;
        p->events++;
        switch (event.what & ((1u << KIND_BITS) - 1)) {
        case GOES_ON:
            lives(p, m);
            break;
        case STORED:
            if (m->stores)
                stored(m);
            break;
        case EDGE:
            comes_to_edge(p);
            break;
        default:
            return true;
        }
    }
    return false;
}

/* How often the chooser would try the others again in what is left of the span, if each time cost what
 * the first did and found nothing better: chooser.c, look(). */
static uint32_t later_races(const struct party *p, uint64_t ends)
{
    const struct chooser *c = &p->chooser;
    double lost = c->lost;
    uint64_t pause = c->pause;
    uint32_t races = 0;
    for (uint64_t at = p->steady_from + pause; at < ends; at += pause)
        if (lost * 1000 <= (double)at * c->rules.budget) {
            lost += c->lost;
            pause *= 2;
            races++;
        }
    return races;
}

/* The count at the end, by its rate since the form is chosen, and by what choosing it has cost. */
static uint64_t at_the_end(const struct party *p, uint64_t edge, uint64_t steady, uint64_t now,
                           uint64_t ends, uint32_t races)
{
    const double rate = (double)(now - steady) / (double)(p->now - p->steady_from);
    const double could = rate * (double)(p->steady_from - p->sharing->edge);
    const double lost = could > (double)(steady - edge) ? could - (double)(steady - edge) : 0;
    const double all = (double)(now - edge) + rate * (double)(ends - p->now) - races * lost;
    return all > 0 ? (uint64_t)all : 0;
}

/* What the core has done in the whole span. */
static struct sharing_done in_all(const struct party *p, const struct member *m, uint64_t ends,
                                  uint32_t races)
{
    if (p->now >= ends || p->steady_from <= p->sharing->edge)
        return (struct sharing_done){m->done - m->at_edge.done, m->reads_done - m->at_edge.reads};
    return (struct sharing_done){
        at_the_end(p, m->at_edge.done, m->steady.done, m->done, ends, races),
        at_the_end(p, m->at_edge.reads, m->steady.reads, m->reads_done, ends, races)};
}

bool sharing_run(const struct machine *machine, const struct sharing_costs *costs,
                 const struct sharing *sharing, struct sharing_done *done,
                 struct sharing_outcome *outcome)
{
    struct party p = {
        .machine = machine, .costs = costs, .sharing = sharing, .cores = machine->cores};
    opens(&p);
    const bool ran = !p.failed && runs(&p);
    *outcome = (struct sharing_outcome){.events = p.events, .longest = p.longest, .rows = p.rows};
    if (ran) {
        outcome->moved = p.caches.moved;
        outcome->form = p.mode & FORM_MASK;
        outcome->changes = p.chooser.changes;
        outcome->races = p.chooser.races;
        p.cycles_in[outcome->form] += p.now - p.form_since;
        for (uint32_t form = 0; form < OBJECT_FORMS; form++)
            outcome->cycles_in[form] = p.cycles_in[form];
        const uint64_t ends = sharing->edge + sharing->span;
        const uint32_t races = p.now < ends ? later_races(&p, ends) : 0;
        outcome->cycles = sharing->span;
        outcome->races += races;
        for (uint32_t core = 0; core < p.cores; core++)
            done[core] = in_all(&p, &p.member[core], ends, races);
    }
    closes(&p);
    return ran;
}
