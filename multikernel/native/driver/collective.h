/* Collectives for programs: barrier, reduction, broadcast and atomic broadcast among the members of
 * a group, over the same trees that the monitors use.
 *
 * An edge of the tree is a call line, as everywhere. Upwards (GATHER) a child's contribution is the
 * request, and the outcome of all, where it wants to know it, is the reply: a barrier of two cores
 * is one line there and back. Downwards (SPREAD) the message is the request, and the reply says
 * that the whole subtree has it. Both are answered by the driver; between rounds a program may
 * compute, and the group goes on. An atomic broadcast is asked of the root (ORDER), which spreads
 * one message after the other: since every edge is FIFO all members get all messages in one order,
 * the root's.
 *
 * Whoever asks for an atomic broadcast gets its own copy with the reply, where nobody is below it and
 * the root is next to it: the message need not go to it and back once more. It has kept room in its
 * box. The root's next message may be seen first, but the reply is there by then, and is looked for.
 *
 * A message that finds a member's box full comes back BUSY and is sent again later, so a program
 * that takes nothing holds up its own group, and no line. A program that waits in ORDER takes
 * nothing either: the root serves in the order of asking, and a box has room for a message from
 * every member beyond GROUP_BOX, so a member with no more than GROUP_BOX in its box when it asked
 * is served whatever the others do.
 *
 * A group copies its edges when it is opened. Trees that are installed later concern groups that
 * are opened later.
 *
 * Programs come in by driver_here; the edges lie on user channel GROUP_CHANNEL, which carries
 * nothing else.
 *
 * Source: Smelt (OSDI'16), section 5 (collectives over machine-aware trees); MPI for the names.
 * Smelt's barrier, too, is a reduction and a broadcast; here one line carries both. */
#pragma once

#include <string.h>

#include "channel/call_line.h"
#include "driver/requests.h"

struct driver;

enum {
    GROUPS = 8,
    GROUP_VALUES = 5, /* words a message carries */
    GROUP_BOX = 64,   /* messages that a member keeps for its program, beside one for each core */
    GROUP_CHANNEL = 1,
};

/* How contributions are joined, on 64-bit words. */
enum join {
    JOIN_NONE = 0,
    JOIN_SUM,
    JOIN_MIN,
    JOIN_MAX,
    JOIN_AND,
    JOIN_OR,
    JOIN_SUM_REAL,
    JOIN_MIN_REAL,
    JOIN_MAX_REAL,
    JOINS
};

static inline uint64_t join_values(enum join join, uint64_t a, uint64_t b)
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

/* A group's name is its place 0-7, and which of those that were opened there 32-63: one that was
 * closed is not mistaken for the next. Word 1 of a request: the name, join 8-15, number of values
 * 16-23, and whether all want the outcome, 24. */
#define GROUP_NAME 0xffffffff000000ffull
static inline uint64_t group_word(uint64_t group, enum join join, uint32_t values, int all)
{
    return group | (uint64_t)join << 8 | (uint64_t)values << 16 | (uint64_t)(all != 0) << 24;
}

struct group_child {
    uint64_t held; /* where its outcome goes */
    uint16_t core;
    uint8_t arrived;
    uint8_t unsent;    /* the message that is being spread */
    uint8_t looked_at; /* its acknowledgement, by the root's own program */
};

struct group {
    bool open;
    uint16_t parent; /* TREE_NOBODY at the root */
    uint32_t opened; /* how often: a reply to what was asked before is for nobody */
    uint64_t name;
    uint32_t child_count;
    struct group_child *child;
    /* up */
    bool here, unsent;
    uint32_t arrived;
    uint64_t what; /* word 1 of the contributions, which must be the same */
    uint64_t value[GROUP_VALUES];
    uint64_t waiter; /* the own program */
    /* down */
    bool spreading;
    uint32_t unacknowledged;
    uint64_t spread_for; /* notified when the subtree has it */
    bool carries;        /* ... and gets its own copy with that */
    struct message spread;
    /* received */
    struct message *box;
    uint32_t box_size, box_first, box_count;
    uint64_t taker; /* the own program waits for a message */
    /* The own program has asked the root for a broadcast: its line, as long as the own copy may come
     * with the reply, and what that line's control word is then. */
    const struct slot *order;
    uint64_t ordered;
};

/* Of requests: what they wait for is done by other programs, perhaps never. */
static inline bool driver_awaits_programs(uint32_t kind)
{
    return kind >= KIND_GATHER && kind <= KIND_TAKE;
}

int collective_open(struct driver *driver);
/* The own program, cancelled, waits no longer for the reply to that request. What it has given to
 * a round counts, and its message goes on; a message for it stays in the box. */
void collective_give_up(struct driver *driver, uint64_t address);
/* KIND_GROUP, KIND_GATHER, KIND_SPREAD, KIND_ORDER, KIND_TAKE; PENDING when driver_reply will
 * follow. */
enum verdict collective_request(struct driver *driver, uint64_t address,
                                const struct message *request, struct message *reply);
/* KIND_SPREAD where it lies, from that core. */
bool collective_in_place(struct driver *driver, struct slot *line, uint32_t from);
/* SPREAD and ORDER of the root's own program, whose reply goes to that address: all its children's
 * lines are written, and the program looks at them itself, until no acknowledgement is left to look
 * for (false), or it leaves that to the loop. NULL: it cannot be done so. */
struct group *collective_spreads(struct driver *driver, const struct message *request,
                                 uint64_t address);
bool collective_looks(struct driver *driver, struct group *group);
void collective_leaves(struct driver *driver, struct group *group);
/* KIND_ORDER, about to be sent to that core: may the reply bring the own copy? Then that is to be
 * sent instead, which says so, and once it is on that line of the sender the group looks there; the
 * reply's address. NULL: it may not. */
struct group *collective_orders(struct driver *driver, uint32_t root, const struct message *request,
                                struct message *instead);
uint64_t collective_ordered(struct driver *driver, struct group *group, uint32_t root,
                            const struct call_sender *sender, uint32_t line);
/* What an edge brought back. */
void collective_reply(struct driver *driver, uint64_t address, const struct message *message);
/* Sends what found its line in use; true if something went. */
bool collective_pump(struct driver *driver);
