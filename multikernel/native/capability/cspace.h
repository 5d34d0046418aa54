/* A core's capabilities: CNodes full of slots, and what may be done with a capability without
 * asking another core.
 *
 * A CNode is up to 256 slots in 16 KiB of memory that somebody had as RAM: more slots exist only
 * where RAM was retyped to CNodes. A reference is a slot's number and its generation, so one that
 * outlived its capability is noticed. The slots of all CNodes are the nodes of the mapping
 * database. A state is a block of known size: its shape says how many CNodes it has room for.
 *
 * What holds after every call:
 *  - A byte is part of one object at most that is neither RAM nor a Mapping: memory never has two
 *    types.
 *  - Ranges nest or are disjoint; a capability's descendants are inside its range, and a Mapping
 *    covers its Frame.
 *  - Once the last capability to an object is gone, its bytes can be retyped again by whoever has
 *    RAM around them. Bytes that nobody holds RAM around can be made RAM again
 *    (cspace_create_ram).
 *  - An operation that fails has changed no byte. Operations on many capabilities are done in calls
 *    of bounded work.
 *  - A CNode holds CNodes of deeper levels only, so none is reachable from itself; its level is one
 *    more than that of the CNode in which it was made. That forbids some arrangements which are no
 *    cycle, and is known without a search.
 *
 * The state is one flat block without pointers, sized at init, padding zeroed: it is copied, hashed
 * and compared as bytes. Nothing here sends, sleeps, reads a clock or allocates.
 *
 * `operation` says on whose behalf: 0 for a program on this core, else an agreed operation, which
 * may use what it has locked, and never meets CAP_NEEDS_AGREEMENT. Locks are on ranges, not on
 * capabilities: two operations on different parts of one RAM never meet, though each of its
 * capabilities covers both, and what is made in a locked range is locked without further ado. While
 * another operation holds a lock, BUSY is what meets its range: objects made there, Mappings of,
 * deletion and revocation of what overlaps it, copies of what lies inside it, and slots that hold
 * such (it may be taken back, or go).
 *
 * Relations to other cores are kept per object, equal in all local copies: the owner, and cached
 * flags (enum capability_flags). Retype asks for agreement when the source is foreign or may have
 * copies or descendants elsewhere; delete when it is the last local copy of an owned object with
 * such relations; revoke in either case. Ancestors elsewhere alone forbid nothing: to take this
 * capability away they come here, their flags say so.
 *
 * One state may hold the capabilities of several cores, as the shared kernel's does. Each core then
 * has a *space* of its own: CNodes, a root among them, and slots; what it makes of RAM is found
 * wherever its copies lie. So that unrelated memory can be worked on at the same time, such a state
 * may be in several *parts*: a part is a mapping database and its locks, and all that is made of a
 * piece of RAM is in that RAM's part. A struct cspace is the head of a part. Calls take the head of
 * the part that their source is in, and references count the slots of all spaces together; nothing
 * here locks: whoever changes parts at the same time does (shared/capabilities.c).
 *
 * Source: paper section 4.7; Barrelfish kernel/capabilities.c (copy, retype, the checks),
 * kernel/cap_delete.c (deleting in steps; the clear list is `dying` here), usr/monitor/capops/ and
 * TN-013 (relations). */
#pragma once

#include <stdatomic.h>

#include "capability/mapping_database.h"

enum { CNODE_LEVELS = 8 };

/* CLOSING: whether it goes is being agreed; CLOSED: it goes, and is gone for programs; DYING: it is
 * being emptied. */
enum cnode_state { CNODE_FREE = 0, CNODE_LIVE, CNODE_CLOSING, CNODE_CLOSED, CNODE_DYING };

struct cnode {
    uint32_t capability; /* a slot that holds a capability to it; when free, the next free CNode */
    uint16_t used;       /* slots that hold something */
    uint16_t cursor;     /* dying: slots before it are empty */
    uint8_t level;
    uint8_t state;
    uint16_t reserved;
};

struct cspace_lock {
    uint64_t address, end;
    uint64_t operation;
};

/* What a core has of a state. */
struct cspace_space {
    uint32_t free; /* the first free CNode */
    uint32_t free_count;
    uint32_t dying; /* the innermost CNode whose contents are being deleted; or NO_CNODE */
    uint32_t reserved;
};

struct cspace {
    uint64_t size; /* bytes of the whole block */
    uint64_t database_offset;
    uint64_t spaces_offset; /* of all parts, as what follows */
    uint64_t cnodes_offset;
    uint64_t homes_offset; /* by slot, the part that it is in, where there are several */
    uint32_t locks;        /* held now, the first of lock_limit */
    uint32_t lock_limit;
    uint32_t cnode_objects; /* made in this part */
    uint32_t me;            /* in a state of several spaces nobody */
    uint32_t spaces, space_stride;
    uint32_t part, parts, part_stride;
    uint32_t cnodes; /* of a space */
    uint32_t slot_bits;
    uint32_t mapped; /* this part's Mappings with a page; counted in the shared kernel alone */
    /* All locks since there was none lie between: most looks for one end here. 0 without locks. */
    uint64_t locked_from, locked_to;
};

#define NO_CNODE UINT32_MAX
#define NO_PART  UINT16_MAX

/* As an operation, in deleting and revoking: an outcome that is agreed is carried out, and can be
 * neither refused nor put off. Nobody's lock stands in its way; whoever holds one on what goes
 * finds it gone. */
#define CSPACE_OUTCOME UINT64_MAX

static inline struct mapping_database *cspace_database(const struct cspace *cs)
{
    return (struct mapping_database *)((uintptr_t)cs + cs->database_offset);
}
static inline struct cspace_lock *cspace_locks(const struct cspace *cs)
{
    return (struct cspace_lock *)(uintptr_t)(cs + 1);
}
static inline struct capability *cspace_slot(const struct cspace *cs, uint32_t slot)
{
    return mapping_database_node(cspace_database(cs), slot);
}
/* Of the capabilities in this part; see mapping_database_overlapping. */
static inline uint32_t cspace_overlapping(const struct cspace *cs, uint32_t i, uint64_t address,
                                          uint64_t end)
{
    return mapping_database_overlapping(cspace_database(cs), i, address, end);
}
static inline bool cspace_is_clear(const struct cspace *cs, uint64_t address, uint64_t end)
{
    return cspace_overlapping(cs, NO_CAPABILITY, address, end) == NO_CAPABILITY;
}
/* How many there are: of a space, and of all of them. */
static inline uint32_t cspace_space_slots(const struct cspace *cs)
{
    return cs->cnodes << cs->slot_bits;
}
static inline uint32_t cspace_slots(const struct cspace *cs)
{
    return cs->spaces * cspace_space_slots(cs);
}
static inline struct cspace_space *cspace_space(const struct cspace *cs, uint32_t space)
{
    return (struct cspace_space *)((uintptr_t)cs + cs->spaces_offset +
                                   (size_t)space * cs->space_stride);
}
static inline struct cnode *cspace_cnodes(const struct cspace *cs)
{
    return (struct cnode *)((uintptr_t)cs + cs->cnodes_offset);
}
/* The head of another part. */
static inline struct cspace *cspace_part(const struct cspace *cs, uint32_t part)
{
    return (struct cspace *)((uintptr_t)cs +
                             (uintptr_t)(((int64_t)part - cs->part) * cs->part_stride));
}
/* Which part a slot is in, as far as can be known without a lock; NO_PART: it is empty, or there is
 * no such slot. */
static inline uint32_t cspace_home(const struct cspace *cs, uint32_t slot)
{
    if (cs->parts == 1)
        return 0;
    const _Atomic uint16_t *home = (const _Atomic uint16_t *)((uintptr_t)cs + cs->homes_offset);
    /* Relaxed: a hint, until it is read once more under that part's lock. */
    return slot < cspace_slots(cs) ? atomic_load_explicit(&home[slot], memory_order_relaxed)
                                   : NO_PART;
}
/* Is that slot where a root CNode's own capability is? */
static inline bool cspace_is_root(const struct cspace *cs, uint32_t slot)
{
    return cs->spaces == 1 ? slot == 0 : slot % cspace_space_slots(cs) == 0;
}
/* How many locks begin before that address: they are in order, and no two share a byte. */
static inline uint32_t cspace_locks_before(const struct cspace *cs, uint64_t address)
{
    uint32_t from = 0, to = cs->locks;
    while (from < to) {
        const uint32_t middle = (from + to) / 2;
        if (cspace_locks(cs)[middle].address < address)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}
/* A lock on a byte of that range that is not that operation's; NULL. */
static inline const struct cspace_lock *cspace_lock_on(const struct cspace *cs, uint64_t address,
                                                       uint64_t end, uint64_t operation)
{
    if (address >= cs->locked_to || end <= cs->locked_from)
        return NULL;
    const struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = cspace_locks_before(cs, end); i-- > 0 && lock[i].end > address;)
        if (lock[i].operation != operation)
            return &lock[i];
    return NULL;
}
/* Does any operation hold a lock on a byte of it? */
static inline bool cspace_touched(const struct cspace *cs, const struct capability *c)
{
    return cspace_lock_on(cs, c->address, capability_end(c), 0) != NULL;
}
/* What names the capability in a slot that holds one. */
static inline uint64_t cspace_reference(const struct cspace *cs, uint32_t slot)
{
    return slot | (uint64_t)cspace_slot(cs, slot)->generation << 32;
}
/* The root CNode's own capability: slot 0 of itself. */
#define CSPACE_ROOT (1ull << 32)

/* --- Making one --- */

/* What a state has room for. slot_bits is CNODE_SLOT_BITS, but where states are copied and hashed
 * by the million (a state-space explorer): there a CNode may have fewer slots than its memory would
 * hold. */
struct cspace_shape {
    uint32_t cnodes;    /* of each space, the root among them; 1 to 2^20 */
    uint32_t slot_bits; /* a CNode has 2^slot_bits slots; at most CNODE_SLOT_BITS */
    uint32_t locks;     /* at once, in each part */
    uint32_t spaces;    /* 0 is 1 */
    uint32_t parts;     /* 0 is 1 */
};

/* Bytes of such a state. */
size_t cspace_size(const struct cspace_shape *shape);
/* In a zeroed block of that size, aligned to 64 (128 if it has parts). The root CNode lies in
 * [root_address, + CNODE_BYTES), which is nobody's RAM; those of further spaces behind it. */
void cspace_init(struct cspace *cs, uint32_t me, const struct cspace_shape *shape,
                 uint64_t root_address);

/* As an index: the first slot that is free, or the first run of so many. It is chosen where and
 * when the capability is made, so that nobody has to know another core's slots, and of two that are
 * after the same one none is refused. */
#define CNODE_ANY 0xfffu

/* Where a new capability goes: that slot of that CNode; several go to that slot and those behind
 * it. */
struct cspace_place {
    uint64_t cnode; /* reference */
    uint32_t index; /* or CNODE_ANY */
    uint32_t reserved;
};

/* Memory that no capability names becomes RAM, owned by this core, with all rights: at boot, or
 * when nobody has it any more. It is in the part whose head is given; that nothing of it is in
 * another part is the caller's to know. */
enum capability_verdict cspace_create_ram(struct cspace *cs, uint64_t address, uint64_t size,
                                          const struct cspace_place *to, uint64_t *made);

/* A capability that another core has sent: address, size, type, about, owner, rights and relations
 * as the record says, but relations and owner as in local copies where there are any.
 * RETYPE_CONFLICT where it contradicts what is known here. */
enum capability_verdict cspace_receive(struct cspace *cs, const struct capability *record,
                                       const struct cspace_place *to, uint64_t operation,
                                       uint64_t *made);
/* Would it? And into which slot. */
enum capability_verdict cspace_may_receive(const struct cspace *cs, const struct capability *record,
                                           const struct cspace_place *to, uint64_t operation,
                                           uint32_t *slot);

/* --- Operations --- */

/* The slot where the reference leads; NO_CAPABILITY: it is stale. Capabilities whose deletion has
 * begun, or in CNodes that are being emptied, count as gone. */
uint32_t cspace_find(const struct cspace *cs, uint64_t reference);

/* Another capability to the same object, with those of its rights. Copying needs CAP_GRANT. */
enum capability_verdict cspace_mint(struct cspace *cs, uint64_t source, uint32_t rights,
                                    const struct cspace_place *to, uint64_t operation,
                                    uint64_t *made);

/* Work done in a call, and the slot at which it stopped: the one the verdict is about. NULL where
 * nobody wants to know. */
struct cspace_progress {
    uint32_t done;
    uint32_t slot;
};

/* Empties the slot. With a Frame's last capability its Mappings go too, and with a CNode's last all
 * that it holds. A call deletes at most `work` capabilities; MORE: call again with the same
 * reference. An error from inside (BUSY, NEEDS_AGREEMENT) names the slot that stands in the way;
 * delete that one, or come back. An operation other than 0 vouches for all that its call deletes,
 * so a CNode is deleted on behalf of 0, and what in it needs agreement on behalf of the operation
 * that got it. One chain of nested CNodes is emptied at a time: a call that is to delete another
 * one helps with the first. */
enum capability_verdict cspace_delete(struct cspace *cs, uint64_t reference, uint64_t operation,
                                      uint32_t work, struct cspace_progress *progress);

/* A revoke under way. For a core where no copy stays: reference 0, the rest as the message says. */
struct cspace_revocation {
    uint64_t reference;   /* the capability that stays */
    struct capability of; /* the object: address, size, about and type count */
};
/* The slot of a copy or descendant that has to go, other than the capability that stays;
 * NO_CAPABILITY: none is left. */
uint32_t cspace_revoke_next(const struct cspace *cs, const struct cspace_revocation *revocation);
/* May it be revoked? Needs CAP_GRANT. */
enum capability_verdict cspace_revoke_begin(const struct cspace *cs, uint64_t reference,
                                            struct cspace_revocation *revocation);
/* Deletes descendants and other copies, at most `work` capabilities a call; else as delete. OK:
 * there are none left. A revoke that empties the CNode which holds its own capability loses that
 * one too, and goes on to the end: it is the range that counts. To interleave it with operations of
 * others the range has to be locked, or what they derive meanwhile is revoked as well. */
enum capability_verdict cspace_revoke_step(struct cspace *cs,
                                           const struct cspace_revocation *revocation,
                                           uint64_t operation, uint32_t work,
                                           struct cspace_progress *progress);

/* --- For agreement --- */

/* The range is that operation's (not 0) from now on. BUSY when a part of it is locked, or there is
 * no room for a lock. An operation may lock several ranges; unlocking gives all of them back. Looking
 * for a lock takes the logarithm of the locks held; capabilities do not count. */
enum capability_verdict cspace_lock(struct cspace *cs, uint64_t address, uint64_t size,
                                    uint64_t operation);
void cspace_unlock(struct cspace *cs, uint64_t operation);

/* Would RAM of [address, + size) here be retyped in [from, end) against something derived from it?
 * OK or RETYPE_CONFLICT. */
enum capability_verdict cspace_conflict(const struct cspace *cs, uint64_t address, uint64_t size,
                                        uint64_t from, uint64_t end);

/* The same object's first capability here, as another core names it; NO_CAPABILITY when there is
 * none, or its deletion has begun. */
uint32_t cspace_find_object(const struct cspace *cs, uint64_t address, uint64_t size,
                            uint32_t type);

/* Another core has made something of RAM in that range: all RAM here that has all of it gets
 * CAP_REMOTE_DESCENDANTS. */
void cspace_derived_elsewhere(struct cspace *cs, uint64_t address, uint64_t end);

/* Sets the object's owner in all its local copies, and its relations (CAP_REMOTE_…) to what is kept
 * of them and what is new; with copies or descendants elsewhere its ancestors here get
 * CAP_REMOTE_DESCENDANTS. NOT_COPYABLE for types that never leave their core; STALE for
 * NO_CAPABILITY. */
enum capability_verdict cspace_relate(struct cspace *cs, uint32_t slot, uint32_t owner,
                                      uint32_t kept, uint32_t new);

/* --- Looking --- */

/* What that slot of a space holds, or the next in use if there is one, and its reference, as the
 * space counts its own; false: there is no such slot. */
bool cspace_look(const struct cspace *cs, uint32_t space, uint64_t slot, bool next,
                 struct capability *found, uint64_t *reference);
/* Of that space: a digest of what every slot holds, equal for equal contents, whatever the history
 * and the shape of the tree; slots in use, locks held, slots, and whether something is wrong. */
void cspace_figures(const struct cspace *cs, uint32_t space, uint64_t words[5]);

/* For tests: NULL, or what of the above does not hold. */
const char *cspace_check(const struct cspace *cs);
