/* Collectives: groups are opened and closed, and requests and replies handed on to the way up
 * (gather.c) or down (spread.c). What they are: collective.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/collective_inside.h"

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

/* --- Opening --- */

/* link: of the root's tree, NULL where it is flat. members: NULL for all cores. */
static void join_group(struct driver *d, struct group *g, uint64_t name, uint32_t root,
                       const struct tree_link *link, const uint64_t *members)
{
    struct group_child *child = g->child;
    *g = (struct group){.open = true,
                        .opened = g->opened + 1,
                        .name = name,
                        .parent = (uint16_t)tree_member_above(link, members, root, d->me),
                        .child = child,
                        .box = g->box,
                        .box_size = g->box_size};
    for (uint32_t core = TREE_NOBODY;
         (core = tree_next(link, members, d->cores, root, d->me, core)) != TREE_NOBODY;)
        child[g->child_count++] = (struct group_child){.core = (uint16_t)core};
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
    collective_leaves(d, g);
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

/* --- In and out --- */

bool collective_pump(struct driver *d)
{
    uint32_t waiting = d->groups_waiting;
    bool any = false;
    d->groups_waiting = 0;
    for (uint32_t i = 0; i < GROUPS; i++)
        if (waiting >> i & 1) {
            any |= group_send_up(d, &d->groups[i]);
            any |= group_send_down(d, &d->groups[i]);
        }
    return any;
}

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
        return group_gather(d, g, address, from, request, reply);
    case KIND_TAKE:
        return local ? group_take(g, address, request, reply) : VERDICT_BAD_REQUEST;
    default:
        return group_spread(d, g, address, from, request, reply);
    }
}

void collective_reply(struct driver *d, uint64_t address, const struct message *message)
{
    uint32_t line = reply_line(address), from = reply_who(address),
             number = line & ~(uint32_t)(UP | ORDERED);
    struct group *g = &d->groups[number];
    if (!g->open || reply_count(address) != g->opened)
        return;
    if (line & UP)
        group_finish(d, g, message_verdict(message), &message->word[2]);
    else if (line & ORDERED)
        group_ordered(d, g, message);
    else
        group_acknowledged(d, g, from, message);
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
