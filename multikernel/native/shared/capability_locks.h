/* The locks of the shared kernel's capabilities: what each guards, and in which order they are
 * taken. For capabilities.c and map_frame.c.
 *
 * Region by region. A filled slot belongs to the region of what it holds, and is changed under that
 * region's lock and its core's. So a reader needs one of the two: with the region's a derivation
 * sees its source and all its relatives, with the core's it looks for an empty slot and at a
 * CNode's bookkeeping. Which region a reference leads to is read before any lock is held, and once
 * more under it: a slot enters or leaves a region only under that region's lock.
 *
 * The order: regions by number (as their first RAMs were created), then the kernel's lock where a
 * page is mapped or unmapped, then the lock of one core's space, a leaf, held while slots of it are
 * filled or emptied. An operation takes its source's region, and that of the destination's CNode
 * unless it is a root, which stays for ever. Where it finds the slot to fill in use by something of
 * another region, that may be about to go with a revocation, and other slots may have shown so: it
 * begins again with that region's lock too, and waits for the revocation, holding nothing, or knows
 * that the slot is in use. A CNode that goes takes along what it holds, of any region: its deletion
 * takes all regions' locks, and so does a revocation in a region where CNodes are. That is the
 * price of regions: such operations cost sixteen locks, and stop everybody meanwhile, as the big
 * lock stops them always. */
#pragma once

#include "shared/capabilities.h"
#include "shared/shared.h"

static inline struct cspace *shared_cspace(const struct driver *d)
{
    return shared_private(d)->cspace;
}

/* Of regions a bit each: they are locked in the order of the bits. */
enum { ALL_REGIONS = (1 << SHARED_REGIONS) - 1 };

/* What a program asks for, try by try. */
struct attempt {
    struct request request;
    struct capability_task task; /* its references count the slots of all cores */
    struct message *result;
    uint32_t regions;  /* to be locked, beside those of source and CNode */
    enum verdict page; /* what hinders a page's mapping or unmapping: of NEEDS_AGREEMENT */
};

/* --- References: a core counts its own slots from 0 --- */

/* From a core's own count of slots to that of all; one that it has no slot for leads nowhere. */
static inline uint64_t from_core(const struct cspace *cs, uint32_t core, uint64_t reference)
{
    return (uint32_t)reference < cspace_space_slots(cs)
               ? reference + (uint64_t)core * cspace_space_slots(cs)
               : 0;
}

static inline uint64_t to_core(const struct cspace *cs, uint32_t core, uint64_t reference)
{
    return reference - (uint64_t)core * cspace_space_slots(cs);
}

static inline uint32_t space_of(const struct cspace *cs, uint32_t slot)
{
    return slot / cspace_space_slots(cs);
}

/* --- Locks --- */

void lock_regions(struct driver *d, uint32_t regions);
void unlock_regions(struct driver *d, uint32_t regions);
/* Those of a source and of the CNode that something made of it goes into, and those that are named
 * already; the head of the source's part. References to empty slots become such that lead nowhere
 * for sure: what else is wrong may come first, as ever. */
struct cspace *lock_for_making(struct driver *d, uint64_t *source, uint64_t *cnode,
                               uint32_t *regions);
/* What the reference's deletion or revocation needs; the head of its part, or NULL, with nothing
 * locked: it leads nowhere. */
struct cspace *lock_for_removal(struct driver *d, uint64_t reference, bool revoke,
                                uint32_t *regions);
/* What a SLOT_IN_USE for that many slots there comes to, under the locks of those regions and of
 * the space, where occupants may be of other parts than the source's: SLOT_IN_USE, BUSY (what is
 * there goes with a revocation, or is taken back: wait, with nothing locked), or MORE: one region
 * more is named now, to begin again with. Regions are only added, so that is said sixteen times at
 * most. */
enum capability_verdict slot_in_use(const struct cspace *cs, const struct cspace_place *place,
                                    uint32_t count, uint32_t *regions);
/* One core's space, the last lock to take. */
void lock_space(struct driver *d, uint32_t core);
void unlock_space(struct driver *d, uint32_t core);

/* Under the regions' locks: what is copied, retyped or mapped, at that address, goes into its
 * slots; SLOT_IN_USE as above. */
enum capability_verdict fill_slots(struct driver *d, struct cspace *cs, struct attempt *a,
                                   uint64_t address);

/* --- Pages of Frames: map_frame.c --- */

/* Under the locks of the Frame's region, a try at MAP_FRAME; as the others of capabilities.c. */
enum capability_verdict shared_frame_map(struct driver *d, struct cspace *cs, struct attempt *a);
/* Under the locks of a deletion: all pages that go with the victim, and their Mappings, or none:
 * PINNED, by the core that the result names. HOST: some may have gone. OK: a CNode is closed, and
 * nothing in it can be mapped any more. */
enum verdict shared_pages_with(struct driver *d, uint32_t victim, struct message *result);
/* Under the locks of a revocation: all pages of its range go, or none: PINNED, as above; MAPPED, in
 * a CNode of another core. HOST: some may have gone. */
enum verdict shared_pages_of(struct driver *d, const struct cspace *cs,
                             const struct cspace_revocation *r, struct message *result);
