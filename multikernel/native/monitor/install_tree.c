/* Installing a tree in a running system is an agreement like any other, of the engine that sends by
 * these trees. The root initiates: it makes the new version's table, and when all cores have voted
 * the commit makes that version current on all of them.
 *
 * No operation is lost: those under way keep to the version that they began with. The new table
 * takes the place of the version before the current one, so the root waits until the last operation
 * that travels by that has ended. Only the root drives operations that travel by its tree, so only
 * the root knows; hence it is the root that initiates, and looks before the first core is asked.
 * (That another core initiates and the root votes against it is not enough: the table would be
 * written over before the root is asked. The explorer found that.)
 *
 * As it travels: word 2 the root, argument 0 the version. */
#include "monitor/install_tree.h"

/* --- The object --- */

static uint32_t count(const struct monitor *m)
{
    return m->cores;
}

static uint64_t holder(const struct monitor *m, const struct agreement *a)
{
    return monitor_tree(m, a->slot)->lock;
}

static void take(struct monitor *m, const struct agreement *a)
{
    monitor_tree(m, a->slot)->lock = a->id;
}

static void give(struct monitor *m, const struct environment *env, const struct agreement *a)
{
    struct tree *tree = monitor_tree(m, a->slot);
    (void)env;
    if (tree->lock == a->id)
        tree->lock = 0;
}

static const uint64_t *everybody(const struct monitor *m, const struct agreement *a,
                                 uint64_t *buffer)
{
    (void)m;
    (void)a;
    (void)buffer;
    return NULL;
}

static const struct object_kind trees = {
    .count = count, .holder = holder, .take = take, .give = give, .participants = everybody};

/* --- The operation --- */

static enum verdict begin(struct monitor *m, const struct environment *env, struct workflow *w,
                          struct agreement *a, const struct request *request)
{
    (void)env;
    (void)w;
    (void)request;
    return a->slot == m->me && m->cores > 1 ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

/* An operation has ended when everybody has answered: nobody sends anything by its tree then. */
static bool place_is_used(const struct monitor *m, const struct agreement *a, uint32_t place)
{
    for (uint32_t i = 1; i < m->agreements.fresh; i++) {
        const struct agreement *other = (const void *)sparse_record(&m->agreements, i);
        if (other != a && other->root == m->me && other->phase != PHASE_IDLE &&
            other->phase != PHASE_QUEUED && other->place == place)
            return true;
    }
    return false;
}

/* Another installation may have come first: the version is counted at every attempt. */
static enum verdict resume(struct monitor *m, struct workflow *w, struct agreement *a)
{
    (void)w;
    a->argument[0] = monitor_tree(m, a->slot)->version + 1u;
    return place_is_used(m, a, tree_place((uint32_t)a->argument[0])) ? VERDICT_BUSY : VERDICT_OK;
}

static enum verdict check(const struct monitor *m, const struct agreement *a)
{
    const bool next = a->argument[0] == monitor_tree(m, a->slot)->version + 1u;
    return next && a->slot == agreement_initiator(a) ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

/* Nobody looks at the table before the commit. */
static enum verdict prepare(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const struct routing *routing = env->routing;
    if (a->root != m->me)
        return VERDICT_OK;
    return routing->publish(routing->context, tree_place((uint32_t)a->argument[0]),
                            agreement_workflow(m, a)->ticket)
               ? VERDICT_OK
               : VERDICT_BAD_REQUEST;
}

static void commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)env;
    monitor_tree(m, a->slot)->version = (uint32_t)a->argument[0];
}

static void leave(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)m;
    (void)a;
    (void)env;
}

const struct operation_kind tree_operation = {
    .object = &trees,
    .begin = begin,
    .resume = resume,
    .check = check,
    .adopt = leave,
    .prepare = prepare,
    .commit = commit,
    .undo = leave,
};
