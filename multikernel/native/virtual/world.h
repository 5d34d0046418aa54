/* Modelled cores and what goes on between them, in virtual time: a discrete-event run.
 *
 * A core handles one thing at a time: a message, or what it was woken for. Messages wait in the
 * order in which they arrive. A message is two transactions of its line: the sender's, to own it,
 * which goes on behind the sender's back; and the receiver's, once it has noticed, to fetch it. What
 * a core does when it handles something is not this file's: it is a behaviour, which charges time
 * to the core, and sends.
 *
 * Guarantees: the same calls bring about the same run, whatever the host does; time never goes
 * back; what is sent is handled once, in order between any two cores. Nothing fills: there is room
 * for every message (a modelled channel has no window). */
#pragma once

#include "base/message.h"
#include "virtual/lines.h"
#include "virtual/schedule.h"

struct world;

struct packet {
    uint32_t from, to;
    uint32_t next; /* behind it at the same core; 0: none */
    bool reply;
    uint64_t token;
    uint64_t ready; /* the receiver's fetch ends; 0: it has not begun */
    struct message message;
};

/* What runs on the cores. Both are called when the core has nothing else to do. */
struct behaviour {
    void *context;
    void (*message)(void *context, uint32_t core, const struct packet *packet);
    void (*woken)(void *context, uint32_t core, uint32_t what);
};

/* What a core does while nothing comes. */
enum idle { IDLE_POLLS, IDLE_COMPUTES, IDLE_SLEEPS };

/* Where the lines of a message lie: in whose memory. */
enum buffers { BUFFERS_RECEIVER, BUFFERS_SENDER };

struct core {
    uint64_t free_at; /* it has nothing to do */
    uint64_t busy;    /* cycles in which it waited for a message's line, or did something */
    uint32_t stores;  /* its stores under way: lines that are not its own yet */
    uint32_t store_first, store_last; /* where they keep order: packets behind the one that is */
    uint32_t first, last;             /* packets that have arrived, 0: none */
    uint32_t deferred; /* what it is to be woken for, once it has nothing else to do */
    uint8_t looking;   /* ... and the first is being fetched */
    uint8_t idle;
};

struct world {
    const struct machine *machine;
    struct behaviour behaviour;
    struct lines lines;
    struct core *core;
    struct schedule schedule;
    struct packet *packet;
    uint32_t packets, packet_room, packet_free;
    enum buffers buffers;
    uint64_t now;   /* of the event */
    uint64_t clock; /* of the core that is handling something */
    uint64_t sent, handled, happened;
    uint64_t charged; /* to all cores, for what they did */
    bool failed;      /* there was no memory: the run is worth nothing */
};

/* The machine outlives the world. False: no memory. */
bool world_open(struct world *world, const struct machine *machine);
void world_close(struct world *world);

/* What is next happens; false: nothing is. */
bool world_turn(struct world *world);

/* The core has `woken` called at that time, or as soon as it has nothing else to do. what: below
 * 2^28. */
void world_wake(struct world *world, uint32_t core, uint64_t time, uint32_t what);

/* When a core notices what is there now, if it has nothing else to do. */
uint64_t world_notices(const struct world *world, uint32_t core);

/* For behaviours. The core that handles something is busy for so many cycles. */
static inline void world_charge(struct world *world, double cycles)
{
    world->clock += (uint64_t)(cycles + 0.5);
    world->charged += (uint64_t)(cycles + 0.5);
}
/* It sends. */
void world_send(struct world *world, uint32_t from, uint32_t to, bool reply, uint64_t token,
                const struct message *message);
