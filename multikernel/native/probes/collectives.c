/* Collectives through the booted drivers: each member's program asks its own driver, and the
 * drivers talk along the group's tree, as they do for any program (collective.h). Barrier and
 * reduction are timed from the last arrival to the last departure; a broadcast by its root, to
 * which it returns when all have it; an atomic broadcast in the same way by the member that asks
 * for it.
 *
 * Every message carries the operation's number, every contribution a value that only its member
 * has: what arrives is checked. */
#include "probes/together.h"

enum { THINK_CYCLES = 400 };

struct member {
    struct driver *driver;
    const struct collective_probe *probe;
    uint64_t wrong;
};

static void idle(struct driver *d)
{
    if (!driver_poll(d) && d->crowded)
        sched_yield(); /* the others need this CPU */
    leave_if_stopped(d);
}

static void pause_polling(struct driver *d)
{
    uint64_t until = arch_cycles() + THINK_CYCLES;
    while (arch_cycles() < until)
        driver_poll(d);
}

static void gather(struct member *m, uint64_t operation)
{
    bool reduce = m->probe->operation == COLLECTIVE_REDUCE;
    uint64_t word = group_word(m->probe->group, reduce ? JOIN_SUM : JOIN_NONE, reduce ? 1 : 0, 1);
    struct message request = {{message_head(KIND_GATHER, 0, 0, 0, 0), word,
                               operation * (m->driver->me + 1)}},
                   outcome;
    enum verdict verdict = driver_here(m->driver, &request, &outcome);
    m->wrong += verdict != VERDICT_OK || (reduce && outcome.word[2] != operation * m->probe->sum);
}

static void send(struct member *m, enum driver_kind kind, uint64_t operation)
{
    struct message request = {{message_head((uint32_t)kind, 0, 0, 0, 0), m->probe->group,
                               operation}},
                   reply;
    bool here = m->probe->root == m->driver->me;
    enum verdict verdict = here ? driver_here(m->driver, &request, &reply)
                                : driver_call(m->driver, m->probe->root, 0, &request, &reply);
    m->wrong += verdict != VERDICT_OK;
}

static void take(struct member *m, uint64_t operation)
{
    struct message request = {{message_head(KIND_TAKE, 0, 0, 0, 0), m->probe->group}}, message;
    enum verdict verdict = driver_here(m->driver, &request, &message);
    m->wrong += verdict != VERDICT_OK || message.word[2] != operation;
}

/* Messages from one member: it sends, and of an atomic broadcast takes its own copy, between two
 * clocks only when many are timed at once. */
static void messages(struct member *m, struct histogram *times)
{
    const struct collective_probe *p = m->probe;
    bool order = p->operation == COLLECTIVE_ORDER, single = p->batch == 1;
    if (p->timer != m->driver->me) {
        for (uint64_t i = 0; i < p->count; i++)
            take(m, p->use + i);
        return;
    }
    for (uint64_t done = 0; done < p->count; done += p->batch) {
        if (single)
            pause_polling(m->driver);
        uint64_t start = arch_cycles(), took = 0;
        for (uint64_t i = done; i < done + p->batch; i++) {
            send(m, order ? KIND_ORDER : KIND_SPREAD, p->use + i);
            if (single)
                took = arch_cycles_behind() - start;
            if (order)
                take(m, p->use + i);
        }
        histogram_add(times, single ? took : (arch_cycles_behind() - start) / p->batch);
    }
}

int64_t probe_collective(struct driver *d, const struct collective_probe *p,
                         struct histogram *times)
{
    struct together all = {d, p->member, p->members, p->timer, idle};
    struct member member = {d, p, 0};
    driver_enter(d);
    if (p->operation == COLLECTIVE_BARRIER || p->operation == COLLECTIVE_REDUCE) {
        TOGETHER(&all, p->use, p->count, p->batch, times, member.wrong, pause_polling(d), i,
                 gather(&member, i))
    } else {
        messages(&member, times);
    }
    driver_leave(d);
    return (int64_t)member.wrong;
}
