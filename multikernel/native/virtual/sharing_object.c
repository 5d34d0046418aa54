/* The object as it goes from form to form: object/adaptive.c. */
#include "virtual/sharing_inside.h"

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

void party_begins_window(struct party *p, uint64_t now)
{
    p->counted = counted(p);
    p->window_began = now;
    p->window_ends = now + p->chooser.span;
}

/* choose(): the counts of all cores are read, a line each. */
static uint32_t looks_each(const struct member *m)
{
    return m->look_each ? m->look_each : CHOOSER_LOOKS_LEAST;
}

static bool chooses(struct party *p, struct member *m)
{
    BEGIN(m->at_choose);
    UNTIL(m->at_choose, party_is_now(p, m));
    m->look_each = chooser_pace(looks_each(m), m->clock - m->looked, p->chooser.span);
    m->looked = m->clock;
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
        if (p->phase == PHASE_SKIPS)
            party_skips(p);
        else
            chooser_next(&p->chooser, &window);
        if (p->chooser.state != CHOOSER_STEADY)
            party_is_restless(p);
        if (p->chooser.settling)
            m->look_each = CHOOSER_LOOKS_LEAST;
        if (p->chooser.form != (p->mode & FORM_MASK))
            UNTIL(m->at_choose, switches(p, m));
        party_begins_window(p, m->clock);
        if (p->chooser.state == CHOOSER_STEADY && !p->chooser.settling)
            party_is_steady(p);
    }
    END(m->at_choose);
}

static bool may_choose(const struct party *p, const struct member *m)
{
    return p->sharing->forms && m->me == p->sharing->owner;
}

/* What a core does takes a little more or less each time, by an eighth on the mean: cores that
 * keep in step for long are not met with. */
double party_varies(const struct member *m)
{
    return 0.75 + (double)(m->seed >> 20 & 1023) / 2048;
}

/* object_apply() */
bool party_applies(struct party *p, struct member *m)
{
    BEGIN(m->at_apply);
    takes(m, p->costs->operation * party_varies(m));
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
        if (m->turn % looks_each(m) == 0 && may_choose(p, m))
            UNTIL(m->at_apply, chooses(p, m));
    }
    END(m->at_apply);
}

/* object_poll() */
bool party_polls(struct party *p, struct member *m)
{
    BEGIN(m->at_poll);
    UNTIL(m->at_poll, polls(p, m));
    if (may_choose(p, m) && ++m->polls % looks_each(m) == 0)
        UNTIL(m->at_poll, chooses(p, m));
    END(m->at_poll);
}
