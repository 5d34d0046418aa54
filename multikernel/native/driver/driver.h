/* The CPU driver: one a core, a single-threaded, non-preemptible event loop that shares nothing
 * (paper section 4.3). It polls its channels, hands the kernel what other kernels say, answers
 * requests, and waits when there is nothing to do; it returns to its caller (the core's Python
 * main) when a program is to be run.
 *
 * Modes: in the loop and in every system call the core is polling; while it runs a program it is in
 * user mode and is notified by a signal; when idle for long it parks. Every entry from a program is
 * a system call: disable, work, check the mark, enable (Barrelfish's disabled mode); a signal that
 * comes while disabled leaves only the mark.
 *
 * Files, lowest first; none calls up:
 *   watch                           what is looked at
 *   transport: lines, rings, host   how messages travel
 *   outgoing, reply                 requests to other cores, and replies
 *   cancel, program, memory_requests, trees, kernel_requests, capability_requests, spread, gather,
 *   collective, dispatch
 *                                   the requests that are answered (requests.h)
 *   arrivals                        one turn: whatever has arrived goes where it belongs
 *   interrupt                       modes and signals
 *   loop, system_call               turns, for the core itself and for its programs
 *   object_end, object_requests, object_work
 *                                   objects: the loop's duties for them, and their operations */
#pragma once

#include "base/wait.h"
#include "driver/collective.h"
#include "driver/kernel.h"
#include "driver/options.h"
#include "driver/requests.h"
#include "driver/trees.h"
#include "driver/watch.h"
#include "memory/frames.h"
#include "memory/vspace.h"
#include "segment/segment.h"

struct peer {
    struct doorbell *doorbell;
    uint64_t caller; /* this core's request whose reply is a message; one at a time */
};

/* A message that waits: to be sent to that core, or to be answered at that address. */
struct addressed {
    uint64_t address;
    struct message message;
};

struct completion {
    bool used;
    bool done;
    bool dropped; /* nobody waits for it: it is free when it has come */
    struct message message;
};

enum event { EVENT_NONE = 0, EVENT_RUN, EVENT_STOP };

/* Programs in transit between the client and the core's Python. */
struct program {
    enum { PROGRAM_IDLE, PROGRAM_LOADING, PROGRAM_RUNNING } state;
    uint64_t number; /* counts: no two programs of a core have the same */
    char *code;
    uint64_t code_bytes;
    char *result;
    uint64_t result_bytes;
    uint64_t answer_to;
};

/* Answers a request: the verdict, and what it puts into reply, go back. Neither blocks nor
 * allocates; BUSY: it is asked again. */
typedef enum verdict driver_handler(struct driver *driver, const struct message *request,
                                    struct message *reply);

enum { CANCEL_NONE, CANCEL_ASKED, CANCEL_TOLD };
enum { COMPLETIONS = 128, UNNOTIFIED_MOST = 32, UNNOTIFIED_TURNS = 8 };

struct driver {
    /* hot: read on every turn of the loop */
    struct look *looks;
    uint32_t look_count, transport_looks; /* of all, those come first; multiples of LOOKS_AT_ONCE */
    struct awaited *awaited; /* in the order of their requests; somewhere in awaited_block */
    uint32_t awaited_count;
    bool idle;             /* nothing came on the last turn */
    bool hints_left;       /* some are taken, and who left them is not watched yet */
    uint32_t awaited_run;  /* how many came one behind the other */
    uint32_t awaited_turn; /* which of those that are not the oldest was looked at last */
    uint32_t outgoing_count, outgoing_max;
    uint32_t outgoing_step; /* what one step of the kernel may want to send at most */
    uint32_t deferred_count;
    uint32_t groups_waiting;   /* one bit a group that has something to send */
    uint32_t unnotified_count; /* sent something, and not notified yet */
    uint32_t unnotified_turns; /* for so many turns */
    uint16_t unnotified[UNNOTIFIED_MOST];
    /* What this core owes others besides messages, done on every turn; NULL: nothing. True: there
     * was something, and then `owed` stays set until somebody looks (driver_owed). */
    bool (*duties)(struct driver *);
    bool owed;
    _Atomic uint64_t *pending; /* the kernel has something to do when this is not pending_seen */
    uint64_t pending_seen;
    const struct kernel *kernel;
    void *kernel_state;
    const struct transport *transport; /* of the kernel's messages */
    struct lines *lines;               /* by core, like the next; each its transport's own */
    struct rings *rings;               /* NULL: there are none */
    struct host *host;
    struct segment *segment;
    struct doorbell *doorbell;
    struct peer *peers;
    uint32_t me, cores;
    uint32_t channels; /* user channels, all peers together */
    enum event event;
    _Atomic bool disabled;    /* read by the signal handler */
    _Atomic bool mark;        /* written by it */
    struct place *places;     /* by core, then the launcher's */
    struct place **looked_at; /* by look */
    uint32_t places_each;     /* a core has */
    uint32_t arranged;        /* how often the looks were */
    uint32_t heard, hand;     /* of those watched, who has sent something; who is next to go */
    uint32_t hint_next, doubt_next;
    uint16_t watched[DOORBELL_WATCHED];
    uint64_t hinted[CORE_SET_WORDS_MAX]; /* who has left hints that were taken */
    _Atomic uint64_t never;              /* 0 */
    struct awaited *awaited_block;       /* twice as large as all that can be awaited at once */
    uint32_t awaited_max;
    uint32_t deferred_max;
    bool crowded;                  /* more cores than CPUs */
    bool retrying;                 /* a deferred request is tried again */
    struct call_receiver *answers; /* user channels, then the client's */
    struct call_sender *user_calls;
    uint64_t reply_count;

    struct addressed *outgoing;
    uint32_t *full; /* by core: the drain in which there was no room to it */
    uint32_t drains;
    struct addressed *deferred;
    struct completion completions[COMPLETIONS];
    struct patience patience;
    uint32_t line_pauses; /* pauses_for_a_line */
    uint32_t slice_us;
    uint64_t program_set[CORE_SET_WORDS_MAX]; /* cores that the program's own request names */
    struct trace *trace;                      /* NULL: none is kept */
    struct tree_staging staging;
    uint64_t cycles_per_us;

    struct vspace vspace;
    struct program program;
    driver_handler *served;   /* NULL: nobody */
    driver_handler *objects;  /* KIND_OBJECT_OPEN ... KIND_OBJECT_CHANGES */
    struct object_ends *ends; /* object_end.h */
    struct group *groups;
    struct region region;
    long timer;
    long cancel_timer;
    _Atomic uint32_t cancel;       /* of the program that runs (cancel.c) */
    const struct sparse *mappings; /* the kernel's table: kernel.h says when it may be looked at */
    const struct tree *trees;      /* ... and trees, by root, */
    const struct frames *frames;   /* ... and frames */
    /* Core 0: a search for memory that is not free and that nobody has any more: the page it has
     * come to, and how many are left. */
    uint64_t search_at, to_search;

    /* Other threads of this process, and its children (interrupt.c). */
    _Atomic bool inside;   /* the core is in its loop, or measures: nobody else comes in */
    _Atomic bool guest;    /* another thread has come in */
    _Atomic bool handling; /* the signal handler is at work, or looks whether it may be */
    bool forked;           /* this is a child: the core is its parent */
    _Atomic(struct dropped *) dropped;
};

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

/* The program was cancelled and has not noticed yet: true once for each time that it was asked for.
 * Any thread may ask, in a signal handler too. */
bool driver_cancelled(struct driver *driver);
/* Only whether it is so. */
static inline bool driver_to_be_cancelled(const struct driver *driver)
{
    return atomic_load_explicit(&driver->cancel, memory_order_relaxed) == CANCEL_ASKED;
}

/* No other thread comes in from here on, while the core is in its loop or measures; or they may
 * again. */
void driver_keep_out(struct driver *driver, bool out);

/* Is this a child that a program on the core has made? Then nothing here may be called any more. */
static inline bool driver_forked(const struct driver *driver)
{
    return driver->forked;
}

/* Requests of KIND_SERVED are answered here by that function from now on, like all others. */
static inline void driver_serve(struct driver *driver, driver_handler *handler)
{
    driver->served = handler;
}

/* --- System calls, for programs (user mode) --- */

void driver_enter(struct driver *driver); /* disable, poll */
void driver_leave(struct driver *driver); /* check the mark, enable */
/* The same for a thread that is not the process's first: one at a time, and not while the signal
 * handler is at work. False: the core is in its loop, or measures. */
bool driver_enter_as_guest(struct driver *driver);
void driver_leave_as_guest(struct driver *driver);

/* A request to this core's own driver, waited for; result as the kinds say. VERDICT_BUSY never
 * comes back, VERDICT_CANCELLED only from a wait for other programs (driver_awaits_programs). This and all below: between driver_enter and driver_leave. */
enum verdict driver_here(struct driver *driver, const struct message *request,
                         struct message *result);
/* The same in two steps, so that many are in flight from one core (at most COMPLETIONS / 2 at a
 * time): the first returns a ticket, the second whether that request has its reply, once true.
 * Between them the driver must be polled (driver_wait). */
uint64_t driver_begin(struct driver *driver, const struct message *request);
bool driver_done(struct driver *driver, uint64_t ticket, struct message *reply);
/* A request to another core's driver, over a user channel (0: the one that is always there). Never
 * over the kernels' own lines: a request that waits here for an operation's outcome would hold up
 * that very operation. */
enum verdict driver_call(struct driver *driver, uint32_t peer, uint32_t channel,
                         const struct message *request, struct message *reply);
/* KIND_ALLOCATE of this core; where it has nothing left, out of memory that core 0 lends. */
enum verdict driver_allocate(struct driver *driver, uint64_t length, struct message *reply);
/* Over a transport whose replies are messages, and which is open: for requests that are answered at
 * once. */
enum verdict driver_call_over(struct driver *driver, const struct transport *transport,
                              uint32_t peer, const struct message *request, struct message *reply);
/* A pin that is given up where no system call can be made: the loop does it at its next turn. The
 * record is the driver's from now on, and was allocated. */
struct dropped {
    struct dropped *next;
    uint64_t handle; /* slot 0-31, generation 32-63 */
};
void driver_drop(struct driver *driver, struct dropped *dropped);
void driver_unpin_dropped(struct driver *driver);
/* Reads or writes memory of a mapping on this core; waits out prepared pages. OK or FAULT. */
enum verdict driver_access(struct driver *driver, uint32_t slot, uint32_t generation,
                           uint64_t address, void *buffer, size_t length, int write);

/* --- Turns and waiting --- */

/* What programs and the launcher ask is looked at from now on. */
void arrivals_open(struct driver *driver);
bool driver_poll(struct driver *driver); /* one turn; true if anything was done */
/* Were there duties since the last look? They do not count as something done by a turn: whoever is
 * interrupted would not come back to its program as long as others have something to ask. */
static inline bool driver_owed(struct driver *driver)
{
    const bool owed = driver->owed;
    driver->owed = false;
    return owed;
}
/* The part of it that the other cores' kernels ask by: safe inside a request. */
bool driver_poll_transport(struct driver *driver);
/* The part of it that a waiting core looks at most often. */
bool driver_poll_replies(struct driver *driver);
/* One step of waiting for something that polling will bring. */
void driver_wait(struct driver *driver, struct wait *wait);
/* The system is being taken down. */
static inline bool driver_stopped(const struct driver *driver)
{
    /* Pairs with the supervisor's store; nothing else is read through it. */
    return atomic_load_explicit(&driver->segment->stop, memory_order_relaxed) != 0;
}

int interrupt_open(struct driver *driver);
/* The signal has its handler and is let in, whatever a program has done to it. 0, or an errno. */
int interrupt_arm(void);
void interrupt_tick(struct driver *driver, bool on);

/* --- Sending and replying --- */

/* A request was sent to that core on that line of sender; waiter: as in struct awaited. */
static inline void watch_reply(struct driver *d, struct call_sender *sender, uint32_t to,
                               uint32_t line, uint64_t waiter)
{
    if (d->awaited + d->awaited_count == d->awaited_block + 2 * d->awaited_max)
        watch_to_front(d);
    d->awaited[d->awaited_count++] = (struct awaited){
        .control = &sender->lines[line].control,
        .expected = call_reply_control(sender, line),
        .waiter = waiter,
        .sender = sender,
        .peer = (uint16_t)to,
        .line = (uint16_t)line,
    };
}

/* Room for so many messages, of which one step of the kernel sends so many at most. 0, or an
 * errno. */
int outgoing_open(struct driver *driver, uint32_t step, uint32_t most);
static inline struct call_sender *user_sender(const struct driver *d, uint32_t to, uint32_t channel)
{
    return &d->user_calls[to * d->segment->geometry.user_channels + channel];
}
/* Over a user channel, at once: the line, on which the caller awaits the reply; -1: it is in use. */
static inline int user_send(struct driver *d, uint32_t to, struct call_sender *sender,
                            const struct message *message)
{
    const bool first = call_is_unused(sender);
    const int line = call_try_send(sender, message);
    if (line >= 0)
        doorbell_call(d->peers[to].doorbell, d->me, d->cores, first);
    return line;
}
/* To that core's kernel, now or behind what waits. The sender notifies (outgoing_notify) when it
 * has sent all. */
void outgoing_send(struct driver *driver, uint32_t to, const struct message *message);
/* The reply to what came from another core by a transport. awaited: by somebody there. */
void outgoing_reply(struct driver *driver, uint64_t address, const struct message *message,
                    bool awaited);
bool outgoing_drain(struct driver *driver);
static inline bool outgoing_has_room(const struct driver *driver)
{
    return driver->outgoing_max - driver->outgoing_count >= driver->outgoing_step;
}
static inline void outgoing_notify(struct driver *driver, uint32_t to)
{
    if (!driver->transport->by_host)
        notify_request(driver, to, false);
}

/* Before anything that waits for others, or leaves the driver. */
static inline void notify_all(struct driver *driver)
{
    if (driver->unnotified_count)
        notify_rest(driver);
}
/* The end of a turn of the loop. While every turn finds something the fence can wait, for it would
 * only stop this core until its last line is there; but not for ever. */
static inline void notify_turn_ends(struct driver *driver, bool found)
{
    if (driver->unnotified_count && (!found || ++driver->unnotified_turns == UNNOTIFIED_TURNS))
        notify_rest(driver);
}

/* To whoever asked; but a group's edges, which are the loop's (collective_reply). */
void driver_reply(struct driver *driver, uint64_t address, const struct message *message);
/* A ticket of this core's own: it is done when it was replied to. */
uint64_t driver_local_address(struct driver *driver);
/* No reply is coming after all. */
static inline void driver_forget(struct driver *driver, uint64_t ticket)
{
    driver->completions[reply_line(ticket)].used = false;
}

/* One may still come, and nobody waits for it. */
static inline void driver_drop_reply(struct driver *d, uint64_t ticket)
{
    d->completions[reply_line(ticket)].dropped = true;
}

/* --- Requests --- */

/* Answers a request, now or (by deferring it) later. */
int dispatch_open(struct driver *driver); /* 0, or an errno */
void dispatch(struct driver *driver, uint64_t address, const struct message *message);
/* Answers that core's request, or a program's here, in its line; false: that cannot be, or not
 * now. */
bool dispatch_in_place(struct driver *driver, struct slot *line, uint32_t from);
static inline void line_return(struct driver *driver, struct slot *line, uint32_t from,
                               enum verdict verdict)
{
    slot_set(line, 0, message_head(slot_word(line, 0) & 0xff, 0, verdict, 0xffff, 0));
    call_return(line);
    if (from != driver->me)
        doorbell_ring(driver->peers[from].doorbell);
}
/* KIND_TOUCH, KIND_READ, KIND_WRITE. */
bool access_in_place(struct driver *driver, struct slot *line, uint32_t from);
bool dispatch_deferred(struct driver *driver);
/* Whether it was deferred; it is not tried again. */
bool dispatch_forget(struct driver *driver, uint64_t address);
/* By kind; see requests.h. BUSY: try again later. PENDING: driver_reply follows. */
enum verdict frame_request(struct driver *driver, const struct message *message,
                           struct message *reply);
enum verdict kernel_request(struct driver *driver, uint64_t address, const struct message *message,
                            struct message *reply);
enum verdict capability_request(struct driver *driver, uint64_t address,
                                const struct message *message, struct message *reply);
enum verdict program_request(struct driver *driver, uint64_t address, const struct message *message,
                             struct message *reply);
/* KIND_RUN_CANCEL; the program has ended; and at boot, with the signal that interrupts: 0, or an
 * errno. */
enum verdict cancel_request(struct driver *driver, const struct message *request,
                            struct message *reply);
void cancel_over(struct driver *driver);
int cancel_open(struct driver *driver, int number);
/* The program has ended, with that result, which is kept up to the next program. */
void program_ended(struct driver *driver, char *result, uint64_t bytes);
/* One try of driver_access: OK, FAULT, or BUSY when the page is prepared and the outcome not known
 * yet. */
enum verdict memory_access(struct driver *driver, uint32_t slot, uint32_t generation,
                           uint64_t address, void *buffer, size_t length, int write);
/* A request for memory. Core 0 looks for it with all others: BUSY while it is being found out whether
 * there is any. */
enum verdict memory_take(struct driver *driver, struct frames_request *request);
/* What was looked at already may have come back: from the beginning. */
void memory_search(struct driver *driver);
/* The set that a request's word names and that fits into none, where whoever asked has put it;
 * NULL: it fits, or there is none. */
const uint64_t *driver_set(struct driver *driver, uint64_t address, uint64_t word);
/* KIND_TREE; and what a boot is given: of some roots each the root, then its edges. 0, or an
 * errno. */
enum verdict tree_request(struct driver *driver, uint64_t address, const struct message *request,
                          struct message *reply);
int trees_open(struct driver *driver, const uint32_t *trees, uint32_t count);
