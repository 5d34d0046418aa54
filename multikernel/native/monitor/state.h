/* A monitor's state: one flat block without pointers, sized by a shape and zero-padded, so that it
 * can be copied, hashed and compared as bytes.
 *
 * Behind the head lie: what is agreed and under way (own lanes first), workflows, trees' versions,
 * members, mappings, explicit core sets, frames, and the core's capabilities. A core has records of those
 * mappings that it holds or is the home of, and of those agreements that are under way. */
#pragma once

#include "base/core_set.h"
#include "capability/request.h"
#include "memory/frames.h"
#include "memory/mapping_table.h"
#include "monitor/protocol.h"
#include "monitor/tree.h"

/* --- What is under way --- */

enum phase {
    PHASE_IDLE = 0,
    PHASE_QUEUED, /* another core's: waits for its turn with the owner, or for a weaker one's end */
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

/* One attempt at one agreement, as this core knows it. */
struct agreement {
    uint64_t id;   /* initiator 48-63, sequence 0-47; 0: no attempt yet */
    uint32_t slot; /* the object's number; of a range, with generation, its address */
    uint32_t generation;
    uint64_t argument[4];
    uint64_t token;    /* participant: where the reply goes */
    uint64_t opponent; /* BUSY: the attempt whose lock it met, 0: not known */
    uint64_t began;    /* root: its ABORT, in cycles; QUEUED: not before */
    uint32_t number;   /* of its record: initiator * lanes + lane */
    uint32_t next;     /* QUEUED: the record behind this one, 0: none */
    uint16_t from;
    uint16_t named; /* the core the verdict names */
    uint16_t root;  /* drives it: the initiator, or the core that it asked */
    uint8_t operation;
    uint8_t protocol;
    uint8_t phase;
    uint8_t verdict;
    uint8_t local; /* this core's own part of the round is still to be done (INPUT_CONTINUE) */
    uint8_t saved; /* the operation's: what it needs to undo */
    uint8_t place; /* of the root's tree that all its rounds travel by */
    uint8_t notify_home; /* root: the object's home has what one phase left */
    uint8_t joined;      /* some child took part, so it has to know of an abort */
    uint8_t strength;    /* attempts aborted before, up to the monitor's limit */
    uint64_t awaited[];  /* a set of cores: children that have not answered this round */
};

/* What a program asked for, one a lane: tried alone, agreed on step by step, tried again. The
 * agreement of its lane is the step that is under way. */
enum workflow_state {
    WORKFLOW_FREE = 0,
    WORKFLOW_WAITING,
    WORKFLOW_AGREEING,
    WORKFLOW_ANSWERED, /* the caller has its answer; acknowledgements are on their way */
};

struct workflow {
    uint64_t ticket;   /* the request's */
    uint64_t retry_at; /* WAITING: not before, in cycles */
    uint32_t attempts; /* that were aborted */
    uint16_t declined; /* was asked last, and was not the owner */
    uint8_t state;
    uint8_t operation; /* what was asked for */
    uint8_t protocol;
    uint8_t moved; /* since it asked, something here has got another owner */
    uint8_t reserved[6];
    struct capability_task task; /* of what is about capabilities */
};

/* --- The block --- */

struct monitor {
    /* Three cache lines that every step looks at, or nearly. */
    uint32_t me;
    uint32_t cores;
    uint32_t set_words;
    uint32_t slots_per_core;
    uint32_t view;
    uint32_t lanes;    /* operations a core may have under way at once: a power of two */
    uint32_t waiting;  /* workflows, and agreements that are queued */
    uint32_t engaged;  /* others' agreements that this core voted for and whose outcome it awaits */
    uint32_t aborting; /* ABORTs that this core drives: how long they take is to be known */
    uint32_t notifies_all; /* not everything has room here: what one phase did ends with a notice */
    uint64_t sequence;     /* attempts begun */
    uint64_t lanes_taken;  /* one bit a workflow that is not FREE */
    uint64_t workflows_offset;
    uint64_t trees_offset;
    struct sparse agreements; /* by initiator * lanes + lane */
    uint32_t strength_max;
    uint32_t recorded;      /* mappings with `recorded` */
    uint64_t cspace_offset; /* a multiple of 64; 0: no capabilities here */
    struct sparse mappings; /* by slot */
    uint64_t members_offset;
    uint64_t sets_offset; /* of each how often it is used; then the set */
    /* The rest. */
    uint64_t frames_offset;
    uint64_t size;
    uint32_t queue_first, queue_last; /* records of agreements, 0: none */
    uint32_t capability_protocol;
    uint32_t capability_work;
    uint32_t piece_slots;
    uint32_t sets;             /* explicit ones that there is room for */
    struct new_mappings fresh; /* this core's */
};

/* Bytes of an agreement's record. */
static inline uint32_t agreement_bytes(uint32_t cores)
{
    return (uint32_t)sizeof(struct agreement) + 8 * core_set_words(cores);
}

enum { LANES_MAX = 64 };
#define NO_OPERATION UINT32_MAX

/* To read; the blank one where there is none. */
static inline struct mapping *monitor_mapping(const struct monitor *m, uint32_t slot)
{
    return sparse_at_of(&m->mappings, slot, sizeof(struct mapping));
}
static inline uint32_t monitor_slots(const struct monitor *m)
{
    return m->cores * m->slots_per_core;
}
static inline uint32_t monitor_home(const struct monitor *m, uint32_t slot)
{
    return slot / m->slots_per_core;
}
static inline bool monitor_is_home(const struct monitor *m, uint32_t slot)
{
    return slot - m->mappings.own < m->mappings.own_count;
}
/* The records of mappings that are or were in use, one after the other. */
static inline uint32_t monitor_mapping_records(const struct monitor *m)
{
    return m->mappings.fresh;
}
static inline struct mapping *monitor_mapping_record(const struct monitor *m, uint32_t i)
{
    return (struct mapping *)(void *)sparse_record(&m->mappings, i);
}

static inline struct agreement *monitor_agreement(const struct monitor *m, uint32_t number)
{
    return sparse_at(&m->agreements, number);
}
static inline struct agreement *monitor_own(const struct monitor *m, uint32_t lane)
{
    return (struct agreement *)(void *)sparse_record(&m->agreements, 1 + lane);
}
static inline struct workflow *monitor_workflow(const struct monitor *m, uint32_t lane)
{
    return (struct workflow *)((uintptr_t)m + m->workflows_offset) + lane;
}

static inline struct tree *monitor_tree(const struct monitor *m, uint32_t root)
{
    return (struct tree *)((uintptr_t)m + m->trees_offset) + root;
}
static inline uint64_t *monitor_members(const struct monitor *m)
{
    return (uint64_t *)((uintptr_t)m + m->members_offset);
}
static inline struct frames *monitor_frames(const struct monitor *m)
{
    return (struct frames *)((uintptr_t)m + m->frames_offset);
}
static inline struct cspace *monitor_cspace(const struct monitor *m)
{
    return (struct cspace *)((uintptr_t)m + m->cspace_offset);
}
