#include "object/combined.h"

#include "locks/readers.h"
#include "object/log_inside.h"

/* A node, as this core sees it. */
struct node {
    struct object_node *its;
    void *replica;
    uint32_t first, behind; /* its cores */
};

static struct node node_at(const struct object *o, uint32_t number)
{
    const uint32_t nodes = o->node_count, cores = o->cores;
    return (struct node){&o->of_node[number], (char *)o->node_replicas + number * o->replica_bytes,
                         (number * cores + nodes - 1) / nodes,
                         ((number + 1) * cores + nodes - 1) / nodes};
}

/* --- The lock of a node --- */

static inline bool try_node(struct object *o, const struct node *node)
{
    struct lock *lock = &node->its->lock;
    if (atomic_load_explicit(&lock->holder, memory_order_relaxed) || !ttas_try(lock, o->me))
        return false;
    readers_drain(lock, o->readers, node->first, node->behind, o->me, &o->backing_off);
    return true;
}

static inline void take_node(struct object *o, const struct node *node)
{
    while (!try_node(o, node))
        object_back_off(o);
}

static inline void leave_node(struct object *o, const struct node *node)
{
    readers_release(&node->its->lock, o->readers, o->me);
}

/* --- Under it --- */

/* From the state, as when the log began. False: the form has ended. What is copied may be of a later
 * time, if it has ended meanwhile: then the log has a close, or has gone on past its beginning. */
RARE static bool join(struct object *o, const struct node *node, uint64_t mode)
{
    /* Acquire: pairs with the release in combined_begin. */
    const uint64_t start = atomic_load_explicit(&o->line->combined, memory_order_acquire);
    if (!start || !object_mode_is(o, mode))
        return false;
    object_copy(node->replica, o->state, o->state_bytes);
    /* Pairs with the release fence in combined_end: who sees a word of what comes after the form
     * sees the close. */
    atomic_thread_fence(memory_order_acquire);
    atomic_store_explicit(&node->its->position, start, memory_order_relaxed);
    atomic_store_explicit(&node->its->limit, start, memory_order_relaxed);
    /* Pairs with the acquire in position_of: of this mode there is this position. */
    atomic_store_explicit(&node->its->epoch, mode, memory_order_release);
    return true;
}

/* All operations of an entry; false: it is the close, or was overwritten behind it. */
static inline bool apply_entry(struct object *o, const struct node *node, uint64_t position,
                               uint64_t entry)
{
    for (uint32_t nth = 0; nth < entry_count(entry); nth++) {
        struct operation operation;
        struct result result;
        if (!read_entry(o, position, entry, nth, &operation))
            return false;
        o->type->apply(node->replica, &operation, &result);
    }
    return entry_count(entry);
}

static inline void at_position(const struct node *node, uint64_t position)
{
    /* Pairs with the acquire in position_of: who appends a lap on does so behind our reads. */
    atomic_store_explicit(&node->its->position, position, memory_order_release);
}

/* The replica has what the log has; end: what was found behind its last entry. False: the form has
 * ended. */
static bool bring_up(struct object *o, const struct node *node, uint64_t mode, uint64_t *end)
{
    if (__builtin_expect(atomic_load_explicit(&node->its->epoch, memory_order_relaxed) != mode,
                         0) &&
        !join(o, node, mode))
        return false;
    const uint64_t from = atomic_load_explicit(&node->its->position, memory_order_relaxed);
    uint64_t position = from;
    for (;;) {
        *end = log_entry(o, position);
        const enum log_look look = entry_at(*end, position);
        if (look != LOG_ENTRY || !apply_entry(o, node, position, *end))
            break;
        position += entry_count(*end);
    }
    if (position != from)
        at_position(node, position);
    return entry_at(*end, position) == LOG_END;
}

/* --- Room --- */

/* Where that node is; one that has not joined is where it will. */
static uint64_t position_of(const struct object *o, uint32_t number, uint64_t mode)
{
    const struct object_node *its = &o->of_node[number];
    /* Pairs with the release in join. */
    if (atomic_load_explicit(&its->epoch, memory_order_acquire) != mode)
        return atomic_load_explicit(&o->line->combined, memory_order_relaxed);
    /* Pairs with the release in at_position. */
    return atomic_load_explicit(&its->position, memory_order_acquire);
}

/* For so many operations at the position, where its own replica is. Else whoever is in the way is
 * helped, and the log's end is to be found anew. */
static bool make_room(struct object *o, const struct node *node, uint64_t mode, uint64_t position,
                      uint32_t count)
{
    if (position + count <= atomic_load_explicit(&node->its->limit, memory_order_relaxed))
        return true;
    uint64_t lowest = position, end;
    uint32_t last = 0;
    for (uint32_t number = 0; number < o->node_count; number++) {
        const uint64_t its = position_of(o, number, mode);
        if (its < lowest) {
            lowest = its;
            last = number;
        }
    }
    atomic_store_explicit(&node->its->limit, lowest + o->log_slots, memory_order_relaxed);
    if (position + count <= lowest + o->log_slots)
        return true;
    const struct node other = node_at(o, last);
    if (try_node(o, &other)) {
        bring_up(o, &other, mode, &end);
        leave_node(o, &other);
    } else {
        object_back_off(o);
    }
    return false;
}

/* --- A combiner --- */

static inline bool is_posted(const struct object *o, uint32_t core, uint64_t mode)
{
    /* Pairs with the release in post. */
    return atomic_load_explicit(&o->posts[core].slot.control, memory_order_acquire) == mode;
}

/* What is posted becomes the operations of an entry to come: how many; whose: a bit each. */
static uint32_t collect(struct object *o, const struct node *node, uint64_t mode, uint64_t *whose)
{
    uint32_t count = 0;
    *whose = 0;
    for (uint32_t core = node->first; core < node->behind && count < o->log_slots / 2; core++) {
        struct operation operation;
        if (!is_posted(o, core, mode))
            continue;
        object_get_operation(&o->posts[core].slot, &operation);
        log_put(o, count++, &operation);
        *whose |= 1ull << core;
    }
    return count;
}

/* They are in the log: applied, and answered. */
static void answer(struct object *o, const struct node *node, uint64_t whose)
{
    for (; whose; whose &= whose - 1) {
        struct slot *slot = &o->posts[__builtin_ctzll(whose)].slot;
        struct operation operation;
        struct result result;
        object_get_operation(slot, &operation);
        o->type->apply(node->replica, &operation, &result);
        slot_set(slot, 0, result.status);
        slot_set(slot, 1, result.value);
        /* Pairs with the acquire in write_as. */
        atomic_store_explicit(&slot->control, 0, memory_order_release);
    }
}

/* False: the form has ended. */
static bool combine(struct object *o, const struct node *node, uint64_t mode)
{
    for (;;) {
        uint64_t end, whose;
        if (!bring_up(o, node, mode, &end))
            return false;
        const uint32_t count = collect(o, node, mode, &whose);
        if (!count)
            return true;
        const uint64_t position = atomic_load_explicit(&node->its->position, memory_order_relaxed);
        if (!make_room(o, node, mode, position, count) || !log_append(o, position, end, count))
            continue;
        answer(o, node, whose);
        at_position(node, position + count);
        return true;
    }
}

/* --- A core --- */

static bool write_as(struct object *o, const struct node *node, uint64_t mode,
                     const struct operation *operation, struct result *result)
{
    struct slot *slot = &o->posts[o->me].slot;
    object_put_operation(slot, operation);
    /* Release: pairs with the acquire in is_posted. */
    atomic_store_explicit(&slot->control, mode, memory_order_release);
    /* Acquire: pairs with the release in answer. */
    while (atomic_load_explicit(&slot->control, memory_order_acquire)) {
        if (!try_node(o, node)) {
            object_moment(o);
            continue;
        }
        const bool open = combine(o, node, mode);
        const bool posted = atomic_load_explicit(&slot->control, memory_order_relaxed);
        if (!open)
            atomic_store_explicit(&slot->control, 0, memory_order_relaxed); /* taken back */
        leave_node(o, node);
        if (!open && posted)
            return false;
    }
    *result = (struct result){slot_word(slot, 0), slot_word(slot, 1)};
    return true;
}

static bool read_as(struct object *o, const struct node *node, uint64_t mode,
                    const struct operation *operation, struct result *result)
{
    for (;;) {
        readers_read(&node->its->lock, o->readers, o->me, &o->backing_off);
        const uint64_t position = atomic_load_explicit(&node->its->position, memory_order_relaxed);
        /* A node that has not joined this mode may stand in a gap of its log, which looks as the end
         * does. */
        const bool has_all =
            atomic_load_explicit(&node->its->epoch, memory_order_relaxed) == mode &&
            entry_at(log_entry(o, position), position) == LOG_END;
        if (has_all)
            o->type->apply(node->replica, operation, result);
        readers_read_release(&node->its->lock, o->readers, o->me);
        if (has_all)
            return true;
        if (!try_node(o, node)) {
            object_moment(o);
            continue;
        }
        const bool open = combine(o, node, mode);
        leave_node(o, node);
        if (!open)
            return false;
    }
}

bool combined_apply(struct object *o, uint64_t mode, const struct operation *operation,
                    struct result *result)
{
    const struct node node = node_at(o, o->node);
    o->inside = true;
    o->combining = mode;
    const bool done = operation_reads(operation) ? read_as(o, &node, mode, operation, result)
                                                 : write_as(o, &node, mode, operation, result);
    o->inside = false;
    return done;
}

bool combined_follow(struct object *o)
{
    if (o->inside || !o->combining || !object_mode_is(o, o->combining))
        return false;
    const struct node node = node_at(o, o->node);
    const uint64_t position = atomic_load_explicit(&node.its->position, memory_order_relaxed);
    uint64_t end;
    if (entry_at(log_entry(o, position), position) == LOG_END || !try_node(o, &node))
        return false;
    bring_up(o, &node, o->combining, &end);
    leave_node(o, &node);
    return true;
}

/* --- The owner's --- */

void combined_begin(struct object *o)
{
    /* Pairs with the acquire in join. */
    atomic_store_explicit(&o->line->combined, o->log_end, memory_order_release);
}

void combined_end(struct object *o, uint64_t mode)
{
    const struct node node = node_at(o, o->node);
    uint64_t position, end;
    o->inside = true;
    take_node(o, &node);
    do {
        bring_up(o, &node, mode, &end); /* it is open: nobody else closes it */
        position = atomic_load_explicit(&node.its->position, memory_order_relaxed);
    } while (!make_room(o, &node, mode, position, 1) || !log_append(o, position, end, 0));
    leave_node(o, &node);
    /* A replica stops at the close; the next log begins behind where any could be. */
    o->log_end = position + 2;
    if (o->type->plain) {
        /* Who gets a node's lock from now on copies nothing: pairs with the acquire in join, behind
         * the lock's. */
        atomic_store_explicit(&o->line->combined, 0, memory_order_relaxed);
        for (uint32_t number = 0; number < o->node_count; number++) {
            const struct node other = node_at(o, number);
            take_node(o, &other);
            leave_node(o, &other);
        }
    }
    o->inside = false;
    /* Pairs with the acquire fence in join. */
    atomic_thread_fence(memory_order_release);
    object_copy(o->state, node.replica, o->state_bytes);
}
