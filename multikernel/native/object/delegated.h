/* The delegated form: the owner has the state, and others ask it, over a call line each
 * (channel/call_line.h), or over lines that carry several operations each.
 *
 * A request carries the mode that its sender found. In any other the owner refuses it, in whatever
 * form the object is, and the sender looks again. So the owner has to look at the lines in all
 * forms, and wherever it waits: who waits for its answer may be who it waits for. */
#pragma once

#include "object/object_inside.h"

/* The owner answers all that has come; false: nothing has. */
bool delegated_serve(struct object *o);

/* Asks the owner, and waits. False: refused. */
static inline bool delegated_ask(struct object *o, uint64_t mode, const struct operation *operation,
                                 struct message *reply)
{
    *reply =
        (struct message){{operation->kind, operation->key, operation->value[0], operation->value[1],
                          operation->value[2], operation->value[3], mode}};
    const int line = call_try_send(&o->call, reply);
    assert(line >= 0);
    wait_for_a_line(o->pauses);
    while (!call_try_take(&o->call, (uint32_t)line, reply))
        object_moment(o);
    return reply->word[REQUEST_MODE] == REPLY_DONE;
}

/* False: refused, and nothing was done. */
static inline bool delegated_apply(struct object *o, uint64_t mode,
                                   const struct operation *operation, struct result *result)
{
    if (o->me != o->owner) {
        struct message reply;
        const bool done = delegated_ask(o, mode, operation, &reply);
        *result = (struct result){reply.word[0], reply.word[1]};
        return done;
    }
    o->type->apply(o->state, operation, result);
    delegated_serve(o);
    return true;
}

/* --- Operations and results in a word each --- */

enum { FLIGHT_STATUS_SHIFT = 56 };

static inline uint64_t flight_pack(const struct operation *o)
{
    return o->kind | o->key << 8 | o->value[0] << 32;
}

static inline struct operation flight_unpack(uint64_t word)
{
    return (struct operation){word & 0xff, word >> 8 & ((1u << FLIGHT_KEY_BITS) - 1), {word >> 32}};
}

static inline uint64_t flight_pack_result(const struct result *result)
{
    return result->status << FLIGHT_STATUS_SHIFT |
           (result->value & ((1ull << FLIGHT_STATUS_SHIFT) - 1));
}

static inline struct result flight_unpack_result(uint64_t word)
{
    return (struct result){word >> FLIGHT_STATUS_SHIFT, word & ((1ull << FLIGHT_STATUS_SHIFT) - 1)};
}
