/* The delegated form: object/delegated.h, delegated.c. Request and reply are one line, each
 * core's. */
#include "virtual/sharing_inside.h"

enum call { CALL_NONE, CALL_REQUEST, CALL_DONE, CALL_REFUSED };

static bool is_there(const struct party *p, const struct member *m, uint32_t core)
{
    return caches_have(&p->caches, m->me, line_of(p, core, LINE_CALL), m->clock);
}

/* The loop over the lines does not wait for one before it looks at the next, where nothing is
 * expected: as many as may be under way are on their way together. */
static void asks_ahead(struct party *p, struct member *m)
{
    uint32_t under_way = 0;
    for (uint32_t core = m->i; core < p->cores && under_way < p->machine->lines_under_way; core++)
        if (core != m->me && !is_there(p, m, core)) {
            caches_ask(&p->caches, FETCH, m->me, line_of(p, core, LINE_CALL), m->clock);
            under_way++;
        }
}

/* delegated_serve(): a look at each core's call line, and at the first of those in flight. */
bool party_delegated_serve(struct party *p, struct member *m)
{
    BEGIN(m->at_serve_lines);
    UNTIL(m->at_serve_lines, party_is_now(p, m));
    for (m->i = 0; m->i < p->cores; m->i++) {
        if (m->i == m->me)
            continue;
        takes(m, 2 * p->costs->look);
        if (is_there(p, m, m->i) && p->call[m->i] != CALL_REQUEST)
            continue;
        UNTIL(m->at_serve_lines, party_is_now(p, m));
        if (!is_there(p, m, m->i))
            asks_ahead(p, m);
        UNTIL(m->at_serve_lines, party_loaded(p, m, line_of(p, m->i, LINE_CALL)));
        if (p->call[m->i] != CALL_REQUEST || party_word(m, &p->call[m->i]) != CALL_REQUEST)
            continue;
        if (p->call_mode[m->i] == p->mode) { /* answer() */
            m->clock = party_asks_all(p, m, LINE_DATA);
            apply_here(p, m);
            UNTIL(m->at_serve_lines, party_is_now(p, m));
            if (!p->member[m->i].reads)
                party_writes_all(p, m, LINE_DATA);
            party_counts_row(p, &p->member[m->i]);
            STORE(m->at_serve_lines, line_of(p, m->i, LINE_CALL), &p->call[m->i], CALL_DONE);
        } else {
            STORE(m->at_serve_lines, line_of(p, m->i, LINE_CALL), &p->call[m->i], CALL_REFUSED);
        }
    }
    END(m->at_serve_lines);
}

/* delegated_ask() */
static bool asks(struct party *p, struct member *m)
{
    const uint32_t line = line_of(p, m->me, LINE_CALL);
    BEGIN(m->at_take);
    UNTIL(m->at_take, party_is_now(p, m));
    p->call_mode[m->me] = m->mode;
    party_store(p, m, line, &p->call[m->me], CALL_REQUEST);
    takes(m, p->pauses * p->costs->relax); /* wait_for_a_line() */
    for (;;) {
        UNTIL(m->at_take, party_loaded(p, m, line));
        if (party_word(m, &p->call[m->me]) != CALL_REQUEST)
            break;
        if (party_spins(p, m, line))
            STAND(m->at_take);
    }
    m->refused = p->call[m->me] == CALL_REFUSED;
    END(m->at_take);
}

bool party_delegated_apply(struct party *p, struct member *m)
{
    BEGIN(m->at_log);
    m->refused = false;
    if (m->me != p->sharing->owner) {
        UNTIL(m->at_log, asks(p, m));
    } else {
        UNTIL(m->at_log, party_is_now(p, m));
        m->clock = party_asks_all(p, m, LINE_DATA);
        apply_here(p, m);
        UNTIL(m->at_log, party_is_now(p, m));
        if (!m->reads)
            party_writes_all(p, m, LINE_DATA);
        party_counts_row(p, m);
        UNTIL(m->at_log, party_delegated_serve(p, m));
    }
    END(m->at_log);
}
