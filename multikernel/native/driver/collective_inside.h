/* What the files of collectives share: collective.c opens and closes groups and hands requests and
 * replies on, gather.c is the way up, spread.c the way down. */
#pragma once

#include "driver/driver.h"

/* In the line number of a reply address: the answer to a GATHER, or to an ORDER, else to a SPREAD. */
enum { UP = 0x80, ORDERED = 0x40 };
/* In word 0: of ORDER, the reply may bring the sender's own copy; of the reply, it does. */
enum { CARRIED = 1 << 25 };

static inline struct group *group_named(const struct driver *d, uint64_t word)
{
    const uint64_t name = word & GROUP_NAME;
    struct group *g = (name & 0xff) < GROUPS ? &d->groups[name & 0xff] : NULL;
    return g && g->open && g->name == name ? g : NULL;
}

static inline struct group *group_of(const struct driver *d, const struct message *message)
{
    return group_named(d, message->word[1]);
}

static inline struct group_child *child_of(struct group *g, uint32_t core)
{
    for (uint32_t i = 0; i < g->child_count; i++)
        if (g->child[i].core == core)
            return &g->child[i];
    return NULL;
}

static inline bool all_want_it(const struct group *g)
{
    return g->what >> 24 & 1;
}

/* --- gather.c --- */

/* A contribution. */
enum verdict group_gather(struct driver *d, struct group *g, uint64_t address, uint32_t from,
                          const struct message *message, struct message *reply);
/* The round is over here: everybody below, and the own program, learn the outcome. */
void group_finish(struct driver *d, struct group *g, enum verdict verdict, const uint64_t *value);
/* Sends the contribution up, if it is not yet; true if it went. */
bool group_send_up(struct driver *d, struct group *g);

/* --- spread.c --- */

/* SPREAD and ORDER; TAKE. */
enum verdict group_spread(struct driver *d, struct group *g, uint64_t address, uint32_t from,
                          const struct message *message, struct message *reply);
enum verdict group_take(struct group *g, uint64_t address, const struct message *request,
                        struct message *reply);
/* The answer to an ORDER, and to a SPREAD from that core. */
void group_ordered(struct driver *d, struct group *g, const struct message *reply);
void group_acknowledged(struct driver *d, struct group *g, uint32_t from,
                        const struct message *reply);
/* Sends the message that is being spread to those children who are not sent it yet; true if it went
 * to any. */
bool group_send_down(struct driver *d, struct group *g);
/* To a member, on the edges' channel; up: UP or 0. False: its line is in use. */
bool group_send(struct driver *d, const struct group *g, uint32_t to, uint32_t up,
                const struct message *message);
