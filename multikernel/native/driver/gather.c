/* The way up: contributions are joined, and the outcome goes back over the lines that they came
 * on. */
#include <string.h>

#include "driver/collective_inside.h"

bool group_send_up(struct driver *d, struct group *g)
{
    if (!g->unsent)
        return false;
    struct message up = {{message_head(KIND_GATHER, 0, 0, 0, 0), g->what}};
    memcpy(&up.word[2], g->value, sizeof g->value);
    g->unsent = !group_send(d, g, g->parent, UP, &up);
    if (g->unsent)
        d->groups_waiting |= 1u << (g - d->groups);
    return !g->unsent;
}

void group_finish(struct driver *d, struct group *g, enum verdict verdict, const uint64_t *value)
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

enum verdict group_gather(struct driver *d, struct group *g, uint64_t address, uint32_t from,
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
            g->value[i] = join_values(join, g->value[i], message->word[2 + i]);
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
            group_finish(d, g, VERDICT_OK, g->value);
        } else {
            g->unsent = true;
            group_send_up(d, g);
        }
    }
    return VERDICT_PENDING;
}
