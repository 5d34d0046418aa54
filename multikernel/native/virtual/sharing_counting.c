/* What is counted of a run: from when on, for how long, and what is taken of a span that is longer
 * than what is simulated.
 *
 * Where a precision is asked for, the run is counted in batches until the mean of their rates is known
 * as well as that. What is too long in one form is too short in another: of many cores, in a form that
 * suits them badly, an operation takes longer than a thousand in one that suits. So nothing counts
 * before all have been through their shares, and a batch has operations enough to be a mix.
 *
 * An object that chooses has nothing to do for long between two races. There its rate is counted as
 * well as that, once for each form; then the chooser is given windows of that rate until it wants a
 * race or the span is over. Races, and what follows them until the rate is steady, are simulated. */
#include "virtual/sharing_inside.h"

enum {
    FIRST = 2 * AHEAD,  /* operations of all that do not count, */
    EDGES_MOST = 10,    /* or so many edges, or trials */
    BATCHES = 10,       /* of what is counted, at least; */
    BATCH_DONE = AHEAD, /* operations of each, */
    BATCH_PARTS = 128,  /* in such a part of what is counted at most, or */
    LONG_PARTS = 16,    /* at most in such a one */
    TEN_THOUSAND = 10000,
};

static uint64_t done_by_all(const struct party *p)
{
    uint64_t done = 0;
    for (uint32_t core = 0; core < p->cores; core++)
        done += p->member[core].done;
    return done;
}

static void again_at(struct party *p, uint64_t time)
{
    p->looks_at = time;
    party_push(p, time, COUNTS, 0);
}

static void begins_batch(struct party *p)
{
    const uint64_t part = p->sharing->counted / BATCH_PARTS;
    p->batch_began = p->now;
    p->batch_done = done_by_all(p);
    again_at(p, p->now + (part ? part : 1));
}

static void begins_batches(struct party *p)
{
    p->phase = PHASE_BATCHES;
    p->counted_from = p->now;
    p->batches = 0;
    p->sum = p->squares = 0;
    for (uint32_t core = 0; core < p->cores; core++) {
        struct member *m = &p->member[core];
        m->steady = (struct sharing_done){m->done, m->reads_done};
    }
    begins_batch(p);
}

static void comes_to_edge(struct party *p)
{
    for (uint32_t core = 0; core < p->cores; core++) {
        struct member *m = &p->member[core];
        m->at_edge = (struct sharing_done){m->done, m->reads_done};
    }
    p->longest = p->row = p->rows = 0;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        p->cycles_in[form] = 0;
    p->form_since = p->counts_from = p->now;
    p->ends = p->now + p->sharing->span;
    party_push(p, p->ends, COUNTS, 0);
    p->phase = PHASE_SPAN;
    if (p->sharing->precision && !p->sharing->forms)
        begins_batches(p);
}

/* Whether what is counted is now known: by the standard error of the mean. */
static bool ends_batch(struct party *p)
{
    const struct sharing *s = p->sharing;
    const uint64_t done = done_by_all(p) - p->batch_done, took = p->now - p->batch_began;
    if (done < BATCH_DONE && took < s->counted / LONG_PARTS) {
        again_at(p, p->now + s->counted / BATCH_PARTS + 1);
        return false;
    }
    const double rate = (double)done / (double)took, n = ++p->batches;
    p->sum += rate;
    p->squares += rate * rate;
    const double mean = p->sum / n, of_mean = (p->squares / n - mean * mean) / (n - 1);
    const double error = mean * s->precision / TEN_THOUSAND;
    if (p->now - p->counted_from >= s->counted || (n >= BATCHES && of_mean <= error * error))
        return true;
    begins_batch(p);
    return false;
}

/* --- Choosing --- */

/* The rates of all cores, in the form that has been counted. */
static void knows_rates(struct party *p)
{
    const uint32_t form = p->mode & FORM_MASK;
    const double cycles = (double)(p->now - p->counted_from);
    p->known |= 1u << form;
    for (uint32_t core = 0; core < p->cores; core++) {
        struct member *m = &p->member[core];
        m->rate[form].done = (double)(m->done - m->steady.done) / cycles;
        m->rate[form].reads = (double)(m->reads_done - m->steady.reads) / cycles;
    }
}

/* What would be counted in so many cycles. */
static struct chooser_window window_of(const struct party *p, uint64_t cycles)
{
    const uint32_t form = p->mode & FORM_MASK;
    double done = 0, reads = 0;
    for (uint32_t core = 0; core < p->cores; core++) {
        done += p->member[core].rate[form].done;
        reads += p->member[core].rate[form].reads;
    }
    const double owners = p->member[p->sharing->owner].rate[form].done, span = (double)cycles;
    return (struct chooser_window){cycles, (uint64_t)(done * span), (uint64_t)(reads * span),
                                   (uint64_t)(owners * span)};
}

void party_skips(struct party *p)
{
    const uint32_t form = p->mode & FORM_MASK;
    const uint64_t left = p->ends > p->now + p->skipped ? p->ends - p->now - p->skipped : 0;
    uint64_t skips = 0;
    while (skips < left && p->chooser.state == CHOOSER_STEADY) {
        const uint64_t span = p->chooser.span < left - skips ? p->chooser.span : left - skips;
        const struct chooser_window window = window_of(p, span);
        skips += span;
        if (skips < left)
            chooser_next(&p->chooser, &window);
    }
    for (uint32_t core = 0; core < p->cores; core++) {
        struct member *m = &p->member[core];
        m->skipped.done += m->rate[form].done * (double)skips;
        m->skipped.reads += m->rate[form].reads * (double)skips;
    }
    p->skipped += skips;
    p->cycles_in[form] += skips;
    p->phase = PHASE_SPAN;
    if (p->now + p->skipped >= p->ends)
        party_push(p, p->now, COUNTS, 0);
    else
        party_push(p, p->ends - p->skipped, COUNTS, 0);
}

void party_is_steady(struct party *p)
{
    if (p->phase != PHASE_SPAN)
        return;
    p->phase = PHASE_SETTLES;
    p->counted_from = p->now;
    p->batch_done = done_by_all(p);
    again_at(p, p->now + p->chooser.rules.trial);
}

void party_is_restless(struct party *p)
{
    if (p->phase != PHASE_EDGE)
        p->phase = PHASE_SPAN;
}

/* It has done what does not count. */
static void has_settled(struct party *p)
{
    const uint64_t trial = p->chooser.rules.trial;
    if (done_by_all(p) - p->batch_done < FIRST && p->now < p->counted_from + EDGES_MOST * trial) {
        again_at(p, p->now + trial);
    } else if (p->known >> (p->mode & FORM_MASK) & 1) {
        p->phase = PHASE_SKIPS;
        p->window_ends = p->now;
    } else {
        begins_batches(p);
    }
}

bool party_counts(struct party *p)
{
    const struct sharing *s = p->sharing;
    if (p->phase != PHASE_EDGE && p->now + p->skipped >= p->ends)
        return true;
    if (p->phase != PHASE_EDGE && p->now != p->looks_at)
        return false;
    switch (p->phase) {
    case PHASE_EDGE:
        if (s->precision && !s->forms && done_by_all(p) < FIRST && p->now < EDGES_MOST * s->edge)
            party_push(p, p->now + s->edge, COUNTS, 0);
        else
            comes_to_edge(p);
        return false;
    case PHASE_SETTLES:
        has_settled(p);
        return false;
    case PHASE_BATCHES:
        if (!ends_batch(p))
            return false;
        if (!s->forms)
            return true;
        knows_rates(p);
        p->phase = PHASE_SKIPS;
        p->window_ends = p->now;
        return false;
    default:
        return false;
    }
}

void party_says(const struct party *p, struct sharing_done *done, struct sharing_outcome *outcome)
{
    outcome->cycles = p->now - p->counts_from + p->skipped;
    for (uint32_t core = 0; core < p->cores; core++) {
        const struct member *m = &p->member[core];
        done[core].done = m->done - m->at_edge.done + (uint64_t)m->skipped.done;
        done[core].reads = m->reads_done - m->at_edge.reads + (uint64_t)m->skipped.reads;
    }
}
