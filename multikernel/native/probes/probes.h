/* The measuring loops: what they are given, and the table of them. Times are TSC cycles; a loop
 * fills a histogram with one value an operation, or a batch's mean when batch > 1 (then no clock is
 * read inside the batch: "back-to-back"). batch = 1 reads the clock around each operation, with a
 * pause of a few hundred cycles in between: "single".
 *
 * raw.c       special loops on scratch lines: the floor, and what a message costs (system: raw)
 * rings.c     bare rings of any size: streams one way, echoes (system: raw)
 * host.c      the same over any channel of channel.h (raw), and over what the host offers to two
 *             processes (linux)
 * shootdown.c the messages of a shootdown over any tree, or by a line that all poll (raw)
 * barriers.c  barriers over shared memory (raw)
 * collectives.c  what the members of a group do together, through the booted drivers
 * update.c    the paper's Fig 3 and section 4.6, through the booted driver but for the
 *             shared-memory arm
 * loops.c     through the booted driver: its loop, its channels, dispatch by kind (system:
 *             multikernel, shared)
 * operations.c, at_once.c  capabilities through the booted driver
 * sharing.c   an object that all cores operate on at once, in any form, in the system's memory
 * counters.c  what the processor counts meanwhile
 * linux.c     threads of one address space on the host's kernel (system: linux)
 * capabilities.c, with a header of its own: local operations on one replica, no cores at all */
#pragma once

#include "base/histogram.h"
#include "driver/driver.h"

struct channel;

enum {
    FREE_LINES = 64,           /* scratch lines of every core that loops may be run on */
    UPDATE_LINES = 8,          /* ... of which Fig 3 updates the first */
    HOST_MEMORY = PAGE_BYTES,  /* of eventfd and futex */
    OPERATIONS_IN_FLIGHT = 16, /* at most */
    AT_ONCE_PAGES = 4,         /* of each operation in flight: it goes round them */
};

/* What a loop is given. Each takes some of it, as the table says; the rest is 0. */
struct probe {
    uint64_t count; /* operations */
    uint32_t batch; /* of which the mean is kept; some loops want `count` to be whole batches */
    uint32_t form;  /* the loop's forms, in the order of the table */
    uint32_t role;  /* 0 asks or sends, 1 answers or receives; the rest is the same on both sides */
    uint32_t core;  /* the other one; who is asked; a group's root; whose line it is */
    uint32_t line;  /* a scratch line of that core, below FREE_LINES */
    /* A number that is larger with each use of the same lines or memory, by twice `count` where
     * something goes there and back. Not 0. */
    uint64_t base;
    uint64_t seed;

    uint32_t slots;    /* of rings; lines of a call line */
    int receive, send; /* descriptors; whether they block is their maker's choice */
    uint32_t lines;    /* updated at a time */

    uint32_t shared_core, shared_line; /* broadcast: the line all poll; else line 0 */
    uint32_t below;                    /* at the root: how many others there are, */
    uint64_t sum;                      /* and the sum of their numbers */
    uint32_t timer; /* of the members: fills the histogram and comes last; a broadcast's root */
    uint64_t group; /* its name */

    uint64_t frame, frame_name; /* to be mapped: its offset; generation 0-31, keeper 32-47 */
    uint32_t protocol;
    uint32_t pages;
    uint32_t think_us; /* between map and unmap */

    uint64_t source; /* RAM, of which nothing is made from `offset` on */
    uint64_t offset;
    uint64_t cnode;    /* with room for what is made, from `index` on */
    uint64_t to_cnode; /* on the core that copies go to: likewise */
    uint32_t index, to_index;
    uint32_t copies;    /* of each Frame, made beforehand, */
    uint32_t cores;     /* on so many cores by turns, from `core` on; who meets, of at-once */
    uint32_t in_flight; /* at a time, of one batch */

    uint64_t cycles; /* how long it counts, at least; the mean interval of an open loop */
    uint64_t edge;   /* cycles, unrecorded, before what counts */

    uint32_t type, shape; /* of an object */
    uint32_t forms;       /* that may be chosen, as bits */

    /* What is no number. */
    struct histogram *times[3]; /* as many as the loop fills */
    struct channel *channel;
    void *memory; /* shared by both sides, page-aligned */
    uint64_t bytes;
    const uint64_t *each; /* members, groups, children, CNodes, the words of a core set */
    uint64_t each_count;
    uint64_t *results;
    uint64_t result_count;
};

/* Returns what the table says, or minus an errno: -EINVAL for what cannot be. */
typedef int64_t probe_loop(struct driver *d, const struct probe *p);

struct probe_kind {
    const char *name; /* NULL: the table ends */
    probe_loop *run;
    const char *takes; /* members of struct probe */
    const char *forms; /* their names, in order */
    const char *must;  /* what has to hold, beyond what holds for all */
};

extern const struct probe_kind probe_kinds[];

/* Runs it, if what holds for all does: cores and lines that there are, and a batch. */
int64_t probe_run(struct driver *d, const struct probe_kind *kind, const struct probe *p);

probe_loop probe_floor, probe_two_lines, probe_message, probe_compute, probe_turns;
probe_loop probe_echo, probe_stream;
probe_loop probe_host_echo, probe_host_stream, probe_channel_echo, probe_channel_stream;
probe_loop probe_shootdown, probe_barrier, probe_collective;
probe_loop probe_update_shared, probe_update_message, probe_update_serve, probe_open_loop;
probe_loop probe_ping, probe_spread, probe_unmap, probe_life, probe_own_pages;
probe_loop probe_operations, probe_revoke, probe_at_once, probe_sharing;

/* Forms, as the table names them. */
enum { RINGS_EPOCH, RINGS_USED, RINGS_PLAIN, RINGS_CALLS };
enum { HOST_BYTES, HOST_EVENTFD, HOST_FUTEX };
enum { BARRIER_CENTRAL, BARRIER_DISSEMINATION };
enum { COLLECTIVE_BARRIER, COLLECTIVE_REDUCE, COLLECTIVE_BROADCAST, COLLECTIVE_ORDER };
enum { VIA_CALL_LINE, VIA_RING, VIA_USER };
enum { UNMAP_ALL, UNMAP_LOCAL };
enum { LIFE_FRESH, LIFE_REUSED };
enum { PROBE_RETYPE, PROBE_COPY, PROBE_REVOKE, PROBE_DELETE };

/* --- What is no loop --- */

/* The memory node on which that line lies, as this process has it mapped; minus an errno when the
 * host does not say (no nodes, or a sandbox that forbids asking). The line must have been touched
 * here. */
int probe_home(struct driver *d, uint32_t core, uint32_t line);
/* Bytes of the block of an object of that type and shape, between so many cores; 0: there is none. */
uint64_t probe_sharing_bytes(uint32_t type, uint32_t shape, uint32_t cores);
/* Ends probe_compute on that core, from any process that has the segment. */
void probe_stop_computing(struct segment *segment, uint32_t core);

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

/* Threads of this process, one on each CPU, that the caller has started; one team at a time. For
 * probe_linux_own_pages they may be processes that it has forked. Begins one. All of these return 0
 * or an errno. */
int probe_linux_team(int memory, uint32_t threads, bool idle);
/* The first takes all rights from a page of that shared segment, as the kernels' pages are, so
 * often, the operations' numbers beginning with `first`; times: of that, of the map and the touch
 * before it, and of the removal behind it. Or it does one step of that operation. Numbers of a team
 * grow. At the end it leaves, and the others end. */
int probe_linux_unmap(uint32_t first, uint32_t count, struct histogram *const *times);
enum linux_step { LINUX_PREPARE, LINUX_TAKE, LINUX_REMOVE };
int probe_linux_step(uint32_t number, enum linux_step what);
void probe_linux_leave(void);
/* Or it has it live so often, from its mapping to its removal or back again (the mean of each
 * batch), */
int probe_linux_life(uint32_t count, uint32_t batch, bool reused, struct histogram *histogram);
/* while the others use it, until it ends; where idle they sleep instead of computing. */
void probe_linux_hold(void);
/* Everyone unmaps pages of their own, as probe_own_pages; cycles of that one, over all rounds. */
int probe_linux_own_pages(uint32_t number, uint32_t pages, uint32_t rounds, uint64_t *cycles);
