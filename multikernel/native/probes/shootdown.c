/* The messages of a TLB shootdown and nothing else, the paper's Fig 6: a root notifies all others
 * and has all their acknowledgements. No kernel, no page table, no dispatch: what is left is the
 * protocol.
 *
 * One loop serves every protocol that is a tree: a core takes the request from its parent, passes
 * it on to its children in sending order, gathers their acknowledgements in whatever order they
 * come, and acknowledges to its parent. An edge is a call line, request and acknowledgement in one
 * cache line; whose memory it lies in is the caller's choice, since that is what the paper's
 * NUMA-aware multicast chooses. Broadcast is no tree: all poll one line that the root writes, and
 * each acknowledges on a line of its own.
 *
 * Every message carries the operation's number, and every acknowledgement how many cores it speaks
 * for and the sum of their numbers, so a core that was left out, or got a request twice or a wrong
 * one, is seen by its parent or by the root.
 *
 * Source: paper section 5.1, Figure 6. */
#include <errno.h>
#include <stdlib.h>

#include "channel/call_line.h"
#include "probes/timed.h"

struct child {
    struct call_sender line;
    struct slot *slot; /* broadcast: where it acknowledges */
    uint32_t number;   /* the line its acknowledgement comes in */
    bool answered;
};

struct node {
    struct driver *driver;
    const struct probe *probe;
    uint64_t child_count;
    struct call_receiver parent;
    struct child *children;
    uint64_t lap;
    uint64_t wrong;
    uint64_t cores, sum; /* the acknowledgements of one operation, joined */
};

/* Takes the acknowledgements of all children, in whatever order they come. there: takes the one of
 * `child` into `acknowledgement`, if it is there. */
#define GATHER(node, operation, there)                               \
    (node)->cores = (node)->sum = 0;                                 \
    for (uint64_t left = (node)->child_count, before; left;) {       \
        before = left;                                               \
        for (uint64_t i = 0; i < (node)->child_count; i++) {         \
            struct child *child = &(node)->children[i];              \
            struct message acknowledgement;                          \
            if (child->answered || !(there))                         \
                continue;                                            \
            child->answered = true;                                  \
            (node)->wrong += acknowledgement.word[0] != (operation); \
            (node)->cores += acknowledgement.word[1];                \
            (node)->sum += acknowledgement.word[2];                  \
            left--;                                                  \
        }                                                            \
        if (left == before)                                          \
            spin((node)->driver);                                    \
    }

/* --- A tree --- */

static void notify_children(struct node *node, uint64_t operation)
{
    struct message request = {{operation}};
    for (uint64_t i = 0; i < node->child_count; i++) {
        struct child *child = &node->children[i];
        int line = call_try_send(&child->line, &request);
        node->wrong += line < 0; /* cannot be: the last acknowledgement was taken */
        child->number = (uint32_t)line;
        child->answered = false;
    }
}

static void gather(struct node *node, uint64_t operation)
{
    GATHER(node, operation, call_try_take(&child->line, child->number, &acknowledgement))
}

/* Below the root: takes one request, and answers when all below have it. */
static void pass_on(struct node *node, uint64_t operation)
{
    struct message request;
    int line;
    while ((line = call_try_receive(&node->parent, &request)) < 0)
        spin(node->driver);
    node->wrong += request.word[0] != operation;
    notify_children(node, request.word[0]);
    gather(node, request.word[0]);
    struct message acknowledgement = {
        {request.word[0], node->cores + 1, node->sum + node->driver->me}};
    call_reply(&node->parent, (uint32_t)line, &acknowledgement);
}

/* --- Broadcast --- */

static bool heard(const struct child *child, uint64_t lap, struct message *acknowledgement)
{
    /* Pairs with the release in hear(). */
    if (atomic_load_explicit(&child->slot->control, memory_order_acquire) != 2 * lap + 2)
        return false;
    slot_get(child->slot, acknowledgement);
    return true;
}

static void shout(struct node *node, struct slot *all, uint64_t operation)
{
    const struct message request = {{operation}};
    slot_put(all, &request);
    /* Pairs with the acquire in hear(). Nobody still reads the last request: all have acknowledged
     * it. */
    atomic_store_explicit(&all->control, 2 * node->lap + 1, memory_order_release);
    for (uint64_t i = 0; i < node->child_count; i++)
        node->children[i].answered = false;
    GATHER(node, operation, heard(child, node->lap, &acknowledgement))
    node->lap++;
}

static void hear(struct node *node, struct slot *all, struct slot *own, uint64_t operation)
{
    struct message request;
    /* Pairs with the release in shout(). */
    while (atomic_load_explicit(&all->control, memory_order_acquire) != 2 * node->lap + 1)
        spin(node->driver);
    slot_get(all, &request);
    node->wrong += request.word[0] != operation;
    struct message acknowledgement = {{request.word[0], 1, node->driver->me}};
    slot_put(own, &acknowledgement);
    /* Pairs with the acquire in shout(): the root that sees it may write the shared line again,
     * which we have read. */
    atomic_store_explicit(&own->control, 2 * node->lap + 2, memory_order_release);
    node->lap++;
}

/* --- Both --- */

/* NULL where there is no such line. */
static struct slot *line_of(struct driver *d, uint64_t core, uint64_t line)
{
    /* The last is where cores are met. */
    bool is = core < d->cores && line && line < FREE_LINES - 1;
    return is ? scratch_slot(d, (uint32_t)core, (uint32_t)line) : NULL;
}

static bool open_children(struct node *node)
{
    const struct probe *p = node->probe;
    for (uint64_t i = 0; i < node->child_count; i++) {
        struct child *child = &node->children[i];
        child->slot = line_of(node->driver, p->each[2 * i], p->each[2 * i + 1]);
        if (!child->slot)
            return false;
        call_open_sender(&child->line, child->slot, 1);
        /* Laps go on from use to use: whatever the line holds is of an earlier one, and nobody
         * needs to clear it. */
        child->line.lap = p->base;
    }
    return true;
}

static void run(struct node *node, struct slot *all, struct slot *up)
{
    const struct probe *p = node->probe;
    uint64_t operation = p->base;
    if (!up) {
        TIMED(p, {
            if (all) {
                shout(node, all, operation);
            } else {
                notify_children(node, operation);
                gather(node, operation);
            }
            node->wrong += node->cores != p->below || node->sum != p->sum;
            operation++;
        })
        return;
    }
    call_open_receiver(&node->parent, up, 1);
    node->parent.lap = p->base;
    for (uint64_t i = 0; i < p->count; i++, operation++) {
        if (all)
            hear(node, all, up, operation);
        else
            pass_on(node, operation);
    }
}

int64_t probe_shootdown(struct driver *d, const struct probe *p)
{
    struct node node = {.driver = d, .probe = p, .child_count = p->each_count / 2, .lap = p->base};
    struct slot *up = line_of(d, p->core, p->line),
                *all = line_of(d, p->shared_core, p->shared_line);
    if ((p->line && !up) || (p->shared_line && !all))
        return -EINVAL;
    node.children = calloc(node.child_count + 1, sizeof *node.children);
    if (!node.children)
        return -ENOMEM;
    int64_t error = open_children(&node) ? 0 : -EINVAL;
    if (!error)
        run(&node, all, up);
    free(node.children);
    return error ? error : (int64_t)node.wrong;
}
