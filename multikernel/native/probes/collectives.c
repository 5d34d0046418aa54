/* Collectives through the booted drivers: each member's program asks its own driver, and the
 * drivers talk along the group's tree, as they do for any program (collective.h). Barrier and
 * reduction are timed from the last arrival to the last departure; a broadcast by its root, to
 * which it returns when all have it; an atomic broadcast in the same way by the member that asks
 * for it.
 *
 * Every message carries the operation's number, every contribution a value that only its member
 * has: what arrives is checked. */
#include <errno.h>

#include "probes/together.h"

enum { THINK_CYCLES = 400 };

struct member {
    struct driver *driver;
    const struct probe *probe;
    uint64_t sum; /* of the members' numbers, each counted from 1 */
    uint64_t wrong;
};

static void idle(struct driver *d)
{
    if (!driver_poll(d) && d->crowded)
        sched_yield(); /* the others need this CPU */
    leave_if_stopped(d);
}

static void gather(struct member *m, uint64_t operation)
{
    bool reduce = m->probe->form == COLLECTIVE_REDUCE;
    uint64_t word = group_word(m->probe->group, reduce ? JOIN_SUM : JOIN_NONE, reduce ? 1 : 0, 1);
    struct message request = {{message_head(KIND_GATHER, 0, 0, 0, 0), word,
                               operation * (m->driver->me + 1)}},
                   outcome;
    enum verdict verdict = driver_here(m->driver, &request, &outcome);
    m->wrong += verdict != VERDICT_OK || (reduce && outcome.word[2] != operation * m->sum);
}

static void send(struct member *m, enum driver_kind kind, uint64_t operation)
{
    struct message request = {{message_head((uint32_t)kind, 0, 0, 0, 0), m->probe->group,
                               operation}},
                   reply;
    enum verdict verdict = ask(m->driver, m->probe->core, &request, &reply);
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
static void messages(struct member *m)
{
    const struct probe *p = m->probe;
    bool order = m->probe->form == COLLECTIVE_ORDER, single = p->batch == 1;
    if (p->timer != m->driver->me) {
        for (uint64_t i = 0; i < p->count; i++)
            take(m, p->base + i);
        return;
    }
    for (uint64_t done = 0; done < p->count; done += p->batch) {
        if (single)
            poll_for(m->driver, THINK_CYCLES);
        uint64_t start = arch_cycles(), took = 0;
        for (uint64_t i = done; i < done + p->batch; i++) {
            send(m, order ? KIND_ORDER : KIND_SPREAD, p->base + i);
            if (single)
                took = arch_cycles_behind() - start;
            if (order)
                take(m, p->base + i);
        }
        histogram_add(p->times[0], single ? took : (arch_cycles_behind() - start) / p->batch);
    }
}

int64_t probe_collective(struct driver *d, const struct probe *p)
{
    struct together all = {d, p, idle};
    struct member member = {.driver = d, .probe = p};
    if (rank_of(d, p) < 0)
        return -EINVAL;
    for (uint64_t i = 0; i < p->each_count; i++)
        member.sum += p->each[i] + 1;
    driver_enter(d);
    if (p->form == COLLECTIVE_BARRIER || p->form == COLLECTIVE_REDUCE) {
        TOGETHER(&all, member.wrong, poll_for(d, THINK_CYCLES), i, gather(&member, i))
    } else {
        messages(&member);
    }
    driver_leave(d);
    return (int64_t)member.wrong;
}
