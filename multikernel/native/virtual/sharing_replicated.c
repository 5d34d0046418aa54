/* The replicated form: object/replicated.c. The log's lines hold eight entries each; the operations
 * that they lead to are a line each, in their core's. */
#include "virtual/sharing_inside.h"

static uint32_t log_line(const struct party *p, uint64_t position)
{
    return p->logs + (uint32_t)(position % LOG_SLOTS / LOG_ENTRIES);
}

static uint32_t operation_line(const struct party *p, uint64_t core, uint64_t place)
{
    const uint32_t lines = LINE_OPERATION_LAST - LINE_OPERATION + 1;
    return line_of(p, (uint32_t)core, LINE_OPERATION + (uint32_t)(place % lines));
}

/* Where the state is another core's business by now: refused. */
static bool has_closed(const struct party *p, const struct member *m)
{
    return m->position == p->close;
}

/* replay(): up to the log's end. */
static bool replays(struct party *p, struct member *m)
{
    BEGIN(m->at_replay);
    for (;;) {
        UNTIL(m->at_replay, party_loaded(p, m, log_line(p, m->position)));
        if (m->position >= p->log_end || has_closed(p, m))
            break;
        UNTIL(m->at_replay, party_loaded(p, m, p->log_by[m->position % LOG_SLOTS]));
        takes(m, p->costs->line + 2 * p->costs->look); /* read_entry() */
        apply_here(p, m);
        if (++m->position % (LOG_SLOTS / 8) == 0)
            STORE(m->at_replay, line_of(p, m->me, LINE_COUNTS), NULL, 0);
    }
    END(m->at_replay);
}

/* has_room(): how far the others are. */
static bool looks_for_room(struct party *p, struct member *m)
{
    BEGIN(m->at_room);
    UNTIL(m->at_room, party_is_now(p, m));
    m->until = m->clock;
    m->limit = m->position;
    for (m->i = 0; m->i < p->cores; m->i++) {
        const uint64_t there =
            caches_ask(&p->caches, FETCH, m->me, line_of(p, m->i, LINE_COUNTS), m->clock);
        const struct member *its = &p->member[m->i];
        m->until = there > m->until ? there : m->until;
        m->clock += (there - m->clock) / p->machine->lines_under_way;
        if (its->epoch == m->mode && its->position < m->limit)
            m->limit = its->position;
    }
    m->limit += LOG_SLOTS - 1;
    m->clock = m->until;
    UNTIL(m->at_room, party_is_now(p, m));
    END(m->at_room);
}

/* put_in_order() and append(). */
static bool appends(struct party *p, struct member *m, bool closes)
{
    BEGIN(m->at_take);
    for (;;) {
        UNTIL(m->at_take, replays(p, m));
        if (has_closed(p, m)) {
            m->refused = true;
            break;
        }
        if (m->position >= m->limit) {
            UNTIL(m->at_take, looks_for_room(p, m));
            if (m->position >= m->limit)
                takes(m, party_back_off(p, m)); /* wait_for_room() */
            continue;
        }
        STORE(m->at_take, operation_line(p, m->me, m->appended), NULL, 0);
        UNTIL(m->at_take, party_owned(p, m, log_line(p, m->position)));
        if (p->log_end != m->position || p->close != UINT64_MAX)
            continue; /* another core was first */
        if (closes) {
            p->close = m->position;
            break;
        }
        p->log_by[m->position % LOG_SLOTS] = operation_line(p, m->me, m->appended);
        p->log_end++;
        party_counts_row(p, m);
        /* The next one's line is asked for: arch_prefetch_write(). */
        caches_ask(&p->caches, OWN, m->me, operation_line(p, m->me, ++m->appended), p->now);
        break;
    }
    END(m->at_take);
}

/* enter(), and join() where it has not. */
static bool enters(struct party *p, struct member *m)
{
    BEGIN(m->at_serve);
    if (m->epoch != m->mode) {
        UNTIL(m->at_serve, party_is_now(p, m));
        m->clock = party_asks_all(p, m, LINE_DATA);
        UNTIL(m->at_serve, party_is_now(p, m));
        m->epoch = m->mode;
        m->position = m->limit = p->log_start;
        apply_here(p, m);
    }
    takes(m, p->costs->look); /* is it asked to hold still? */
    END(m->at_serve);
}

bool party_replicated_apply(struct party *p, struct member *m)
{
    BEGIN(m->at_log);
    m->refused = false;
    if (p->mode != m->mode) {
        m->refused = true;
        LEAVE(m->at_log);
    }
    UNTIL(m->at_log, enters(p, m));
    if (m->reads) {
        UNTIL(m->at_log, replays(p, m));
        m->refused = has_closed(p, m);
    } else {
        UNTIL(m->at_log, appends(p, m, false));
        if (!m->refused) {
            m->position++;
            STORE(m->at_log, line_of(p, m->me, LINE_COUNTS), NULL, 0); /* version, position */
        }
    }
    apply_here(p, m);
    END(m->at_log);
}

bool party_replicated_follow(struct party *p, struct member *m)
{
    BEGIN(m->at_log);
    if (m->epoch && m->epoch == p->mode) {
        UNTIL(m->at_log, replays(p, m));
        STORE(m->at_log, line_of(p, m->me, LINE_COUNTS), NULL, 0);
    }
    END(m->at_log);
}

/* --- The owner's --- */

void party_replicated_begin(struct party *p, struct member *m, uint64_t mode)
{
    p->log_start = p->log_end = p->log_end + LOG_SLOTS;
    p->close = UINT64_MAX;
    m->clock = party_asks_all(p, m, LINE_DATA);
    apply_here(p, m);
    m->epoch = mode;
    m->position = m->limit = p->log_start;
}

bool party_replicated_end(struct party *p, struct member *m)
{
    BEGIN(m->at_log);
    m->mode = p->mode;
    m->refused = false;
    UNTIL(m->at_log, enters(p, m));
    UNTIL(m->at_log, appends(p, m, true));
    m->epoch = 0;
    party_writes_all(p, m, LINE_DATA);
    END(m->at_log);
}
