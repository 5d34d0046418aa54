#include "virtual/groups.h"

#include <stdlib.h>
#include <string.h>

#include "driver/collective.h"

enum { CLOSE = TREE_NOBODY, MAY_CLOSE = 0xfffe, BOX = 16, WORDS = MESSAGE_WORDS - 1 };

struct member_child {
    uint16_t core;
    bool arrived;
    bool ahead; /* has contributed to the next round already, that: */
    struct message next;
};

/* A group as one member sees it. Asks by number, 0: none. */
struct modelled_group {
    uint64_t name;
    uint32_t parent; /* TREE_NOBODY at the root */
    uint32_t child_count;
    struct member_child *child;
    /* up */
    bool here;
    uint32_t arrived, waiter;
    uint64_t what, value[GROUP_VALUES];
    /* down */
    bool spreading;
    uint32_t unacknowledged, asked;
    struct message spread;
    /* received */
    uint64_t (*box)[WORDS];
    uint32_t box_room, box_first, box_count, taker;
};

static struct modelled_group **place_of(const struct monitors *m, uint32_t core, uint64_t name)
{
    return &m->groups[core * GROUPS + (name & 0xff)];
}

static struct modelled_group *group_at(const struct monitors *m, uint32_t core, uint64_t word)
{
    const uint64_t name = word & GROUP_NAME;
    struct modelled_group *g = (name & 0xff) < GROUPS ? *place_of(m, core, name) : NULL;
    return g && g->name == name ? g : NULL;
}

static void release(struct modelled_group *g)
{
    if (g) {
        free(g->child);
        free(g->box);
    }
    free(g);
}

void groups_free(struct monitors *m)
{
    for (size_t i = 0; m->groups && i < (size_t)m->shape.cores * GROUPS; i++)
        release(m->groups[i]);
}

/* --- Opening and closing --- */

static bool joined_group(struct monitors *m, uint32_t core, uint64_t name, uint32_t root,
                         const struct tree_link *link, const uint64_t *members)
{
    struct modelled_group *g = calloc(1, sizeof *g);
    if (!g)
        return false;
    g->name = name;
    g->parent = tree_member_above(link, members, root, core);
    uint32_t count = 0;
    for (uint32_t at = TREE_NOBODY;
         (at = tree_next(link, members, m->shape.cores, root, core, at)) != TREE_NOBODY;)
        count++;
    g->child = count ? calloc(count, sizeof *g->child) : NULL;
    if (count && !g->child) {
        release(g);
        return false;
    }
    for (uint32_t at = TREE_NOBODY;
         (at = tree_next(link, members, m->shape.cores, root, core, at)) != TREE_NOBODY;)
        g->child[g->child_count++].core = (uint16_t)at;
    *place_of(m, core, name) = g;
    return true;
}

static enum verdict open_group(struct monitors *m, uint32_t number)
{
    const struct ask *ask = &m->ask[number];
    const uint64_t *word = ask->request.word;
    const uint32_t root = word[2] & 0xffff, version = word[2] >> 16 & UINT32_MAX;
    if ((word[1] & 0xff) >= GROUPS)
        return VERDICT_BAD_REQUEST;
    struct modelled_group **place = place_of(m, ask->core, word[1]), *g = *place;
    if (root == MAY_CLOSE)
        return g && (g->waiter || g->taker || g->asked || g->arrived) ? VERDICT_CORE_BUSY
                                                                      : VERDICT_OK;
    if (root == CLOSE) {
        release(g);
        *place = NULL;
        return VERDICT_OK;
    }
    if (root >= m->shape.cores || g || !cores_has(word[3], root, ask->kept) ||
        !cores_has(word[3], ask->core, ask->kept))
        return VERDICT_BAD_REQUEST;
    uint64_t buffer[CORE_SET_WORDS_MAX];
    const struct tree_link *link =
        version == TREE_FLAT ? NULL : monitors_links(m, root, tree_place(version));
    if (monitor_tree(m->monitor[ask->core], root)->version != version)
        return VERDICT_STALE_VIEW;
    return joined_group(m, ask->core, word[1] & GROUP_NAME, root, link,
                        cores_set(word[3], m->shape.cores, ask->kept, buffer))
               ? VERDICT_OK
               : VERDICT_NO_MEMORY;
}

/* --- Between members --- */

static void tell(struct monitors *m, uint32_t from, uint32_t to, bool reply, uint64_t about,
                 const struct message *message)
{
    world_send(&m->world, from, to, reply, GROUP_TOKEN | about, message);
}

static void answer(struct monitors *m, uint32_t number, enum verdict verdict, uint64_t what,
                   const uint64_t *value, uint32_t values)
{
    uint64_t *word = m->ask[number].reply.word;
    word[1] = what;
    memcpy(&word[2], value, values * sizeof *value);
    m->port->answer(m, number, verdict);
}

/* --- Up: contributions are joined, and the outcome goes back --- */

static bool all_want_it(uint64_t what)
{
    return what >> 24 & 1;
}

static void contribute(struct monitors *m, uint32_t core, struct modelled_group *g,
                       struct member_child *child, uint32_t number, const struct message *message);

static void finish(struct monitors *m, uint32_t core, struct modelled_group *g,
                   enum verdict verdict, const uint64_t *value)
{
    struct message outcome = {{message_head(KIND_GATHER, 0, verdict, core, 0), g->what}};
    memcpy(&outcome.word[2], value, sizeof g->value);
    const uint32_t waiter = g->waiter;
    g->here = false;
    g->arrived = g->waiter = 0;
    for (uint32_t i = 0; i < g->child_count; i++) {
        g->child[i].arrived = false;
        if (all_want_it(g->what))
            tell(m, core, g->child[i].core, true, (g->name & 0xff) | GROUP_UP, &outcome);
    }
    if (waiter)
        answer(m, waiter, verdict, g->what, &outcome.word[2], GROUP_VALUES);
    for (uint32_t i = 0; i < g->child_count; i++) {
        struct member_child *child = &g->child[i];
        if (child->ahead) {
            child->ahead = false;
            contribute(m, core, g, child, 0, &child->next);
        }
    }
}

static bool add(struct modelled_group *g, const struct message *message)
{
    const bool started = g->here || g->arrived;
    const uint32_t values = message->word[1] >> 16 & 0xff;
    const enum join join = (enum join)(message->word[1] >> 8 & 0xff);
    if (values > GROUP_VALUES || join >= JOINS || (started && g->what != message->word[1]))
        return false;
    if (started)
        for (uint32_t i = 0; i < values; i++)
            g->value[i] = join_values(join, g->value[i], message->word[2 + i]);
    else
        memcpy(g->value, &message->word[2], sizeof g->value);
    g->what = message->word[1];
    return true;
}

/* Of a child, or of the own program that asks by that number. */
static void contribute(struct monitors *m, uint32_t core, struct modelled_group *g,
                       struct member_child *child, uint32_t number, const struct message *message)
{
    const bool right = add(g, message);
    if (child && (!right || !all_want_it(message->word[1]))) { /* taken; it may go on */
        struct message reply = *message;
        reply.word[0] =
            message_head(KIND_GATHER, 0, right ? VERDICT_OK : VERDICT_BAD_REQUEST, core, 0);
        tell(m, core, child->core, true, (g->name & 0xff) | GROUP_UP, &reply);
    }
    if (!right) {
        if (number)
            m->port->answer(m, number, VERDICT_BAD_REQUEST);
        return;
    }
    if (child) {
        child->arrived = true;
        g->arrived++;
    } else {
        g->here = true;
        g->waiter = number;
    }
    if (!g->here || g->arrived != g->child_count)
        return;
    if (g->parent == TREE_NOBODY) {
        finish(m, core, g, VERDICT_OK, g->value);
        return;
    }
    struct message up = {{message_head(KIND_GATHER, 0, 0, 0, 0), g->what}};
    memcpy(&up.word[2], g->value, sizeof g->value);
    tell(m, core, g->parent, false, (g->name & 0xff) | GROUP_UP, &up);
}

/* --- Down: a message to all below, each of whom acknowledges that its subtree has it --- */

void groups_keep(struct monitors *m, uint32_t core, uint64_t name, const uint64_t *word)
{
    struct modelled_group *g = group_at(m, core, name);
    if (!g)
        return;
    if (g->taker) {
        const uint32_t taker = g->taker;
        g->taker = 0;
        answer(m, taker, VERDICT_OK, word[0], &word[1], GROUP_VALUES);
        return;
    }
    if (g->box_count == g->box_room) {
        const uint32_t room = g->box_room ? 2 * g->box_room : BOX;
        uint64_t (*box)[WORDS] = malloc(room * sizeof *box);
        if (!box) {
            m->world.failed = true;
            return;
        }
        for (uint32_t i = 0; i < g->box_count; i++)
            memcpy(box[i], g->box[(g->box_first + i) % g->box_room], sizeof *box);
        free(g->box);
        g->box = box;
        g->box_first = 0;
        g->box_room = room;
    }
    memcpy(g->box[(g->box_first + g->box_count++) % g->box_room], word, sizeof *g->box);
}

/* To all children but that one. */
static uint32_t pass_on(struct monitors *m, uint32_t core, struct modelled_group *g,
                        const struct message *message, uint32_t but)
{
    uint32_t sent = 0;
    g->spread = *message;
    g->spread.word[0] = message_head(KIND_SPREAD, 0, 0, 0, 0);
    for (uint32_t i = 0; i < g->child_count; i++)
        if (g->child[i].core != but) {
            tell(m, core, g->child[i].core, false, g->name & 0xff, &g->spread);
            sent++;
        }
    g->spreading = sent != 0;
    g->unacknowledged = sent;
    return sent;
}

static bool is_leaf_below(const struct monitors *m, const struct modelled_group *g, uint32_t core)
{
    const struct modelled_group *other = group_at(m, core, g->name);
    for (uint32_t i = 0; i < g->child_count; i++)
        if (g->child[i].core == core)
            return other && !other->child_count;
    return false;
}

/* SPREAD of the root's program, ORDER of any. One that is a leaf next to the root gets its own copy
 * with the reply (driver/collective.h). */
static enum verdict spread(struct monitors *m, uint32_t number, struct modelled_group *g)
{
    struct ask *ask = &m->ask[number];
    const bool order = message_kind(&ask->request) == KIND_ORDER;
    if (g->parent != TREE_NOBODY || (!order && ask->from != ask->core))
        return VERDICT_BAD_REQUEST;
    if (g->spreading)
        return VERDICT_BUSY;
    ask->carried = order && is_leaf_below(m, g, ask->from);
    const uint32_t sent =
        pass_on(m, ask->core, g, &ask->request, ask->carried ? ask->from : TREE_NOBODY);
    if (order)
        groups_keep(m, ask->core, g->name, &ask->request.word[1]);
    if (!sent)
        return VERDICT_OK;
    g->asked = number;
    return VERDICT_PENDING;
}

static void acknowledge(struct monitors *m, uint32_t core, struct modelled_group *g)
{
    const struct message done = {{message_head(KIND_SPREAD, 0, VERDICT_OK, core, 0)}};
    g->spreading = false;
    if (g->parent != TREE_NOBODY) {
        tell(m, core, g->parent, true, g->name & 0xff, &done);
        return;
    }
    const uint32_t asked = g->asked;
    g->asked = 0;
    if (asked)
        m->port->answer(m, asked, VERDICT_OK);
}

static enum verdict take(struct monitors *m, uint32_t number, struct modelled_group *g)
{
    struct ask *ask = &m->ask[number];
    if (g->box_count) {
        memcpy(&ask->reply.word[1], g->box[g->box_first], sizeof *g->box);
        g->box_first = (g->box_first + 1) % g->box_room;
        g->box_count--;
        return VERDICT_OK;
    }
    if (ask->request.word[2]) {
        ask->reply.word[1] = UINT64_MAX;
        return VERDICT_OK;
    }
    if (g->taker)
        return VERDICT_BAD_REQUEST;
    g->taker = number;
    return VERDICT_PENDING;
}

/* --- In --- */

enum verdict groups_request(struct monitors *m, uint32_t number)
{
    const struct ask *ask = &m->ask[number];
    const uint32_t kind = message_kind(&ask->request);
    if (kind == KIND_GROUP)
        return open_group(m, number);
    struct modelled_group *g = group_at(m, ask->core, ask->request.word[1]);
    if (!g || (ask->from != ask->core && kind != KIND_ORDER))
        return VERDICT_BAD_REQUEST;
    switch (kind) {
    case KIND_GATHER:
        if (g->here)
            return VERDICT_BUSY;
        contribute(m, ask->core, g, NULL, number, &ask->request);
        return VERDICT_PENDING;
    case KIND_TAKE:
        return take(m, number, g);
    default:
        return spread(m, number, g);
    }
}

static struct member_child *child_of(struct modelled_group *g, uint32_t core)
{
    for (uint32_t i = 0; i < g->child_count; i++)
        if (g->child[i].core == core)
            return &g->child[i];
    return NULL;
}

void groups_came(struct monitors *m, const struct packet *packet)
{
    const uint32_t core = packet->to;
    struct modelled_group *g = *place_of(m, core, packet->token & 0xff);
    world_charge(&m->world, m->world.machine->work_scale * m->work->driver);
    if (!g)
        return; /* closed */
    if (packet->token & GROUP_UP && packet->reply) {
        finish(m, core, g, message_verdict(&packet->message), &packet->message.word[2]);
    } else if (packet->token & GROUP_UP) {
        struct member_child *child = child_of(g, packet->from);
        if (!child)
            return;
        if (child->arrived) {
            child->ahead = true;
            child->next = packet->message;
            return;
        }
        contribute(m, core, g, child, 0, &packet->message);
    } else if (packet->reply) {
        if (!--g->unacknowledged)
            acknowledge(m, core, g);
    } else {
        const uint32_t sent = pass_on(m, core, g, &packet->message, TREE_NOBODY);
        groups_keep(m, core, g->name, &packet->message.word[1]);
        if (!sent)
            acknowledge(m, core, g);
    }
}
