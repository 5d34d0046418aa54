#include "object/agreed.h"

#include "object/agreed_inside.h"

enum { SERVE_EACH = 8 /* operations, of one who may never wait */ };

static inline bool in_two_phases(uint64_t mode)
{
    return (mode & FORM_MASK) == FORM_AGREED_TWO_PHASE;
}

bool agreed_serve_joined(struct object *o)
{
    return in_two_phases(o->agreed.mode) ? agreed_two_phase_serve(o) : agreed_by_owner_serve(o);
}

bool agreed_apply(struct object *o, uint64_t mode, const struct operation *operation,
                  struct result *result)
{
    if (operation->kind >> 8) {
        *result = (struct result){RESULT_BAD, 0};
        return true;
    }
    if (++o->agreed.turn % SERVE_EACH == 0)
        agreed_serve(o);
    return in_two_phases(mode) ? agreed_two_phase_apply(o, mode, operation, result)
                               : agreed_by_owner_apply(o, mode, operation, result);
}

void agreed_begin(struct object *o, uint64_t mode)
{
    struct agreed *a = &o->agreed;
    a->mode = mode;
    a->replica = o->state;
    a->has = true;
    a->joined = agreed_bit(o->me);
    a->held = a->busy = a->closing = a->joins_wait = a->wanting = false;
    /* Release: a core that joins reads it behind the mode. */
    atomic_store_explicit(&o->line->released, a->position, memory_order_release);
}

void agreed_end(struct object *o)
{
    struct agreed *a = &o->agreed;
    a->closing = true;
    if (in_two_phases(a->mode))
        agreed_two_phase_end(o);
    else
        agreed_by_owner_end(o);
    agreed_collect(o);
    a->mode = 0;
    a->has = false;
}

void agreed_open(struct object *o)
{
    struct agreed *a = &o->agreed;
    const uint64_t mode = object_mode(o);
    a->position = 1; /* an age is none of a close, which is the oldest */
    for (uint32_t core = 0; core < o->cores; core++) {
        call_open_sender(&a->to[core], &o->lines[(o->me * o->cores + core) * CALL_SLOTS], 1);
        call_open_receiver(&a->from[core], &o->lines[(core * o->cores + o->me) * CALL_SLOTS], 1);
    }
    if (o->me == o->owner && object_is_agreed(mode & FORM_MASK))
        agreed_begin(o, mode);
}
