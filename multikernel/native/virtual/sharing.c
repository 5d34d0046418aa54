/* The run: from the first event to what has been counted. */
#include <stdlib.h>

#include "virtual/sharing_inside.h"

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
    p->caches.lost = party_lost;
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
        party_push(p, 1 + core % 64, GOES_ON, core);
    }
    party_push(p, s->edge, EDGE, 0);
    party_push(p, s->edge + s->span, ENDS, 0);
    if (s->forms) {
        chooser_begin(&p->chooser, s->rules, s->forms, s->form, s->lines, s->rows, s->row_count);
        party_begins_window(p, 0);
    }
}

static void closes(struct party *p)
{
    caches_close(&p->caches);
    wheel_free(&p->wheel);
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
    while (p->wheel.count && !p->failed) {
        const struct scheduled event = wheel_pop(&p->wheel);
        struct member *m = &p->member[event.what >> EVENT_BITS];
        p->now = event.time;
        p->events++;
        switch (event.what & ((1u << EVENT_BITS) - 1)) {
        case GOES_ON:
            party_lives(p, m);
            break;
        case STORED:
            if (m->stores)
                party_stored(m);
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

/* How often the chooser would try the others again in what is left of the span, if each time
 * cost what the first did and found nothing better: chooser.c, look(). */
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
