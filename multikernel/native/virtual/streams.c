#include "virtual/streams.h"

/* Lines that fit into a store buffer: 56 words (Intel and AMD since 2013), seven or eight a line; and
 * after how many cycles one that is full is looked at again. */
enum { STORES = 7, LOOKS = 16 };

struct ends {
    struct world world;
    const struct stream *stream;
    uint32_t sent, received, acknowledged;
    bool stopped; /* the window is full */
    uint64_t batch_began, *took, *ahead;
};

static const struct message nothing;

static bool has_credit(const struct ends *e)
{
    return e->sent - e->acknowledged < e->stream->window;
}

static void sends(void *context, uint32_t core, uint32_t what)
{
    (void)what;
    struct ends *e = context;
    if (!has_credit(e)) {
        e->stopped = true;
        return;
    }
    if (e->world.core[core].stores >= STORES) {
        world_wake(&e->world, core, e->world.now + LOOKS, 1);
        return;
    }
    world_send(&e->world, core, e->stream->receiver, false, 0, &nothing);
    if (++e->sent < e->stream->count)
        world_wake(&e->world, core, e->world.clock, 1);
}

static void receives(struct ends *e, uint32_t core)
{
    const struct stream *s = e->stream;
    e->received++;
    if (e->received % s->batch == 0) {
        const uint32_t i = e->received / s->batch - 1;
        e->took[i] = e->world.clock - e->batch_began;
        e->ahead[i] = e->sent - e->received;
        e->batch_began = e->world.clock;
    }
    if (e->received % s->acknowledges == 0)
        world_send(&e->world, core, s->sender, true, e->received, &nothing);
}

static void came(void *context, uint32_t core, const struct packet *packet)
{
    struct ends *e = context;
    if (!packet->reply) {
        receives(e, core);
        return;
    }
    e->acknowledged = (uint32_t)packet->token;
    if (e->stopped) {
        e->stopped = false;
        sends(e, core, 1);
    }
}

bool stream_run(const struct machine *machine, const struct stream *stream, uint64_t *took,
                uint64_t *ahead)
{
    struct ends e = {.stream = stream, .took = took, .ahead = ahead};
    bool done = world_open(&e.world, machine);
    e.world.behaviour = (struct behaviour){&e, came, sends};
    if (done)
        world_wake(&e.world, stream->sender, 0, 1);
    while (done && world_turn(&e.world))
        ;
    done = done && !e.world.failed && e.received == stream->count;
    world_close(&e.world);
    return done;
}

/* --- There and back --- */

struct echo {
    struct world world;
    uint32_t other;
    uint64_t ended;
};

static void asks(void *context, uint32_t core, uint32_t what)
{
    (void)what;
    struct echo *e = context;
    world_send(&e->world, core, e->other, false, 0, &nothing);
}

static void answers(void *context, uint32_t core, const struct packet *packet)
{
    struct echo *e = context;
    if (packet->reply)
        e->ended = e->world.clock;
    else
        world_send(&e->world, core, packet->from, true, 0, &nothing);
}

uint64_t stream_echo(const struct machine *machine, uint32_t one, uint32_t other)
{
    struct echo e = {.other = other};
    if (world_open(&e.world, machine)) {
        e.world.behaviour = (struct behaviour){&e, answers, asks};
        world_wake(&e.world, one, 0, 1);
        while (world_turn(&e.world))
            ;
    }
    const uint64_t took = e.world.failed ? 0 : e.ended;
    world_close(&e.world);
    return took;
}
