/* Installing a tree in a running system is an agreement like any other, by the very engine that
 * sends by these trees. The root initiates: it makes the new version's table, and when all cores
 * have voted the commit makes that version current on all of them.
 *
 * No operation is lost: those under way keep to the version that they began with. The new table
 * takes the place of the version before the current one, so the root waits until the last operation
 * that travels by that has ended. Only the root drives operations that travel by its tree, so only
 * the root knows; hence it is the root that initiates, and looks before the first core is asked.
 * (That another core initiates and the root votes against it is not enough: the table would be
 * written over before the root is asked. The explorer found that.)
 *
 * As it travels: word 2 the root, argument 0 the version. */
#include "monitor/operation.h"

/* --- The object --- */

static uint32_t count(const struct monitor *m)
{
    return m->cores;
}

static uint64_t *lock(struct monitor *m, uint32_t root)
{
    return &monitor_tree(m, root)->lock;
}

static const uint64_t *everybody(struct monitor *m, const struct operation *op, uint64_t *buffer)
{
    (void)m;
    (void)op;
    (void)buffer;
    return NULL;
}

static const struct object_kind trees = {.count = count, .lock = lock, .participants = everybody};

/* --- The row --- */

static enum verdict begin(struct monitor *m, struct operation *op, const struct request *request)
{
    (void)request;
    return op->slot == m->me && m->cores > 1 ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

/* An operation has ended when everybody has answered: nobody sends anything by its tree then. */
static bool place_is_used(struct monitor *m, const struct operation *op, uint32_t place)
{
    for (uint32_t i = 0; i < m->cores * m->lanes; i++) {
        const struct operation *other = monitor_operation(m, i);
        if (other != op && other->root == m->me && other->phase != PHASE_IDLE &&
            other->phase != PHASE_BACKOFF && other->tree == place)
            return true;
    }
    return false;
}

/* Another installation may have come first: the version is counted at every attempt. */
static enum verdict resume(struct monitor *m, struct operation *op)
{
    op->argument[0] = monitor_tree(m, op->slot)->version + 1u;
    return place_is_used(m, op, tree_place((uint32_t)op->argument[0])) ? VERDICT_BUSY : VERDICT_OK;
}

static enum verdict may_prepare(struct monitor *m, const struct operation *op)
{
    return op->argument[0] == monitor_tree(m, op->slot)->version + 1u ? VERDICT_OK
                                                                      : VERDICT_BAD_REQUEST;
}

static void adopt(struct monitor *m, struct operation *op)
{
    (void)m;
    (void)op;
}

/* Nobody looks at the table before the commit. */
static enum verdict prepare(struct monitor *m, struct operation *op,
                            const struct environment *env)
{
    const struct routing *routing = env->routing;
    if (op->root != m->me)
        return VERDICT_OK;
    return routing->publish(routing->context, tree_place((uint32_t)op->argument[0]), op->ticket)
               ? VERDICT_OK
               : VERDICT_BAD_REQUEST;
}

static void commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    (void)env;
    monitor_tree(m, op->slot)->version = (uint32_t)op->argument[0];
}

static void leave(struct monitor *m, struct operation *op, const struct environment *env)
{
    (void)m;
    (void)op;
    (void)env;
}

const struct row tree_row = {
    .name = "tree",
    .object = &trees,
    .begin = begin,
    .resume = resume,
    .may_prepare = may_prepare,
    .adopt = adopt,
    .prepare = prepare,
    .commit = commit,
    .abort = leave,
};

/* --- Without agreement --- */

void monitor_planted(struct monitor *m, uint32_t root)
{
    monitor_tree(m, root)->version = 1;
}

uint64_t monitor_trees_digest(struct monitor *m)
{
    uint64_t sum = 0;
    for (uint32_t root = 0; root < m->cores; root++)
        sum += hash_mix(hash_mix(0, root), monitor_tree(m, root)->version);
    return sum;
}
