#include "driver/object_end.h"

#include "driver/object_end_inside.h"

#include <time.h>
#include <unistd.h>

enum {
    RING_AFTER = 16,   /* moments that the owner is waited for before it is notified, */
    RING_AGAIN = 4096, /* and then every so many: it may have begun to compute again */
    YIELDS = 16,       /* moments, where cores share a CPU; then a waiter sleeps */
    SPINS = 4096,      /* the same, where each has its own */
    SLEEP_NS = 50000,  /* yielding alone does not let another one run for long */
    LONG = 32,         /* moments, for one look at the clock, and at all channels */
};

struct object_end *object_end_of(struct driver *d, uint64_t page)
{
    for (uint32_t i = 0; i < d->ends->count; i++)
        if (d->ends->open[i]->page == page)
            return d->ends->open[i];
    return NULL;
}

/* --- Duties, and waiting --- */

/* Is the page still what it was when it was pinned? A program may take back pins that are not its
 * own. */
static bool is_there(const struct driver *d, const struct object_end *end)
{
    const struct mapping *page = sparse_at(d->mappings, (uint32_t)end->page);
    const uint64_t word = mapping_word(page);
    return mapping_is_mapped(page, (uint32_t)(end->page >> 32)) &&
           (word >> 40 & 0xff) == RIGHTS_WRITE;
}

void object_end_close(struct object_end *end)
{
    struct driver *d = end->driver;
    struct object_ends *ends = d->ends;
    uint32_t i = 0;
    while (ends->open[i] != end)
        i++;
    ends->open[i] = ends->open[--ends->count];
    end->open = false;
    if (!ends->count)
        d->duties = NULL;
}

/* Of the owner: the form may have changed. */
void object_end_note(struct object_end *end)
{
    const uint64_t switches = object_switches(&end->object);
    if (switches == end->changes)
        return;
    end->changes = switches;
    end->change[switches % OBJECT_CHANGES_KEPT] =
        (struct object_change){switches, object_form(&end->object), arch_cycles()};
}

/* Polls no object that is being polled, or operated on: that does so itself. */
bool object_duties(struct driver *d)
{
    bool any = false;
    for (uint32_t i = d->ends->count; i--;) {
        struct object_end *end = d->ends->open[i];
        if (end->busy)
            continue;
        if (!is_there(d, end)) {
            object_end_close(end);
            continue;
        }
        end->busy = true;
        end->moments = 0;
        any |= object_poll(&end->object);
        object_end_note(end);
        end->busy = false;
    }
    return any;
}

/* The one waited for may have no CPU. */
static void give_way(struct driver *d, uint32_t moments)
{
    static const struct timespec pause = {0, SLEEP_NS};
    if (moments <= (d->crowded ? YIELDS : SPINS)) {
        if (d->crowded)
            sched_yield();
        return;
    }
    if (driver_stopped(d))
        _exit(0); /* the system is being taken down in the middle of a system call */
    nanosleep(&pause, NULL);
}

/* Out of the operation: it holds nothing while it waits for a reply. */
static void may_give_up(struct object_end *end)
{
    struct driver *d = end->driver;
    if (!end->bounded || !end->object.call.outstanding)
        return;
    const uint64_t now = arch_cycles();
    if (!end->gives_up_at)
        end->gives_up_at = now + end->patience;
    if (now >= end->gives_up_at || driver_to_be_cancelled(d))
        longjmp(end->gives_up, 1);
}

/* One that computes or sleeps at once; the others later, for what they seem to do is but a hint: the
 * request was published before, and the fence is in doorbell_ring. */
static bool takes_a_ring(const struct object_end *end, uint32_t moments)
{
    return (moments == 1 && !doorbell_seems_to_poll(end->owner)) || moments == RING_AFTER ||
           moments % RING_AGAIN == 0;
}

/* One moment of an operation, in a system call, in the interrupt handler or in the loop: mostly what
 * is safe in all of them. Two objects whose owners wait for each other's are both answered here. */
void object_end_waits(void *context)
{
    struct object_end *end = context;
    struct driver *d = end->driver;
    const uint32_t moments = ++end->moments;
    const bool long_since = moments % LONG == 0;
    if (end->bounded && long_since)
        driver_poll(d); /* a program's: it may be cancelled meanwhile */
    else
        driver_poll_transport(d);
    object_duties(d);
    if (end->object.call.outstanding && takes_a_ring(end, moments))
        doorbell_ring(end->owner);
    give_way(d, moments);
    if (long_since)
        may_give_up(end);
}

/* --- Operations --- */

void object_end_begin(struct object_end *end)
{
    end->busy = true;
    end->moments = 0;
    end->gives_up_at = 0;
}

void object_end_over(struct object_end *end)
{
    object_end_note(end);
    end->busy = false;
}

void object_end_cost(struct object_end *end, enum object_form form, uint64_t operations,
                     uint64_t cycles)
{
    end->cost[form].operations += operations;
    end->cost[form].cycles += cycles;
}

/* To an operation that was given up before. Its line is in use until then. */
static void take_late_answer(struct object_end *end)
{
    struct message late;
    while (end->object.call.outstanding && !call_try_take(&end->object.call, 0, &late))
        object_end_waits(end);
}

/* Nothing that changes lies in this frame: longjmp comes back to it. */
bool object_end_applied(struct object_end *end, const struct operation *operation,
                        struct result *result)
{
    if (_setjmp(end->gives_up)) {
        end->object.waiting = false;
        return false;
    }
    end->bounded = end->patience != OBJECT_NO_PROGRAM;
    take_late_answer(end);
    object_apply(&end->object, operation, result);
    return true;
}

bool object_end_apply(struct object_end *end, const struct operation *operation,
                      struct result *result, uint64_t patience)
{
    const enum object_form form = object_form(&end->object);
    object_end_begin(end);
    end->patience = patience;
    const uint64_t began = arch_cycles();
    const bool done = object_end_applied(end, operation, result);
    end->bounded = false;
    if (done)
        object_end_cost(end, form, 1, arch_cycles() - began);
    object_end_over(end);
    return done;
}

/* --- Forms --- */

enum object_verdict object_end_suits(const struct object_end *end, uint32_t form)
{
    if (form == FORM_ADAPTIVE)
        return OBJECT_OK;
    /* Who waits for an agreement notifies nobody who computes. */
    return object_is_agreed(form) ? OBJECT_NO_SUCH_FORM
                                  : object_suits(&end->object, (enum object_form)form);
}

/* The chooser begins, without a table: by trials alone. */
enum object_verdict object_end_adapt(struct object_end *end)
{
    struct object *o = &end->object;
    const struct chooser_rules rules = chooser_rules(end->driver->cycles_per_us, o->cores);
    uint32_t suits = 0;
    if (o->chooser)
        return OBJECT_OK;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        if (!object_is_agreed(form) && form != FORM_COMBINED &&
            object_suits(o, (enum object_form)form) == OBJECT_OK)
            suits |= 1u << form;
    chooser_begin(&end->chooser, &rules, suits, object_form(o), 1, NULL, 0);
    return object_adapt(o, &end->chooser);
}

enum object_verdict object_end_switch(struct object_end *end, uint32_t form)
{
    struct object *o = &end->object;
    enum object_verdict verdict = object_end_suits(end, form);
    if (verdict == OBJECT_OK && o->me != o->owner)
        verdict = OBJECT_NOT_OWNER;
    if (verdict != OBJECT_OK)
        return verdict;
    object_end_begin(end);
    if (form == FORM_ADAPTIVE) {
        verdict = object_end_adapt(end);
    } else {
        object_adapt(o, NULL);
        verdict = object_switch(o, (enum object_form)form);
    }
    object_end_over(end);
    return verdict;
}
