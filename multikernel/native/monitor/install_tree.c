/* Installing a tree in a running system is an agreement like any other: a row of the engine that
 * routes by these very trees.
 *
 * A tree of many cores does not fit into a message, so it is installed by several operations, each
 * of up to TREE_EDGES_MAX edges in sending order. They stage the version that is not current; the
 * commit of the last one makes it current, on all cores that version is complete by then. Every
 * edge must lead from the tree to a core outside it, so cores - 1 of them are a spanning tree, and
 * who finds one that does not votes no.
 *
 * No operation is lost: those under way keep to the version that they began with
 * (tree.h). That version is written over by the next installation, so this has to wait
 * until the last of them has ended. Only the root drives operations that travel by its tree, and
 * only the root knows; so it is the root who initiates, and looks before the first core is asked.
 * (That another core could initiate and the root vote against it is not enough: a core that was
 * asked earlier has then written over what it still needs. The explorer found that.)
 *
 * Of two installations for one root that come at once the one that began last wins, and the other
 * is told that it was overtaken. */
#include "monitor/operation.h"

struct piece {
    struct tree *tree;
    struct tree_link *link; /* the version that is staged */
    uint32_t version;
    uint32_t root;
    struct tree_piece is;
};

static struct piece piece_of(struct monitor *m, const struct operation *op)
{
    struct piece p = {
        .tree = monitor_tree(m, op->slot), .root = op->slot, .is = tree_piece_of(op->argument)};
    p.version = p.tree->current == 1 ? 2 : 1;
    p.link = monitor_links(m, p.root, p.version);
    return p;
}

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

static int well_formed(struct monitor *m, const struct operation *op)
{
    struct piece p = piece_of(m, op);
    return tree_piece_fits(&p.is, m->cores);
}

static enum verdict begin(struct monitor *m, struct operation *op, const struct request *request)
{
    for (int i = 0; i < 4; i++)
        op->argument[i] = request->argument[i];
    return op->slot == m->me && well_formed(m, op) ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

/* An operation has ended when everybody has answered: nobody sends anything by its tree then. */
static int version_is_used(struct monitor *m, const struct operation *op, uint32_t version)
{
    for (uint32_t i = 0; i < m->cores * m->lanes; i++) {
        const struct operation *other = monitor_operation(m, i);
        if (other != op && other->root == m->me && other->phase != PHASE_IDLE &&
            other->phase != PHASE_BACKOFF && other->tree == version)
            return 1;
    }
    return 0;
}

static enum verdict may_prepare(struct monitor *m, const struct operation *op)
{
    struct piece p = piece_of(m, op);
    if (!well_formed(m, op))
        return VERDICT_BAD_REQUEST;
    if (p.is.position && (p.tree->staged != p.is.position || p.tree->number != p.is.number))
        return VERDICT_OVERTAKEN;
    if (p.root == m->me && version_is_used(m, op, p.version))
        return VERDICT_BUSY;
    return VERDICT_OK;
}

static void adopt(struct monitor *m, struct operation *op)
{
    (void)m;
    (void)op;
}

static enum verdict prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)mmu;
    struct piece p = piece_of(m, op);
    if (!p.is.position)
        tree_clear(p.link, m->cores);
    p.tree->staged = (uint16_t)p.is.position;
    p.tree->number = (uint16_t)p.is.number;
    for (uint32_t i = 0; i < p.is.count; i++) {
        if (!tree_takes(p.link, m->cores, p.root, p.is.edge[i]))
            /* what is staged of this piece is taken away again by the abort */
            return VERDICT_BAD_REQUEST;
        tree_add(p.link, p.is.edge[i]);
        p.tree->staged++;
    }
    return VERDICT_OK;
}

static void commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)mmu;
    struct piece p = piece_of(m, op);
    if (p.is.position + p.is.count < p.is.total)
        return;
    p.tree->current = (uint16_t)p.version;
    p.tree->staged = p.tree->number = 0;
    p.tree->installed++;
}

static void abort_piece(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    (void)mmu;
    struct piece p = piece_of(m, op);
    while (p.tree->staged > p.is.position)
        tree_remove(p.link, p.is.edge[--p.tree->staged - p.is.position]);
    if (!p.is.position)
        p.tree->number = 0;
}

const struct row tree_row = {
    .name = "tree",
    .object = &trees,
    .begin = begin,
    .may_prepare = may_prepare,
    .adopt = adopt,
    .prepare = prepare,
    .commit = commit,
    .abort = abort_piece,
};

/* --- Without agreement --- */

bool monitor_plant(struct monitor *m, uint32_t root, const uint32_t *edges)
{
    struct tree *tree = monitor_tree(m, root);
    tree_clear(tree->link, m->cores);
    for (uint32_t i = 0; i + 1 < m->cores; i++) {
        if (!tree_takes(tree->link, m->cores, root, edges[i]))
            return false;
        tree_add(tree->link, edges[i]);
    }
    tree->current = 1;
    return true;
}

uint64_t monitor_trees_digest(struct monitor *m)
{
    uint64_t sum = 0;
    for (uint32_t root = 0; root < m->cores; root++) {
        const struct tree_link *link = monitor_links(m, root, monitor_tree(m, root)->current);
        for (uint32_t core = 0; link && core < m->cores; core++)
            sum += hash_mix(hash_mix(hash_mix(root, core), link[core].parent),
                            link[core].next_sibling);
    }
    return sum;
}
