/* What the files cspace*.c share; for nobody else. */
#pragma once

#include "capability/cspace.h"

/* The CNode that a slot is part of. */
static inline struct cnode *cspace_cnode(const struct cspace *cs, uint32_t slot)
{
    return &cspace_cnodes(cs)[slot >> cs->slot_bits];
}

/* ... and the space. */
static inline struct cspace_space *cspace_space_of(const struct cspace *cs, uint32_t slot)
{
    return cspace_space(cs, cs->spaces == 1 ? 0 : slot / cspace_space_slots(cs));
}

static inline void cspace_set_home(struct cspace *cs, uint32_t slot, uint32_t part)
{
    if (cs->homes_offset) /* relaxed: see cspace_home */
        atomic_store_explicit(&((_Atomic uint16_t *)((uintptr_t)cs + cs->homes_offset))[slot],
                              (uint16_t)part, memory_order_relaxed);
}

/* Has another operation locked a part of that range? */
static inline bool cspace_locked(const struct cspace *cs, uint64_t address, uint64_t end,
                                 uint64_t operation)
{
    return operation != CSPACE_OUTCOME && cspace_lock_on(cs, address, end, operation);
}

/* May other cores hold what this core alone must not decide about? */
static inline bool cspace_needs_agreement(const struct cspace *cs, const struct capability *c,
                                          uint64_t operation)
{
    return !operation && c->owner == cs->me &&
           c->flags & (CAP_REMOTE_COPIES | CAP_REMOTE_DESCENDANTS);
}

/* May inner lie inside outer, or on it: the same object, or something derived from it, or another
 * Mapping beside it? */
bool cspace_nests(const struct capability *outer, const struct capability *inner);

/* A Mapping that other cores know of (CAP_REMOTE_COPIES): this one, or the first that the same
 * space has of that Frame; NO_CAPABILITY. */
uint32_t cspace_page(const struct cspace *cs, uint32_t slot);
/* MAPPED: it is such a Mapping, or the last capability that its space has to what has one: with it
 * a page is to be unmapped. BUSY: it may be the last one soon. */
enum capability_verdict cspace_mapped(const struct cspace *cs, uint32_t slot);

/* --- What goes with a capability: cspace_close.c --- */

/* Its deletion, or that of the CNode which it lies in, has begun. */
bool cspace_gone(const struct cspace *cs, uint32_t slot);
/* What its core has of the same besides: capabilities that are as good as gone do not count. */
enum left { LEFT_NOTHING, LEFT_CLOSING, LEFT_USABLE };
enum left cspace_left(const struct cspace *cs, uint32_t slot);
/* May its deletion begin? OK: yes, and of a CNode it has: it is closed now. NEEDS_AGREEMENT: pages
 * go with it; all of them first. BUSY: another operation is at something that would go. */
enum capability_verdict cspace_going(struct cspace *cs, uint32_t slot);
/* May its revocation? OK: yes. NEEDS_AGREEMENT: CNodes go that take pages along, be they of other
 * memory: all pages first. BUSY as above. */
enum capability_verdict cspace_revoking(struct cspace *cs, uint32_t slot);
/* After NEEDS_AGREEMENT: nobody else uses what would go; then it goes, or it stays. */
void cspace_close(struct cspace *cs, uint32_t slot);
void cspace_closed(struct cspace *cs, uint32_t slot);
void cspace_reopen(struct cspace *cs, uint32_t slot);
/* Does that Mapping's page go with the victim, whose CNodes are closing? RAM: with what is made of
 * it. */
bool cspace_page_goes(const struct cspace *cs, uint32_t page, uint32_t victim);

static inline bool cspace_whole_pages(uint64_t address, uint64_t size)
{
    return size && address % PAGE_BYTES == 0 && size % PAGE_BYTES == 0 && address + size > address;
}

/* Where the reference leads, be it dying or not. */
enum capability_verdict cspace_find_any(const struct cspace *cs, uint64_t reference,
                                        uint32_t *slot);
/* The capability to work on. BUSY: it lies inside a range that another operation has locked; a part
 * of it may be. */
enum capability_verdict cspace_find_usable(const struct cspace *cs, uint64_t reference,
                                           uint64_t operation, uint32_t *slot);
/* The first of count empty slots there, or what is wrong with them. */
enum capability_verdict cspace_find_place(const struct cspace *cs, const struct cspace_place *to,
                                          uint32_t count, uint64_t operation, uint32_t *first);
/* Puts a record into an empty slot and into the order; the slot. hint as in
 * mapping_database_insert. */
uint32_t cspace_fill(struct cspace *cs, uint32_t slot, const struct capability *record,
                     uint32_t hint);
/* Takes it out. Of a CNode's last capability: its slots are empty. */
void cspace_empty(struct cspace *cs, uint32_t slot);
