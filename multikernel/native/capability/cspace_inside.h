/* What the files cspace*.c share. */
#pragma once

#include "capability/cspace_going.h"

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
    if (cs->parts > 1) /* relaxed: see cspace_home */
        atomic_store_explicit(&((_Atomic uint16_t *)((uintptr_t)cs + cs->homes_offset))[slot],
                              (uint16_t)part, memory_order_relaxed);
}

/* May other cores hold what this core alone must not decide about? */
static inline bool cspace_needs_agreement(const struct cspace *cs, const struct capability *c,
                                          uint64_t operation)
{
    return !operation && c->owner == cs->me &&
           c->flags & (CAP_REMOTE_COPIES | CAP_REMOTE_DESCENDANTS);
}

/* Of a Frame the Mapping that is next to it, or of a Mapping another one; NO_CAPABILITY. */
uint32_t cspace_next_mapping(const struct cspace *cs, uint32_t slot);
/* Its deletion, or that of the CNode which it lies in, has begun. */
bool cspace_gone(const struct cspace *cs, uint32_t slot);
/* What its core has of the same besides: capabilities that are as good as gone do not count. */
enum left { LEFT_NOTHING, LEFT_CLOSING, LEFT_USABLE };
enum left cspace_left(const struct cspace *cs, uint32_t slot);
/* The first of count empty slots there, or what is wrong with them. */
enum capability_verdict cspace_find_place(const struct cspace *cs, const struct cspace_place *to,
                                          uint32_t count, uint64_t operation, uint32_t *first);
/* Puts a record into an empty slot and into the order; the slot. hint as in
 * mapping_database_insert. */
uint32_t cspace_fill(struct cspace *cs, uint32_t slot, const struct capability *record,
                     uint32_t hint);
/* Takes it out. Of a CNode's last capability: its slots are empty. */
void cspace_empty(struct cspace *cs, uint32_t slot);
