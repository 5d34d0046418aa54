/* The way down: a message to all below, each of whom acknowledges that its subtree has it; the boxes
 * that members keep messages in; and atomic broadcasts, which the root puts into one order. */
#include <string.h>

#include "driver/collective_inside.h"

/* An edge is a channel of one line. */
static bool send(struct driver *d, uint32_t to, const struct message *message)
{
    return user_send(d, to, user_sender(d, to, GROUP_CHANNEL), message) >= 0;
}

static void watch_edge(struct driver *d, const struct group *g, uint32_t to, uint32_t up)
{
    watch_reply(d, user_sender(d, to, GROUP_CHANNEL), to, 0,
                reply_address(REPLY_GROUP, to, g->opened, (uint32_t)(g - d->groups) | up));
}

bool group_send(struct driver *d, const struct group *g, uint32_t to, uint32_t up,
                const struct message *message)
{
    const bool sent = send(d, to, message);
    if (sent)
        watch_edge(d, g, to, up);
    return sent;
}

bool group_send_down(struct driver *d, struct group *g)
{
    bool any = false, left = false;
    for (uint32_t i = 0; g->spreading && i < g->child_count; i++) {
        struct group_child *child = &g->child[i];
        if (!child->unsent)
            continue;
        child->unsent = !group_send(d, g, child->core, 0, &g->spread);
        any |= !child->unsent;
        left |= child->unsent;
    }
    if (left)
        d->groups_waiting |= 1u << (g - d->groups);
    return any;
}

/* Room for one more, beside what an own copy is kept for. */
static bool has_room(const struct group *g)
{
    return g->box_count + (g->order != NULL) < g->box_size;
}

/* To the own program, which waits for it, or into its box. word: 1 to 6 of the message. */
static void keep(struct driver *d, struct group *g, const uint64_t *word)
{
    struct message message = {{message_head(KIND_TAKE, 0, VERDICT_OK, d->me, 0)}};
    memcpy(&message.word[1], word, sizeof message.word - sizeof message.word[0]);
    if (g->taker) {
        const uint64_t taker = g->taker;
        g->taker = 0;
        driver_reply(d, taker, &message);
    } else {
        g->box[(g->box_first + g->box_count++) % g->box_size] = message;
    }
}

void group_ordered(struct driver *d, struct group *g, const struct message *reply)
{
    if (!g->order)
        return; /* it was kept before */
    g->order = NULL;
    if (reply->word[0] & CARRIED && message_verdict(reply) == VERDICT_OK)
        keep(d, g, &reply->word[1]);
}

/* The own copy of what this core has asked for comes before anything that the root sends later. */
static void keep_ordered(struct driver *d, struct group *g)
{
    struct message reply;
    /* Acquire pairs with the release of the reply, which the root wrote first. */
    if (!g->order || atomic_load_explicit(&g->order->control, memory_order_acquire) != g->ordered)
        return;
    slot_get(g->order, &reply);
    group_ordered(d, g, &reply);
}

bool collective_in_place(struct driver *d, struct slot *line, uint32_t from)
{
    struct group *g = group_named(d, slot_word(line, 1));
    uint64_t word[MESSAGE_WORDS - 1];
    if (!g || g->child_count || g->parent != from)
        return false;
    keep_ordered(d, g);
    if (!g->taker && !has_room(g))
        return false;
    for (uint32_t i = 1; i < MESSAGE_WORDS; i++)
        word[i - 1] = slot_word(line, i);
    line_return(d, line, from, VERDICT_OK);
    keep(d, g, word);
    return true;
}

struct group *collective_orders(struct driver *d, uint32_t root, const struct message *request,
                                struct message *instead)
{
    struct group *g = group_of(d, request);
    if (!g || g->child_count || g->parent != root || g->order || !has_room(g))
        return NULL;
    *instead = *request;
    instead->word[0] |= CARRIED;
    return g;
}

uint64_t collective_ordered(struct driver *d, struct group *g, uint32_t root,
                            const struct call_sender *sender, uint32_t line)
{
    g->order = &sender->lines[line];
    g->ordered = call_reply_control(sender, line);
    return reply_address(REPLY_GROUP, root, g->opened, (uint32_t)(g - d->groups) | ORDERED);
}

/* That many are to be sent it. */
static void begin(struct group *g, const struct message *message, uint64_t address, uint32_t others)
{
    g->spread = *message;
    g->spread.word[0] = message_head(KIND_SPREAD, 0, 0, 0, 0);
    g->spreading = true;
    g->spread_for = address;
    g->carries = false;
    g->unacknowledged = others;
}

enum verdict group_spread(struct driver *d, struct group *g, uint64_t address, uint32_t from,
                          const struct message *message, struct message *reply)
{
    bool root = g->parent == TREE_NOBODY, order = message_kind(message) == KIND_ORDER;
    const bool carries = order && message->word[0] & CARRIED && child_of(g, from);
    const uint32_t others = g->child_count - carries;
    if (root ? from != d->me && !order : from != g->parent)
        return VERDICT_BAD_REQUEST;
    if (g->spreading || (order && d->deferred_count && !d->retrying))
        return VERDICT_BUSY; /* in the order of asking */
    const bool kept = !root || order;
    keep_ordered(d, g);
    if (kept && !g->taker && !has_room(g)) {
        if (root)
            return VERDICT_BUSY;
        reply->word[0] = message_head(KIND_SPREAD, 0, VERDICT_BUSY, d->me, 0);
        driver_reply(d, address, reply);
        return VERDICT_PENDING;
    }
    if (others) {
        begin(g, message, address, others);
        g->carries = carries;
        for (uint32_t i = 0; i < g->child_count; i++)
            g->child[i].unsent = !carries || g->child[i].core != from;
        group_send_down(d, g); /* first on its way, then the own copy */
    }
    if (kept)
        keep(d, g, &message->word[1]);
    if (others)
        return VERDICT_PENDING;
    if (carries) {
        *reply = *message;
        reply->word[0] = message_head(KIND_ORDER, 0, 0, 0xffff, 0) | CARRIED;
    }
    return VERDICT_OK;
}

/* Word 2: do not wait. Word 1 of the reply: whether there was a message. */
enum verdict group_take(struct group *g, uint64_t address, const struct message *request,
                        struct message *reply)
{
    if (g->box_count) {
        memcpy(&reply->word[1], &g->box[g->box_first].word[1],
               sizeof reply->word - sizeof reply->word[0]);
        g->box_first = (g->box_first + 1) % g->box_size;
        g->box_count--;
        return VERDICT_OK;
    }
    if (request->word[2]) {
        reply->word[1] = UINT64_MAX;
        return VERDICT_OK;
    }
    if (g->taker)
        return VERDICT_BAD_REQUEST;
    g->taker = address;
    return VERDICT_PENDING;
}

/* --- The root's own program --- */

bool collective_looks(struct driver *d, struct group *g)
{
    bool left = false;
    for (uint32_t i = 0; i < g->child_count; i++) {
        struct group_child *child = &g->child[i];
        struct message reply;
        if (!child->looked_at)
            continue;
        if (call_try_take(user_sender(d, child->core, GROUP_CHANNEL), 0, &reply)) {
            child->looked_at = 0;
            group_acknowledged(d, g, child->core, &reply);
        } else {
            left = true;
        }
    }
    return left;
}

void collective_leaves(struct driver *d, struct group *g)
{
    for (uint32_t i = 0; i < g->child_count; i++) {
        struct group_child *child = &g->child[i];
        if (child->looked_at)
            watch_edge(d, g, child->core, 0);
        child->looked_at = 0;
    }
}

struct group *collective_spreads(struct driver *d, const struct message *request, uint64_t address)
{
    struct group *g = group_of(d, request);
    const bool order = message_kind(request) == KIND_ORDER;
    if (!g || g->parent != TREE_NOBODY || !g->child_count || g->spreading || d->deferred_count ||
        (order && !g->taker && !has_room(g)))
        return NULL;
    begin(g, request, address, g->child_count);
    for (uint32_t i = 0; i < g->child_count; i++) {
        struct group_child *child = &g->child[i];
        child->looked_at = send(d, child->core, &g->spread);
        child->unsent = !child->looked_at;
        d->groups_waiting |= (uint32_t)child->unsent << (g - d->groups);
    }
    if (order)
        keep(d, g, &request->word[1]);
    return g;
}

void group_acknowledged(struct driver *d, struct group *g, uint32_t from,
                        const struct message *reply)
{
    if (message_verdict(reply) == VERDICT_BUSY) {
        child_of(g, from)->unsent = 1;
        d->groups_waiting |= 1u << (g - d->groups);
        return;
    }
    if (--g->unacknowledged)
        return;
    g->spreading = false;
    struct message done = g->spread;
    done.word[0] = message_head(KIND_SPREAD, 0, message_verdict(reply), message_core(reply), 0);
    if (g->carries)
        done.word[0] |= CARRIED;
    if (g->spread_for)
        driver_reply(d, g->spread_for, &done);
}
