/* The forms behind a lock. Once a core has the lock it looks at the mode again, because the owner
 * changes the mode while it holds the lock: so the lock may be left to those that still wait for it,
 * who cannot leave a queue, while the object is in another form. */
#pragma once

#include "locks/ttas.h"
#include "object/object_inside.h"

enum { LOCK_UNFAIR, LOCK_IN_ORDER, OBJECT_LOCKS };

/* One waits for the other's write: twice as long each time, up to a bound. */
enum { SEQUENCE_BACK_OFF = 8 };

void locked_take_sequence_slowly(struct object *o);

static inline bool locked_try_sequence(struct object *o, uint64_t sequence)
{
    /* Acquire: pairs with the release in locked_leave_sequence. */
    return !(sequence & 1) &&
           atomic_compare_exchange_strong_explicit(&o->line->sequence, &sequence, sequence + 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

static inline void locked_take_sequence(struct object *o)
{
    if (__builtin_expect(
            !locked_try_sequence(o, atomic_load_explicit(&o->line->sequence, memory_order_relaxed)),
            0))
        locked_take_sequence_slowly(o);
    /* Pairs with the fence of locked_read: who sees a word of ours sees the odd number. */
    atomic_thread_fence(memory_order_release);
}

static inline void locked_leave_sequence(struct object *o)
{
    const uint64_t odd = atomic_load_explicit(&o->line->sequence, memory_order_relaxed);
    /* Pairs with the acquires of locked_try_sequence and locked_read. */
    atomic_store_explicit(&o->line->sequence, odd + 1, memory_order_release);
}

static inline void locked_take(struct object *o, uint32_t form)
{
    if (form == FORM_LOCKED)
        ttas_acquire(&o->locks[LOCK_UNFAIR], o->nodes, o->me, &o->backing_off);
    else if (form == FORM_FIFO)
        o->fifo->acquire(&o->locks[LOCK_IN_ORDER], o->nodes, o->me, &o->waiter);
    else
        locked_take_sequence(o);
}

static inline void locked_leave(struct object *o, uint32_t form)
{
    if (form == FORM_LOCKED)
        ttas_release(&o->locks[LOCK_UNFAIR], o->nodes, o->me);
    else if (form == FORM_FIFO)
        o->fifo->release(&o->locks[LOCK_IN_ORDER], o->nodes, o->me);
    else
        locked_leave_sequence(o);
}

/* Looks without a lock, at what another core may be writing; and believes it if nobody was. */
ALWAYS_INLINE bool locked_read(struct object *o, uint64_t mode, bool alone,
                               const struct operation *operation, struct result *result)
{
    for (;;) {
        /* Acquire: pairs with the release in locked_leave_sequence. The mode behind it: one that
         * was changed before this number is seen to have changed. */
        const uint64_t sequence = atomic_load_explicit(&o->line->sequence, memory_order_acquire);
        if (!alone && !object_mode_is(o, mode))
            return false;
        if (!(sequence & 1)) {
            o->type->apply(o->state, operation, result);
            /* Pairs with the fence of locked_take_sequence. */
            atomic_thread_fence(memory_order_acquire);
            if (atomic_load_explicit(&o->line->sequence, memory_order_relaxed) == sequence)
                return true;
        }
        object_moment(o);
    }
}

/* False: the mode has changed, and nothing was done. alone: it never does. */
ALWAYS_INLINE bool locked_apply(struct object *o, uint64_t mode, uint32_t form, bool alone,
                                const struct operation *operation, struct result *result)
{
    if (form == FORM_OPTIMISTIC && operation_reads(operation))
        return locked_read(o, mode, alone, operation, result);
    locked_take(o, form);
    const bool same = alone || object_mode_is(o, mode);
    if (__builtin_expect(same, 1))
        o->type->apply(o->state, operation, result);
    locked_leave(o, form);
    return same;
}
