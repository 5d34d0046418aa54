#include "virtual/interrupts.h"

#include "virtual/lines.h"
#include "virtual/schedule.h"

struct interrupts {
    const struct machine *machine;
    struct lines lines;
    struct schedule schedule;
    uint64_t line_free;
    uint32_t owner; /* place that has the line on which cores count themselves off */
    uint32_t cores, sent, counted, seen;
    enum interrupt_order order;
    uint64_t clock; /* the initiator's */
};

enum {
    INITIATOR = 0
}; /* what is to happen: that it looks, or that core of that number is reached */

static uint32_t place(const struct interrupts *k, uint32_t core)
{
    return k->machine->place[core];
}

/* The line lies with the initiator. */
static uint64_t take(struct interrupts *k, uint64_t now, enum access access, uint32_t core)
{
    const uint32_t home = place(k, INITIATOR);
    const uint64_t end =
        line_move(&k->lines, now, access, place(k, core), k->owner, home, &k->line_free);
    if (access == OWN)
        k->owner = place(k, core);
    return end;
}

static bool interrupt(struct interrupts *k)
{
    const struct machine *m = k->machine;
    k->clock += (uint64_t)m->interrupt_send;
    const uint64_t there = k->clock + (uint64_t)(m->interrupt_delivery + m->trap / 2);
    return schedule_push(&k->schedule, there + (uint64_t)m->invalidate, ++k->sent);
}

/* It counts itself off, and the initiator, which looks all the time, reads the line again. */
static bool reached(struct interrupts *k, uint64_t now, uint32_t core)
{
    const uint64_t counted = take(k, now, OWN, core);
    k->counted++;
    return schedule_push(&k->schedule, counted > k->clock ? counted : k->clock, INITIATOR);
}

static bool looks(struct interrupts *k, uint64_t now)
{
    const uint32_t counted = k->counted;
    if (k->seen == counted)
        return true;
    k->clock = take(k, now, FETCH, INITIATOR);
    k->seen = counted;
    if (k->order == INTERRUPTS_ONE_BY_ONE && k->sent + 1 < k->cores && k->seen == k->sent)
        return interrupt(k);
    return true;
}

static bool run(struct interrupts *k)
{
    const struct machine *m = k->machine;
    bool goes = true;
    k->clock = (uint64_t)(m->change + m->invalidate);
    while (goes && k->sent + 1 < k->cores && (k->order == INTERRUPTS_AT_ONCE || !k->sent))
        goes = interrupt(k);
    while (goes && k->schedule.count) {
        const struct scheduled next = schedule_pop(&k->schedule);
        goes = next.what == INITIATOR ? looks(k, next.time) : reached(k, next.time, next.what);
    }
    return goes;
}

uint64_t interrupt_unmap(const struct machine *machine, uint32_t cores, enum interrupt_order order)
{
    struct interrupts k = {.machine = machine, .cores = cores, .order = order};
    const bool went = lines_open(&k.lines, machine) && (k.owner = place(&k, INITIATOR), run(&k));
    lines_close(&k.lines);
    schedule_free(&k.schedule);
    return went ? k.clock : 0;
}
