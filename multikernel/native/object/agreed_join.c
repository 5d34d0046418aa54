/* Joining an agreed form: a replica from the owner. */
#include "object/agreed_inside.h"

RARE bool agreed_join(struct object *o, uint64_t mode)
{
    const struct operation join = {.kind = KIND_JOIN};
    struct agreed *a = &o->agreed;
    struct message reply;
    /* What others send to this core from now on is to be looked at behind the reply. */
    a->mode = 0;
    a->has = false;
    /* Odd: who is late, in a replicated mode, takes no copy of this. The fence pairs with the acquire
     * fence in take_over (replicated.c). */
    atomic_store_explicit(&o->of_core[o->me].version[0], 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    if (!delegated_ask(o, mode, &join, &reply))
        return false;
    a->mode = mode;
    a->replica = o->replica;
    a->has = true;
    a->position = reply.word[0];
    a->joined = reply.word[1];
    a->held = false;
    return true;
}
