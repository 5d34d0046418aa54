/* The object in the form that is set now, and the change from one to the next.
 *
 * Every form hands over through the state. The owner leaves a form so that nothing of it can touch
 * the state any more, begins the next with what the state is, and stores the new mode:
 *
 *     from a lock       with the lock held; who gets it later looks at the mode again
 *     from delegated    between two operations; a request in the old mode is refused
 *     from replicated   behind the entry that closes the log
 *     from combined     likewise
 *     from lock-free    with every word closed
 *     from agreed       in two phases by one more agreement; by the owner between two operations
 *
 * It holds no lock of any form while it waits for anybody. */
#include "object/agreed.h"
#include "object/combined.h"
#include "object/delegated.h"
#include "object/locked.h"
#include "object/lockfree.h"
#include "object/replicated.h"

enum {
    SERVE_EACH = 8, /* operations of the owner, where the form is not delegated */
    MOMENTS = 4,    /* looks, for one that does the duties */
};

static bool do_duties(struct object *o)
{
    const bool asked = o->me == o->owner && delegated_serve(o);
    const bool followed = replicated_follow(o);
    return agreed_serve(o) || combined_follow(o) || followed || asked;
}

/* --- The choice --- */

struct object_counts object_counts(const struct object *o, uint32_t core)
{
    const struct object_core_line *line = &o->of_core[core];
    return (struct object_counts){atomic_load_explicit(&line->done, memory_order_relaxed),
                                  atomic_load_explicit(&line->reads, memory_order_relaxed)};
}

static struct chooser_window counted(const struct object *o)
{
    struct chooser_window sum = {0};
    for (uint32_t core = 0; core < o->cores; core++) {
        const struct object_counts its = object_counts(o, core);
        sum.done += its.done;
        sum.reads += its.reads;
        sum.owners += core == o->owner ? its.done : 0;
    }
    return sum;
}

static void begin_window(struct object *o, uint64_t now)
{
    o->counted = counted(o);
    o->window_began = now;
    o->window_ends = now + o->chooser->span;
}

/* Where a window has ended, the next begins in the form that the chooser wants. */
RARE static void choose(struct object *o)
{
    const uint64_t now = arch_cycles();
    o->look_each = chooser_pace(o->look_each, now - o->looked, o->chooser->span);
    o->looked = now;
    if ((int64_t)(now - o->window_ends) < 0)
        return;
    const struct chooser_window sum = counted(o);
    const struct chooser_window window = {now - o->window_began, sum.done - o->counted.done,
                                          sum.reads - o->counted.reads,
                                          sum.owners - o->counted.owners};
    if (!window.done && o->chooser->state != CHOOSER_RACING) {
        begin_window(o, now); /* nobody uses it: nothing to choose by */
        return;
    }
    object_switch(o, (enum object_form)chooser_next(o->chooser, &window));
    if (o->chooser->settling)
        o->look_each = CHOOSER_LOOKS_LEAST; /* nobody knows how long they take in this form */
    begin_window(o, arch_cycles());
}

enum object_verdict object_adapt(struct object *o, struct chooser *chooser)
{
    if (o->me != o->owner)
        return OBJECT_NOT_OWNER;
    o->chooser = chooser;
    o->look_each = CHOOSER_LOOKS_LEAST;
    if (chooser) {
        o->looked = arch_cycles();
        begin_window(o, o->looked);
    }
    return OBJECT_OK;
}

bool object_poll(struct object *o)
{
    const bool any = do_duties(o);
    if (__builtin_expect(o->chooser && !o->waiting && !(++o->polls & (o->look_each - 1)), 0))
        choose(o);
    return any;
}

/* --- Waiting --- */

static void back_off(void *context)
{
    struct object *o = context;
    do_duties(o);
    if (!o->while_waiting) {
        arch_relax();
        return;
    }
    const bool waiting = o->waiting; /* an operation is under way: no form begins */
    o->waiting = true;
    o->while_waiting(o->context);
    o->waiting = waiting;
}

/* The duties take a line's time too, where there is something to do; and a look at nothing takes
 * some cycles only, against those of a pause: so the first looks do without either. */
static void moment(void *context)
{
    struct object *o = context;
    if (++o->moments % MOMENTS == 0)
        back_off(o);
}

static inline void count(struct object *o, const struct operation *operation)
{
    struct object_core_line *line = &o->of_core[o->me];
    /* Relaxed: a count, for whoever compares how many there are. */
    atomic_store_explicit(&line->done, ++o->done, memory_order_relaxed);
    if (operation_reads(operation))
        atomic_store_explicit(&line->reads, ++o->reads, memory_order_relaxed);
}

/* One that did nothing in a mode that is over, or about to be. */
RARE static void wait_for_another_mode(struct object *o, uint64_t mode)
{
    while (object_mode_is(o, mode))
        object_back_off(o);
}

ALWAYS_INLINE bool apply_in(struct object *o, uint64_t mode, uint32_t form, bool alone,
                            const struct operation *operation, struct result *result)
{
    switch (form) {
    case FORM_LOCKED:
        return locked_apply(o, mode, FORM_LOCKED, alone, operation, result);
    case FORM_FIFO:
        return locked_apply(o, mode, FORM_FIFO, alone, operation, result);
    case FORM_OPTIMISTIC:
        return locked_apply(o, mode, FORM_OPTIMISTIC, alone, operation, result);
    case FORM_DELEGATED:
        return delegated_apply(o, mode, operation, result);
    case FORM_REPLICATED:
        return replicated_apply(o, mode, operation, result);
    case FORM_COMBINED:
        return combined_apply(o, mode, operation, result);
    case FORM_LOCKFREE:
        return o->type->lockfree->apply(o->free, operation, result);
    case FORM_AGREED_TWO_PHASE:
    case FORM_AGREED_ONE_PHASE:
    case FORM_AGREED_OWNER:
        return agreed_apply(o, mode, operation, result);
    default:
        return false;
    }
}

void object_apply(struct object *o, const struct operation *operation, struct result *result)
{
    for (;;) {
        const uint64_t mode = object_mode(o);
        if (__builtin_expect(apply_in(o, mode, mode & FORM_MASK, false, operation, result), 1))
            break;
        wait_for_another_mode(o, mode);
    }
    count(o, operation);
    if (o->me != o->owner || ++o->turn % SERVE_EACH)
        return;
    delegated_serve(o);
    if (__builtin_expect(o->chooser && !(o->turn & (o->look_each - 1)), 0))
        choose(o);
}

void object_apply_alone(struct object *o, enum object_form form, const struct operation *operation,
                        struct result *result)
{
    apply_in(o, object_mode(o), form, true, operation, result);
}

/* --- From one form to the next --- */

enum object_form object_form(const struct object *o)
{
    return (enum object_form)(object_mode(o) & FORM_MASK);
}

uint64_t object_switches(const struct object *o)
{
    return (object_mode(o) >> FORM_BITS) - 1;
}

enum object_verdict object_suits(const struct object *o, enum object_form form)
{
    if ((uint32_t)form >= OBJECT_FORMS)
        return OBJECT_NO_SUCH_FORM;
    if (form == FORM_OPTIMISTIC && o->type->plain)
        return OBJECT_PLAIN_WORDS;
    return form == FORM_LOCKFREE && !o->free ? OBJECT_NOT_LOCKFREE : OBJECT_OK;
}

static inline bool is_locked(uint32_t form)
{
    return form == FORM_LOCKED || form == FORM_FIFO || form == FORM_OPTIMISTIC;
}

enum object_verdict object_switch(struct object *o, enum object_form form)
{
    const enum object_verdict suits = object_suits(o, form);
    if (suits != OBJECT_OK)
        return suits;
    if (o->me != o->owner)
        return OBJECT_NOT_OWNER;
    const uint64_t mode = object_mode(o), epoch = mode >> FORM_BITS;
    const uint32_t from = mode & FORM_MASK;
    if (from == form)
        return OBJECT_OK;
    const uint64_t next = (epoch + 1) << FORM_BITS | form;
    if (is_locked(from))
        locked_take(o, from);
    else if (from == FORM_REPLICATED)
        replicated_end(o, mode);
    else if (from == FORM_COMBINED)
        combined_end(o, mode);
    else if (from == FORM_LOCKFREE)
        o->type->lockfree->close(o->free, o->state);
    else if (object_is_agreed(from))
        agreed_end(o);
    if (form == FORM_REPLICATED)
        replicated_begin(o, next);
    else if (form == FORM_COMBINED)
        combined_begin(o);
    else if (form == FORM_LOCKFREE)
        o->type->lockfree->open(o->free, o->state);
    else if (object_is_agreed(form))
        agreed_begin(o, next);
    /* Pairs with the acquire in object_mode. */
    atomic_store_explicit(&o->line->mode, next, memory_order_release);
    if (is_locked(from))
        locked_leave(o, from);
    return OBJECT_OK;
}

/* --- Opening --- */

void object_attend(struct object *o, void (*while_waiting)(void *context), void *context)
{
    o->while_waiting = while_waiting;
    o->context = context;
    o->waiter = (struct lock_waiter){.while_waiting = moment, .context = o};
    o->backing_off = (struct lock_waiter){.while_waiting = back_off, .context = o};
}
