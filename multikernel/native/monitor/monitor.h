/* The monitor: one a core, sans-IO. It keeps its core's replica of the mappings and brings replicas
 * to agreement with the other monitors by one- or two-phase commit over a tree, with convergecast
 * of votes and acknowledgements.
 *
 *     monitor_step(state, environment, input) -> output
 *
 * Nothing here sends, sleeps, reads a clock or allocates. Messages, local requests and ticks are
 * inputs; time is a number in the environment; the MMU is a table of functions there, called inside
 * step. The state is one flat block without pointers, sized at init and zero-padded: it can be
 * copied, hashed and compared as bytes. The same object file runs in a core, in the state-space
 * explorer (tests/s3_agreement) and later in virtual time.
 *
 * Who calls it: driver/loop.c, which runs step only when the outbox has room for the largest
 * output. Source: paper sections 4.4 and 4.7 (monitors, agreement); Barrelfish usr/monitor/ (2011:
 * broadcast with convergecast, busy means abort and retry; the final tree: an owner orders). Unlike
 * there, the engine (step.c) knows no operation: kinds of operation are rows (struct row), each
 * about one kind of object (struct object_kind); monitor/mapping/mapping.c holds those about
 * mappings, install_tree.c the one about the trees that the engine itself sends by,
 * monitor/capability/ranges.c and those beside it about ranges of memory and the capabilities to
 * them. */
#pragma once

#include <stddef.h>

#include "base/core_set.h"
#include "base/message.h"
#include "base/verdict.h"
#include "capability/cspace.h"
#include "memory/address_range.h"
#include "memory/mmu.h"
#include "monitor/capability/task.h"
#include "monitor/tree.h"

enum protocol { TWO_PHASE = 0, ONE_PHASE = 1 };

enum row_id {
    ROW_MAP = 0,
    ROW_UNMAP,
    ROW_PROTECT,
    ROW_TREE,
    ROW_CAP_COPY, /* and move */
    ROW_CAP_RETYPE,
    ROW_CAP_REVOKE,
    ROW_CAP_DELETE,
    ROW_CAP_MAP, /* of a Frame, with a Mapping */
    /* never asked for: a step of deleting a Frame, a Mapping, or a CNode that holds such */
    ROW_CAP_UNMAP,
    ROW_CAP_RECLAIM,
    ROWS
};

/* Who drives operations on capabilities, for all of a system: whoever asked for one, or the
 * object's owner (monitor/capability/ranges.c). */
enum capability_protocol { CAPABILITIES_TWO_PHASE = 0, CAPABILITIES_OWNER };

/* Kernel message kinds of the agreement engine. The first four are requests that are answered when
 * the receiver's whole subtree has answered; from KIND_SET on they are notices that nobody answers.
 * ASK hands an operation to the core that is to drive it, ANSWER says what became of it. */
enum agreement_kind {
    KIND_PREPARE = 1,
    KIND_APPLY,
    KIND_COMMIT,
    KIND_ABORT,
    KIND_SET,
    KIND_RELEASE,
    KIND_ASK,
    KIND_ANSWER,
    AGREEMENT_KINDS
};

/* Word 0 of every kernel message: kind 0-7, row 8-15, verdict 16-23, flags 24-31 (24 a transport's,
 * 25-26 the version of the root's tree), core 32-47 (in the first four requests the root, in what
 * answers the core that the verdict names), view 48-63. Word 1: the operation, initiator 48-63 and
 * sequence 0-47. Word 2: the object: for mappings slot 0-31 and generation 32-63, for capabilities
 * the address of a range. Words 3-6: the row's. */
static inline uint64_t message_head(uint32_t kind, uint32_t row, uint32_t verdict, uint32_t core,
                                    uint32_t view)
{
    return kind | (uint64_t)row << 8 | (uint64_t)verdict << 16 | (uint64_t)core << 32 |
           (uint64_t)view << 48;
}
static inline uint32_t message_kind(const struct message *m)
{
    return m->word[0] & 0xff;
}
static inline uint32_t message_row(const struct message *m)
{
    return m->word[0] >> 8 & 0xff;
}
static inline enum verdict message_verdict(const struct message *m)
{
    return (enum verdict)(m->word[0] >> 16 & 0xff);
}
static inline uint32_t message_core(const struct message *m)
{
    return m->word[0] >> 32 & 0xffff;
}
static inline uint32_t message_view(const struct message *m)
{
    return (uint32_t)(m->word[0] >> 48);
}
static inline uint32_t message_tree(const struct message *m)
{
    return m->word[0] >> 25 & 3;
}

/* --- The replica: mappings --- */

enum mapping_state {
    MAPPING_FREE = 0,
    MAPPING_MAPPED,
    MAPPING_RESERVED, /* a map operation is under way */
    /* unmapped by one phase, not yet known to be final: data kept so that it can be restored */
    MAPPING_GONE,
};

/* One entry, the same slot number on every core that holds the page, at the same virtual address.
 * The slot's home is the core that mapped it (slot / slots_per_core); the home also keeps entries
 * of pages that it does not hold itself, as a directory. */
struct mapping {
    uint32_t generation;
    uint8_t state;
    uint8_t rights;
    uint8_t released; /* home, locked: its unmap by others is final, free it at the unlock */
    /* its home has a Mapping capability for it, with those rights; 0: there is none */
    uint8_t recorded;
    uint32_t pins; /* core-local: outside the digest */
    uint32_t reserved2;
    uint64_t lock; /* core-local: the operation that holds this entry, 0 when none */
    uint64_t address;
    uint64_t frame;     /* offset in the memory segment */
    uint64_t length;    /* bytes */
    uint64_t holders[]; /* core set */
};

/* --- The engine's record of an operation, one for each lane of each initiator --- */

enum phase {
    PHASE_IDLE = 0,
    PHASE_BACKOFF, /* initiator: waits for retry_at and for the entry's lock */
    PHASE_PREPARING,
    PHASE_PREPARED,
    PHASE_COMMITTING,
    PHASE_COMMITTED,
    PHASE_ABORTING,
    PHASE_ABORTED,
    PHASE_REFUSED,
    PHASE_APPLYING, /* one phase */
    PHASE_APPLIED,
    PHASE_ASKED, /* initiator: another core drives it, and takes this one as a participant */
};

struct operation {
    uint64_t id;   /* initiator (who asked for it) 48-63, sequence 0-47; never 0 once used */
    uint32_t slot; /* the object's number; of a range, with generation, its address */
    uint32_t generation;
    uint64_t argument[4];
    uint64_t token;  /* participant: where the reply goes */
    uint64_t ticket; /* initiator: whom to tell */
    uint64_t retry_at;
    uint32_t attempts;
    uint32_t waiting; /* children that have not answered this round */
    uint16_t from;
    uint16_t named; /* the core the verdict names */
    uint8_t row;
    uint8_t protocol;
    uint8_t phase;
    uint8_t verdict;
    uint8_t local;     /* this core's own part of the round is still to be done (INPUT_CONTINUE) */
    uint8_t saved;     /* row's: rights to restore */
    uint8_t tree;      /* the version of the root's tree that all its rounds travel by */
    uint8_t moved;     /* initiator: since it asked, something here has got another owner */
    uint16_t root;     /* who drives it: the initiator, or whom it asked */
    uint16_t declined; /* initiator: who was asked last and was not the owner */
};

/* The block's head; operations, trees, mappings, capability tasks (one a lane of this core) and the
 * core's capabilities follow it. */
struct monitor {
    uint64_t size;
    uint32_t me;
    uint32_t cores;
    uint32_t set_words;
    uint32_t slots_per_core;
    uint32_t view;
    uint32_t lanes; /* operations a core may have under way at once: a power of two */
    /* operations in PHASE_BACKOFF, own ones and those that others have asked for: a tick is
     * wanted */
    uint32_t waiting;
    uint32_t engaged; /* others' operations that this core voted for and whose outcome it awaits */
    uint32_t capability_protocol;
    uint32_t recorded; /* mappings with `recorded` */
    uint32_t reserved;
    uint64_t sequence;              /* attempts begun */
    struct address_range addresses; /* this core's, for new mappings */
    uint32_t slot_next;
    uint32_t mapping_stride;
    uint64_t trees_offset;
    uint64_t mappings_offset;
    uint64_t tasks_offset;  /* 0: no capabilities here, nor tasks */
    uint64_t cspace_offset; /* a multiple of 64 */
};

/* --- What step is given --- */

struct environment {
    const struct mmu *mmu;
    const struct routing *routing;
    uint64_t now;     /* cycles */
    uint64_t backoff; /* cycles, the unit of waiting after a conflict */
};

/* A local request. reclaim: slot 0, frame, length; map: slot 0, frame, length, rights, holders;
 * unmap and protect: slot, generation, rights; tree: the root for slot, and argument as
 * install_tree.c has it; about capabilities: slot 0 and the task. */
struct request {
    uint32_t row;
    uint32_t protocol;
    uint32_t slot;
    uint32_t generation;
    uint32_t rights;
    uint64_t frame;
    uint64_t length;
    uint64_t ticket;
    uint64_t argument[4];
    uint64_t holders[CORE_SET_WORDS_MAX];
    struct capability_task capability;
};

enum input_kind { INPUT_MESSAGE, INPUT_REPLY, INPUT_REQUEST, INPUT_CONTINUE, INPUT_TICK };

struct input {
    enum input_kind kind;
    uint32_t from;
    uint32_t operation; /* CONTINUE: output.local of an earlier step */
    uint64_t token;     /* MESSAGE: handed back with the reply */
    const struct message *message;
    const struct request *request;
};

enum output_kind { OUTPUT_REQUEST, OUTPUT_NOTICE, OUTPUT_REPLY, OUTPUT_DONE };

struct output_entry {
    enum output_kind kind;
    uint32_t to;
    uint64_t token; /* REPLY: the request's; DONE: the ticket */
    struct message
        /* DONE: word 0 verdict and core, word 2 slot and generation or the reference made, word
         * 3 a map's address */
        message;
};

#define NO_OPERATION UINT32_MAX

struct output {
    uint32_t count;
    uint32_t
        /* an operation whose own part is to be done by INPUT_CONTINUE once the messages are out,
         * or NO_OPERATION */
        local;
    struct output_entry entry[];
};

/* --- The interface --- */

/* What a monitor's state has room for. */
struct monitor_shape {
    uint32_t cores;
    uint32_t lanes;          /* operations a core may have under way at once: a power of two */
    uint32_t slots_per_core; /* for mappings */
    uint32_t cnodes;         /* 0: no capabilities */
    uint32_t slot_bits;      /* as in struct cspace_shape */
    uint32_t capability_protocol;
};

/* Where the root CNodes lie: core c's at CSPACE_ROOTS + c * CNODE_BYTES, behind all memory there
 * is. */
#define CSPACE_ROOTS (1ull << 56)

/* Bytes of a monitor's state; entries an output must have room for. */
size_t monitor_size(const struct monitor_shape *shape);
uint32_t monitor_output_entries(uint32_t cores);

/* Lays the state out in a zeroed block of monitor_size bytes, aligned to 64. Core c maps new pages
 * into address_base + c * address_size. */
void monitor_init(struct monitor *monitor, uint32_t me, const struct monitor_shape *shape,
                  uint64_t address_base, uint64_t address_size);

void monitor_step(struct monitor *monitor, const struct environment *environment,
                  const struct input *input, struct output *output);

/* Fibonacci hashing, for digests. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

static inline struct mapping *monitor_mapping(struct monitor *m, uint32_t slot)
{
    return (struct mapping *)((char *)m + m->mappings_offset + (size_t)slot * m->mapping_stride);
}
static inline struct operation *monitor_operation(struct monitor *m, uint32_t index)
{
    return (struct operation *)(m + 1) + index;
}
static inline struct operation *monitor_own(struct monitor *m, uint32_t lane)
{
    return monitor_operation(m, m->me * m->lanes + lane);
}
static inline struct tree *monitor_tree(struct monitor *m, uint32_t root)
{
    return (struct tree *)((char *)m + m->trees_offset) + root;
}
/* This core's capabilities; only where cspace_offset is not 0. */
static inline struct cspace *monitor_cspace(const struct monitor *m)
{
    return (struct cspace *)((uintptr_t)m + m->cspace_offset);
}
static inline struct capability_task *monitor_task(const struct monitor *m, uint32_t lane)
{
    return (struct capability_task *)((uintptr_t)m + m->tasks_offset) + lane;
}
static inline uint32_t monitor_slots(const struct monitor *m)
{
    return m->cores * m->slots_per_core;
}
static inline uint32_t monitor_home(const struct monitor *m, uint32_t slot)
{
    return slot / m->slots_per_core;
}

/* Before anything runs: root has a tree, whose table is at its first place. */
void monitor_planted(struct monitor *monitor, uint32_t root);

/* Core-local, no agreement. BUSY: an operation holds the entry; ask again after its outcome. */
enum verdict monitor_pin(struct monitor *monitor, uint32_t slot, uint32_t generation);
enum verdict monitor_unpin(struct monitor *monitor, uint32_t slot, uint32_t generation);

/* What a fault on the mapping means: FAULT for good, BUSY: wait for an outcome, OK: the mapping
 * allows it now, try again. */
enum verdict monitor_fault(struct monitor *monitor, uint32_t slot, uint32_t generation, int write);

/* Does what this core can decide alone. PENDING: the others have to agree, so make it a request;
 * BUSY: there is more to do, or another operation is at it: ask again with the same task. Otherwise
 * the final verdict; made is in the task. */
enum verdict monitor_capability(struct monitor *monitor, struct capability_task *task);
/* What a caller sees of a verdict on one core's capabilities. */
enum verdict monitor_verdict(enum capability_verdict verdict);

/* A hash of the replicated part of all mapped entries whose holders include every core of the set
 * (NULL: all entries). Equal at rest on any two cores for the entries both hold. */
uint64_t monitor_digest(struct monitor *monitor, const uint64_t *set);
/* A hash of the versions of all trees: equal at rest on all cores. */
uint64_t monitor_trees_digest(struct monitor *monitor);
/* Mapped entries (that this core holds, or knows as home), and entries locked by an operation. */
void monitor_count(struct monitor *monitor, uint32_t *mapped, uint32_t *locked);
