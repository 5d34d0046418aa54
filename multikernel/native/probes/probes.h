/* The measuring loops. Times are TSC cycles; every loop fills a histogram with one value an
 * operation, or a batch's mean when batch > 1 (then no clock is read inside the batch:
 * "back-to-back"). batch = 1 reads the clock around each operation, with a pause of a few hundred
 * cycles in between: "single".
 *
 * raw.c     special loops on scratch lines: the floor, and the ends with nothing around them
 *           (system: raw)
 * update.c  the paper's Fig 3, Table 1 and section 4.6, through the booted driver but for the
 *           shared-memory arm
 * stream.c  bare rings of any size in memory of their own: streams one way, echoes (system: raw)
 * host.c    the same over any channel of channel.h (raw), and over what the host offers to two
 *           processes (linux)
 * counters.c  what the processor counts meanwhile
 * shootdown.c  the messages of a shootdown over any tree, or by a line that all poll (raw)
 * barriers.c  barriers over shared memory (raw)
 * collectives.c  what the members of a group do together, through the booted drivers
 * loops.c   through the booted driver: its loop, its channels, dispatch by kind (system:
 *           multikernel, shared)
 * operations.c, at_once.c capabilities through the booted driver
 * linux.c   threads of one address space on the host's kernel (system: linux)
 * capabilities.c, with a header of its own: local operations on one replica, no cores at all */
#pragma once

#include "base/histogram.h"
#include "driver/driver.h"

/* --- raw.c: role 0 on core a pings, role 1 on core b answers; both run the same count. --- */

/* One cache line there and back, word 0 of scratch line `line` of core b. base: any even number,
 * larger by 2 * count with each use. */
void probe_floor(struct driver *d, uint32_t b, int role, uint32_t line, uint64_t base,
                 uint64_t count, uint32_t batch, struct histogram *histogram);
/* One line each way, the shape of two rings: there on scratch line `line` of core `to`, back on
 * that of core `from`, neither written by both sides. base as above, and never less than any that
 * these lines have seen. */
void probe_two_lines(struct driver *d, uint32_t from, uint32_t to, int role, uint32_t line,
                     uint64_t base, uint64_t count, uint32_t batch, struct histogram *histogram);
/* The memory node on which scratch line `line` of that core lies, as this process has it mapped;
 * minus an errno when the host does not say (no nodes, or a sandbox that forbids asking). The line
 * must have been touched here. */
int probe_home(struct driver *d, uint32_t core, uint32_t line);
/* A message each way over a fresh pair of ends of that type. */
void probe_call_line(struct driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch,
                     struct histogram *histogram);
void probe_ring(struct driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch,
                struct histogram *histogram);

/* What a message costs either side, `count` times each: role 0 gets the cycles its send and the
 * fence behind it took, and after these the round trips (2 * count values); role 1 the cycles that
 * taking a message took which had been there for a while (count values). The clock's own cost is
 * taken off. */
void probe_message(struct driver *d, uint32_t peer, int role, uint32_t count, uint64_t *cycles);

/* Counts until it is stopped, from any process that has the segment; interruptible. Returns the
 * turns, and the cycles they took. */
uint64_t probe_compute(struct driver *d, uint64_t *cycles);
void probe_stop_computing(struct segment *segment, uint32_t core);
/* Turns so far of the computing loop on that core, as it publishes them on a scratch line of its
 * own; 0 when none runs. */
uint64_t probe_turns(struct driver *d, uint32_t core);

/* --- stream.c: role 0 sends or asks, role 1 receives or answers; the rest is the same on both
 * sides. --- */

enum { STREAM_EPOCH = 0, STREAM_USED = 1, STREAM_PLAIN = 2, STREAM_CALLS = 3 };

struct stream_probe {
    void *memory; /* shared, page-aligned: a page and 2 * slots * 64 bytes */
    uint64_t bytes;
    uint64_t use;   /* larger with each use of this memory, from 1 on */
    uint64_t count; /* messages */
    uint32_t batch;
    uint32_t form;
    uint32_t slots; /* of the call line: its window */
    int role;
};

/* times: cycles for each whole batch (not divided, a message takes few), on this side. ahead (role
 * 1): how many messages the writer was ahead at the end of each batch, seen no finer than 16.
 * Returns how many messages were wrong, -1 for parameters that cannot be. */
int64_t probe_stream(struct driver *d, const struct stream_probe *probe, struct histogram *times,
                     struct histogram *ahead);
/* A message there and back, not over the plain ring, in whole batches. times (role 0): as the page
 * says. */
int64_t probe_echo(struct driver *d, const struct stream_probe *probe, struct histogram *times);

/* --- host.c: role 0 sends or asks, role 1 receives or answers, both with the same counts. --- */

enum host_form {
    /* a descriptor each way that carries bytes or packets: a pipe, a Unix socket */
    HOST_BYTES = 0,
    /* an eventfd each way says that there is a message; the message is in shared memory */
    HOST_EVENTFD = 1,
    /* a futex each way says so; nothing but memory, and the host wakes the sleeper */
    HOST_FUTEX = 2,
};

struct host_probe {
    struct driver *driver;
    /* HOST_EVENTFD, HOST_FUTEX: shared, HOST_MEMORY bytes, zero at first; else NULL */
    void *memory;
    /* descriptors; whether they block is their maker's choice. HOST_FUTEX: none */
    int receive, send;
    uint64_t first; /* messages that went each way before over this memory */
    uint64_t count;
    uint32_t batch;
    uint32_t form;
    int role;
};

enum { HOST_MEMORY = PAGE_BYTES, HOST_MESSAGE = 64 };

/* Messages of HOST_MESSAGE bytes. Return how many were wrong, or minus an errno, EPIPE where the
 * other side is gone. A stream is one of HOST_BYTES: the others carry no message. times: as those
 * of probe_echo; of a stream, as those of probe_stream, on both sides. */
int64_t probe_host_echo(const struct host_probe *probe, struct histogram *times);
int64_t probe_host_stream(const struct host_probe *probe, struct histogram *times);

struct channel;
/* The same over an end of a channel, through its interface: looking again until it goes. Not over
 * the form "calls" one way. */
int64_t probe_channel_echo(struct driver *d, struct channel *channel, int role, uint64_t count,
                           uint32_t batch, struct histogram *times);
int64_t probe_channel_stream(struct driver *d, struct channel *channel, int role, uint64_t count,
                             uint32_t batch, struct histogram *times);

/* --- counters.c --- */

enum counter_event {
    COUNTER_L1D_READS,
    COUNTER_L1D_MISSES,
    COUNTER_L1I_MISSES,
    COUNTER_CONTEXT_SWITCHES
};
/* A descriptor from which the count of that event in the calling thread, from now on, is read as a
 * uint64 (perf_event_open(2)); minus an errno where the host, the hypervisor or the administrator
 * does not let it be counted. kernel: what the host does for it too. */
int counter_open(enum counter_event event, bool kernel);

/* --- shootdown.c: every core of the tree with its own place in it, and the same use and count.
 * --- */

struct scratch_line {
    uint32_t core; /* in whose region, and so on whose memory node */
    uint32_t line; /* 1 or more; 0: none */
};

struct shootdown_probe {
    struct scratch_line up;           /* to the parent; at the root {me, 0} */
    const struct scratch_line *child; /* to the children, in sending order */
    uint32_t children;
    uint32_t below; /* at the root: how many others there are, and the sum of their numbers */
    uint64_t sum;
    /* broadcast: the line all poll; the root has all others for children then */
    struct scratch_line shared;
    /* larger than any operation's number these lines have seen; the first operation's */
    uint64_t use;
    uint64_t count;
    uint32_t batch;
};

/* times (root only): until the root has all acknowledgements. Returns how many requests and
 * acknowledgements were wrong, -1 without memory. A line belongs to one edge, or to one side of a
 * broadcast, at a time. */
int64_t probe_shootdown(struct driver *d, const struct shootdown_probe *probe,
                        struct histogram *times);

/* --- barriers.c, collectives.c: every member with the same parameters. --- */

enum { BARRIER_CENTRAL = 0, BARRIER_DISSEMINATION = 1 };

struct together_probe {
    const uint32_t *member;
    uint32_t members;
    /* the member that fills the histogram, and comes last; of a broadcast the root; of an atomic
     * broadcast the only one that sends */
    uint32_t timer;
    uint32_t batch;
    /* as of struct shootdown_probe, over all barriers and collectives of the system; not 0 */
    uint64_t use;
    uint64_t count;
};

/* How often a member seemed to leave before all had come; -1 for a core that is no member. */
int64_t probe_barrier(struct driver *d, const struct together_probe *probe, uint32_t form,
                      struct histogram *times);

enum { COLLECTIVE_BARRIER = 0, COLLECTIVE_REDUCE, COLLECTIVE_BROADCAST, COLLECTIVE_ORDER };

/* How many outcomes and messages were wrong. group: an open one of these members, with that
 * root. */
int64_t probe_collective(struct driver *d, const struct together_probe *probe, uint32_t operation,
                         uint32_t group, uint32_t root, struct histogram *times);

/* --- loops.c --- */

/* the first user channel; the ring; any other: the last user channel */
enum { VIA_CALL_LINE = 0, VIA_RING = 1 };
void probe_ping(struct driver *d, uint32_t peer, int via, uint64_t count, uint32_t batch,
                struct histogram *histogram);

/* Maps on the holders, touches on each, waits, unmaps, count times. Any histogram may be NULL. The
 * verdict that ended it early, or OK. */
enum verdict probe_unmap(struct driver *d, uint64_t frame, uint64_t length, const uint64_t *holders,
                         uint32_t protocol, uint32_t count, uint32_t think_us,
                         struct histogram *map, struct histogram *touch, struct histogram *unmap);
/* The mapping call alone: take all rights from a one-page mapping on this core, nobody notified. */
enum verdict probe_local(struct driver *d, uint64_t frame, uint32_t count,
                         struct histogram *histogram);
/* Every core at once: map `pages` pages of its own, meet the others, unmap them all, `rounds`
 * times. cycles: the unmapping phases from the meeting to the end, summed. meeting: scratch line of
 * core 0, its counter at base when all begin. */
enum verdict probe_own_pages(struct driver *d, uint64_t frame, uint32_t pages, uint32_t rounds,
                             uint32_t protocol, uint64_t base, uint64_t *cycles);

/* Fig 3. Every core updates the same lines of core 0 (SHM) ... */
void probe_update_shared(struct driver *d, uint32_t lines, uint64_t count, uint32_t batch,
                         struct histogram *histogram);
/* ... or asks core `server` to update lines of its own (MSG), over a user channel, or over the
 * transport's where that shares no memory; at_server: what it cost there, by the server's own
 * clock. The verdict that ended it early, or OK. */
enum verdict probe_update_message(struct driver *d, uint32_t server, uint32_t lines, uint64_t count,
                                  uint32_t batch, struct histogram *histogram,
                                  struct histogram *at_server);
/* From now on this core's driver answers that. */
void probe_update_serve(struct driver *d);
/* Table 1: a request to the own core's driver, from a program: a system call there and back, no
 * other process. */
void probe_here(struct driver *d, uint64_t count, uint32_t batch, struct histogram *histogram);
/* A message from the root of each of these groups to all members and their acknowledgements, by
 * turns, `count` times each: cycles, the groups' values side by side. The messages stay in the
 * members' boxes, which must have room for them. The verdict that ended it early, or OK. */
enum verdict probe_spread(struct driver *d, const uint32_t *groups, uint32_t group_count,
                          uint32_t count, uint64_t *cycles);
/* Pings that come at intervals: exponential with that mean, from a fixed seed. Latency from the
 * intended time of sending. */
void probe_open_loop(struct driver *d, uint32_t peer, uint64_t count, uint64_t mean_cycles,
                     uint64_t seed, struct histogram *histogram);

/* --- operations.c --- */

enum { PROBE_RETYPE = 0, PROBE_COPY, PROBE_REVOKE, PROBE_DELETE };
enum { OPERATIONS_IN_FLIGHT = 16 };

struct operation_probe {
    uint32_t operation;
    uint32_t in_flight; /* at a time, of one batch; 1 to OPERATIONS_IN_FLIGHT */
    uint64_t source;    /* RAM of a page or more for each of a batch, nothing made of it yet */
    uint64_t cnode;     /* with room for a batch from `index` on */
    uint64_t to_cnode;  /* COPY: there, with room from to_index on */
    uint32_t index, to_index;
    uint32_t to; /* COPY: the core. With copies: the first core that gets one */
    /* REVOKE, DELETE: copies of each Frame, made beforehand, on so many cores by turns; batch is 1
     * then. On another core they are in its root CNode, here in `cnode`, from to_index on. */
    uint32_t copies, cores;
    uint64_t count;
    uint32_t batch; /* at most CNODE_SLOTS */
};
/* Retypes a page of the source to a Frame; or copies, revokes, deletes such a Frame: count times,
 * in whole batches. times: each batch's mean; of batch 1, each one's latency. The verdict that
 * ended it early, or OK. */
enum verdict probe_operations(struct driver *d, const struct operation_probe *probe,
                              struct histogram *times);
/* Revokes RAM of which `descendants` Frames have been made, a page each, in these CNodes, all of
 * whose slots are empty. */
enum verdict probe_revoke(struct driver *d, uint64_t source, const uint64_t *cnodes,
                          uint32_t descendants, uint32_t count, struct histogram *times);

/* --- at_once.c --- */

enum { AT_ONCE_PAGES = 4 }; /* of each operation in flight: it goes round them */

struct at_once_probe {
    /* RAM, of which nothing is made from `offset` on, as far as the lanes' pages reach */
    uint64_t source;
    uint64_t offset;
    uint64_t cnode; /* with as many slots empty from `index` on */
    uint32_t index;
    uint32_t in_flight; /* up to OPERATIONS_IN_FLIGHT; 0: this core only answers the others */
    uint32_t members;   /* cores that do this at once */
    uint32_t batch;     /* operations of which the mean is kept */
    uint64_t base;      /* of the meeting, whose counter grows by twice `members` with each use */
    uint64_t edge;      /* cycles, unrecorded, before what counts */
    uint64_t cycles;    /* at least, and a batch at least, by this core's clock */
};
/* Of what counted: operations, since when, in that many cycles, and for how much of the time this
 * core was on its CPU. */
struct at_once_counts {
    uint64_t operations, began, cycles, cpu_ns, wall_ns;
};
/* An operation retypes a page to a Frame and deletes the Frame. times: each batch's mean. The first
 * verdict that was not OK, or OK. */
enum verdict probe_at_once(struct driver *d, const struct at_once_probe *probe,
                           struct histogram *times, struct at_once_counts *counts);

/* --- linux.c --- */

/* A thread on each of the CPUs: the first takes all rights from a page of that shared segment, as
 * the kernels' pages are, and the others use it; where idle they sleep instead of computing. 0, or
 * an errno. */
int probe_linux_unmap(int memory, const uint32_t *cpus, uint32_t threads, uint32_t count, bool idle,
                      struct histogram *histogram);
/* Every thread unmaps pages of its own, as probe_own_pages; cycles of the slowest thread, summed
 * over rounds. */
int probe_linux_own_pages(int memory, const uint32_t *cpus, uint32_t threads, uint32_t pages,
                          uint32_t rounds, uint64_t *cycles);
