#include "object/replicated.h"

#include "object/delegated.h"
#include "object/log_inside.h"

enum {
    /* How long somebody is waited for who may not be running: moments. */
    PATIENCE = 64,
    JOINS_EACH = 8, /* operations, of an owner who may never wait */
};

static inline struct object_core_line *own_line(const struct object *o)
{
    return &o->of_core[o->me];
}

/* Around what changes the replica, for whoever copies it. */
static inline void changes(struct object *o)
{
    atomic_store_explicit(&own_line(o)->version, 2 * o->position + 1, memory_order_relaxed);
    /* Pairs with the acquire fence in copy_of: who sees a word of the change sees that it goes
     * on. */
    atomic_thread_fence(memory_order_release);
}
static inline void changed(struct object *o)
{
    /* Pairs with the acquire in copy_of. */
    atomic_store_explicit(&own_line(o)->version, 2 * o->position, memory_order_release);
}

static inline void publish_position(struct object *o)
{
    /* Relaxed: only how long others wait depends on it. */
    atomic_store_explicit(&own_line(o)->position, o->position, memory_order_relaxed);
}

enum reached { AT_THE_END, AT_CLOSE, OVERTAKEN };

static enum reached replay(struct object *o)
{
    const uint64_t step = o->log_slots / 8;
    enum reached reached = AT_THE_END;
    bool dirty = false;
    for (;;) {
        const uint64_t entry = log_entry(o, o->position);
        const enum log_look look = entry_at(entry, o->position);
        if (look == LOG_END)
            break;
        struct operation operation;
        struct result result;
        if (look == LOG_PAST || !read_entry(o, o->position, entry, 0, &operation)) {
            reached = OVERTAKEN;
            break;
        }
        if (operation.kind == KIND_CLOSE) {
            reached = AT_CLOSE;
            break;
        }
        if (!dirty)
            changes(o);
        dirty = true;
        o->type->apply(o->replica, &operation, &result);
        if (!(++o->position & (step - 1)))
            publish_position(o);
    }
    if (dirty)
        changed(o);
    return reached;
}

/* --- Joining, and coming back --- */

static void at_position(struct object *o, uint64_t position)
{
    o->position = position;
    o->limit = position;
    changed(o);
    publish_position(o);
}

/* From the state, as when the log began. What is copied may be of a later time, if the form has ended
 * meanwhile: then the log has a close, or has gone on past its beginning. */
RARE static void join(struct object *o, uint64_t mode)
{
    changes(o);
    /* Acquire: pairs with the release in replicated_begin. The state has at least what it had when
     * the log began there. */
    const uint64_t start = atomic_load_explicit(&o->line->start, memory_order_acquire);
    object_copy(o->replica, o->state, o->state_bytes);
    /* Pairs with the release fence in replicated_end: who sees a word of what comes after the form
     * sees the close. */
    atomic_thread_fence(memory_order_acquire);
    o->epoch = mode;
    o->start = start;
    at_position(o, start);
}

/* Takes over that core's replica; false: it changed meanwhile, or is not of this log. */
static bool copy_of(struct object *o, uint32_t core, uint64_t version)
{
    object_copy(o->replica, object_replica_of(o, core), o->state_bytes);
    /* Pairs with the release fence in changes(). */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&o->of_core[core].version, memory_order_relaxed) == version;
}

/* Of plain words: the owner copies its own replica, between two operations, and says at once where
 * this core is, so that the log does not overtake it. False: the form has ended. */
RARE static bool join_by_owner(struct object *o, uint64_t mode)
{
    const struct operation join = {.kind = KIND_JOIN};
    struct message reply;
    changes(o);
    o->epoch = 0;
    atomic_store_explicit(&own_line(o)->position, 0, memory_order_relaxed); /* wait for no answer */
    if (!delegated_ask(o, mode, &join, &reply))
        return false;
    o->epoch = mode;
    o->start = reply.word[1];
    at_position(o, reply.word[0]);
    return true;
}

static bool let_join(struct object *o)
{
    bool any = false;
    for (uint32_t core = 0; core < o->cores; core++) {
        struct slot *slot = core == o->me ? NULL : call_arrived(&o->called[core]);
        if (!slot || slot_word(slot, REQUEST_MODE) != o->epoch)
            continue;
        object_copy(object_replica_of(o, core), o->replica, o->state_bytes);
        atomic_store_explicit(&o->of_core[core].position, o->position, memory_order_relaxed);
        slot_set(slot, 0, o->position);
        slot_set(slot, 1, o->start);
        slot_set(slot, REQUEST_MODE, REPLY_DONE);
        call_take_up(&o->called[core]);
        call_return(slot);
        any = true;
    }
    return any;
}

/* The one that is farthest on and at rest; its own number: none. */
static uint32_t farthest(struct object *o, uint64_t *version)
{
    uint32_t found = o->me;
    uint64_t most = 2 * o->start;
    for (uint32_t core = 0; core < o->cores; core++) {
        /* Pairs with the release in changed(). */
        const uint64_t its = atomic_load_explicit(&o->of_core[core].version, memory_order_acquire);
        if (core == o->me || its & 1 || its < most)
            continue;
        found = core;
        *version = most = its;
    }
    return found;
}

/* Overtaken: the replica of another core is taken instead. False: the mode has changed. */
RARE static bool come_back(struct object *o)
{
    const uint64_t ticket = ++o->tickets << 8 | o->me;
    bool back = false;
    if (o->type->plain)
        return join_by_owner(o, o->epoch);
    changes(o);
    while (!back && object_mode_is(o, o->epoch)) {
        uint64_t version = 0;
        /* Relaxed, both: a request. */
        atomic_store_explicit(&o->line->still, ticket, memory_order_relaxed);
        const uint32_t core = farthest(o, &version);
        back = core != o->me && copy_of(o, core, version);
        if (back)
            at_position(o, version / 2);
        else
            object_back_off(o);
    }
    uint64_t mine = ticket;
    atomic_compare_exchange_strong_explicit(&o->line->still, &mine, 0, memory_order_relaxed,
                                            memory_order_relaxed);
    if (!back)
        o->epoch = 0;
    return back;
}

/* Somebody copies a replica: for as long as that may take, and once for each that asks. */
RARE static void hold_still(struct object *o)
{
    const uint64_t ticket = atomic_load_explicit(&o->line->still, memory_order_relaxed);
    const uint64_t patience = PATIENCE + o->state_bytes / LINE_BYTES;
    for (uint64_t i = 0; ticket && i < patience; i++) {
        if (atomic_load_explicit(&o->line->still, memory_order_relaxed) != ticket)
            break;
        object_back_off(o);
    }
    o->still_ignored = ticket;
}

static inline bool asked_to_hold_still(const struct object *o)
{
    return atomic_load_explicit(&o->line->still, memory_order_relaxed) != o->still_ignored;
}

/* --- Appending --- */

/* Is there room at the position? Nobody is more than a lap behind, of those that have joined and are
 * waited for. */
static bool has_room(struct object *o)
{
    uint64_t lowest = o->position;
    for (uint32_t core = 0; core < o->cores; core++) {
        const uint64_t its = atomic_load_explicit(&o->of_core[core].position, memory_order_relaxed);
        if (core != o->me && its >= o->start && its != o->ignored[core] && its < lowest)
            lowest = its;
    }
    o->limit = lowest + o->log_slots - 1;
    return o->position < o->limit;
}

RARE static void wait_for_room(struct object *o)
{
    for (uint32_t i = 0; !has_room(o); i++) {
        if (i < PATIENCE || o->type->plain) {
            object_back_off(o);
            continue;
        }
        for (uint32_t core = 0; core < o->cores; core++)
            o->ignored[core] =
                atomic_load_explicit(&o->of_core[core].position, memory_order_relaxed);
    }
}

/* At the position; false: another core was first. */
static inline bool append(struct object *o, const struct operation *operation)
{
    const uint64_t found = atomic_load_explicit(log_at(o, o->position), memory_order_relaxed);
    if (entry_at(found, o->position) != LOG_END)
        return false;
    log_put(o, 0, operation);
    return log_append(o, o->position, found, 1);
}

/* False: the form has ended. */
static bool to_the_end(struct object *o)
{
    for (;;) {
        const enum reached reached = replay(o);
        if (reached == AT_THE_END)
            return true;
        if (reached == AT_CLOSE || !come_back(o))
            return false;
    }
}

static bool put_in_order(struct object *o, const struct operation *operation)
{
    for (;;) {
        if (!to_the_end(o))
            return false;
        if (__builtin_expect(o->position >= o->limit, 0) && !has_room(o)) {
            wait_for_room(o);
            continue;
        }
        if (append(o, operation))
            return true;
    }
}

/* False: the form has ended. */
static inline bool enter(struct object *o, uint64_t mode)
{
    o->inside = true;
    if (__builtin_expect(o->epoch != mode, 0)) {
        if (o->type->plain && o->me != o->owner)
            return join_by_owner(o, mode);
        join(o, mode);
    }
    if (__builtin_expect(asked_to_hold_still(o), 0))
        hold_still(o);
    return true;
}

bool replicated_apply(struct object *o, uint64_t mode, const struct operation *operation,
                      struct result *result)
{
    if (operation->kind >> 8) { /* it would be taken for what ends the log */
        *result = (struct result){RESULT_BAD, 0};
        return true;
    }
    if (o->type->plain && o->me == o->owner && ++o->joins % JOINS_EACH == 0)
        let_join(o);
    const bool only_reads = operation_reads(operation);
    const bool done = enter(o, mode) && (only_reads ? to_the_end(o) : put_in_order(o, operation));
    if (done && only_reads) {
        o->type->apply(o->replica, operation, result);
    } else if (done) {
        changes(o);
        o->type->apply(o->replica, operation, result);
        if (!(++o->position & (o->log_slots / 8 - 1)))
            publish_position(o);
        changed(o);
    }
    o->inside = false;
    return done;
}

bool replicated_follow(struct object *o)
{
    if (o->inside || !o->epoch || !object_mode_is(o, o->epoch) || asked_to_hold_still(o))
        return false;
    const bool asked = o->type->plain && o->me == o->owner && let_join(o);
    const uint64_t before = o->position;
    /* Overtaken, it comes back when it has something to do. */
    if (replay(o) == AT_THE_END &&
        atomic_load_explicit(&own_line(o)->position, memory_order_relaxed) != o->position)
        publish_position(o);
    return o->position != before || asked;
}

/* --- The owner's --- */

void replicated_open(struct object *o)
{
    const uint64_t mode = object_mode(o);
    if (o->type->plain && o->me == o->owner && (mode & FORM_MASK) == FORM_REPLICATED)
        join(o, mode);
}

void replicated_begin(struct object *o, uint64_t mode)
{
    /* Pairs with the acquire in join. */
    atomic_store_explicit(&o->line->start, o->log_end, memory_order_release);
    join(o, mode);
}

void replicated_end(struct object *o, uint64_t mode)
{
    const struct operation close = {.kind = KIND_CLOSE};
    enter(o, mode);
    put_in_order(o, &close); /* it is open: nobody else closes it */
    o->inside = false;
    o->epoch = 0;
    /* A replica stops at the close; the next log begins behind where any could be. */
    o->log_end = o->position + 2;
    /* Pairs with the acquire fence in join. */
    atomic_thread_fence(memory_order_release);
    object_copy(o->state, o->replica, o->state_bytes);
}
