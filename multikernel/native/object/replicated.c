#include "object/replicated.h"

#include "object/delegated.h"
#include "object/log_inside.h"

enum {
    /* How long somebody is waited for who may not be running: moments. */
    PATIENCE = 64,
    JOINS_EACH = 8, /* operations, of an owner who may never wait */
    /* Of a state, for each operation of a log: no more is copied with each lap. */
    SNAPSHOT_LINES = 8,
};

static inline struct object_core_line *own_line(const struct object *o)
{
    return &o->of_core[o->me];
}

/* What a core has of the state: its replica, and a snapshot of it. It writes to one of them at a time:
 * wherever it stops, the other is whole. */
enum { REPLICA, SNAPSHOT, COPIES };
static_assert((int)COPIES == (int)OBJECT_COPIES, "a version of each");

static inline void *copy_in(const struct object *o, uint32_t core, uint32_t copy)
{
    return copy == REPLICA ? object_replica_of(o, core)
                           : (char *)o->snapshots + core * o->replica_bytes;
}

/* Around what changes one of them, for whoever copies it. */
static inline void changes(struct object *o, uint32_t copy)
{
    atomic_store_explicit(&own_line(o)->version[copy], 2 * o->position + 1, memory_order_relaxed);
    /* Pairs with the acquire fence in take_over: who sees a word of the change sees that it goes
     * on. */
    atomic_thread_fence(memory_order_release);
}
static inline void changed(struct object *o, uint32_t copy)
{
    /* Pairs with the acquire in farthest. */
    atomic_store_explicit(&own_line(o)->version[copy], 2 * o->position, memory_order_release);
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
        if (look == LOG_ENTRY && !entry_count(entry)) {
            reached = AT_CLOSE;
            break;
        }
        struct operation operation;
        struct result result;
        if (look == LOG_PAST || !read_entry(o, o->position, entry, 0, &operation)) {
            reached = OVERTAKEN;
            break;
        }
        if (!dirty)
            changes(o, REPLICA);
        dirty = true;
        o->type->apply(o->replica, &operation, &result);
        if (!(++o->position & (step - 1)))
            publish_position(o);
    }
    if (dirty)
        changed(o, REPLICA);
    return reached;
}

/* --- Joining, and coming back --- */

static void at_position(struct object *o, uint64_t position)
{
    o->position = position;
    o->limit = position;
    changed(o, REPLICA);
    publish_position(o);
}

/* From the state, as when the log began. What is copied may be of a later time, if the form has ended
 * meanwhile: then the log has a close, or has gone on past its beginning. */
RARE static void join(struct object *o, uint64_t mode)
{
    changes(o, REPLICA);
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

/* Of plain words: the owner copies its own replica, between two operations, and says at once where
 * this core is, so that the log does not overtake it. False: the form has ended. */
RARE static bool join_by_owner(struct object *o, uint64_t mode)
{
    const struct operation join = {.kind = KIND_JOIN};
    struct message reply;
    changes(o, REPLICA);
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

/* --- Snapshots --- */

/* At the log's beginning it is in the way of all that append. */
static inline void ask_for_a_snapshot(const struct object *o)
{
    atomic_store_explicit(&own_line(o)->position, o->start, memory_order_relaxed);
}

struct whole {
    uint64_t version; /* 0: there is none */
    uint32_t core, copy;
};

/* Of the others' copies, from the first kind on: the one that is farthest on, of those that are of
 * this log and that nobody is writing. */
static struct whole farthest(const struct object *o, uint32_t first)
{
    struct whole found = {0};
    for (uint32_t core = 0; core < o->cores; core++)
        for (uint32_t copy = first; copy < COPIES; copy++) {
            /* Pairs with the release in changed(). */
            const uint64_t its =
                atomic_load_explicit(&o->of_core[core].version[copy], memory_order_acquire);
            if (its & 1 || its < 2 * o->start || its <= found.version ||
                (core == o->me && copy == REPLICA))
                continue;
            found = (struct whole){its, core, copy};
        }
    return found;
}

/* In place of its own replica; false: that one is no farther, or changed meanwhile. */
static bool take_over(struct object *o, struct whole from)
{
    if (from.version <= 2 * o->position)
        return false;
    changes(o, REPLICA);
    /* So that it is waited for. */
    atomic_store_explicit(&own_line(o)->position, from.version / 2, memory_order_relaxed);
    object_copy(o->replica, copy_in(o, from.core, from.copy), o->state_bytes);
    /* Pairs with the release fence in changes(). */
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&o->of_core[from.core].version[from.copy], memory_order_relaxed) !=
        from.version)
        return false;
    at_position(o, from.version / 2);
    return true;
}

/* Overtaken: another's snapshot is taken, or its replica, by turns: a replica changes all the time
 * where its core operates, and is whole where that was stopped in a snapshot. False: the mode has changed. */
RARE static bool come_back(struct object *o)
{
    if (o->type->plain)
        return join_by_owner(o, o->epoch);
    for (uint32_t turn = 0; object_mode_is(o, o->epoch); turn++) {
        if (take_over(o, farthest(o, turn % 2 ? REPLICA : SNAPSHOT)))
            return true;
        ask_for_a_snapshot(o);
        object_back_off(o);
    }
    o->epoch = 0;
    return false;
}

RARE static void take_snapshot(struct object *o)
{
    changes(o, SNAPSHOT);
    object_copy(copy_in(o, o->me, SNAPSHOT), o->replica, o->state_bytes);
    changed(o, SNAPSHOT);
}

/* --- Appending --- */

enum room { ROOM, BEHIND, NO_SNAPSHOT };

/* Is there room at the position? Nobody is more than a lap behind of those that have joined and are
 * waited for; nor, where somebody was overtaken, the newest snapshot. */
static enum room room(struct object *o)
{
    const bool small = o->state_bytes <= SNAPSHOT_LINES * LINE_BYTES * o->log_slots;
    uint64_t lowest = o->position;
    bool overtaken = false;
    for (uint32_t core = 0; core < o->cores; core++) {
        const uint64_t its = atomic_load_explicit(&o->of_core[core].position, memory_order_relaxed);
        if (core == o->me || its < o->start)
            continue;
        if (its != o->ignored[core])
            lowest = its < lowest ? its : lowest;
        else if (small || its == o->start)
            overtaken = true;
    }
    const bool behind = o->position >= lowest + o->log_slots - 1;
    if (overtaken) {
        const uint64_t newest = farthest(o, SNAPSHOT).version / 2;
        lowest = newest < lowest ? newest : lowest;
    }
    o->limit = lowest + o->log_slots - 1;
    return behind ? BEHIND : o->position < o->limit ? ROOM : NO_SNAPSHOT;
}

RARE static void wait_for_room(struct object *o)
{
    /* As long as it may take to copy a state. */
    const uint64_t patience = PATIENCE + o->state_bytes / LINE_BYTES;
    enum room found;
    for (uint64_t i = 0; (found = room(o)) != ROOM; i++) {
        if (found == NO_SNAPSHOT) {
            take_snapshot(o);
        } else if (i < patience || o->type->plain) {
            object_back_off(o);
        } else {
            for (uint32_t core = 0; core < o->cores; core++)
                o->ignored[core] =
                    atomic_load_explicit(&o->of_core[core].position, memory_order_relaxed);
        }
    }
}

/* At the position; NULL: the close. False: another core was first. */
static inline bool append(struct object *o, const struct operation *operation)
{
    const uint64_t found = atomic_load_explicit(log_at(o, o->position), memory_order_relaxed);
    if (entry_at(found, o->position) != LOG_END)
        return false;
    if (operation)
        log_put(o, 0, operation);
    return log_append(o, o->position, found, operation ? 1 : 0);
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
        if (__builtin_expect(o->position >= o->limit, 0) && room(o) != ROOM) {
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
    return true;
}

bool replicated_apply(struct object *o, uint64_t mode, const struct operation *operation,
                      struct result *result)
{
    if (o->type->plain && o->me == o->owner && ++o->joins % JOINS_EACH == 0)
        let_join(o);
    const bool only_reads = operation_reads(operation);
    const bool done = enter(o, mode) && (only_reads ? to_the_end(o) : put_in_order(o, operation));
    if (done && only_reads) {
        o->type->apply(o->replica, operation, result);
    } else if (done) {
        changes(o, REPLICA);
        o->type->apply(o->replica, operation, result);
        if (!(++o->position & (o->log_slots / 8 - 1)))
            publish_position(o);
        changed(o, REPLICA);
    }
    o->inside = false;
    return done;
}

bool replicated_follow(struct object *o)
{
    if (o->inside || !o->epoch || !object_mode_is(o, o->epoch))
        return false;
    const bool asked = o->type->plain && o->me == o->owner && let_join(o);
    const uint64_t before = o->position;
    const enum reached reached = replay(o);
    if (reached == AT_THE_END &&
        atomic_load_explicit(&own_line(o)->position, memory_order_relaxed) != o->position)
        publish_position(o);
    if (reached == OVERTAKEN && !o->type->plain)
        take_over(o, farthest(o, SNAPSHOT)); /* else when it has something to do */
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
    enter(o, mode);
    put_in_order(o, NULL); /* it is open: nobody else closes it */
    o->inside = false;
    o->epoch = 0;
    /* A replica stops at the close; the next log begins behind where any could be. */
    o->log_end = o->position + 2;
    /* Pairs with the acquire fence in join. */
    atomic_thread_fence(memory_order_release);
    object_copy(o->state, o->replica, o->state_bytes);
}
