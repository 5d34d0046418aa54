/* The shared kernel's capabilities: the multikernel's own functions (cspace.h) on one state that all cores have together, in the segment.
 * Each core has a space in it, so a reference means on a core what it means there in the multikernel, and names nothing of another core's;
 * the database of what is derived from what is one for all. A core does by itself, under locks, what it takes agreement to do elsewhere.
 *
 * Which locks (boot's lock_scope; how they are taken is in shared_capability_locks.h):
 *   big     the kernel's one lock, which map and unmap take too.
 *   region  one for each region of memory, and one for each core's space. A region is a mapping database of its own (a part, cspace.h); each
 *           RAM that is created goes to the next of 16 regions in turn, and all that is made of it stays there. What two cores do with
 *           memory of two regions shares no lock and no line; RAMs beyond the sixteenth share regions, which costs
 *           waiting and is never wrong. Fixed ranges of addresses would cut large RAM in pieces, and retyping it would need all their locks.
 *
 * Deleting and revoking many is done in pieces of bounded work, the locks given back in between, so that nobody waits for a long time. A
 * revocation of more than a piece first locks the range in the database (cspace_lock): nobody derives more of it meanwhile, or uses what
 * is about to go, so it ends, and it looks as if it had been at one moment. It then heeds nobody else's range (CSPACE_OUTCOME), hence waits
 * for nobody while it holds one: no two wait for each other. Who meets a locked range waits here; its owner is at work on another core.
 *
 * What is missing: Frames that are capabilities are not mapped here (KIND_CAP_MAP is refused). When they are, a Mapping's removal is the unmap,
 * done in delete_piece and revoke_piece before the step that removes it; and since a Frame's views then lie with other cores than its last
 * copy, that step needs the locks of two spaces, in the order of their cores.
 *
 * A core that waits answers what it is told meanwhile (shared_kernel.c: shared_while_waiting). Nobody owns anything: `owner` shows the core
 * that looks, for it decides alone. A type that never leaves its core in the multikernel (CNode, Dispatcher, Endpoint, Mapping) does not here either, so
 * that programs find the same. */
#include "shared_capability_locks.h"

enum { WORK = 64 }; /* capabilities a piece */

/* --- References ------------------------------------------------------------------------------------------------------------------- */

/* From a core's own count of slots to that of all; one that it has no slot for leads nowhere. */
static uint64_t from_core(const struct cspace *cs, uint32_t core, uint64_t reference)
{
    return (uint32_t)reference < cspace_space_slots(cs) ? reference + (uint64_t)core * cspace_space_slots(cs) : 0;
}

static uint64_t to_core(const struct cspace *cs, uint32_t core, uint64_t reference)
{
    return reference - (uint64_t)core * cspace_space_slots(cs);
}

static uint32_t space_of(const struct cspace *cs, uint32_t slot)
{
    return slot / cspace_space_slots(cs);
}

/* The region to lock for a CNode that something goes into: a root's is never needed, and then the other one does. */
static uint32_t home_of_cnode(const struct cspace *cs, uint64_t cnode, uint32_t other)
{
    return cspace_is_root(cs, (uint32_t)cnode) ? other : cspace_home(cs, (uint32_t)cnode);
}

/* --- Copy and retype --------------------------------------------------------------------------------------------------------------- */

static bool range_locked(const struct cspace *cs, const struct capability *c)
{
    const struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = 0; i < cs->locks; i++)
        if (lock[i].address < capability_end(c) && c->address < lock[i].end)
            return true;
    return false;
}

static enum capability_verdict copy(struct driver *d, struct cspace *cs, struct capability_task *t, uint64_t source,
                                    uint64_t cnode)
{
    const struct cspace_place place = {.cnode = cnode, .index = t->index};
    uint32_t slot;
    enum capability_verdict verdict = cspace_find(cs, source, &slot);
    if (verdict != CAP_OK)
        return verdict;
    const struct capability *c = cspace_slot(cs, slot);
    if (t->move && cspace_is_root(cs, slot))
        return CAP_PERMANENT;
    if (t->move && range_locked(cs, c))
        return CAP_BUSY; /* a part of it: enough to forbid that the source goes */
    const uint32_t rights = t->move ? c->rights : t->rights;
    if (t->to != d->me) { /* in the order in which the multikernel finds out */
        if (!capability_rules[c->type].copyable || !capability_rules[c->type].remote)
            return CAP_NOT_COPYABLE;
        if (!(c->rights & CAP_GRANT) || rights & ~(uint32_t)c->rights)
            return CAP_RIGHTS_EXCEEDED;
        if (t->index >= CNODE_SLOTS && t->index != CNODE_ANY)
            return CAP_NO_SLOTS;
    }
    lock_space(d, t->to);
    verdict = cspace_mint(cs, source, rights, &place, 0, &t->made);
    unlock_space(d, t->to);
    if (verdict != CAP_OK || !t->move)
        return verdict;
    struct cspace_progress progress;
    lock_space(d, d->me);
    verdict = cspace_delete(cs, source, 0, 1, &progress); /* there is another one now: nothing stands in the way */
    unlock_space(d, d->me);
    assert(verdict == CAP_OK);
    return verdict;
}

static enum capability_verdict retype(struct driver *d, struct cspace *cs, struct capability_task *t, uint64_t source,
                                      uint64_t cnode)
{
    const struct cspace_retype r = {.source = source,
                                    .offset = t->offset,
                                    .size = t->size,
                                    .about = t->about,
                                    .type = t->type,
                                    .count = t->count,
                                    .to = {.cnode = cnode, .index = t->index}};
    lock_space(d, d->me);
    enum capability_verdict verdict = cspace_retype(cs, &r, 0, &t->made);
    unlock_space(d, d->me);
    return verdict;
}

/* One try at what needs a source and a place. */
static enum capability_verdict derive(struct driver *d, struct capability_task *t)
{
    struct cspace *state = shared_cspace(d);
    const uint32_t to = t->row == ROW_CAP_COPY ? t->to : d->me;
    uint64_t source = from_core(state, d->me, t->source), cnode = from_core(state, to, t->cnode);
    for (;;) {
        /* Those of empty slots become references that lead nowhere for sure: what else is wrong may come first, as ever. */
        if (cspace_home(state, (uint32_t)source) == NO_PART)
            source = 0;
        if (cspace_home(state, (uint32_t)cnode) == NO_PART)
            cnode = 0;
        const uint32_t home = cspace_home(state, (uint32_t)source), around = home_of_cnode(state, cnode, home);
        if (home == NO_PART || around == NO_PART)
            continue; /* just now */
        const struct needs n = SHARED_MUTANT(WRONG_REGION) ? needs(d->me, d->me) : needs(home, around);
        lock_regions(d, &n);
        if (SHARED_MUTANT(RELEASED_EARLY))
            unlock_regions(d, &n);
        enum capability_verdict verdict = CAP_MORE;
        if ((cspace_home(state, (uint32_t)source) == home && home_of_cnode(state, cnode, home) == around) ||
            SHARED_MUTANT(HOME_READ_ONCE)) {
            struct cspace *cs = cspace_part(state, home);
            verdict = t->row == ROW_CAP_COPY ? copy(d, cs, t, source, cnode) : retype(d, cs, t, source, cnode);
        }
        if (!SHARED_MUTANT(RELEASED_EARLY))
            unlock_regions(d, &n);
        if (verdict == CAP_OK)
            t->made = to_core(state, to, t->made);
        if (verdict != CAP_MORE)
            return verdict;
    }
}

/* --- Delete and revoke, in pieces ------------------------------------------------------------------------------------------------- */

/* Locks what the reference's deletion or revocation needs and returns the head of its part; NULL, with nothing locked: it leads nowhere. */
static struct cspace *lock_for_removal(struct driver *d, uint64_t reference, bool revoke, struct needs *n)
{
    struct cspace *state = shared_cspace(d);
    const uint32_t slot = (uint32_t)reference;
    bool all = false;
    for (;;) {
        const uint32_t home = cspace_home(state, slot);
        if (home == NO_PART)
            return NULL;
        *n = (struct needs){.first = home, .second = home, .all = all};
        lock_regions(d, n);
        if (cspace_home(state, slot) == home) {
            struct cspace *cs = cspace_part(state, home);
            bool cnodes = revoke ? cs->cnode_objects != 0 : cspace_slot(cs, slot)->type == CAP_CNODE;
            if (all || !cnodes || cs->parts == 1 || SHARED_MUTANT(CONTENTS_FREE))
                return cs;
            all = true;
        }
        unlock_regions(d, n);
    }
}

/* gone: what was deleted, if there is nothing left that shares a byte with it. */
static enum capability_verdict delete_piece(struct driver *d, uint64_t reference, bool *begun, struct capability *gone)
{
    struct cspace_progress progress;
    struct needs n;
    struct cspace *cs = lock_for_removal(d, reference, false, &n);
    if (!cs)
        return CAP_STALE;
    const struct capability c = *cspace_slot(cs, (uint32_t)reference);
    lock_space(d, d->me);
    enum capability_verdict verdict = cspace_delete(cs, reference, 0, WORK, &progress);
    unlock_space(d, d->me);
    *begun |= progress.done != 0;
    if (verdict == CAP_OK &&
        mapping_database_overlapping(cspace_database(cs), c.address, capability_end(&c)) == NO_CAPABILITY)
        *gone = c;
    unlock_regions(d, &n);
    return verdict;
}

/* Under the regions' locks. */
static enum capability_verdict revoke_piece(struct driver *d, struct cspace *cs, struct cspace_revocation *r)
{
    uint32_t held = UINT32_MAX, victim;
    enum capability_verdict verdict = CAP_OK;
    for (uint32_t done = 0; verdict == CAP_OK && (victim = cspace_revoke_next(cs, r)) != NO_CAPABILITY; done++) {
        struct cspace_progress progress;
        if (done == WORK) {
            verdict = CAP_MORE;
            break;
        }
        if (held != space_of(cs, victim) && (!SHARED_MUTANT(OWN_SPACE) || held != d->me)) {
            if (held != UINT32_MAX)
                unlock_space(d, held);
            held = SHARED_MUTANT(OWN_SPACE) ? d->me : space_of(cs, victim);
            lock_space(d, held);
        }
        verdict = cspace_revoke_step(cs, r, CSPACE_OUTCOME, 1, &progress);
        if (verdict == CAP_MORE)
            verdict = CAP_OK; /* one step of many */
    }
    if (held != UINT32_MAX)
        unlock_space(d, held);
    return verdict;
}

static enum capability_verdict revoke_all(struct driver *d, uint64_t reference)
{
    struct cspace_revocation r;
    struct needs n;
    struct cspace *cs = lock_for_removal(d, reference, true, &n);
    if (!cs)
        return CAP_STALE;
    enum capability_verdict verdict = cspace_revoke_begin(cs, reference, 0, &r);
    if (verdict == CAP_OK)
        verdict = revoke_piece(d, cs, &r);
    if (verdict == CAP_MORE && !SHARED_MUTANT(RANGE_OPEN)) {
        enum capability_verdict locked = cspace_lock(cs, r.address, r.size, d->me + 1u);
        assert(locked == CAP_OK); /* begin would have been refused, and there is room for one of each core */
        (void)locked;
    }
    while (verdict == CAP_MORE) {
        unlock_regions(d, &n);
        shared_while_waiting(d);
        lock_regions(d, &n); /* those of before: in a locked range nobody has made a CNode meanwhile */
        if (cspace_home(cs, (uint32_t)r.reference) != cs->part)
            r.reference = 0; /* it was in a CNode that went with the rest, or with something of another revocation */
        verdict = revoke_piece(d, cs, &r);
        if (verdict == CAP_OK)
            cspace_unlock(cs, d->me + 1u);
    }
    unlock_regions(d, &n);
    return verdict;
}

enum verdict shared_capability(struct driver *d, struct capability_task *t, uint64_t *address, uint64_t *size)
{
    struct capability gone = {0};
    const uint64_t reference = from_core(shared_cspace(d), d->me, t->source);
    enum capability_verdict verdict;
    bool begun = false;
    *address = *size = t->made = 0;
    if (t->row == ROW_CAP_COPY && t->to >= d->cores)
        return VERDICT_BAD_REQUEST;
    for (;;) {
        if (t->row == ROW_CAP_DELETE)
            verdict = delete_piece(d, reference, &begun, &gone);
        else
            verdict = t->row == ROW_CAP_REVOKE ? revoke_all(d, reference) : derive(d, t);
        if (verdict != CAP_MORE && verdict != CAP_BUSY)
            break;
        shared_while_waiting(d);
    }
    *address = gone.address;
    *size = gone.size;
    return verdict == CAP_STALE && begun ? VERDICT_OK : monitor_verdict(verdict); /* others did the rest */
}

/* --- RAM, and looking --------------------------------------------------------------------------------------------------------------- */

static const struct needs everything = {.all = true};

enum verdict shared_create_ram(struct driver *d, uint64_t address, uint64_t size, const struct cspace_place *to,
                               uint64_t *made)
{
    struct shared_capabilities *k = shared_capabilities_of(d);
    struct cspace *state = shared_cspace(d);
    const struct cspace_place place = {.cnode = from_core(state, d->me, to->cnode), .index = to->index};
    const uint32_t region = k->region_next;
    lock_regions(d, &everything); /* it is rare, and of the CNode's region nobody need know */
    lock_space(d, d->me);
    enum capability_verdict verdict = cspace_create_ram(cspace_part(state, region), address, size, &place, made);
    unlock_space(d, d->me);
    unlock_regions(d, &everything);
    if (verdict == CAP_OK) {
        k->region_next = (region + 1) % k->regions;
        *made = to_core(state, d->me, *made);
    }
    return monitor_verdict(verdict);
}

bool shared_look(struct driver *d, uint64_t slot, bool next, struct capability *found, uint64_t *reference)
{
    struct cspace *cs = shared_cspace(d);
    if (slot >= cspace_space_slots(cs))
        return false;
    const uint32_t end = (d->me + 1) * cspace_space_slots(cs);
    uint32_t at = end - cspace_space_slots(cs) + (uint32_t)slot;
    const bool big = shared_capabilities_of(d)->scope == SCOPE_BIG;
    if (big)
        shared_lock(d);
    lock_space(d, d->me); /* enough, where there are regions */
    while (next && at + 1 < end && cspace_slot(cs, at)->type == CAP_NULL) {
        const uint32_t used = cspace_cnodes(cs)[at >> cs->slot_bits].used, behind = (at | (CNODE_SLOTS - 1)) + 1;
        at = used || behind == end ? at + 1 : behind; /* CNodes without contents at a step */
    }
    const struct capability *c = cspace_slot(cs, at);
    *found = (struct capability){.address = c->address,
                                 .size = c->size,
                                 .about = c->type == CAP_CNODE ? c->about - d->me * cs->cnodes : c->about,
                                 .owner = (uint16_t)d->me,
                                 .type = c->type,
                                 .rights = c->rights,
                                 .flags = c->flags};
    *reference = to_core(cs, d->me, cspace_reference(cs, at));
    unlock_space(d, d->me);
    if (big)
        shared_unlock(d);
    return true;
}

void shared_capabilities_digest(struct driver *d, uint64_t words[5])
{
    struct cspace *cs = shared_cspace(d);
    uint32_t used, locks = 0;
    lock_regions(d, &everything);
    words[0] = cspace_digest_space(cs, d->me, &used);
    for (uint32_t part = 0; part < cs->parts; part++)
        locks += cspace_part(cs, part)->locks;
    words[1] = used;
    words[2] = locks;
    words[3] = cspace_space_slots(cs);
    words[4] = cspace_check(cs) != NULL;
    unlock_regions(d, &everything);
}
