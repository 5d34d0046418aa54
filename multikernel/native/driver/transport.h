/* How messages travel between the drivers of two cores. A transport only carries: what has arrived
 * it hands to the loop, which knows whom it is for.
 *
 * Three forms: call lines and rings in shared memory, and the host's sockets, which share none. A
 * system has one for its kernel's messages; programs can be answered over the rings beside it.
 *
 * To a sender, the way to each core is a bounded FIFO. A reply is a message of its own, marked
 * FLAG_REPLY, unless the transport has a place for it (answer). */
#pragma once

#include "base/message.h"

#include <stdbool.h>

struct driver;
struct place;

/* In word 0 of a message that answers another one by a way that is not its line. */
enum { FLAG_REPLY = 1 << 24 };

/* What has arrived. */
struct arrival {
    struct message message;
    uint64_t address; /* a request's: where its reply goes; a reply's: the waiter, 0: the kernel */
    uint32_t from;
    bool reply;
    bool first; /* nothing came on the turn before */
};

/* There was nothing for the driver after all; it is done with; or it is handed on. */
enum received { NOTHING = 0, ANSWERED, ARRIVED };
typedef enum received receive_function(struct driver *, struct place *, struct arrival *);

struct transport {
    /* The host carries and notifies: it may interrupt a core that runs a program. Else the sender
     * notifies, once it has sent all (notify). */
    bool by_host;
    /* ends: by core, what the host's forms send to and receive from. 0, or an errno. */
    int (*open)(struct driver *, const int *ends);
    /* Waits for no other core. False: there is no room. */
    bool (*send)(struct driver *, uint32_t to, const struct message *);
    /* The reply to a request, where the request left room for it. False: it has to be sent. NULL:
     * always. What nobody awaits gets nobody's attention. */
    bool (*answer)(struct driver *, uint64_t address, const struct message *, bool awaited);
    /* The next thing that has arrived; false ends a turn. Of a form in memory each place has its own
     * (watch.h), and this is NULL. */
    receive_function *receive;
    /* Replies to that operation's requests (0: to all) come later: gives back the room that they
     * hold here, which what they wait for may need. NULL: they hold none. */
    void (*later)(struct driver *, uint64_t operation);
    /* Sleeps until something comes or the slice ends. NULL: on the doorbell. */
    void (*park)(struct driver *, uint32_t slice_us);
};

extern const struct transport transport_lines, transport_rings, transport_host;

/* Fills in all but the message, where replies are messages: type is the request's address'. */
void transport_arrived(struct driver *driver, struct arrival *arrival, uint32_t type,
                       uint32_t from);

/* A reply came on a call line of the kernel's. True: it is for the kernel. */
bool lines_answered(struct driver *driver, const struct message *reply);

/* A core was sent a reply in memory. One that does not poll is notified now, as waking takes long.
 * One that seems to poll is looked at again when what there is to do has been done: the fence waits
 * until the line has been fetched from that core, and meanwhile this core can do its own part of an
 * operation, or answer others. */
void notify(struct driver *driver, uint32_t to);
/* A request: likewise for one that seems to watch this core. first: to that place. */
void notify_request(struct driver *driver, uint32_t to, bool first);
/* All that were sent something since the last time: the fence, and another look at whether they
 * poll. */
void notify_rest(struct driver *driver);
