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
    party_push(p, s->edge, COUNTS, 0);
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
            if (m->goes_on != event.time)
                break;
            m->goes_on = UINT64_MAX;
            party_lives(p, m);
            break;
        case STORED:
            if (m->stores)
                party_stored(m);
            break;
        default:
            if (party_counts(p))
                return true;
        }
    }
    return false;
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
        party_says(&p, done, outcome);
    }
    closes(&p);
    return ran;
}
