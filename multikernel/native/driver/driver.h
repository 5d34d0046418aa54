/* The CPU driver: one a core, a single-threaded, non-preemptible event loop that shares nothing
 * (paper section 4.3). It polls its channels, steps the monitor, answers requests, and waits when
 * there is nothing to do; it returns to its caller (the core's Python main) when a program is to be
 * run.
 *
 * Modes: in the loop and in every system call the core is polling; while it runs a program it is in
 * user mode and is told by a signal (interrupt.c); when idle for long it parks. Every entry from a
 * program is a system call: disable, work, check the mark, enable (Barrelfish's disabled mode); a
 * signal that comes while disabled leaves only the mark.
 *
 * Files: loop.c the loop and the system calls; arrivals.c what it polls; monitor_port.c how the
 * monitors' messages travel; host.c ... where no memory is shared; dispatch.c the requests
 * it answers, capability_requests.c those about capabilities; interrupt.c signals and the tick. */
#pragma once

#include <poll.h>

#include "base/wait.h"
#include "channel/channel.h"
#include "driver/collective.h"
#include "driver/kernel.h"
#include "memory/frames.h"
#include "memory/vspace.h"
#include "segment/segment.h"

/* Requests a driver answers; they follow the agreement's kinds. Words 1-6 are theirs: */
enum driver_kind {
    KIND_PING = 16, /* 1-6 come back */
    KIND_TOUCH,     /* 1 slot, generation; 2 address: reads there */
    KIND_READ,      /* 1 slot, generation; 2 address; 3 length <= 48 -> 1-6 bytes */
    KIND_WRITE,     /* 1 slot, generation; 2 address; 3 length <= 24; 4-6 bytes */
    KIND_ALLOCATE,  /* 1 length -> 1 frame */
    KIND_FREE,      /* 1 frame; 2 length */
    /* 1 word; 2 bits: with more than 64 cores, a piece of the core set of the next MAP */
    KIND_HOLDERS,
    KIND_MAP,     /* 1 frame; 2 length; 3 rights; 4 core set -> 1 slot, generation; 2 address */
    KIND_UNMAP,   /* 1 slot, generation; 2 protocol */
    KIND_PROTECT, /* 1 slot, generation; 2 rights */
    KIND_PIN,     /* 1 slot, generation */
    KIND_UNPIN,   /* 1 slot, generation */
    KIND_DIGEST,  /* 1 core or ~0: entries it holds too -> 1 digest; 2 mapped; 3 locked */
    KIND_TREE,    /* 1 the operation's first argument (monitor/install_tree.c); 2-4 edges; 5 root */
    /* 1 root -> 1 digest of all current trees; 2 version of the root's, and how many were
     * installed */
    KIND_TREES,
    KIND_GROUP,  /* opens or closes a group; this and the next four: collective.h */
    KIND_GATHER, /* 1 group_word; 2-6 values -> 2-6 outcome */
    KIND_SPREAD, /* 1 group; 2-6 a message */
    KIND_ORDER,  /* the same, to all members in one order: asked of the root */
    /* 1 group; 2 do not wait -> 1 the sender's word 1, or ~0 for nothing; 2-6 the message */
    KIND_TAKE,
    KIND_POLICY,    /* 1 spin cycles; 2 yields; 3 slice in microseconds */
    KIND_RUN_BEGIN, /* 1 bytes of the program */
    KIND_RUN_DATA,  /* 1 offset; 2-6 forty bytes */
    KIND_RUN_GO,    /* -> 1 bytes of its result, when it has ended */
    KIND_RUN_FETCH, /* 1 offset -> 1-6 forty-eight bytes */
    /* 1 lines <= 8: a service to measure with, which updates so many lines of its own -> 1
     * cycles it took */
    KIND_UPDATE,
    KIND_SHOOT, /* between cores of a shared kernel that is told along trees: shared/tree.c */
    /* 1 size; 2 CNode; 3 index -> 1 reference to RAM; 2 its address. Of core 0, which keeps the
     * memory */
    KIND_CAP_CREATE,
    /* 1 source; 2 CNode there; 3 index 0-15, rights 16-23, move 24, core 32-63 -> 1 reference
     * there */
    KIND_CAP_COPY,
    /* 1 source; 2 CNode; 3 index 0-15, type 16-31, count 32-63; 4 offset; 5 size; 6 about -> 1
     * reference */
    KIND_CAP_RETYPE,
    KIND_CAP_REVOKE, /* 1 source */
    KIND_CAP_DELETE, /* 1 source */
    /* 1 slot; 2 not 0: or the next in use, if there is one -> 1 reference; 2 address; 3 size; 4
     * about; 5 owner 0-15, type 16-23, rights 24-31, flags 32-39 */
    KIND_CAP_LOOK,
    /* 1 source; 2 CNode; 3 index 0-15, rights 16-23; 4 core set -> 1 slot, generation; 2
     * address; 4 the Mapping's reference */
    KIND_CAP_MAP,
    /* -> 1 digest; 2 capabilities; 3 locks; 4 slots; 5 not 0: an invariant does not hold
     * (cspace_check) */
    KIND_CAP_DIGEST,
    DRIVER_KINDS
};

/* in word 0 of a message that answers another one by a way that is not its line */
enum { FLAG_REPLY = 1 << 24 };

/* Where a reply goes: type 60-63, peer or channel 44-59, count 8-43 (never twice the same), line
 * 0-7. */
enum reply_type {
    REPLY_LOCAL = 1,
    REPLY_CLIENT,
    REPLY_PEER,
    REPLY_CHANNEL,
    REPLY_RING,
    REPLY_LINK,
    REPLY_GROUP
};

static inline uint64_t reply_address(enum reply_type type, uint32_t who, uint64_t count,
                                     uint32_t line)
{
    return (uint64_t)type << 60 | (uint64_t)who << 44 | (count & ((1ull << 36) - 1)) << 8 | line;
}

struct peer {
    struct call_receiver answer, answers; /* one line; and the window, where there is one */
    struct call_sender call, calls;
    struct doorbell *doorbell;
    struct ring_end ring;
    /* reply address of a request not yet answered, by line; 0: none */
    uint64_t held[CALL_WINDOW_MAX];
    uint64_t held_operation[CALL_WINDOW_MAX]; /* the operation it belongs to */
    uint64_t ring_waiter;                     /* who asked by the ring; one at a time */
    uint32_t ring_watch;
    struct channel link;  /* carried by the host: open where the carrier is a socket or a pipe */
    uint64_t link_waiter; /* who asked by it; one at a time */
};

/* A place where a message may arrive: one load and one comparison a turn of the loop. */
enum watch_type { WATCH_CALL, WATCH_CALLS, WATCH_RING, WATCH_CHANNEL, WATCH_CLIENT };
struct watch {
    _Atomic uint64_t *control;
    uint64_t expected;
    uint32_t mask; /* the low bits of the control word that count */
    uint16_t type, index;
};

/* A reply that is on its way, and who asked: a local reply address, or 0 for the monitor. */
struct awaited {
    _Atomic uint64_t *control;
    uint64_t expected;
    uint64_t waiter;
    struct call_sender *sender;
    uint16_t peer, line;
};

struct outgoing {
    uint32_t to;
    uint32_t notice;
    struct message message;
};

struct deferred {
    uint64_t address;
    struct message message;
};

struct completion {
    bool used;
    bool done;
    struct message message;
};

enum event { EVENT_NONE = 0, EVENT_RUN, EVENT_STOP };
/* as in runtime/plan.py */
enum carrier { CARRIER_CALL_LINE = 0, CARRIER_RING, CARRIER_SOCKET, CARRIER_PIPE };

/* Programs in transit between the client and the core's Python. */
struct program {
    enum { PROGRAM_IDLE, PROGRAM_LOADING, PROGRAM_RUNNING } state;
    char *code;
    uint64_t code_bytes;
    char *result;
    uint64_t result_bytes;
    uint64_t answer_to;
};

enum {
    COMPLETIONS = 64,
    DEFERRED_MAX = 256,
    UNTOLD_MOST = 32,
    UNTOLD_TURNS = 8,
    MONITOR_LANES = 16
};

struct driver {
    /* hot: read on every turn of the loop */
    struct watch *watches;
    struct awaited *awaited; /* in the order of their requests; somewhere in awaited_block */
    uint32_t watch_count, awaited_count;
    uint32_t awaited_run;  /* how many came one behind the other */
    uint32_t awaited_turn; /* which of those that are not the oldest was looked at last */
    uint32_t hot_watch;    /* where the last message arrived */
    uint32_t outgoing_count, outgoing_max;
    uint32_t deferred_count;
    uint32_t groups_waiting; /* one bit a group that has something to send */
    uint32_t output_entries;
    uint32_t untold_count; /* sent something, and not rung yet (monitor_port.c) */
    uint32_t untold_turns; /* for so many turns */
    uint16_t untold[UNTOLD_MOST];
    struct monitor *monitor; /* NULL in the shared kernel */
    /* Shared kernel: where it is seen that there is something to serve, and what was seen last. */
    _Atomic uint64_t *told;
    uint64_t told_seen;
    const struct kernel *kernel;
    struct segment *segment;
    struct doorbell *doorbell;
    struct peer *peers;
    uint32_t me, cores;
    uint32_t channels; /* user channels, all peers together */
    enum carrier carrier;
    enum event event;
    volatile int disabled;         /* read by the signal handler */
    volatile int mark;             /* written by it */
    struct awaited *awaited_block; /* twice as large as all that can be awaited at once */
    uint32_t awaited_max;
    bool rings;
    bool crowded;  /* more cores than CPUs */
    bool retrying; /* a deferred request is tried again */
    bool inside;   /* a driver function is on the stack */
    /* carriers that share no memory: receiving, by core; then sending. NULL: another */
    struct pollfd *links;
    struct call_receiver *user_answers;
    struct call_sender *user_calls;
    struct call_receiver client[CLIENT_CHANNELS];
    uint64_t reply_count;

    struct environment environment;
    struct output *output;
    struct outgoing *outgoing;
    struct deferred *deferred;
    struct completion completions[COMPLETIONS];
    struct patience patience;
    uint32_t slice_us;
    uint64_t client_holders[CORE_SET_WORDS_MAX];
    uint64_t cycles_per_us;

    struct vspace vspace;
    struct frames frames;
    struct program program;
    struct group *groups;
    struct region region;
    void *shared;                 /* the shared kernel's state in the segment */
    struct shared_private *local; /* ... and what this core keeps of it privately */
    uint32_t tell;                /* shared kernel: how others are told (enum shared_tell) */
    long timer;
};

struct driver_options {
    uint32_t me;
    uint32_t shared_kernel; /* 0: multikernel */
    uint32_t carrier;
    uint32_t crowded;
    uint32_t slots_per_core;
    /* that a core's capabilities have room for, the root among them */
    uint32_t cnodes;
    uint32_t capability_protocol; /* enum capability_protocol */
    uint32_t lock_scope;          /* the shared kernel's capabilities: 0 one lock, 1 one a region */
    uint64_t address_base;
    uint64_t address_size; /* a core's share of the range */
    uint64_t memory_bytes;
    uint64_t cycles_per_us;
    /* how long an idle core polls before it parks; of no effect where cores share CPUs */
    uint64_t spin_cycles;
    /* of some roots: each the root, then its edges (monitor/tree.h) in sending order */
    const uint32_t *trees;
    uint32_t tree_count;
    /* by core: the descriptors it is received from by, and sent to; NULL: shared memory */
    const int *links;
};

/* Opens the driver of a core on a mapped kernel segment, in the pinned process that will be that
 * core: first touches its region, reserves its range, installs handlers. NULL and a reason when
 * that fails. */
struct driver *driver_open(struct segment *segment, int memory,
                           const struct driver_options *options, const char **reason);

/* The loop. Returns EVENT_RUN when a program has arrived (the core is then in user mode) or
 * EVENT_STOP. */
enum event driver_run(struct driver *driver);

/* The program has ended: its result goes back. Call in user mode. 0, or -1 when there is no
 * memory. */
int driver_finish(struct driver *driver, const char *result, uint64_t bytes);

/* The program that has arrived; valid until driver_finish. */
static inline const char *driver_code(const struct driver *driver, uint64_t *bytes)
{
    *bytes = driver->program.code_bytes;
    return driver->program.code;
}

/* Is a thread of this process inside driver_run? */
static inline bool driver_inside(const struct driver *driver)
{
    return driver->inside;
}

/* --- System calls, for programs (user mode) --- */

void driver_enter(struct driver *driver); /* disable, poll */
void driver_leave(struct driver *driver); /* check the mark, enable */
/* the same in the interrupt handler, whose end lets signals in */
void driver_resume(struct driver *driver);

/* A request to this core's own driver, waited for; result as the kinds above say. VERDICT_BUSY
 * never comes back. This and all below: between driver_enter and driver_leave. */
enum verdict driver_here(struct driver *driver, const struct message *request,
                         struct message *result);
/* The same in two steps, so that many are in flight from one core (at most COMPLETIONS / 2 at a
 * time): the first returns a ticket, the second whether that request has its reply, once true.
 * Between them the driver must be polled (driver_wait). */
uint64_t driver_begin(struct driver *driver, const struct message *request);
bool driver_done(struct driver *driver, uint64_t ticket, struct message *reply);
/* A request to another core's driver, over a user channel (0: the one that is always there) or the
 * ring, if there are rings. Never over the monitors' own lines: a request that waits here for an
 * operation's outcome would hold up that very operation. */
enum verdict driver_call(struct driver *driver, uint32_t peer, uint32_t channel,
                         const struct message *request, struct message *reply);
enum verdict driver_call_ring(struct driver *driver, uint32_t peer, const struct message *request,
                              struct message *reply);
/* Over the channel that the monitors' messages take, where the host carries them: for requests that
 * are answered at once. */
enum verdict driver_call_link(struct driver *driver, uint32_t peer, const struct message *request,
                              struct message *reply);
/* Reads or writes memory of a mapping on this core; waits out prepared pages. OK or FAULT. */
enum verdict driver_access(struct driver *driver, uint32_t slot, uint32_t generation,
                           uint64_t address, void *buffer, size_t length, int write);

/* --- Inside the driver --- */

bool driver_poll(struct driver *driver); /* one turn; true if anything was done */
bool driver_poll_calls(
    /* the part of it that the other cores' drivers ask by: safe inside a request */
    struct driver *driver);
/* the part of it that a waiting core looks at most often */
bool driver_poll_replies(struct driver *driver);
int poll_open(struct driver *driver);
/* Sends on a ring. Doing so may consume acknowledgements, and then the ring is to be watched at
 * another slot. */
bool driver_ring_send(struct driver *driver, struct peer *peer, const struct message *message);
/* There is no room in the block behind the last reply awaited any more: they move to its
 * beginning. */
void driver_awaited_to_front(struct driver *driver);
/* A request was sent to that core on that line of sender. */
static inline void driver_await(struct driver *d, struct call_sender *sender, uint32_t to,
                                uint32_t line, uint64_t waiter)
{
    if (d->awaited + d->awaited_count == d->awaited_block + 2 * d->awaited_max)
        driver_awaited_to_front(d);
    d->awaited[d->awaited_count++] = (struct awaited){
        .control = &sender->lines[line].control,
        .expected = call_reply_control(sender, line),
        .waiter = waiter,
        .sender = sender,
        .peer = (uint16_t)to,
        .line = (uint16_t)line,
    };
}
/* One step of waiting for something that polling will bring. */
void driver_wait(struct driver *driver, struct wait *wait);
void driver_reply(struct driver *driver, uint64_t address, const struct message *message);
uint64_t driver_local_address(struct driver *driver);

void carrier_open(struct driver *driver);
/* Beside the first line; one of few lines is not worth it. */
static inline bool carrier_has_window(const struct driver *driver)
{
    return driver->segment->geometry.window > 4;
}
bool carrier_drain(struct driver *driver);
/* What arrived from another core. */
void carrier_request(struct driver *driver, uint32_t from, uint64_t address,
                     const struct message *message);
void carrier_answer(struct driver *driver, uint32_t from, const struct message *message);
void carrier_reply(struct driver *driver, uint64_t address, const struct message *message);
/* All that were sent something since the last time: the fence, and another look at whether they
 * poll. Before anything that waits for others, or leaves the driver. */
void carrier_tell_rest(struct driver *driver);
static inline void carrier_told_all(struct driver *driver)
{
    if (driver->untold_count)
        carrier_tell_rest(driver);
}
/* The end of a turn of the loop. While every turn finds something the fence can wait, for it would
 * only stop this core until its last line is there; but not for ever. */
static inline void carrier_turn_ends(struct driver *driver, bool found)
{
    if (driver->untold_count && (!found || ++driver->untold_turns == UNTOLD_TURNS))
        carrier_tell_rest(driver);
}
/* A request came in that core's window: the line that the next one will want must be free by
 * then. */
void carrier_make_way(struct driver *driver, uint32_t from);
/* Steps the monitor and delivers what comes out; returns the verdict of a DONE output for ticket,
 * else PENDING. */
enum verdict monitor_turn(struct driver *driver, const struct input *input, uint64_t ticket,
                          struct message *result);
static inline bool carrier_has_room(const struct driver *driver)
{
    return driver->outgoing_max - driver->outgoing_count >= driver->output_entries;
}

/* Carriers that share no memory (host.c). Sends, or returns false: full. */
bool link_send(struct driver *driver, uint32_t to, const struct message *message);
bool link_poll(struct driver *driver); /* true if anything came */
/* until something comes, a signal does, or the slice ends */
void link_park(struct driver *driver, uint32_t slice_us);
void link_deafen(bool deaf);                                  /* whether the host may interrupt */
int link_open(struct driver *driver, const int *descriptors); /* 0, or an errno */

/* Answers a request, now or (by deferring it) later. */
void dispatch(struct driver *driver, uint64_t address, const struct message *message);
bool dispatch_deferred(struct driver *driver);
/* The cores a map request is for; false: none. word: its core set. */
bool driver_holders(const struct driver *driver, uint64_t word, uint64_t *holders);
/* Core 0's memory, a run of free pages: BUSY while it is being found out whether there is any
 * (reclaim.c). */
enum verdict driver_allocate(struct driver *driver, uint64_t length, uint64_t *offset);
/* KIND_CAP_…. */
enum verdict capability_request(struct driver *driver, uint64_t address,
                                const struct message *message, struct message *reply);

int interrupt_open(struct driver *driver);
void interrupt_tick(struct driver *driver, bool on);

/* The shared kernel's part of opening. 0, or an errno. */
int shared_kernel_open(struct driver *driver, const struct driver_options *options);
/* KIND_SHOOT: PENDING, or BAD_REQUEST where no core may ask so. */
enum verdict shared_told(struct driver *driver, uint64_t address, const struct message *request);
/* Root's tree in the shared kernel, and its edges in a version; its lock is held from hold to
 * release, so no installation is on its way. NULL, and nothing to release, where it tells all by
 * one line. */
const struct tree *shared_tree_hold(struct driver *driver, uint32_t root);
const struct tree_link *shared_tree_links(const struct driver *driver, uint32_t root,
                                          uint32_t version);
void shared_tree_release(struct driver *driver);
