/* The client: the process that booted the system. It is not a core; it reaches each core over two
 * call-line channels of its own, one for requests and one for programs, and rings its doorbell like
 * any other caller. Nobody rings the client: it waits by spinning, yielding, then sleeping in
 * growing steps. One thread at a time on a channel; the Python side holds a lock. */
#pragma once

#include "segment/segment.h"

struct client {
    struct segment *segment;
    struct region region;
    struct call_sender *senders; /* core * CLIENT_CHANNELS + channel */
    uint32_t *abandoned;         /* likewise: lines whose reply nobody waits for any more */
    int supervisor;              /* the socket to the supervisor: hung up when it is gone */
};

/* NULL when there is no memory. The segment and the socket stay the caller's. */
struct client *client_open(struct segment *segment, int supervisor);
void client_close(struct client *client);

/* The system is being taken down, or its supervisor is dead. */
bool client_gone(const struct client *client);

/* The line that the reply will come in, or -1 when the window is full. set: cores that the request
 * names, where they fit into no word; else NULL. */
int client_send(struct client *client, uint32_t core, uint32_t channel,
                const struct message *request, const uint64_t *set);
/* Waits for the reply in a line, at most so long: true when it came. */
bool client_wait(struct client *client, uint32_t core, uint32_t channel, uint32_t line,
                 struct message *reply, uint64_t timeout_us);

/* Nobody waits for any reply of this channel any more: what is under way is dropped when it
 * comes. */
void client_abandon(struct client *client, uint32_t core, uint32_t channel);

/* A program on its way to a core (RUN_DATA), or its result from there (RUN_FETCH: fetch), pipelined.
 * Zeroed but for these three. */
struct transfer {
    char *bytes;
    uint64_t size;
    bool fetch;
    bool refused;
    uint64_t sent, done;
    uint32_t lines[CLIENT_LINES], head, tail;
};

enum transfer_state {
    TRANSFER_MORE, /* call again: the caller may want to look around first */
    TRANSFER_DONE,
    TRANSFER_FAILED, /* the system is gone, or the core refused */
};

/* Goes on with it for moments. */
enum transfer_state client_transfer(struct client *client, uint32_t core,
                                    struct transfer *transfer);
