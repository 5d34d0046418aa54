/* Agreed in two phases, by whoever writes. All replicas that are not locked are equal: an operation
 * is prepared on each before it is committed on any, so who prepares knows all that were committed
 * before. Each position is an operation that was committed.
 *
 * Two attempts that meet: one that finds a replica locked by an older attempt is aborted, and waits
 * until something has been committed here; one that finds it locked by a younger stays in its line
 * until that has ended. So what waits with replicas locked waits for younger ones alone, in no
 * circle; and the oldest of all is never aborted. One that knows of more operations than the replica
 * stays in its line too: what the replica is locked by is decided then.
 *
 * The write returns once the COMMITs are sent: where one has not arrived, the replica is locked. */
#include "object/agreed_inside.h"

static inline bool older(struct attempt a, struct attempt b)
{
    return a.age != b.age ? a.age < b.age : a.core < b.core;
}

/* --- Of others --- */

/* Has this message to wait? */
static inline bool has_to_wait(const struct agreed *a, struct attempt its, uint64_t position)
{
    if (a->held)
        return older(its, a->holder) || position > a->position;
    return a->joins_wait || (a->wanting && !older(its, a->wants));
}

static bool vote(struct object *o, uint32_t from, struct slot *slot, uint64_t position)
{
    struct agreed *a = &o->agreed;
    const uint64_t first = slot_word(slot, 0);
    const uint64_t younger = first >> AGREED_AGE_SHIFT;
    struct operation *operation = &a->operation;
    const bool close = first == KIND_CLOSE;
    const struct attempt its = {close ? 0 : position - younger, from};
    if (has_to_wait(a, its, position))
        return false;
    bool yes = !a->held;
    if (yes) {
        assert(position == a->position);
        object_get_operation(slot, operation);
        operation->kind &= (1u << AGREED_AGE_SHIFT) - 1;
        yes = close || o->type->check(a->replica, operation);
    }
    if (yes) {
        a->held = true;
        a->holder = its;
        if (!close)
            o->type->apply(a->replica, operation, &a->result);
    }
    slot_set(slot, 0, yes);
    slot_set(slot, 1, a->joined);
    return true;
}

/* What is prepared here is decided. */
static void decided(struct object *o, bool commit)
{
    struct agreed *a = &o->agreed;
    const bool close = a->operation.kind == KIND_CLOSE;
    assert(a->held);
    a->held = false;
    if (!commit) {
        o->type->undo(a->replica, &a->operation, &a->result);
    } else if (close) {
        a->mode = 0;
        a->has = false;
    } else {
        a->position++;
    }
}

bool agreed_two_phase_serve(struct object *o)
{
    struct agreed *a = &o->agreed;
    bool any = false;
    if (o->me == o->owner) {
        a->joins_wait = false;
        for (uint32_t core = 0; core < o->cores; core++) {
            struct slot *slot = agreed_asked(o, core);
            if (slot && a->held)
                a->joins_wait = true;
            else if (slot)
                agreed_let_join(o, core, slot);
            any |= slot && !a->held;
        }
    }
    for (uint32_t core = 0; core < o->cores && a->mode; core++) {
        struct slot *slot = core == o->me ? NULL : call_arrived(&a->from[core]);
        if (!slot)
            continue;
        const uint64_t word = slot_word(slot, AGREED_WORD);
        const enum agreed_kind kind = (enum agreed_kind)(word & ((1 << AGREED_KIND_BITS) - 1));
        if (kind != AGREED_PREPARE)
            decided(o, kind == AGREED_COMMIT);
        else if (!vote(o, core, slot, word >> AGREED_KIND_BITS))
            continue;
        agreed_answered(&a->from[core], slot);
        any = true;
    }
    return any;
}

/* --- Its own --- */

/* Until no attempt has this core's replica locked; false: the form has ended. Attempts that come
 * behind that one, and are not older, wait until this core has had its turn. */
static bool wait_for_turn(struct object *o, uint64_t age)
{
    struct agreed *a = &o->agreed;
    a->wanting = true;
    a->wants = (struct attempt){age, o->me};
    while (a->held)
        object_moment(o);
    a->wanting = false;
    return a->mode;
}

/* The votes of all that have been asked; and of those that have joined meanwhile, as the owner
 * says. */
static bool all_vote_yes(struct object *o, const struct message *prepare, uint64_t *yes)
{
    struct agreed *a = &o->agreed;
    uint64_t asked = agreed_bit(o->me) | a->joined;
    bool all = true;
    while (a->awaited) {
        struct message reply;
        uint32_t core;
        if (!agreed_take(o, &core, &reply)) {
            object_moment(o);
            continue;
        }
        if (reply.word[0])
            *yes |= agreed_bit(core);
        else
            all = false;
        a->joined |= reply.word[1];
        if (all)
            agreed_tell(o, a->joined & ~asked, prepare);
        asked |= all ? a->joined : 0;
    }
    return all;
}

/* False: it has met an older attempt. */
static bool attempt(struct object *o, const struct operation *operation, uint64_t age,
                    struct result *result)
{
    struct agreed *a = &o->agreed;
    const bool close = operation->kind == KIND_CLOSE;
    struct message message = agreed_message(operation, AGREED_PREPARE, a->position);
    uint64_t yes = 0;
    assert(close || a->position - age < 1ull << (64 - AGREED_AGE_SHIFT));
    if (!close)
        message.word[0] |= (a->position - age) << AGREED_AGE_SHIFT;
    a->held = true;
    a->holder = (struct attempt){age, o->me};
    agreed_tell(o, a->joined & ~agreed_bit(o->me), &message);
    if (!close)
        o->type->apply(a->replica, operation, result);
    if (a->awaited)
        wait_for_a_line(o->pauses);
    const bool all = all_vote_yes(o, &message, &yes);
    if (all)
        a->position += !close;
    else
        o->type->undo(a->replica, operation, result);
    a->held = false;
    message.word[AGREED_WORD] = all ? AGREED_COMMIT : AGREED_ABORT;
    agreed_tell(o, yes, &message);
    return all;
}

bool agreed_two_phase_apply(struct object *o, uint64_t mode, const struct operation *operation,
                            struct result *result)
{
    struct agreed *a = &o->agreed;
    if (a->mode != mode && !agreed_join(o, mode))
        return false;
    const bool only_reads = operation_reads(operation);
    const uint64_t age = only_reads ? 0 : a->position;
    for (;;) {
        if (!only_reads) {
            agreed_collect(o);
            agreed_two_phase_serve(o);
        }
        if ((a->held || !a->mode) && !wait_for_turn(o, age))
            return false;
        /* What changes nothing is a read. */
        if (only_reads || !o->type->check(a->replica, operation)) {
            o->type->apply(a->replica, operation, result);
            return true;
        }
        if (attempt(o, operation, age, result))
            return true;
        const uint64_t position = a->position;
        while (a->mode && a->position == position)
            object_back_off(o);
    }
}

void agreed_two_phase_end(struct object *o)
{
    const struct operation close = {.kind = KIND_CLOSE};
    agreed_collect(o);
    wait_for_turn(o, 0);
    const bool closed = attempt(o, &close, 0, NULL);
    assert(closed); /* none is older */
    (void)closed;
}
