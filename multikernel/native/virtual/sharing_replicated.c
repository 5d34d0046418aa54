/* The replicated form: object/replicated.c. The log's lines hold eight entries each; the operations
 * that they lead to are a line each, in their core's. */
#include "virtual/sharing_inside.h"

uint32_t party_log_line(const struct party *p, uint64_t position)
{
    return p->logs + (uint32_t)(position % LOG_SLOTS / LOG_ENTRIES);
}

static uint32_t operation_line(const struct party *p, uint64_t core, uint64_t place)
{
    const uint32_t lines = LINE_OPERATION_LAST - LINE_OPERATION + 1;
    return line_of(p, (uint32_t)core, LINE_OPERATION + (uint32_t)(place % lines));
}

/* The log has ended, there or long ago: the operation is refused. */
static bool has_closed(const struct party *p, const struct member *m)
{
    return m->position == p->close || m->epoch != party_word(m, &p->mode);
}

/* The entries of the log's line lead to operations that are fetched together: what comes behind an
 * entry does not wait for it. */
static void asks_ahead(struct party *p, struct member *m)
{
    uint64_t at = m->clock;
    for (uint64_t i = m->position; i < p->log_end && (i == m->position || i % LOG_ENTRIES); i++) {
        const uint32_t line = p->log_by[i % LOG_SLOTS];
        if (caches_have(&p->caches, m->me, line, at))
            continue;
        const uint64_t there = caches_ask(&p->caches, FETCH, m->me, line, at);
        at += (there - at) / p->machine->lines_under_way;
    }
}

/* replay(): up to the log's end. */
static bool replays(struct party *p, struct member *m)
{
    BEGIN(m->at_replay);
    for (;;) {
        UNTIL(m->at_replay, party_loaded(p, m, party_log_line(p, m->position)));
        if (m->position >= p->log_end || has_closed(p, m))
            break;
        if (!caches_have(&p->caches, m->me, p->log_by[m->position % LOG_SLOTS], m->clock))
            asks_ahead(p, m);
        UNTIL(m->at_replay, party_loaded(p, m, p->log_by[m->position % LOG_SLOTS]));
        takes(m, p->costs->line + 2 * p->costs->look); /* read_entry() */
        apply_here(p, m);
        if (++m->position % (LOG_SLOTS / 8) == 0) {
            STORE(m->at_replay, line_of(p, m->me, LINE_COUNTS), NULL, 0);
            m->published = m->position;
        }
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

/* arch_prefetch_write(), of the next operation's line. There are many more than are modelled:
 * it is one that another core has read. */
static void prefetches(struct party *p, struct member *m, uint64_t place)
{
    const uint32_t line = operation_line(p, m->me, place);
    if (p->cores > 1 && caches_alone(&p->caches, m->me, line, p->now))
        caches_place(&p->caches, line, (m->me + 1) % p->cores);
    caches_ask(&p->caches, OWN, m->me, line, p->now);
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
        UNTIL(m->at_take, party_owned(p, m, party_log_line(p, m->position)));
        if (p->log_end != m->position || p->close != UINT64_MAX)
            continue; /* another core was first */
        if (closes) {
            p->close = m->position;
            break;
        }
        p->log_by[m->position % LOG_SLOTS] = operation_line(p, m->me, m->appended);
        p->log_end++;
        party_counts_row(p, m);
        prefetches(p, m, ++m->appended);
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
    END(m->at_serve);
}

bool party_replicated_apply(struct party *p, struct member *m)
{
    BEGIN(m->at_log);
    m->refused = false;
    if (party_word(m, &p->mode) != m->mode) {
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
            m->published = ++m->position;
            STORE(m->at_log, line_of(p, m->me, LINE_COUNTS), NULL, 0); /* version, position */
        }
    }
    apply_here(p, m);
    END(m->at_log);
}

bool party_follows(const struct party *p, const struct member *m)
{
    return m->epoch && m->epoch == party_word(m, &p->mode);
}

bool party_replicated_follow(struct party *p, struct member *m)
{
    BEGIN(m->at_log);
    if (party_follows(p, m)) {
        UNTIL(m->at_log, replays(p, m));
        if (m->published != m->position)
            STORE(m->at_log, line_of(p, m->me, LINE_COUNTS), NULL, 0);
        m->published = m->position;
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
