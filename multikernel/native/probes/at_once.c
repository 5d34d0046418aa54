/* Retype and delete on all cores at once: how much the cores get done together, each with memory
 * that it alone retypes.
 *
 * A core has lanes, as many as it is to have in flight. A lane retypes a page to a Frame, deletes
 * the Frame as soon as it has it, and goes on to the next of its pages: that is one operation, and
 * there is nothing to prepare or to clear away beside it. Whenever it has looked at all lanes a
 * core polls its channels, in either kernel, as its program's system calls would: so it answers the
 * others while it has operations of its own under way.
 *
 * All meet, work unrecorded until the last to start surely has, and then count, each for a stretch
 * by its own clock; afterwards they go on unrecorded until all have counted: no core is counted
 * while another is through. A core with nothing in flight only answers. The experiment looks
 * whether all were on their CPUs.
 *
 * Idea: will-it-scale (every task repeats one operation for a while, and what they did is added
 * up). */
#include <errno.h>

#include "probes/asking.h"
#include "probes/meeting.h"

/* One of the operations that are in flight. */
struct lane {
    uint64_t ticket;
    uint32_t page; /* and slot, from the probe's first on */
    bool flying, deleting;
};

struct crew {
    struct driver *d;
    const struct probe *p;
    struct wait wait;
    struct lane lane[OPERATIONS_IN_FLIGHT];
    uint64_t done;        /* operations */
    enum verdict verdict; /* the first that was not OK */
    bool closing;         /* what is done is not begun again */
};

static void begin(struct crew *c, struct lane *lane, bool deleting, uint64_t frame)
{
    const struct probe *p = c->p;
    const struct message request =
        deleting ? asking_about(KIND_CAP_DELETE, frame)
                 : asking_for_frames(p->source, p->cnode, p->index + lane->page, 1,
                                     p->offset + (uint64_t)lane->page * PAGE_BYTES);
    lane->flying = true;
    lane->deleting = deleting;
    lane->ticket = driver_begin(c->d, &request);
}

/* Takes the lane's reply, if it has one, and sends it on. */
static bool turn(struct crew *c, struct lane *lane)
{
    struct message reply;
    if (!lane->flying || !driver_done(c->d, lane->ticket, &reply))
        return false;
    lane->flying = false;
    const enum verdict verdict = message_verdict(&reply);
    if (verdict != VERDICT_OK) {
        if (c->verdict == VERDICT_OK)
            c->verdict = verdict;
        return true;
    }
    if (!lane->deleting) {
        begin(c, lane, true, reply.word[1]);
        return true;
    }
    c->done++;
    lane->page++;
    if (lane->page % AT_ONCE_PAGES == 0)
        lane->page -= AT_ONCE_PAGES;
    if (!c->closing)
        begin(c, lane, false, 0);
    return true;
}

/* A look at every lane and at the channels. True while any lane flies. */
static bool pass(struct crew *c)
{
    bool any = false, flying = false;
    for (uint32_t i = 0; i < c->p->in_flight; i++) {
        any |= turn(c, &c->lane[i]);
        flying |= c->lane[i].flying;
    }
    if (!any && flying) {
        driver_wait(c->d, &c->wait);
        return true;
    }
    wait_restart(&c->wait);
    driver_poll(c->d);
    return flying;
}

/* What it counted goes to the results, in the order of the table. */
static void stretch(struct crew *c)
{
    const uint64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    const uint64_t began = arch_cycles(), before = c->done;
    uint64_t marked = before, start = began;
    /* A core that only answers does so for as long: else the others would be measured waiting. */
    while (!c->p->in_flight && start - began < c->p->cycles) {
        pass(c);
        start = arch_cycles();
    }
    while (c->p->in_flight && c->verdict == VERDICT_OK &&
           (marked == before || start - began < c->p->cycles)) {
        pass(c);
        if (c->done - marked < c->p->batch)
            continue;
        const uint64_t now = arch_cycles_behind();
        histogram_add(c->p->times[0], (now - start) / (c->done - marked));
        start = now;
        marked = c->done;
    }
    c->p->results[0] = marked - before;
    c->p->results[1] = began;
    c->p->results[2] = start - began;
    c->p->results[3] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    c->p->results[4] = clock_ns(CLOCK_MONOTONIC) - wall;
}

int64_t probe_at_once(struct driver *d, const struct probe *p)
{
    struct crew crew = {.d = d, .p = p, .verdict = VERDICT_OK};
    if (p->in_flight > OPERATIONS_IN_FLIGHT || !p->cores || p->cores > d->cores)
        return VERDICT_BAD_REQUEST;
    if (p->result_count < 5)
        return -EINVAL;
    driver_enter(d);
    meet(d, p->base + p->cores);
    for (uint32_t i = 0; i < p->in_flight; i++) {
        crew.lane[i].page = i * AT_ONCE_PAGES;
        begin(&crew, &crew.lane[i], false, 0);
    }
    const uint64_t edge = arch_cycles() + p->edge;
    while (arch_cycles() < edge)
        pass(&crew);
    stretch(&crew);
    /* Even a core that failed comes, or the others would go on for ever. */
    meeting_come(d);
    while (!meeting_has(d, p->base + 2 * (uint64_t)p->cores)) {
        pass(&crew);
        if (d->crowded)
            sched_yield();
    }
    crew.closing = true;
    while (pass(&crew))
        ;
    driver_leave(d);
    return crew.verdict;
}
