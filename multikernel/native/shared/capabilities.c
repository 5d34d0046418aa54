/* The shared kernel's capabilities: the multikernel's own functions (cspace.h) on one state that
 * all cores have together, in the segment. Each core has a space in it, so a reference means on a
 * core what it means there in the multikernel, and names nothing of another core's; the database of
 * what is derived from what is one for all. A core does by itself, under locks, what it takes
 * agreement to do elsewhere.
 *
 * Which locks (boot's lock_scope; how they are taken is in capability_locks.h):
 *   big     the kernel's one lock, which map and unmap take too.
 *   region  one for each region of memory, and one for each core's space. A region is a mapping
 *           database of its own (a part, cspace.h); each RAM that is created goes to the next of 16
 *           regions in turn, and all that is made of it stays there. What two cores do with memory
 *           of two regions shares no lock and no line; RAMs beyond the sixteenth share regions,
 *           which costs waiting and is never wrong. Fixed ranges of addresses would cut large RAM
 *           in pieces, and retyping it would need all their locks.
 *
 * Deleting and revoking many is done in pieces of bounded work, the locks given back in between, so
 * that nobody waits for a long time. A revocation of more than a piece first locks the range in the
 * database (cspace_lock): nobody derives more of it meanwhile, or uses what is about to go, so it
 * ends, and it looks as if it had been at one moment. It then heeds nobody else's range
 * (CSPACE_OUTCOME), hence waits for nobody while it holds one: no two wait for each other. An
 * operation that meets a locked range waits here, and so does one that wants a slot out of which
 * something is about to go (slot_in_use): another core is at work on it.
 *
 * A Mapping with a page stands in the way of what would take it along (cspace_delete.c). So a
 * deletion first unmaps all pages that go with it, and a revocation all pages of its range and of
 * the CNodes in it, or none where one is pinned (map_frame.c).
 *
 * A core that waits goes on acting on what it is notified of (shared_while_waiting).
 *
 * Nobody owns anything: `owner` shows the core that looks, for it decides alone. A type that never
 * leaves its core in the multikernel (CNode, Mapping) does not here either, so that programs find
 * the same. */
#include "capability/cspace_going.h"
#include "shared/capability_locks.h"

enum { WORK = 64 }; /* capabilities a piece */

/* --- Copy and retype --- */

static enum capability_verdict copy(struct driver *d, struct cspace *cs, struct attempt *a)
{
    struct capability_task *t = &a->task;
    enum capability_verdict verdict = capability_check_copy(cs, t, t->to != d->me);
    if (verdict == CAP_NEEDS_AGREEMENT) /* a part that is locked is enough to keep the source */
        verdict =
            t->move && cspace_touched(cs, cspace_slot(cs, (uint32_t)t->source)) ? CAP_BUSY : CAP_OK;
    if (verdict == CAP_OK)
        verdict = fill_slots(d, cs, a, 0);
    if (verdict != CAP_OK || !t->move)
        return verdict;
    lock_space(d, d->me);
    /* there is another one now: nothing stands in the way */
    verdict = cspace_delete(cs, t->source, 0, 1, NULL);
    unlock_space(d, d->me);
    assert(verdict == CAP_OK);
    return verdict;
}

/* New Frames are cleared under the region's lock: once it is given back, another core may revoke
 * them, and make its own of that memory. */
static enum capability_verdict retype(struct driver *d, struct cspace *cs, struct attempt *a)
{
    const enum capability_verdict verdict = fill_slots(d, cs, a, 0);
    if (verdict == CAP_OK)
        vspace_clear(&d->vspace, a->task.fresh, a->task.fresh_size);
    return verdict;
}

/* One try at what needs a source and a place. MORE: another one, with the locks that are named. */
static enum capability_verdict derive(struct driver *d, struct attempt *a)
{
    struct capability_task *t = &a->task;
    struct cspace *cs = lock_for_making(d, &t->source, &t->place.cnode, &a->regions);
    const uint32_t operation = a->request.operation, regions = a->regions;
    const enum capability_verdict verdict = operation == OPERATION_COPY ? copy(d, cs, a)
                                            : operation == OPERATION_RETYPE
                                                ? retype(d, cs, a)
                                                : shared_frame_map(d, cs, a);
    unlock_regions(d, regions);
    return verdict;
}

/* --- Delete and revoke, in pieces --- */

/* What stands in the way is unmapped, and the deletion goes on; or it does not, and why is the
 * page's. */
static enum capability_verdict unmapped(struct driver *d, uint32_t victim, struct attempt *a)
{
    a->page = shared_pages_with(d, victim, a->result);
    return a->page == VERDICT_OK ? CAP_MORE : CAP_NEEDS_AGREEMENT;
}

static enum capability_verdict delete_piece(struct driver *d, struct attempt *a)
{
    struct capability_task *t = &a->task;
    uint32_t regions;
    struct cspace *cs = lock_for_removal(d, t->source, false, &regions);
    if (!cs)
        return CAP_STALE;
    const struct capability c = *cspace_slot(cs, (uint32_t)t->source);
    enum capability_verdict verdict;
    for (;;) {
        lock_space(d, d->me);
        verdict = capability_delete(cs, t, WORK);
        unlock_space(d, d->me);
        if (verdict != CAP_NEEDS_AGREEMENT ||
            (verdict = unmapped(d, (uint32_t)t->victim, a)) != CAP_MORE)
            break;
        t->begun = 1;
    }
    /* Core 0 alone makes RAM, and takes back what nobody has any of any more. */
    const bool goes = verdict == CAP_OK && d->me == 0 && c.type == CAP_RAM &&
                      cspace_is_clear(cs, c.address, capability_end(&c));
    unlock_regions(d, regions);
    if (goes)
        shared_frames_return(d, c.address, c.size);
    return verdict;
}

/* Under the regions' locks. */
static enum capability_verdict revoke_piece(struct driver *d, struct cspace *cs,
                                            struct cspace_revocation *r, struct attempt *a)
{
    uint32_t held = UINT32_MAX, victim;
    enum capability_verdict verdict = CAP_OK;
    struct cspace_progress progress = {0};
    for (uint32_t done = 0;
         verdict == CAP_OK && (victim = cspace_revoke_next(cs, r)) != NO_CAPABILITY; done++) {
        if (done == WORK) {
            verdict = CAP_MORE;
            break;
        }
        if (held != space_of(cs, victim)) {
            if (held != UINT32_MAX)
                unlock_space(d, held);
            held = space_of(cs, victim);
            lock_space(d, held);
        }
        verdict = cspace_revoke_step(cs, r, CSPACE_OUTCOME, 1, &progress);
        if (verdict == CAP_MORE)
            verdict = CAP_OK; /* one step of many */
    }
    if (held != UINT32_MAX)
        unlock_space(d, held);
    /* Of a Frame that goes with a CNode, or mapped since the last piece. */
    return verdict == CAP_NEEDS_AGREEMENT ? unmapped(d, progress.slot, a) : verdict;
}

static enum capability_verdict revoke_all(struct driver *d, struct attempt *a)
{
    const uint64_t reference = a->task.source;
    struct cspace_revocation r;
    uint32_t regions;
    struct cspace *cs = lock_for_removal(d, reference, true, &regions);
    if (!cs)
        return CAP_STALE;
    enum capability_verdict verdict = cspace_revoke_begin(cs, reference, &r);
    if (verdict == CAP_OK) {
        a->page = shared_pages_of(d, cs, &r, a->result);
        verdict = a->page == VERDICT_OK ? revoke_piece(d, cs, &r, a) : CAP_NEEDS_AGREEMENT;
    }
    if (verdict == CAP_MORE) {
        enum capability_verdict locked = cspace_lock(cs, r.of.address, r.of.size, d->me + 1u);
        /* begin would have been refused, and there is room for one of each core */
        assert(locked == CAP_OK);
        (void)locked;
    }
    while (verdict == CAP_MORE) {
        unlock_regions(d, regions);
        shared_while_waiting(d);
        /* those of before: in a locked range nobody has made a CNode meanwhile */
        lock_regions(d, regions);
        if (cspace_home(cs, (uint32_t)r.reference) != cs->part)
            /* it was in a CNode that went with the rest, or with something of another revocation */
            r.reference = 0;
        verdict = revoke_piece(d, cs, &r, a);
        if (verdict != CAP_MORE)
            cspace_unlock(cs, d->me + 1u);
    }
    unlock_regions(d, regions);
    return verdict;
}

enum verdict shared_capability(struct driver *d, const struct request *request,
                               struct message *result)
{
    const struct cspace *state = shared_cspace(d);
    const uint32_t operation = request->operation;
    struct attempt a = {.request = *request, .task = *request->task, .result = result};
    struct capability_task *t = &a.task;
    const uint32_t to = operation == OPERATION_COPY ? t->to : d->me;
    enum capability_verdict verdict;
    if (to >= d->cores)
        return VERDICT_BAD_REQUEST;
    t->source = from_core(state, d->me, t->source);
    t->place.cnode = from_core(state, to, t->place.cnode);
    for (;;) {
        verdict = operation == OPERATION_DELETE   ? delete_piece(d, &a)
                  : operation == OPERATION_REVOKE ? revoke_all(d, &a)
                                                  : derive(d, &a);
        if (verdict != CAP_MORE && verdict != CAP_BUSY)
            break;
        shared_while_waiting(d);
    }
    if (t->made)
        result->word[operation == OPERATION_MAP_FRAME ? 4 : 1] = to_core(state, to, t->made);
    if (verdict == CAP_NEEDS_AGREEMENT)
        return a.page;
    /* others did the rest */
    return verdict == CAP_STALE && t->begun ? VERDICT_OK : monitor_verdict(verdict);
}

/* --- RAM, and looking --- */

enum verdict shared_create_ram(struct driver *d, uint64_t address, uint64_t size,
                               const struct cspace_place *to, uint64_t *made)
{
    struct cspace *state = shared_cspace(d);
    const struct cspace_place place = {.cnode = from_core(state, d->me, to->cnode),
                                       .index = to->index};
    uint32_t *region = &shared_private(d)->region_next;
    uint32_t everything = ALL_REGIONS; /* it is rare, and of the CNode's region nobody need know */
    lock_regions(d, everything);
    lock_space(d, d->me);
    enum capability_verdict verdict =
        cspace_create_ram(cspace_part(state, *region), address, size, &place, made);
    if (verdict == CAP_SLOT_IN_USE)
        verdict = slot_in_use(state, &place, 1, &everything);
    unlock_space(d, d->me);
    unlock_regions(d, everything);
    if (verdict == CAP_OK) {
        *region = (*region + 1) % state->parts;
        *made = to_core(state, d->me, *made);
    }
    return monitor_verdict(verdict);
}

enum verdict shared_unused(struct driver *d, uint64_t address, uint64_t size)
{
    struct cspace *state = shared_cspace(d);
    bool unused = true;
    lock_regions(d, ALL_REGIONS);
    for (uint32_t part = 0; part < state->parts; part++)
        unused &= cspace_is_clear(cspace_part(state, part), address, address + size);
    unlock_regions(d, ALL_REGIONS);
    return unused ? VERDICT_OK : VERDICT_FRAME_IN_USE;
}

enum verdict shared_look(struct driver *d, uint64_t slot, bool next, struct capability *found,
                         uint64_t *reference)
{
    const struct cspace *cs = shared_cspace(d);
    lock_regions(d, 0); /* the space's is enough, where there are regions */
    lock_space(d, d->me);
    const bool any = cspace_look(cs, d->me, slot, next, found, reference);
    unlock_space(d, d->me);
    unlock_regions(d, 0);
    found->owner = (uint16_t)d->me;
    return any ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

void shared_capabilities_digest(struct driver *d, uint64_t words[5])
{
    lock_regions(d, ALL_REGIONS);
    cspace_figures(shared_cspace(d), d->me, words);
    unlock_regions(d, ALL_REGIONS);
}
