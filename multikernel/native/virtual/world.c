#include "virtual/world.h"

#include <stdlib.h>

enum { OWNED, ARRIVED, LOOKED, FETCHED, WOKEN, KINDS, KIND_BITS = 3 };
enum { ROOM = 1024 };

/* --- Packets: messages, and what cores are to be woken for (`to` the core, `from` why) --- */

static uint32_t packet_new(struct world *w)
{
    const uint32_t free = w->packet_free;
    if (free) {
        w->packet_free = w->packet[free].next;
        return free;
    }
    if (w->packets >= w->packet_room) {
        const uint32_t room = w->packet_room ? 2 * w->packet_room : ROOM;
        struct packet *packet = realloc(w->packet, room * sizeof *packet);
        if (!packet) {
            w->failed = true;
            return 0;
        }
        w->packet = packet;
        w->packet_room = room;
    }
    return w->packets++;
}

static void packet_free(struct world *w, uint32_t i)
{
    w->packet[i].next = w->packet_free;
    w->packet_free = i;
}

static void push(struct world *w, uint64_t time, uint32_t kind, uint32_t number)
{
    if (!schedule_push(&w->schedule, time, kind | number << KIND_BITS))
        w->failed = true;
}

/* --- A message on its way --- */

static uint32_t place(const struct world *w, uint32_t core)
{
    return w->machine->place[core];
}

static const struct distance *between(const struct world *w, uint32_t from, uint32_t to)
{
    const struct machine *m = w->machine;
    return &m->costs[m->distance[place(w, from) * m->places + place(w, to)]];
}

static uint64_t move(struct world *w, enum access access, const struct packet *p)
{
    const uint32_t to = place(w, p->to), from = place(w, p->from);
    const uint32_t home = w->buffers == BUFFERS_RECEIVER ? to : from;
    return access == OWN ? line_move(&w->lines, w->now, OWN, from, to, home, NULL)
                         : line_move(&w->lines, w->now, FETCH, to, from, home, NULL);
}

void world_send(struct world *w, uint32_t from, uint32_t to, bool reply, uint64_t token,
                const struct message *message)
{
    const uint32_t i = packet_new(w);
    if (!i)
        return;
    world_charge(w, between(w, from, to)->send);
    w->packet[i] = (struct packet){
        .from = from, .to = to, .reply = reply, .token = token, .message = *message};
    w->sent++;
    w->core[from].stores++;
    if (w->core[to].idle == IDLE_COMPUTES && !w->core[to].first)
        world_charge(w, w->machine->interrupt_send);
    push(w, w->clock, OWNED, i);
}

/* The first that has arrived is looked at, at that time. */
static void look(struct world *w, uint32_t core, uint64_t time)
{
    struct core *c = &w->core[core];
    if (c->looking || !c->first)
        return;
    c->looking = true;
    push(w, time, LOOKED, core);
}

/* When the next look of a core is over that has had nothing to do since then: after every second
 * one it relaxes. */
static uint64_t next_look(const struct machine *m, uint64_t since, uint64_t now)
{
    const uint64_t look = (uint64_t)m->look, round = 2 * look + (uint64_t)m->relax;
    if (!round)
        return now;
    const uint64_t into = (now - since) % round;
    return now - into + (into <= look ? look : into <= 2 * look ? 2 * look : round + look);
}

uint64_t world_notices(const struct world *w, uint32_t core)
{
    const struct core *c = &w->core[core];
    switch ((enum idle)c->idle) {
    case IDLE_COMPUTES:
        return w->now + (uint64_t)(w->machine->interrupt_delivery + w->machine->trap);
    case IDLE_SLEEPS:
        return w->now + (uint64_t)w->machine->wake;
    default:
        return next_look(w->machine, c->free_at, w->now);
    }
}

/* The sender's store has to own the line first, behind its earlier ones where stores keep order. */
static void owned(struct world *w, uint32_t i)
{
    struct core *c = &w->core[w->packet[i].from];
    if (w->machine->stores_in_order && c->store_first != i) {
        w->packet[i].next = 0;
        if (c->store_first) {
            w->packet[c->store_last].next = i;
            c->store_last = i;
            return;
        }
        c->store_first = c->store_last = i;
    }
    push(w, move(w, OWN, &w->packet[i]), ARRIVED, i);
}

/* The next may own its line. */
static void stored(struct world *w, uint32_t i)
{
    struct core *c = &w->core[w->packet[i].from];
    c->stores--;
    if (!w->machine->stores_in_order)
        return;
    c->store_first = w->packet[i].next;
    if (c->store_first)
        owned(w, c->store_first);
}

static void arrived(struct world *w, uint32_t i)
{
    struct packet *p = &w->packet[i];
    struct core *c = &w->core[p->to];
    stored(w, i);
    p->next = 0;
    if (c->first)
        w->packet[c->last].next = i;
    else
        c->first = i;
    c->last = i;
    look(w, p->to, c->free_at > w->now ? c->free_at : world_notices(w, p->to));
}

/* The first is fetched, and as many of those behind it as may be under way. */
static void looked(struct world *w, uint32_t core)
{
    struct core *c = &w->core[core];
    const uint32_t first = c->first;
    uint32_t count = 0;
    for (uint32_t i = first; i && count < w->machine->lines_under_way; count++) {
        struct packet *p = &w->packet[i];
        if (!p->ready)
            p->ready = move(w, FETCH, p);
        i = p->next;
    }
    const uint64_t ready = w->packet[first].ready > w->now ? w->packet[first].ready : w->now;
    c->first = w->packet[first].next;
    c->busy += ready - w->now;
    push(w, ready, FETCHED, first);
}

static void begin(struct world *w)
{
    w->clock = w->now;
}

/* What it is to be woken for and what has arrived take turns. */
static void end(struct world *w, uint32_t core, bool woken)
{
    struct core *c = &w->core[core];
    const uint32_t deferred = c->deferred;
    c->busy += w->clock - w->now;
    c->free_at = w->clock;
    if (deferred && (!woken || !c->first)) {
        c->deferred = w->packet[deferred].next;
        push(w, w->clock, WOKEN, deferred);
    } else {
        look(w, core, w->clock);
    }
}

static void fetched(struct world *w, uint32_t i)
{
    const struct packet p = w->packet[i];
    packet_free(w, i);
    begin(w);
    world_charge(w, between(w, p.from, p.to)->handle);
    w->handled++;
    w->behaviour.message(w->behaviour.context, p.to, &p);
    w->core[p.to].looking = false;
    end(w, p.to, false);
}

/* --- What a core is woken for --- */

void world_wake(struct world *w, uint32_t core, uint64_t time, uint32_t what)
{
    const uint32_t i = packet_new(w);
    if (!i)
        return;
    w->packet[i] = (struct packet){.to = core, .from = what};
    push(w, time > w->now ? time : w->now, WOKEN, i);
}

static void woken(struct world *w, uint32_t i)
{
    const uint32_t core = w->packet[i].to, what = w->packet[i].from;
    struct core *c = &w->core[core];
    if (c->looking) { /* about to take a message */
        w->packet[i].next = c->deferred;
        c->deferred = i;
        return;
    }
    if (c->free_at > w->now) {
        push(w, c->free_at, WOKEN, i);
        return;
    }
    packet_free(w, i);
    begin(w);
    w->behaviour.woken(w->behaviour.context, core, what);
    end(w, core, true);
}

/* --- The run --- */

bool world_turn(struct world *w)
{
    static void (*const happens[KINDS])(struct world *, uint32_t) = {owned, arrived, looked,
                                                                     fetched, woken};
    if (!w->schedule.count || w->failed)
        return false;
    const struct scheduled event = schedule_pop(&w->schedule);
    w->now = event.time;
    w->happened++;
    happens[event.what & ((1u << KIND_BITS) - 1)](w, event.what >> KIND_BITS);
    return true;
}

bool world_open(struct world *w, const struct machine *machine)
{
    *w = (struct world){.machine = machine, .packets = 1};
    w->core = calloc(machine->cores, sizeof *w->core);
    return w->core && lines_open(&w->lines, machine);
}

void world_close(struct world *w)
{
    lines_close(&w->lines);
    schedule_free(&w->schedule);
    free(w->packet);
    free(w->core);
}
