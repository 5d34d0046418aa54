/* What the files of the agreed forms share. */
#pragma once

#include "object/agreed.h"
#include "object/delegated.h"

/* A message's last word: its kind, and above that a position. Its first: an operation's kind, and
 * above that how much younger than the position its attempt is. */
enum agreed_kind { AGREED_PREPARE = 1, AGREED_COMMIT, AGREED_ABORT, AGREED_APPLY, AGREED_DROP };
enum { AGREED_WORD = REQUEST_MODE, AGREED_KIND_BITS = 8, AGREED_AGE_SHIFT = 16 };

static inline struct message agreed_message(const struct operation *o, enum agreed_kind kind,
                                            uint64_t position)
{
    return (struct message){{o->kind, o->key, o->value[0], o->value[1], o->value[2], o->value[3],
                             (uint64_t)kind | position << AGREED_KIND_BITS}};
}

static inline uint64_t agreed_bit(uint32_t core)
{
    return 1ull << core;
}

/* Sends to those cores: all that was sent to them before has been answered. */
static inline void agreed_tell(struct object *o, uint64_t cores, const struct message *message)
{
    o->agreed.awaited |= cores;
    for (; cores; cores &= cores - 1) {
        const int line = call_try_send(&o->agreed.to[__builtin_ctzll(cores)], message);
        assert(line == 0);
        (void)line;
    }
}

/* One reply, of those that are awaited; its core in `core`. False: none has come. */
static inline bool agreed_take(struct object *o, uint32_t *core, struct message *reply)
{
    for (uint64_t left = o->agreed.awaited; left; left &= left - 1) {
        *core = (uint32_t)__builtin_ctzll(left);
        if (call_try_take(&o->agreed.to[*core], 0, reply)) {
            o->agreed.awaited &= ~agreed_bit(*core);
            return true;
        }
    }
    return false;
}

/* All replies, of which nothing is wanted but that they are there. */
static inline void agreed_collect(struct object *o)
{
    struct message reply;
    uint32_t core;
    while (o->agreed.awaited)
        if (!agreed_take(o, &core, &reply))
            object_moment(o);
}

/* A message has been taken care of. */
static inline void agreed_answered(struct call_receiver *end, struct slot *slot)
{
    call_take_up(end);
    call_return(slot);
}

/* --- Joining --- */

/* What another core has asked the owner in this mode; NULL: nothing. Nothing is taken up while the
 * form ends: the next one refuses it. */
static inline struct slot *agreed_asked(struct object *o, uint32_t core)
{
    if (core == o->me || o->agreed.closing)
        return NULL;
    struct slot *slot = call_arrived(&o->called[core]);
    return slot && slot_word(slot, REQUEST_MODE) == o->agreed.mode ? slot : NULL;
}

/* The owner's, while no write is under way: the other core waits. */
static inline void agreed_let_join(struct object *o, uint32_t core, struct slot *slot)
{
    struct agreed *a = &o->agreed;
    object_copy(object_replica_of(o, core), o->state, o->state_bytes);
    a->joined |= agreed_bit(core);
    slot_set(slot, 0, a->position);
    slot_set(slot, 1, a->joined);
    slot_set(slot, REQUEST_MODE, REPLY_DONE);
    agreed_answered(&o->called[core], slot);
}

/* Asks for a replica. False: refused. */
bool agreed_join(struct object *o, uint64_t mode);

/* --- agreed_two_phase.c, agreed_by_owner.c --- */

bool agreed_two_phase_apply(struct object *o, uint64_t mode, const struct operation *operation,
                            struct result *result);
bool agreed_two_phase_serve(struct object *o);
void agreed_two_phase_end(struct object *o);

bool agreed_by_owner_apply(struct object *o, uint64_t mode, const struct operation *operation,
                           struct result *result);
bool agreed_by_owner_serve(struct object *o);
void agreed_by_owner_end(struct object *o);
