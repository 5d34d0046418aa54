#include "virtual/barriers.h"

#include <stdlib.h>

uint64_t barrier_central(const struct machine *m, uint32_t cores)
{
    struct lines lines;
    uint64_t ended = 0;
    if (lines_open(&lines, m)) {
        const uint32_t home = m->place[0], last = m->place[cores - 1];
        uint64_t counter_free = 0, generation_free = 0, added = 0;
        for (uint32_t core = 0; core < cores; core++)
            added = line_move(&lines, 0, OWN, m->place[core], m->place[core ? core - 1 : 0], home,
                              &counter_free);
        const uint64_t written = line_move(&lines, added, OWN, last, home, home, &generation_free);
        ended = written;
        for (uint32_t core = 0; core + 1 < cores; core++) {
            const uint64_t seen =
                line_move(&lines, written, FETCH, m->place[core], last, home, &generation_free);
            ended = seen > ended ? seen : ended;
        }
    }
    lines_close(&lines);
    return ended;
}

/* --- Dissemination: rounds are told apart, since one that is ahead sends for the next --- */

struct rounds {
    struct world world;
    uint32_t cores, rounds;
    uint32_t *at;   /* the round that each core waits in */
    uint32_t *came; /* by core: rounds whose message is there, as bits */
    uint64_t ended;
};

static const struct message nothing;

static void notify(struct rounds *r, uint32_t core)
{
    const uint32_t round = r->at[core];
    if (round == r->rounds) {
        r->ended = r->world.clock > r->ended ? r->world.clock : r->ended;
        return;
    }
    world_send(&r->world, core, (core + (1u << round)) % r->cores, false, round, &nothing);
}

static void begins(void *context, uint32_t core, uint32_t what)
{
    (void)what;
    notify(context, core);
}

static void comes(void *context, uint32_t core, const struct packet *packet)
{
    struct rounds *r = context;
    r->came[core] |= 1u << packet->token;
    while (r->at[core] < r->rounds && r->came[core] >> r->at[core] & 1) {
        r->at[core]++;
        notify(r, core);
    }
}

uint64_t barrier_dissemination(const struct machine *machine, uint32_t cores)
{
    struct rounds r = {.cores = cores};
    r.at = calloc(cores, sizeof *r.at);
    r.came = calloc(cores, sizeof *r.came);
    while (1u << r.rounds < cores)
        r.rounds++;
    if (world_open(&r.world, machine) && r.at && r.came) {
        r.world.behaviour = (struct behaviour){&r, comes, begins};
        for (uint32_t core = 0; core < cores; core++)
            world_wake(&r.world, core, 0, 1);
        while (world_turn(&r.world))
            ;
    }
    const uint64_t took = r.world.failed ? 0 : r.ended;
    world_close(&r.world);
    free(r.at);
    free(r.came);
    return took;
}
