/* What operations that concern several cores need beside cspace.h: whether another one is in the
 * way, and which pages and CNodes go with a capability. */
#pragma once

#include "capability/cspace.h"

/* Has another operation locked a part of that range? */
static inline bool cspace_locked(const struct cspace *cs, uint64_t address, uint64_t end,
                                 uint64_t operation)
{
    return operation != CSPACE_OUTCOME && cspace_lock_on(cs, address, end, operation);
}

/* Where the reference leads, be it dying or not. */
uint32_t cspace_find_any(const struct cspace *cs, uint64_t reference);
/* The capability to work on. BUSY: it lies inside a range that another operation has locked; a part
 * of it may be. */
enum capability_verdict cspace_find_usable(const struct cspace *cs, uint64_t reference,
                                           uint64_t operation, uint32_t *slot);

static inline bool cspace_whole_pages(uint64_t address, uint64_t size)
{
    return size && address % PAGE_BYTES == 0 && size % PAGE_BYTES == 0 && address + size > address;
}

/* May inner lie inside outer, or on it: the same object, or something derived from it, or another
 * Mapping beside it? */
bool cspace_nests(const struct capability *outer, const struct capability *inner);

/* --- What goes with a capability --- */

/* A Mapping that other cores know of (CAP_REMOTE_COPIES): this one, or the first that the same
 * space has of that Frame; NO_CAPABILITY. */
uint32_t cspace_page(const struct cspace *cs, uint32_t slot);
/* MAPPED: it is such a Mapping, or the last capability that its space has to what has one: with it
 * a page is to be unmapped. BUSY: it may be the last one soon. */
enum capability_verdict cspace_mapped(const struct cspace *cs, uint32_t slot);

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
/* MAPPED: a CNode in that range of memory, in another space than that one, holds what is mapped and
 * is not in the range itself. It would go with the CNode, and nobody was asked. Of Frames each
 * counts, not the last one alone: the CNode may hold all that there are. */
enum capability_verdict cspace_cnodes_mapped(const struct cspace *cs, uint64_t address,
                                             uint64_t end, uint32_t but);
#define NO_SPACE UINT32_MAX
