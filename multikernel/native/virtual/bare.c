#include "virtual/bare.h"

#include <stdlib.h>

/* --- Along a tree --- */

struct bare {
    struct world world;
    struct tree_link *link;
    uint32_t *waits; /* for so many from below */
    uint32_t root;
    bool meets; /* up first, then down; else down, then up */
    uint64_t ended;
};

static const struct message nothing;

static uint32_t children(const struct bare *b, uint32_t core)
{
    uint32_t count = 0;
    for (uint32_t child = b->link[core].first_child; child != TREE_NOBODY;
         child = b->link[child].next_sibling)
        count++;
    return count;
}

static void down(struct bare *b, uint32_t core)
{
    for (uint32_t child = b->link[core].first_child; child != TREE_NOBODY;
         child = b->link[child].next_sibling)
        world_send(&b->world, core, child, false, 0, &nothing);
    if (b->meets && b->world.clock > b->ended) /* it has left */
        b->ended = b->world.clock;
}

/* All below have answered, or come. */
static void up(struct bare *b, uint32_t core)
{
    if (core != b->root)
        world_send(&b->world, core, b->link[core].parent, true, 0, &nothing);
    else if (b->meets)
        down(b, core);
    else
        b->ended = b->world.clock;
}

static void taken(void *context, uint32_t core, const struct packet *packet)
{
    struct bare *b = context;
    if (!packet->reply)
        down(b, core);
    if (packet->reply ? --b->waits[core] == 0 : !b->meets && !b->waits[core])
        up(b, core);
}

static void started(void *context, uint32_t core, uint32_t what)
{
    (void)what;
    struct bare *b = context;
    if (b->meets)
        up(b, core);
    else
        down(b, core);
}

static bool open_bare(struct bare *b, const struct machine *machine, uint32_t cores,
                      const uint32_t *edges)
{
    b->link = calloc(machine->cores, sizeof *b->link);
    b->waits = calloc(machine->cores, sizeof *b->waits);
    if (!world_open(&b->world, machine) || !b->link || !b->waits ||
        !tree_make(b->link, cores, b->root, edges))
        return false;
    b->world.behaviour = (struct behaviour){b, taken, started};
    for (uint32_t core = 0; core < cores; core++)
        if (!(b->waits[core] = children(b, core)) && b->meets)
            world_wake(&b->world, core, 0, 1);
    if (!b->meets)
        world_wake(&b->world, b->root, 0, 1);
    return true;
}

uint64_t bare_tree(const struct machine *machine, enum buffers buffers, bool meets, uint32_t root,
                   uint32_t cores, const uint32_t *edges)
{
    struct bare b = {.root = root, .meets = meets};
    uint64_t took = 0;
    if (open_bare(&b, machine, cores, edges)) {
        b.world.buffers = buffers;
        while (world_turn(&b.world))
            ;
        took = b.world.failed ? 0 : b.ended;
    }
    world_close(&b.world);
    free(b.link);
    free(b.waits);
    return took;
}

/* --- By one line --- */

static int earlier(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t acknowledgements(struct lines *lines, const struct distance *cost, uint32_t place,
                                 uint64_t *ready, uint32_t count, uint64_t now)
{
    qsort(ready, count, sizeof *ready, earlier);
    for (uint32_t i = 0; i < count; i++) {
        if (now < ready[i])
            now = ready[i];
        now = line_move(lines, now, FETCH, place, place, place, NULL) + (uint64_t)cost->handle;
    }
    return now;
}

uint64_t bare_broadcast(const struct machine *m, uint32_t root, uint32_t cores, double part)
{
    struct lines lines;
    uint64_t *ready = calloc(cores, sizeof *ready), took = 0, line_free = 0;
    const uint32_t home = m->place[root];
    if (lines_open(&lines, m) && ready) {
        const struct distance *own = &m->costs[m->distance[home * m->places + home]];
        const uint64_t written =
            line_move(&lines, (uint64_t)own->send, OWN, home, home, home, &line_free);
        uint32_t count = 0;
        for (uint32_t core = 0; core < cores; core++) {
            if (core == root)
                continue;
            const uint32_t place = m->place[core];
            const struct distance *cost = &m->costs[m->distance[place * m->places + home]];
            const uint64_t seen = line_move(&lines, written, FETCH, place, home, home, &line_free) +
                                  (uint64_t)(cost->handle + part + cost->send);
            /* Without the home's queue: these go out while others still read the line. */
            ready[count++] = line_alone(&lines, seen, OWN, place, home, home);
        }
        took = acknowledgements(&lines, own, home, ready, count, written + (uint64_t)part);
    }
    lines_close(&lines);
    free(ready);
    return took;
}

/* --- Shared updates --- */

/* An update of a line that another has is two transactions: it is read, then written. */

enum { READS, WRITES, STAGES };

double bare_shared_update(const struct machine *m, uint32_t cores, uint32_t lines_count,
                          uint32_t rounds)
{
    struct lines lines;
    uint64_t *line_free = calloc(lines_count, sizeof *line_free);
    uint16_t *owner = calloc(lines_count, sizeof *owner); /* counted from 1 */
    uint32_t *at = calloc(cores, sizeof *at);
    struct schedule schedule = {0};
    uint64_t last = 0;
    bool made = lines_open(&lines, m) && line_free && owner && at;
    for (uint32_t core = 0; made && core < cores; core++)
        made = schedule_push(&schedule, core, core * STAGES + READS);
    while (made && schedule.count) {
        const struct scheduled next = schedule_pop(&schedule);
        const uint32_t core = next.what / STAGES, stage = next.what % STAGES;
        const uint32_t line = at[core] % lines_count, place = m->place[core];
        const uint32_t holder = owner[line] ? m->place[owner[line] - 1] : place;
        const bool own = !owner[line] || owner[line] == core + 1;
        const uint64_t end = own ? next.time + 1
                                 : line_move(&lines, next.time, stage == READS ? FETCH : OWN, place,
                                             holder, m->place[0], &line_free[line]);
        if (!own && stage == READS) {
            made = schedule_push(&schedule, end, core * STAGES + WRITES);
            continue;
        }
        owner[line] = (uint16_t)(core + 1);
        last = end;
        if (++at[core] < rounds * lines_count)
            made = schedule_push(&schedule, end, core * STAGES + READS);
    }
    lines_close(&lines);
    schedule_free(&schedule);
    free(line_free);
    free(owner);
    free(at);
    return made ? (double)last / rounds : 0;
}
