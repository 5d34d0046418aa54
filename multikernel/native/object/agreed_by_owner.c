/* Agreed by the owner, in one phase or alone: it takes one write after the other, its own and those
 * that others ask for. Its own replica is the state.
 *
 * In one phase a write is sent to all that have a replica, but the one who asks, who gets it with
 * the answer. Each applies it at once, and has yet to find out that the others have, too, before it
 * reads: `released`, a word that the owner writes and only readers look at.
 *
 * Alone: they are sent that their replicas are no good any more; then the write is done on the state.
 * A read asks the owner, for as often as a copy of the state would cost. */
#include "object/agreed_inside.h"

enum { LINES_A_QUESTION = 4 /* of the state, that are copied in the time of a question */ };

static inline bool is_alone(const struct object *o)
{
    return (o->agreed.mode & FORM_MASK) == FORM_AGREED_OWNER;
}

/* --- The owner's --- */

static void answer(struct object *o, uint32_t core, const struct result *result, uint64_t position)
{
    struct slot *slot = call_arrived(&o->called[core]);
    slot_set(slot, 0, result->status);
    slot_set(slot, 1, result->value);
    slot_set(slot, 2, position);
    slot_set(slot, REQUEST_MODE, REPLY_DONE);
    agreed_answered(&o->called[core], slot);
}

/* All have answered. */
static void finish(struct object *o)
{
    struct agreed *a = &o->agreed;
    o->type->apply(o->state, &a->operation, &a->result);
    a->busy = false;
    if (a->changes && is_alone(o))
        a->joined = agreed_bit(o->me);
    if (a->changes) {
        a->position++;
        /* Pairs with the acquire in wait_for_release. */
        atomic_store_explicit(&o->line->released, a->position, memory_order_release);
    }
    if (a->asker != o->me)
        answer(o, a->asker, &a->result, a->changes ? a->position : 0);
}

static void begin(struct object *o, uint32_t asker, const struct operation *operation)
{
    struct agreed *a = &o->agreed;
    a->asker = asker;
    a->next = asker + 1;
    a->busy = true;
    a->operation = *operation;
    a->changes = o->type->check(o->state, operation);
    if (is_alone(o) && asker != o->me)
        a->joined &= ~agreed_bit(asker); /* it has given its replica up */
    if (a->changes) {
        const struct message message =
            agreed_message(operation, is_alone(o) ? AGREED_DROP : AGREED_APPLY, a->position + 1);
        agreed_tell(o, a->joined & ~agreed_bit(o->me) & ~agreed_bit(asker), &message);
    }
    if (!a->awaited)
        finish(o);
}

static bool go_on(struct object *o)
{
    struct message reply;
    uint32_t core;
    while (agreed_take(o, &core, &reply))
        ;
    if (o->agreed.awaited)
        return false;
    finish(o);
    return true;
}

static bool answer_all(struct object *o)
{
    struct agreed *a = &o->agreed;
    bool any = false;
    const uint32_t first = a->next;
    for (uint32_t i = 0; i < o->cores; i++) {
        const uint32_t core = (first + i) % o->cores;
        struct slot *slot = agreed_asked(o, core);
        struct operation operation;
        if (!slot)
            continue;
        object_get_operation(slot, &operation);
        if (operation_reads(&operation)) {
            struct result result;
            o->type->apply(o->state, &operation, &result);
            answer(o, core, &result, 0);
        } else if (a->busy || a->wanting) {
            continue;
        } else if (operation.kind == KIND_JOIN) {
            agreed_let_join(o, core, slot);
        } else {
            begin(o, core, &operation);
        }
        any = true;
    }
    return any;
}

static void own(struct object *o, const struct operation *operation, struct result *result)
{
    struct agreed *a = &o->agreed;
    if (operation_reads(operation)) {
        o->type->apply(o->state, operation, result);
        return;
    }
    a->wanting = true;
    while (a->busy)
        object_moment(o);
    begin(o, o->me, operation);
    if (a->busy)
        wait_for_a_line(o->pauses);
    while (a->busy)
        object_moment(o);
    a->wanting = false;
    *result = a->result;
    answer_all(o);
}

/* --- Of the others --- */

/* What the owner has sent. */
static bool follow(struct object *o)
{
    struct agreed *a = &o->agreed;
    struct slot *slot = call_arrived(&a->from[o->owner]);
    struct operation operation;
    struct result result;
    if (!slot || a->wanting)
        return false;
    const uint64_t word = slot_word(slot, AGREED_WORD), position = word >> AGREED_KIND_BITS;
    object_get_operation(slot, &operation);
    if ((word & ((1 << AGREED_KIND_BITS) - 1)) == AGREED_APPLY) {
        if (position != a->position + 1)
            return false; /* the operation that this core has asked for comes first */
        o->type->apply(a->replica, &operation, &result);
        a->position = position;
    } else {
        a->has = false;
    }
    agreed_answered(&a->from[o->owner], slot);
    return true;
}

bool agreed_by_owner_serve(struct object *o)
{
    if (o->me != o->owner)
        return follow(o);
    const bool went_on = o->agreed.busy && go_on(o);
    return answer_all(o) || went_on;
}

/* What this replica has, all have: so nobody who reads behind this read finds less. What comes
 * meanwhile has to wait. */
static inline void wait_for_release(struct object *o)
{
    struct agreed *a = &o->agreed;
    if (__builtin_expect(a->released >= a->position, 1))
        return;
    a->wanting = true;
    /* Pairs with the release in finish. */
    while ((a->released = atomic_load_explicit(&o->line->released, memory_order_acquire)) <
           a->position)
        object_moment(o);
    a->wanting = false;
}

static bool read(struct object *o, uint64_t mode, const struct operation *operation,
                 struct result *result)
{
    struct agreed *a = &o->agreed;
    const bool alone = (mode & FORM_MASK) == FORM_AGREED_OWNER;
    if (a->mode != mode || !a->has) {
        if (alone && a->asked < o->state_bytes / (LINE_BYTES * LINES_A_QUESTION)) {
            struct message reply;
            a->asked++;
            const bool done = delegated_ask(o, mode, operation, &reply);
            *result = (struct result){reply.word[0], reply.word[1]};
            return done;
        }
        a->asked = 0;
        if (!agreed_join(o, mode))
            return false;
        a->released = a->position;
    }
    if (!alone)
        wait_for_release(o);
    o->type->apply(a->replica, operation, result);
    return true;
}

static bool write(struct object *o, uint64_t mode, const struct operation *operation,
                  struct result *result)
{
    struct agreed *a = &o->agreed;
    struct message reply;
    if ((mode & FORM_MASK) == FORM_AGREED_OWNER)
        a->has = false;
    if (!delegated_ask(o, mode, operation, &reply))
        return false;
    *result = (struct result){reply.word[0], reply.word[1]};
    if (reply.word[2] && a->mode == mode && a->has) {
        struct result same;
        assert(reply.word[2] == a->position + 1);
        o->type->apply(a->replica, operation, &same);
        a->position = a->released = reply.word[2];
    }
    return true;
}

bool agreed_by_owner_apply(struct object *o, uint64_t mode, const struct operation *operation,
                           struct result *result)
{
    if (o->me == o->owner)
        own(o, operation, result);
    else
        return operation_reads(operation) ? read(o, mode, operation, result)
                                          : write(o, mode, operation, result);
    return true;
}

/* What is asked for from now on is refused, in the next mode. The replicas stay what the state was:
 * who still reads one has begun before that. */
void agreed_by_owner_end(struct object *o)
{
    while (o->agreed.busy)
        object_moment(o);
}
