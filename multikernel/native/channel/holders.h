/* Who holds the sides of a channel, and whether the other side's process is gone.
 *
 * A side that was opened carries its process's number. A process that was given a side writes its
 * number down before it opens it, so that it is missed when it dies before that. And each side has a
 * lifeline, one end of a pair of sockets: the host closes it with the last process that has a copy.
 * The maker of a channel, which often keeps copies of both sides, is not written down: it counts for
 * a holder only as long as nobody else has been one.
 *
 * A process is watched by a descriptor of it and not by its number, which the host may give to
 * another one: a pidfd, or where it gives none (a system-call filter, an old kernel) the stat in
 * /proc. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct channel;
struct channel_header;

enum { CHANNEL_WATCHED = 17 /* those that hold a side, and who has opened it */ };

struct channel_holders {
    int lifeline; /* -1: there is none */
    uint32_t count;
    struct channel_watched {
        uint32_t pid;
        int descriptor;
        bool by_stat;
    } watched[CHANNEL_WATCHED];
};

void channel_holders_open(struct channel *channel, int lifeline);
void channel_holders_close(struct channel *channel);

/* Nobody will ever send here again: all that have the other side are gone. Who is alive is watched
 * by the bell's set, if there is one. */
bool channel_other_gone(struct channel *channel);
/* The bell's set was made. */
void channel_holders_watched(struct channel *channel);

/* This process has that side, and may open it; or had it, and will not. bell: of the other side, or
 * -1. */
void channel_hold(struct channel_header *header, uint32_t side, uint32_t pid, int bell);
void channel_let_go(struct channel_header *header, uint32_t side, uint32_t pid, int bell);
/* It never had it: it was only started by who has. */
void channel_never_held(struct channel_header *header, uint32_t side, uint32_t pid);
