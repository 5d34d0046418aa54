/* How the modelled shared kernel's cores are notified of a change: the product's own line and trees
 * (shared/line.c, tree.c), with what their lines and messages take.
 *
 * By the line: the initiator owns the line, and the counter's where several are meant; each of those
 * that are notices, fetches the line, does its part and owns the counter, one after the other; and
 * the initiator, which looks all the time, fetches the counter whenever it has changed. A core that
 * is not meant looks as well when it polls; that is not modelled. Along a tree: messages, as the
 * monitors'. */
#include "virtual/shared_inside.h"

/* --- By the line --- */

static struct shared_line *counter(struct shared_cores *s)
{
    return s->acknowledgements == 1 ? &s->change : &s->counter;
}

static void own(struct shared_cores *s, uint32_t core, struct shared_line *line)
{
    shared_fetch(s, OWN, core, line->holder, &line->free);
    line->writer = line->holder = core;
}

static void look(struct shared_cores *s, uint32_t core, struct shared_line *line)
{
    shared_fetch(s, FETCH, core, line->writer, &line->free);
    line->holder = core;
}

/* Stores go behind the core's back, up to the fence before the bells, and in order: the entry's
 * first. */
static uint64_t publish(struct shared_cores *s, uint32_t slot)
{
    struct world *w = &s->world;
    const uint64_t began = w->clock;
    if (s->reader[slot])
        shared_fetch(s, OWN, s->at, s->reader[slot] - 1, NULL);
    s->reader[slot] = 0;
    shared_catches_up(s);
    const uint64_t first = w->clock;
    own(s, s->at, &s->change);
    uint64_t there = w->clock;
    if (s->acknowledgements > 1) {
        w->clock = first;
        own(s, s->at, &s->counter);
        there = w->clock > there ? w->clock : there;
    }
    w->clock = w->machine->fences ? there : began;
    return there;
}

/* One that is meant does its part. */
static void serve(struct shared_cores *s, uint32_t core)
{
    shared_is_told(s, core, 0);
    line_serve(s->core[core].driver);
    shared_was_told(s);
}

static void line_notify(struct driver *d, uint32_t slot, enum change_kind what, uint32_t rights)
{
    struct shared_cores *s = shared_at_work;
    struct world *w = &s->world;
    const uint32_t kind = s->kind;
    const uint64_t *holders = entry_at(shared_state(d), slot)->sets;
    notification_by_line.notify(d, slot, what, rights);
    s->acknowledgements = shared_others(d, holders);
    s->acknowledged = s->counted = 0;
    s->initiator = d->me;
    shared_comes_to(s, STAGE_NOTIFIES, s->acknowledgements);
    if (!s->samples)
        shared_catches_up(s);
    const uint64_t there = s->acknowledgements ? publish(s, slot) : 0;
    for (uint32_t core = core_set_next(holders, d->cores, 0); core < d->cores;
         core = core_set_next(holders, d->cores, core + 1)) {
        if (core == d->me)
            continue;
        if (w->core[core].idle == IDLE_COMPUTES)
            world_charge(w, w->machine->interrupt_send);
        if (s->samples) { /* at once: to stand still disturbs what is measured next */
            serve(s, core);
            s->counted++;
        } else {
            shared_wake(s, core, w->clock > there ? w->clock : there, WAKE_SEES, 0);
        }
    }
    s->at = d->me;
    s->kind = kind;
    shared_resumes(s);
}

/* The entry is looked at for who is meant, if no word holds that, and for where a page lies. */
static void reads(struct shared_cores *s, uint32_t core)
{
    struct shared_kernel *k = shared_state(s->core[core].driver);
    look(s, core, &s->change);
    if (k->set_words > 1 || k->line.what == CHANGE_INSERT) {
        s->world.clock = line_alone(&s->world.lines, s->world.clock, FETCH, shared_place(s, core),
                                    shared_place(s, s->initiator), shared_place(s, 0));
        s->reader[change_slot(&k->line)] = core + 1;
    }
    serve(s, core);
    shared_wake(s, core, s->world.clock, WAKE_DONE, 0);
}

static void acknowledges(struct shared_cores *s, uint32_t core)
{
    own(s, core, counter(s));
    s->acknowledged++;
    shared_wake(s, s->initiator, s->world.clock, WAKE_COUNTS, 0);
}

static void counts(struct shared_cores *s, uint32_t core)
{
    const uint32_t acknowledged = s->acknowledged;
    if (s->counted == acknowledged)
        return;
    look(s, core, counter(s));
    s->counted = acknowledged;
    if (s->core[core].awaits && s->counted == s->acknowledgements)
        shared_goes_on(s, core);
}

void shared_notified(struct shared_cores *s, uint32_t core, enum waking what)
{
    const uint64_t notices = world_notices(&s->world, core);
    if (what == WAKE_SEES && notices > s->world.now)
        shared_wake(s, core, notices, WAKE_READS, 0);
    else if (what == WAKE_SEES || what == WAKE_READS)
        reads(s, core);
    else if (what == WAKE_DONE)
        acknowledges(s, core);
    else
        counts(s, core);
}

static enum verdict line_await(struct driver *d)
{
    struct shared_cores *s = shared_at_work;
    struct shared_core *c = &s->core[d->me];
    shared_comes_to(s, STAGE_AWAITS, 0);
    while (s->counted < s->acknowledgements) {
        c->awaits = true;
        shared_stands(s);
        c->awaits = false;
    }
    shared_resumes(s);
    return notification_by_line.await(d);
}

/* --- Along trees --- */

static bool transport_send(struct driver *d, uint32_t to, const struct message *message)
{
    struct shared_cores *s = shared_at_work;
    shared_comes_to(s, STAGE_SENDS, 0);
    world_send(&s->world, d->me, to, false, 0, message);
    s->core[d->me].sent = line_alone(&s->world.lines, s->world.clock, OWN, shared_place(s, d->me),
                                     shared_place(s, to), shared_place(s, to));
    shared_resumes(s);
    return true;
}

static bool transport_answer(struct driver *d, uint64_t address, const struct message *message,
                             bool awaited)
{
    struct shared_cores *s = shared_at_work;
    (void)awaited;
    shared_comes_to(s, STAGE_SENDS, 0);
    world_send(&s->world, d->me, reply_who(address), true, 0, message);
    shared_resumes(s);
    return true;
}

const struct transport transport_modelled = {.send = transport_send, .answer = transport_answer};

static void tree_notify(struct driver *d, uint32_t slot, enum change_kind what, uint32_t rights)
{
    notification_along_trees.notify(d, slot, what, rights);
}

static enum verdict tree_await(struct driver *d)
{
    struct shared_cores *s = shared_at_work;
    struct shared_core *c = &s->core[d->me];
    shared_comes_to(s, STAGE_AWAITS, 0);
    if (s->world.machine->fences && s->world.clock < c->sent)
        s->world.clock = c->sent;
    while (shared_private(d)->shootdown.missing) {
        c->awaits = true;
        shared_stands(s);
        c->awaits = false;
    }
    shared_resumes(s);
    return notification_along_trees.await(d);
}

void shared_message(struct shared_cores *s, uint32_t core, const struct packet *packet)
{
    struct driver *d = s->core[core].driver;
    const struct arrival arrival = {
        .message = packet->message,
        .from = packet->from,
        .reply = packet->reply,
        .address = reply_address(REPLY_LINE, packet->from, ++d->reply_count, 0)};
    world_charge(&s->world, s->world.machine->work_scale * s->work->driver);
    shared_is_told(s, core, KIND_SHOOTDOWN);
    d->kernel->message(d, &arrival);
    shared_was_told(s);
    if (s->core[core].awaits && !shared_private(d)->shootdown.missing)
        shared_goes_on(s, core);
}

/* --- Both --- */

/* It acts on what it is notified of whenever it stands still; and tries again. */
static void meanwhile(struct driver *d)
{
    struct shared_cores *s = shared_at_work;
    const struct machine *machine = s->world.machine;
    shared_comes_to(s, STAGE_WAITS, 0);
    shared_wake(s, d->me, s->world.clock + 1 + (uint64_t)(machine->look + machine->relax),
                WAKE_GOES_ON, 0);
    shared_stands(s);
}

const struct notification notification_modelled_line = {line_notify, line_await, meanwhile};
const struct notification notification_modelled_tree = {tree_notify, tree_await, meanwhile};
