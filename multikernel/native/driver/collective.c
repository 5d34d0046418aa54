#include "driver/collective.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

/* In the line number of a reply address: the answer to a GATHER, else to a SPREAD. */
enum { UP = 0x80 };
enum { MAY_CLOSE = 0xfffe };

int collective_open(struct driver *d)
{
    d->groups = calloc(GROUPS, sizeof *d->groups);
    for (uint32_t i = 0; d->groups && i < GROUPS; i++) {
        struct group *g = &d->groups[i];
        g->box_size = GROUP_BOX + d->cores;
        g->box = calloc(g->box_size, sizeof *g->box);
        g->child = calloc(d->cores, sizeof *g->child);
        if (!g->box || !g->child)
            return ENOMEM;
    }
    return d->groups ? 0 : ENOMEM;
}

static struct group *group_of(const struct driver *d, const struct message *message)
{
    const uint64_t name = message->word[1] & GROUP_NAME;
    struct group *g = (name & 0xff) < GROUPS ? &d->groups[name & 0xff] : NULL;
    return g && g->open && g->name == name ? g : NULL;
}

static struct group_child *child_of(struct group *g, uint32_t core)
{
    for (uint32_t i = 0; i < g->child_count; i++)
        if (g->child[i].core == core)
            return &g->child[i];
    return NULL;
}

/* --- Opening --- */

/* link: of the root's tree, NULL where it is flat. members: NULL for all cores. */
static void join_group(struct driver *d, struct group *g, uint64_t name, uint32_t root,
                       const struct tree_link *link, const uint64_t *members)
{
    struct group_child *child = g->child;
    *g = (struct group){.open = true,
                        .opened = g->opened + 1,
                        .name = name,
                        .parent = d->me == root ? TREE_NOBODY : (uint16_t)root,
                        .child = child,
                        .box = g->box,
                        .box_size = g->box_size};
    for (uint32_t at = d->me; link && d->me != root && at != root;) {
        at = link[at].parent;
        g->parent = (uint16_t)at;
        if (!members || core_set_has(members, at))
            break;
    }
    for (uint32_t core = TREE_NOBODY;
         (core = tree_next(link, members, d->cores, root, d->me, core)) != TREE_NOBODY;)
        child[g->child_count++] = (struct group_child){.core = (uint16_t)core};
}

static bool all_want_it(const struct group *g)
{
    return g->what >> 24 & 1;
}

/* The own program waits in it, or nobody does and a round is half done. A child that waits for the
 * outcome says so on its own core. */
static bool engaged(const struct driver *d, const struct group *g)
{
    for (uint32_t i = 0; i < d->deferred_count; i++) {
        const struct addressed *later = &d->deferred[i];
        if (reply_type(later->address) == REPLY_LOCAL &&
            driver_awaits_programs(message_kind(&later->message)) &&
            group_of(d, &later->message) == g)
            return true;
    }
    return g->open && ((g->here && g->waiter) || (g->arrived && !all_want_it(g)) || g->taker ||
                       (g->spreading && g->spread_for));
}

/* What programs have given up is left in it: whose lines it holds is told. */
static void close_group(struct driver *d, struct group *g)
{
    const struct message closed = {{message_head(KIND_GATHER, 0, VERDICT_BAD_REQUEST, d->me, 0)}};
    g->open = false;
    for (uint32_t i = 0; i < g->child_count; i++)
        if (g->child[i].arrived && all_want_it(g))
            driver_reply(d, g->child[i].held, &closed);
    if (g->spreading && g->spread_for)
        driver_reply(d, g->spread_for, &closed);
    if (g->taker)
        driver_reply(d, g->taker, &closed);
    if (g->here && g->waiter)
        driver_reply(d, g->waiter, &closed);
}

/* Words: 1 the group's name; 2 root 0-15 (0xffff: close it; 0xfffe: CORE_BUSY where somebody
 * waits), version of its tree 16-47; 3 members, cores in a word. STALE_VIEW when the root's tree is
 * another one by now. */
static enum verdict open_group(struct driver *d, uint64_t address, const struct message *request)
{
    const uint32_t number = request->word[1] & 0xff, root = request->word[2] & 0xffff;
    const uint32_t version = request->word[2] >> 16 & UINT32_MAX;
    if (number >= GROUPS)
        return VERDICT_BAD_REQUEST;
    struct group *g = &d->groups[number];
    if (root == MAY_CLOSE)
        return engaged(d, g) ? VERDICT_CORE_BUSY : VERDICT_OK;
    if (root == TREE_NOBODY) {
        if (g->open)
            close_group(d, g);
        return VERDICT_OK;
    }
    const uint64_t *kept = driver_set(d, address, request->word[3]);
    if (root >= d->cores || g->open || !cores_has(request->word[3], root, kept) ||
        !cores_has(request->word[3], d->me, kept))
        return VERDICT_BAD_REQUEST;
    uint64_t buffer[CORE_SET_WORDS_MAX];
    const uint32_t place = tree_place(version);
    const struct tree_link *link = place == TREE_FLAT ? NULL : trees_links(d, root, place);
    if (link && !tree_is_made(link, root))
        return VERDICT_STALE_VIEW;
    d->kernel->hold(d);
    const bool same = d->trees[root].version == version;
    if (same)
        join_group(d, g, request->word[1] & GROUP_NAME, root, link,
                   cores_set(request->word[3], d->cores, kept, buffer));
    d->kernel->release(d);
    return same ? VERDICT_OK : VERDICT_STALE_VIEW;
}

/* --- Sending --- */

static bool send(struct driver *d, uint32_t to, uint32_t number, uint32_t up,
                 const struct message *message)
{
    struct call_sender *sender = user_sender(d, to, GROUP_CHANNEL);
    const int line = user_send(d, to, sender, message);
    if (line >= 0)
        watch_reply(d, sender, to, (uint32_t)line,
                    reply_address(REPLY_GROUP, to, d->groups[number].opened, number | up));
    return line >= 0;
}

static bool pump(struct driver *d, struct group *g)
{
    uint32_t number = (uint32_t)(g - d->groups);
    bool any = false;
    if (g->unsent) {
        struct message up = {{message_head(KIND_GATHER, 0, 0, 0, 0), g->what}};
        memcpy(&up.word[2], g->value, sizeof g->value);
        any = send(d, g->parent, number, UP, &up);
        g->unsent = !any;
    }
    bool left = g->unsent;
    for (uint32_t i = 0; g->spreading && i < g->child_count; i++) {
        struct group_child *child = &g->child[i];
        if (!child->unsent)
            continue;
        child->unsent = !send(d, child->core, number, 0, &g->spread);
        any |= !child->unsent;
        left |= child->unsent;
    }
    if (left)
        d->groups_waiting |= 1u << number;
    return any;
}

bool collective_pump(struct driver *d)
{
    uint32_t waiting = d->groups_waiting;
    bool any = false;
    d->groups_waiting = 0;
    for (uint32_t i = 0; i < GROUPS; i++)
        if (waiting >> i & 1)
            any |= pump(d, &d->groups[i]);
    return any;
}

/* --- Up --- */

static uint64_t joined(enum join join, uint64_t a, uint64_t b)
{
    double x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    switch (join) {
    case JOIN_SUM:
        return a + b;
    case JOIN_MIN:
        return (int64_t)a < (int64_t)b ? a : b;
    case JOIN_MAX:
        return (int64_t)a > (int64_t)b ? a : b;
    case JOIN_AND:
        return a & b;
    case JOIN_OR:
        return a | b;
    case JOIN_SUM_REAL:
        x += y;
        memcpy(&a, &x, sizeof a);
        return a;
    case JOIN_MIN_REAL:
        return x < y ? a : b;
    case JOIN_MAX_REAL:
        return x > y ? a : b;
    default:
        return a;
    }
}

/* The round is over here: everybody below, and the own program, learn the outcome. */
static void finish(struct driver *d, struct group *g, enum verdict verdict, const uint64_t *value)
{
    struct message outcome = {{message_head(KIND_GATHER, 0, verdict, d->me, 0), g->what}};
    memcpy(&outcome.word[2], value, sizeof g->value);
    const bool all = all_want_it(g);
    g->here = false;
    g->arrived = 0;
    for (uint32_t i = 0; i < g->child_count; i++) {
        g->child[i].arrived = 0;
        if (all)
            driver_reply(d, g->child[i].held, &outcome);
    }
    if (g->waiter)
        driver_reply(d, g->waiter, &outcome);
}

static enum verdict gather(struct driver *d, struct group *g, uint64_t address, uint32_t from,
                           const struct message *message, struct message *reply)
{
    struct group_child *child = from == d->me ? NULL : child_of(g, from);
    const bool started = g->here || g->arrived;
    if ((message->word[1] >> 16 & 0xff) > GROUP_VALUES || (message->word[1] >> 8 & 0xff) >= JOINS ||
        (from != d->me && !child))
        return VERDICT_BAD_REQUEST;
    if (child ? child->arrived : g->here)
        return VERDICT_BUSY; /* it is one round ahead */
    if (started && g->what != message->word[1])
        return VERDICT_BAD_REQUEST; /* the members called different things */
    if (started) {
        enum join join = (enum join)(g->what >> 8 & 0xff);
        for (uint32_t i = 0; i < (g->what >> 16 & 0xff); i++)
            g->value[i] = joined(join, g->value[i], message->word[2 + i]);
    } else {
        g->what = message->word[1];
        memcpy(g->value, &message->word[2], sizeof g->value);
    }
    if (child) {
        child->arrived = 1;
        child->held = address;
        g->arrived++;
    } else {
        g->here = true;
        g->waiter = address;
    }
    if (child && !all_want_it(g)) {
        reply->word[1] = g->what;
        driver_reply(d, address, reply); /* taken; it may go on */
    }
    if (g->here && g->arrived == g->child_count) {
        if (g->parent == TREE_NOBODY) {
            finish(d, g, VERDICT_OK, g->value);
        } else {
            g->unsent = true;
            pump(d, g);
        }
    }
    return VERDICT_PENDING;
}

/* --- Down --- */

static enum verdict spread(struct driver *d, struct group *g, uint64_t address, uint32_t from,
                           const struct message *message, struct message *reply)
{
    bool root = g->parent == TREE_NOBODY, order = message_kind(message) == KIND_ORDER;
    if (root ? from != d->me && !order : from != g->parent)
        return VERDICT_BAD_REQUEST;
    if (g->spreading || (order && d->deferred_count && !d->retrying))
        return VERDICT_BUSY; /* in the order of asking */
    bool keep = !root || order;
    if (keep && !g->taker && g->box_count == g->box_size) {
        if (root)
            return VERDICT_BUSY;
        reply->word[0] = message_head(KIND_SPREAD, 0, VERDICT_BUSY, d->me, 0);
        driver_reply(d, address, reply);
        return VERDICT_PENDING;
    }
    if (g->child_count) {
        g->spread = *message;
        g->spread.word[0] = message_head(KIND_SPREAD, 0, 0, 0, 0);
        g->spreading = true;
        g->spread_for = address;
        g->unacknowledged = g->child_count;
        for (uint32_t i = 0; i < g->child_count; i++)
            g->child[i].unsent = 1;
        pump(d, g); /* first on its way, then the own copy */
    }
    if (keep && g->taker) {
        uint64_t taker = g->taker;
        struct message given = *message;
        given.word[0] = message_head(KIND_TAKE, 0, VERDICT_OK, d->me, 0);
        g->taker = 0;
        driver_reply(d, taker, &given);
    } else if (keep) {
        g->box[(g->box_first + g->box_count++) % g->box_size] = *message;
    }
    return g->child_count ? VERDICT_PENDING : VERDICT_OK;
}

/* Word 2: do not wait. Word 1 of the reply: whether there was a message. */
static enum verdict take(struct group *g, uint64_t address, const struct message *request,
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

/* --- In and out --- */

enum verdict collective_request(struct driver *d, uint64_t address, const struct message *request,
                                struct message *reply)
{
    bool local = reply_type(address) == REPLY_LOCAL;
    uint32_t from = local ? d->me : reply_who(address) / d->segment->geometry.user_channels;
    if (message_kind(request) == KIND_GROUP)
        return open_group(d, address, request);
    struct group *g = group_of(d, request);
    if (!g || (!local && reply_type(address) != REPLY_CHANNEL))
        return VERDICT_BAD_REQUEST;
    switch (message_kind(request)) {
    case KIND_GATHER:
        return gather(d, g, address, from, request, reply);
    case KIND_TAKE:
        return local ? take(g, address, request, reply) : VERDICT_BAD_REQUEST;
    default:
        return spread(d, g, address, from, request, reply);
    }
}

void collective_reply(struct driver *d, uint64_t address, const struct message *message)
{
    uint32_t line = reply_line(address), from = reply_who(address), number = line & ~(uint32_t)UP;
    struct group *g = &d->groups[number];
    if (!g->open || reply_count(address) != g->opened)
        return;
    if (line & UP) {
        finish(d, g, message_verdict(message), &message->word[2]);
        return;
    }
    if (message_verdict(message) == VERDICT_BUSY) {
        child_of(g, from)->unsent = 1;
        d->groups_waiting |= 1u << number;
        return;
    }
    if (--g->unacknowledged)
        return;
    g->spreading = false;
    struct message done = {
        {message_head(KIND_SPREAD, 0, message_verdict(message), message_core(message), 0),
         g->spread.word[1]}};
    if (g->spread_for)
        driver_reply(d, g->spread_for, &done);
}

void collective_give_up(struct driver *d, uint64_t address)
{
    for (uint32_t i = 0; i < GROUPS; i++) {
        struct group *g = &d->groups[i];
        uint64_t *const waits[] = {&g->waiter, &g->taker, &g->spread_for};
        for (uint32_t j = 0; j < 3; j++)
            if (*waits[j] == address)
                *waits[j] = 0;
    }
}
