/* Capabilities: the one record, the types, what may be derived from what, and the verdicts of
 * operations on them.
 *
 * A capability names a range of memory, says as what it may be used (its type) and how (its
 * rights). The record is a slot of a CNode and a node of the mapping database at once, 64 bytes,
 * one cache line: as Barrelfish's `struct cte`. Sizes are bytes, multiples of the page: not powers
 * of two, because frames here come in any number of pages (Barrelfish gave its `bits` up for the
 * same reason).
 *
 * Source: paper section 4.7; Barrelfish capabilities/caps.hl (types and derivation; the rules here
 * are one table as that file is one list), include/barrelfish_kpi/capabilities.h; relations to
 * other cores after TN-013 ("owner", "foreign", the cached relations). */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/align.h"

enum { CNODE_SLOT_BITS = 8, CNODE_SLOTS = 1 << CNODE_SLOT_BITS, CNODE_BYTES = CNODE_SLOTS * 64 };

/* In the order of derivation: where two capabilities name the same range, the ancestor's type is
 * the smaller number. */
enum capability_type {
    CAP_NULL = 0,
    CAP_RAM,     /* untyped memory */
    CAP_FRAME,   /* memory that can be mapped */
    CAP_CNODE,   /* slots for capabilities */
    CAP_MAPPING, /* the record that a Frame is mapped: claims no memory of its own */
    CAP_TYPES
};

enum capability_rights {
    CAP_READ = 1,
    CAP_WRITE = 2, /* Frame: store; RAM: derive; CNode: fill its slots */
    CAP_GRANT = 4, /* hand on by copying, take back by revoking */
    CAP_RIGHTS_ALL = 7,
};

enum capability_flags {
    /* What the owner must reckon with on other cores; equal in all local copies. One set in vain
     * costs messages, one that is missing costs safety. */
    CAP_REMOTE_COPIES = 1,
    CAP_REMOTE_DESCENDANTS = 2,
    CAP_REMOTE_ANCESTORS = 4,
    CAP_REMOTE = 7,
    CAP_DYING = 8, /* its deletion has begun and takes more calls: usable for nothing else */
    CAP_UNDECIDED =
        16, /* Mapping: its page is being unmapped; that it goes along is not known yet */
};

/* What became of an operation. Whatever is not CAP_OK or CAP_MORE has changed no byte. */
enum capability_verdict {
    CAP_OK = 0,
    CAP_MORE,            /* delete, revoke: work was done and there is more; call again */
    CAP_STALE,           /* the reference names no capability: deleted, revoked, or forged */
    CAP_NOT_A_CNODE,     /* the destination is no CNode */
    CAP_SLOT_IN_USE,     /* a destination slot holds a capability */
    CAP_NO_SLOTS,        /* the destination slots reach beyond the CNode's end */
    CAP_NO_CNODES,       /* this core's block has no slots for another CNode */
    CAP_WRONG_TYPE,      /* the source's type cannot become that type */
    CAP_NOT_COPYABLE,    /* capabilities of that type exist once */
    CAP_BAD_SIZE,        /* zero, no multiple of the page, not the type's, or beyond the source */
    CAP_RETYPE_CONFLICT, /* that memory, or a part of it, is something else already */
    CAP_RIGHTS_EXCEEDED, /* the operation needs, or asks for, rights that the capability lacks */
    CAP_BUSY,            /* another operation has locked that memory, or there is no lock left */
    CAP_CNODE_CYCLE,     /* a CNode would be reachable from itself, or is nested too deep */
    CAP_NEEDS_AGREEMENT, /* other cores may hold copies or descendants */
    CAP_PERMANENT,       /* the root CNode is neither deleted nor revoked */
    CAP_MAPPED,          /* it is mapped, or holds what is: others have to be asked */
    CAP_VERDICTS
};

/* One capability, one slot, one node. An empty slot is zero but for its generation. */
struct capability {
    uint64_t address;  /* bytes; of a Mapping: its Frame's */
    uint64_t size;     /* bytes */
    uint64_t about;    /* Mapping: the virtual address; CNode: its index here; else 0 */
    uint64_t reach[2]; /* the database's: the largest end in either subtree, left first, or 0 */
    uint32_t generation;
    uint16_t owner; /* the core that orders operations on it; not this one: a foreign copy */
    uint8_t type;
    uint8_t rights;
    uint8_t flags;
    uint8_t rank;  /* the database's, and so are the links */
    uint16_t part; /* of the state (cspace.h); 0 but for the shared kernel */
    uint32_t child[2], parent;
};
static_assert(sizeof(struct capability) == 64,
              "a slot is one cache line, a CNode's memory is its slots");
static_assert(offsetof(struct capability, parent) == 60,
              "no hidden padding: slots are compared as bytes");

#define NO_CAPABILITY UINT32_MAX

static inline uint64_t capability_end(const struct capability *c)
{
    return c->address + c->size;
}

/* The same object: copies of one another. Rights may differ. */
static inline bool capability_same(const struct capability *a, const struct capability *b)
{
    return a->address == b->address && a->size == b->size && a->type == b->type &&
           a->about == b->about;
}

/* --- What may become what --- */

struct capability_rule {
    const char *name;
    uint16_t derives;     /* the types it may be retyped to, a bit each */
    uint8_t rights;       /* that mean something: a derived one has the source's among them */
    uint8_t copyable : 1; /* more than one capability may name an object */
    uint8_t remote : 1;   /* ... on other cores too; the rest never leave theirs */
    uint32_t size;        /* bytes of an object; 0: any number of pages */
};

extern const struct capability_rule capability_rules[CAP_TYPES];
