/* The forms behind a lock, and the one without: object/locked.h, locks/ttas.h, ticket.h, mcs.h,
 * object/lockfree.c. */
#include "virtual/sharing_inside.h"

/* --- Test and test-and-set: locks/ttas.h --- */

static bool ttas_take(struct party *p, struct member *m)
{
    BEGIN(m->at_take);
    UNTIL(m->at_take, party_owned(p, m, LINE_LOCK)); /* ttas_try */
    if (p->holder) {
        for (m->back_off = 1;;) { /* ttas_wait */
            UNTIL(m->at_take, party_loaded(p, m, LINE_LOCK));
            if (!p->holder) {
                UNTIL(m->at_take, party_owned(p, m, LINE_LOCK));
                if (!p->holder)
                    break;
            }
            takes(m, m->back_off * party_back_off(p, m));
            m->back_off = m->back_off < BACK_OFF_MOST ? 2 * m->back_off : BACK_OFF_MOST;
        }
    }
    p->holder = m->me + 1;
    END(m->at_take);
}

/* --- Ticket: locks/ticket.h. All of it is one line --- */

static bool ticket_take(struct party *p, struct member *m)
{
    BEGIN(m->at_take);
    UNTIL(m->at_take, party_owned(p, m, LINE_LOCK)); /* ticket_draw */
    m->ticket = p->next++;
    for (;;) {
        UNTIL(m->at_take, party_loaded(p, m, LINE_LOCK)); /* ticket_served */
        if (p->serving == m->ticket)
            break;
        if (party_spins(p, m, LINE_LOCK))
            STAND(m->at_take);
    }
    STORE(m->at_take, LINE_LOCK, NULL, 0); /* owner */
    END(m->at_take);
}

/* --- MCS: locks/mcs.h --- */

static uint32_t node_of(const struct party *p, uint64_t core)
{
    return line_of(p, (uint32_t)core - 1, LINE_NODE);
}

static bool mcs_take(struct party *p, struct member *m)
{
    BEGIN(m->at_take);
    UNTIL(m->at_take, party_owned(p, m, LINE_LOCK)); /* the exchange of the tail */
    m->before = p->tail;
    p->tail = m->me + 1;
    if (m->before) { /* mcs_wait */
        STORE(m->at_take, line_of(p, m->me, LINE_NODE), &p->waiting[m->me], 1);
        STORE(m->at_take, node_of(p, m->before), &p->successor[m->before - 1], m->me + 1);
        for (;;) {
            UNTIL(m->at_take, party_loaded(p, m, line_of(p, m->me, LINE_NODE)));
            if (!party_word(m, &p->waiting[m->me]))
                break;
            if (party_spins(p, m, line_of(p, m->me, LINE_NODE)))
                STAND(m->at_take);
        }
        STORE(m->at_take, line_of(p, m->me, LINE_NODE), NULL, 0); /* parked, before */
    }
    END(m->at_take);
}

static bool mcs_leave(struct party *p, struct member *m)
{
    BEGIN(m->at_take);
    UNTIL(m->at_take, party_loaded(p, m, line_of(p, m->me, LINE_NODE)));
    if (!party_word(m, &p->successor[m->me])) {
        UNTIL(m->at_take, party_owned(p, m, LINE_LOCK)); /* nobody behind it? */
        if (p->tail == m->me + 1) {
            p->tail = 0;
            LEAVE(m->at_take);
        }
        for (;;) { /* somebody is about to link itself */
            UNTIL(m->at_take, party_loaded(p, m, line_of(p, m->me, LINE_NODE)));
            if (party_word(m, &p->successor[m->me]))
                break;
            if (party_spins(p, m, line_of(p, m->me, LINE_NODE)))
                STAND(m->at_take);
        }
    }
    m->before = party_word(m, &p->successor[m->me]);
    STORE(m->at_take, line_of(p, m->me, LINE_NODE), &p->successor[m->me], 0);
    STORE(m->at_take, node_of(p, m->before), &p->waiting[m->before - 1], 0);
    /* Is it parked? The line has been asked for by the store. */
    UNTIL(m->at_take, party_loaded(p, m, node_of(p, m->before)));
    END(m->at_take);
}

/* --- The counting lock of the optimistic form: object/locked.h --- */

static bool sequence_take(struct party *p, struct member *m)
{
    BEGIN(m->at_take);
    for (m->back_off = 0;;) { /* locked_try_sequence, then locked_take_sequence_slowly */
        UNTIL(m->at_take, party_loaded(p, m, LINE_SEQUENCE));
        m->sequence = party_word(m, &p->sequence);
        if (!(m->sequence & 1)) {
            UNTIL(m->at_take, party_owned(p, m, LINE_SEQUENCE));
            if (p->sequence == m->sequence)
                break;
        }
        m->back_off = !m->back_off                  ? 1
                      : m->back_off < BACK_OFF_MOST ? 2 * m->back_off
                                                    : BACK_OFF_MOST;
        takes(m, m->back_off * party_back_off(p, m));
    }
    p->sequence++;
    END(m->at_take);
}

/* locked_read() */
static bool sequence_read(struct party *p, struct member *m)
{
    BEGIN(m->at_take);
    for (;;) {
        UNTIL(m->at_take, party_is_now(p, m));
        /* The processor does not wait for the number before it fetches what is read behind it. */
        if (!caches_have(&p->caches, m->me, LINE_SEQUENCE, m->clock))
            party_asks_all(p, m, LINE_DATA);
        UNTIL(m->at_take, party_loaded(p, m, LINE_SEQUENCE));
        m->sequence = party_word(m, &p->sequence);
        if (party_word(m, &p->mode) != m->mode) {
            m->refused = true;
            break;
        }
        if (!(m->sequence & 1)) {
            m->clock = party_asks_all(p, m, LINE_DATA);
            apply_here(p, m);
            UNTIL(m->at_take, party_loaded(p, m, LINE_SEQUENCE));
            if (party_word(m, &p->sequence) == m->sequence)
                break;
        }
        takes(m, party_moment(p, m));
    }
    END(m->at_take);
}

/* --- Any of them --- */

static bool takes_lock(struct party *p, struct member *m, uint32_t form)
{
    if (form == FORM_LOCKED)
        return ttas_take(p, m);
    if (form == FORM_OPTIMISTIC)
        return sequence_take(p, m);
    return p->sharing->lock == SHARING_MCS ? mcs_take(p, m) : ticket_take(p, m);
}

bool party_locked_take(struct party *p, struct member *m, uint32_t form)
{
    return takes_lock(p, m, form);
}

bool party_locked_leave(struct party *p, struct member *m, uint32_t form)
{
    if (form == FORM_FIFO && p->sharing->lock == SHARING_MCS)
        return mcs_leave(p, m);
    if (!party_is_now(p, m))
        return false;
    if (form == FORM_LOCKED)
        party_store(p, m, LINE_LOCK, &p->holder, 0);
    else if (form == FORM_OPTIMISTIC)
        party_store(p, m, LINE_SEQUENCE, &p->sequence, m->sequence + 2);
    else /* ticket_release reads what it adds to: its line is here, or the store's */
        party_store(p, m, LINE_LOCK, &p->serving, m->ticket + 1);
    return true;
}

bool party_locked_apply(struct party *p, struct member *m)
{
    const uint32_t form = m->mode & FORM_MASK;
    BEGIN(m->at_log);
    m->refused = false;
    if (form == FORM_LOCKFREE) { /* lockfree.c, counters_apply() */
        if (m->reads)
            UNTIL(m->at_log, party_loaded(p, m, LINE_FREE));
        else
            UNTIL(m->at_log, party_owned(p, m, LINE_FREE));
        m->refused = party_word(m, &p->mode) != m->mode; /* closed */
        if (!m->refused && !m->reads)
            party_counts_row(p, m);
    } else if (form == FORM_OPTIMISTIC && m->reads) {
        UNTIL(m->at_log, sequence_read(p, m));
    } else {
        UNTIL(m->at_log, party_locked_take(p, m, form));
        UNTIL(m->at_log, party_loaded(p, m, LINE_MODE)); /* the second look */
        m->refused = party_word(m, &p->mode) != m->mode;
        if (!m->refused) {
            party_counts_row(p, m);
            m->clock = party_asks_all(p, m, LINE_DATA);
            apply_here(p, m);
            UNTIL(m->at_log, party_is_now(p, m));
            if (!m->reads)
                party_writes_all(p, m, LINE_DATA);
        }
        UNTIL(m->at_log, party_locked_leave(p, m, form));
    }
    END(m->at_log);
}
