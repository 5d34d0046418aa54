/* The shared kernel's locks in virtual time: the MCS lock (locks/mcs.h), line by line. Whoever wants
 * one exchanges the tail, a line that all of them want; behind another it leaves its number on that
 * one's line and waits on its own, which the holder takes and it fetches back: a hand-over costs one
 * line there and back between neighbours, and the look at who is next another.
 *
 * With a lock that another core had comes the state behind it: as many lines as were counted to move
 * with such an operation (shared.c), as many at once as the machine has under way. */
#include "virtual/shared_inside.h"

static struct modelled_lock *find(struct shared_cores *s, const struct lock *lock, uint32_t *which)
{
    const struct driver *d = s->core[0].driver;
    const uint32_t number =
        lock == &shared_state(d)->lock ? 0 : 1 + (uint32_t)(lock - shared_private(d)->locks);
    *which = number == 0 ? 0 : number <= SHARED_REGIONS ? 1 : 2;
    return &s->lock[number];
}

static void state_comes(struct shared_cores *s, uint32_t from)
{
    const uint32_t at_once = s->world.machine->lines_under_way;
    const double moves = s->work->warm[s->kind * STAGES + STAGE_LINES];
    const uint32_t lines = (uint32_t)(moves + 0.5);
    for (uint32_t i = 0; i < lines;) {
        shared_catches_up(s);
        uint64_t there = s->world.clock;
        for (uint32_t n = 0; n < at_once && i < lines; n++, i++) {
            const uint64_t end =
                line_move(&s->world.lines, s->world.clock, OWN, shared_place(s, s->at),
                          shared_place(s, from), shared_place(s, 0), NULL);
            there = end > there ? end : there;
        }
        s->world.clock = there;
    }
}

static enum lock_outcome acquire(struct lock *lock, struct lock_node *nodes, uint32_t me,
                                 const struct lock_waiter *waiter)
{
    (void)nodes, (void)me, (void)waiter;
    struct shared_cores *s = shared_at_work;
    const uint32_t core = s->at;
    uint32_t which;
    struct modelled_lock *l = find(s, lock, &which);
    shared_comes_to(s, (enum shared_stage)(STAGE_TAKES + which), 0);
    world_charge(&s->world, s->world.machine->work_scale * s->work->lock / 2);
    shared_catches_up(s);
    if (l->tail && l->tail != core + 1)
        shared_fetch(s, OWN, core, l->tail - 1, &l->tail_free);
    l->tail = core + 1;
    if (l->holder) {
        struct shared_core *before = &s->core[(l->last ? l->last : l->holder) - 1];
        const uint32_t neighbour = (uint32_t)(before - s->core);
        before->linked = line_alone(&s->world.lines, s->world.clock, OWN, shared_place(s, core),
                                    shared_place(s, neighbour), shared_place(s, 0));
        if (l->last)
            before->queued = core + 1;
        else
            l->first = core + 1;
        l->last = core + 1;
        shared_stands(s);
    } else {
        l->holder = core + 1;
    }
    if (which < 2 && l->had && l->had != core + 1 && !s->core[core].moved) {
        s->core[core].moved = true;
        state_comes(s, l->had - 1);
    }
    shared_resumes(s);
    return LOCK_TAKEN;
}

/* New Frames are cleared under the lock (shared/capabilities.c); a retype that is refused clears
 * none, and is charged all the same. */
static void clear(struct shared_cores *s)
{
    const uint64_t *word = s->ask[s->core[s->at].ask].request.word;
    if (s->kind != KIND_CAP_RETYPE || (word[3] >> 16 & 0xffff) != CAP_FRAME ||
        s->core[s->at].cleared)
        return;
    s->core[s->at].cleared = true;
    world_charge(&s->world, s->world.machine->clear * (double)(word[3] >> 32) *
                                (double)(word[5] / PAGE_BYTES));
}

static void release(struct lock *lock, struct lock_node *nodes, uint32_t me)
{
    (void)nodes, (void)me;
    struct shared_cores *s = shared_at_work;
    const uint32_t core = s->at;
    uint32_t which;
    struct modelled_lock *l = find(s, lock, &which);
    shared_comes_to(s, (enum shared_stage)(STAGE_GIVES + which), 0);
    if (which < 2)
        clear(s);
    world_charge(&s->world, s->world.machine->work_scale * s->work->lock / 2);
    shared_catches_up(s);
    l->had = core + 1;
    if (!l->first) { /* the tail is this core's still */
        l->holder = 0;
        shared_resumes(s);
        return;
    }
    const uint32_t next = l->first - 1;
    struct shared_core *c = &s->core[next];
    if (s->world.clock < s->core[core].linked)
        s->world.clock = s->core[core].linked;
    shared_fetch(s, FETCH, core, next, NULL);
    shared_catches_up(s);
    l->holder = next + 1;
    l->first = c->queued;
    if (!l->first)
        l->last = 0;
    c->queued = 0;
    const uint64_t taken = line_move(&s->world.lines, s->world.clock, OWN, shared_place(s, core),
                                     shared_place(s, next), shared_place(s, 0), NULL);
    shared_wake(s, next, taken, WAKE_HANDED, core);
    shared_resumes(s);
}

const struct lock_algorithm lock_modelled = {
    .name = "modelled", .fifo = true, .acquire = acquire, .release = release};
