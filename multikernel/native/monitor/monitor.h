/* The monitor: one a core, sans-IO. It keeps its core's replica of the mappings and capabilities,
 * and brings replicas to agreement with the other monitors by one- or two-phase commit over a tree,
 * with convergecast of votes and acknowledgements.
 *
 *     monitor_step(state, environment, input) -> output
 *
 * Everything that changes the replica is an input. Nothing here sends, sleeps, reads a clock or
 * allocates: time is a number in the environment; the MMU and the trees' tables are functions
 * there, called inside step, and all of a step's MMU calls are made before any of its outputs is
 * sent. The state (state.h) can be copied, hashed and compared as bytes. The same object files run
 * in a core, in the state-space explorer (tests/s3_agreement) and in virtual time.
 *
 * Source: paper sections 4.4 and 4.7 (monitors, agreement); Barrelfish usr/monitor/ (2011:
 * broadcast with convergecast, busy means abort and retry; the final tree: an owner orders). Unlike
 * there, the engine (step.c and on) knows no operation: kinds of operation are a table
 * (operation.h, table/operations.c), each about one kind of object. */
#pragma once

#include <stddef.h>

#include "monitor/state.h"

/* --- What step is given --- */

/* What lies outside of the state and is shared by all cores: trees' tables, and core sets that fit
 * into no word. */
struct routing {
    void *context;
    /* The table at a root's place, a link for each core; not called for TREE_FLAT. */
    const struct tree_link *(*links)(void *context, uint32_t root, uint32_t place);
    /* On the root: the edges of the request with that ticket become the table at that place, which
     * nobody travels by. False: they are no tree of all cores. */
    bool (*publish)(void *context, uint32_t place, uint64_t ticket);
    /* The set of that core's lane, from keep until the lane's next operation. */
    const uint64_t *(*set)(void *context, uint32_t core, uint32_t lane);
    void (*keep)(void *context, uint32_t lane, const uint64_t *set);
};

struct operations;

struct environment {
    const struct operations *operations;
    const struct mmu *mmu;
    const struct routing *routing;
    /* Cycles. To be right when an answer is no OK, when agreements are being aborted
     * (monitor.aborting), and at ticks. */
    uint64_t now;
    uint64_t backoff; /* cycles: between two looks at what is in the way here */
};

/* A local request. map: frame, length, its keeper and generation, rights, holders, and whether
 * afresh; unmap and protect: slot, generation, rights; tree: the root for slot; about capabilities:
 * the task, of map_frame rights and holders too; reclaim: frame, length. What is not named is 0,
 * and there is no task but where one is named. */
struct request {
    uint32_t operation;
    uint32_t protocol;
    uint32_t slot;
    uint32_t generation;
    uint32_t rights;
    uint32_t keeper; /* as in struct mapping */
    bool afresh;     /* at an address that it was not at last */
    uint64_t frame;
    uint64_t length;
    uint64_t ticket;
    uint64_t holders;     /* cores in a word */
    const uint64_t *kept; /* the set, where its form is CORES_KEPT */
    const struct capability_task *task;
};

/* RAM that core 0 makes of memory nobody has. */
struct creation {
    uint64_t address, size;
    struct cspace_place to;
};

enum input_kind {
    INPUT_MESSAGE,
    INPUT_REPLY,
    INPUT_REQUEST,
    INPUT_CONTINUE, /* operation: output.local of an earlier step */
    INPUT_TICK,
    /* slot, generation: output.verdict says whether; BUSY: an operation holds the entry */
    INPUT_PIN,
    INPUT_UNPIN,
    INPUT_CREATE, /* output.made: its reference */
    INPUT_FRAMES, /* answered in place */
    INPUTS
};

struct input {
    enum input_kind kind;
    uint32_t from;
    uint32_t operation;
    uint32_t slot, generation;
    uint64_t token; /* MESSAGE: handed back with the reply */
    union {         /* by kind */
        const struct message *message;
        const struct request *request;
        const struct creation *creation;
        struct frames_request *frames;
    };
};

enum output_kind { OUTPUT_REQUEST, OUTPUT_NOTICE, OUTPUT_REPLY, OUTPUT_DONE };

enum {
    OUTPUT_BELOW = TREE_NOBODY, /* as a receiver: all that output.below names */
    OUTPUT_ENTRIES = 4          /* a message down a tree, a notice to a home, a reply, an outcome */
};

struct output_entry {
    enum output_kind kind;
    uint32_t to;    /* a core; of what goes down a tree, OUTPUT_BELOW */
    bool unawaited; /* REPLY: nobody waits for it; it is for the receiver's books */
    uint64_t token; /* REPLY: the request's; DONE: the ticket */
    /* DONE: word 0 verdict and core, word 2 slot and generation or the reference made, word 3 a
     * map's address. Of a retype, words 5 and 6: address and bytes of what is a Frame now, to be
     * cleared before anybody hears of it */
    struct message message;
};

/* What a step did, for traces and for virtual time: the round that it began last or went on with;
 * else what came, or was tried again. */
enum role { ROLE_NONE = 0, ROLE_ROOT, ROLE_INNER, ROLE_LEAF };
struct work {
    uint8_t operation; /* enum operation_number; OPERATIONS: none */
    uint8_t kind;      /* enum agreement_kind, of the round or of the message; 0: neither */
    uint8_t role;      /* in that round */
    uint8_t own_part;  /* this core's own part was done: of a round, or alone */
    uint8_t waits;     /* a request to take part is kept until another agreement has ended */
};

#define NEVER UINT64_MAX

struct output {
    uint32_t count;
    /* An operation whose own part is to be done by INPUT_CONTINUE once the messages are out, or
     * NO_OPERATION. */
    uint32_t local;
    uint64_t next_tick;   /* in cycles: an INPUT_TICK is wanted; NEVER: not before another input */
    enum verdict verdict; /* of PIN, UNPIN, CREATE and FRAMES */
    struct work work;
    uint64_t made;
    struct output_entry entry[OUTPUT_ENTRIES];
    /* The cores next below this one in a tree, in sending order. */
    uint32_t below_count;
    uint16_t below[];
};

/* One after the other, the receivers of an entry. */
static inline uint32_t output_receivers(const struct output *out, const struct output_entry *entry)
{
    return entry->to == OUTPUT_BELOW ? out->below_count : 1;
}
static inline uint32_t output_receiver(const struct output *out, const struct output_entry *entry,
                                       uint32_t i)
{
    return entry->to == OUTPUT_BELOW ? out->below[i] : entry->to;
}

/* --- The interface --- */

/* What a monitor's state has room for. */
struct monitor_shape {
    uint32_t cores;
    uint32_t lanes;          /* operations a core may have under way at once: a power of two */
    uint32_t slots_per_core; /* for mappings that it is the home of */
    uint32_t mappings;       /* ... that it holds and another core is the home of */
    uint32_t remembered; /* frames of which it remembers where they were mapped: a power of two */
    uint32_t agreements; /* of other initiators that it takes part in at once */
    uint32_t sets;       /* of cores that fit into no word, in use at once */
    uint64_t pages;      /* of memory */
    uint32_t cnodes;     /* 0: no capabilities */
    uint32_t slot_bits;  /* as in struct cspace_shape */
    uint32_t capability_protocol;
    uint32_t capability_work; /* capabilities that one step deletes at most */
    uint32_t piece_slots;     /* entries that a PREPARE of several names at most: up to 256 */
    uint32_t strength_max;    /* aborted attempts that make one stronger: up to STRENGTH_MAX */
};

/* Room for everything that all cores together can have. */
static inline struct monitor_shape monitor_shape_whole(uint32_t cores, uint32_t lanes,
                                                       uint32_t slots_per_core)
{
    return (struct monitor_shape){.cores = cores,
                                  .lanes = lanes,
                                  .slots_per_core = slots_per_core,
                                  .mappings = (cores - 1) * slots_per_core,
                                  .agreements = (cores - 1) * lanes,
                                  .capability_work = 64,
                                  .piece_slots = 256,
                                  .strength_max = STRENGTH_MAX};
}

/* Where the root CNodes lie: core c's at CSPACE_ROOTS + c * CNODE_BYTES, behind all memory there
 * is. */
#define CSPACE_ROOTS (1ull << 56)

/* Bytes of a monitor's state, and of an output; messages that a step puts out at most. */
size_t monitor_size(const struct monitor_shape *shape);
size_t monitor_output_size(uint32_t cores);
uint32_t monitor_output_messages(uint32_t cores);

/* Lays the state out in a zeroed block of monitor_size bytes, aligned to 64. Core c maps new pages
 * into address_base + c * address_size. */
void monitor_init(struct monitor *monitor, uint32_t me, const struct monitor_shape *shape,
                  uint64_t address_base, uint64_t address_size);

/* Before anything runs: root has a tree, whose table is at its first place. */
void monitor_planted(struct monitor *monitor, uint32_t root);

void monitor_step(struct monitor *monitor, const struct environment *environment,
                  const struct input *input, struct output *output);

/* --- Looking --- */

/* What a step on a request of another core's comes to, where that is plain: this core takes part,
 * forwards nothing, and answers yes with word 0 of the request changed. Before that, where
 * `protects`, the MMU is asked for those rights of that slot, and refuses nothing. So a driver may
 * do that and answer first, and then step, whose reply it has sent by then. */
struct foresight {
    bool protects;
    uint32_t slot, rights;
    uint64_t head; /* word 0 of the reply */
};
bool monitor_foresees(const struct monitor *monitor, const struct environment *environment,
                      const struct message *message, struct foresight *foresight);

/* What a fault on the mapping means: FAULT for good, BUSY: wait for an outcome, OK: the mapping
 * allows it now, try again. */
enum verdict monitor_fault(const struct monitor *monitor, uint32_t slot, uint32_t generation,
                           bool write);

/* What a caller sees of a verdict on one core's capabilities. */
enum verdict monitor_verdict(enum capability_verdict verdict);

/* Does that core hold the page, too? */
bool monitor_holds(const struct monitor *monitor, const struct mapping *mapping, uint32_t core);

/* A hash of the replicated part of all mapped entries that both cores hold (NOBODY: all entries).
 * Equal at rest on any two cores for the entries both hold. */
uint64_t monitor_digest(const struct monitor *monitor, uint32_t one, uint32_t other);
