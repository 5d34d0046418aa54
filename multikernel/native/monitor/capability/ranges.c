/* What the monitors agree about capabilities: five operations on ranges of memory.
 *
 *   copy, move  initiator and destination (all cores when a move takes the ownership along and
 *               there may be copies elsewhere). The record travels, the destination takes it in at
 *               prepare, the source goes at commit.
 *   retype      all cores: each votes whether that part of the source is already something else
 *               there. The initiator makes the objects at prepare, locked, and takes them away at
 *               abort; with the commit the others know of descendants elsewhere.
 *   revoke      all cores: at commit each deletes what was derived, and the copies; then the
 *               initiator owns what it keeps, without relations.
 *   delete      all cores: the owner's last copy goes, and a core with another one inherits. The
 *               votes say which cores have one; COMMIT names the heir.
 *   reclaim     all cores: each votes whether it has anything of memory that core 0 would hand out
 *               anew.
 *
 * Which core drives an operation is a property of a system (protocol.h: enum capability_protocol);
 * operations and engine are the same.
 *
 *   two-phase   The initiator. Of two that meet on some core one is aborted, and tries again after
 *               a wait. Every core with a copy is as good as the owner, so all cores are asked
 *               before anything is derived.
 *   owner       The object's owner: a core with a foreign copy describes what it wants (ASK; no
 *               reference travels), the owner makes it wait for what came before, drives it, and
 *               says what became of it (ANSWER). The initiator takes part, for it holds no lock
 *               while it waits, and what it wants to use may be gone when its turn comes.
 *               Operations on one object do not abort each other, as long as it stays with its
 *               owner and no PREPARE overtakes an ANSWER on its way through a tree; those on
 *               different objects that overlap may. Nothing is derived without the owner, so while
 *               it knows of no descendants elsewhere it derives alone, and another core needs
 *               nobody but it. Revoke is Barrelfish's mark, ready, commit, done: the PREPARE that
 *               locks, its votes, the COMMIT that deletes, its acknowledgements. A core that is
 *               asked for what it does not own (any more) says so; the object was handed on, and as
 *               every core with a copy takes part in that, the initiator waits for the news and
 *               asks the new owner. Without news the object has lost its owner: then the initiator
 *               drives, and all cores vote, which is safe by the locks alone.
 *
 * Both guarantee the same (tests/s3_agreement): no byte is usable as two things on any two cores, a
 * revoke that has returned leaves nothing anywhere, what is agreed happens on all and what is not
 * on none, and every operation ends. What they cost, in messages on n cores and where nothing comes
 * in between:
 *                                                two-phase    owner
 *   retype by the owner, none derived elsewhere  4 (n - 1)    0
 *   retype by another core, none derived there   4 (n - 1)    6
 *   retype with descendants elsewhere            4 (n - 1)    4 (n - 1), and 2 more by another core
 *   copy or move by the owner                    4            4 (both 4 (n - 1) if others have
 *                                                             copies and the ownership goes along)
 *   copy or move by another core                 4            6 to the owner, 10 to a third core
 *   revoke                                       4 (n - 1)    4 (n - 1), and 2 more by another core
 *   delete of the owner's last copy              4 (n - 1)    4 (n - 1)
 *   reclaim, by core 0 alone                     4 (n - 1)    4 (n - 1)
 *   delete, before that: of what has k pages     4 (n - 1), and 2 (n - 1) more for every further
 *                                                256 places in the table; k = 1: 4 a holder
 * Deleting a foreign copy, or one of several, and whatever concerns what no other core has anything
 * of, costs none.
 *
 * All of them lock the range they are about wherever they take part, so of two that touch the same
 * byte on the same core one waits. Every operation locks its initiator and its root, until its
 * outcome stands everywhere: that is why a copy can do with two participants, for whoever has to
 * rely on all copies being known asks all cores, and meets the lock of a core that is sending one.
 *
 * What lies in a CNode goes with the CNode. When a revoke's commit takes a CNode away, that may be
 * an owner's last copy of something else; nothing is sure to be agreed then, because a commit
 * cannot be refused. The copies elsewhere are left without an owner: they go on asking all cores,
 * and a core that revokes one owns it. A deletion of a CNode by its own core does better (task.c):
 * it stops there until the inheritance is agreed. What could refuse it, pages, it has agreed about
 * before (unmap_going.c).
 *
 * As it travels: word 2 address, argument 0 size of the range; then, by operation,
 *   copy    1: type 0-7, rights 8-11, relations 12-15, how 16-19, index 20-31, owner 32-47,
 *           destination 48-63; 2: CNode; 3: reference made
 *   retype  1, 2: address and size of the source; 3: the owner vouches that it and the initiator
 *           are enough
 *   revoke  1: type
 *   delete  1: type; 2: heir 0-15, cores that have a copy 16-31, descendants anywhere 32
 *
 * Source: paper section 4.7; Barrelfish 2011 usr/monitor (lock everywhere, apply, unlock); the
 * final tree's usr/monitor/capops/ and TN-013 (owners, retype checked by the owner,
 * find_descendants, revoke, moving ownership). There an answer is relied upon to arrive before the
 * next request; here channels keep no such order, so the initiator is locked and acknowledges. */
#include "monitor/capability/ranges.h"

/* --- The object --- */

static uint64_t holder(const struct monitor *m, const struct agreement *a)
{
    const struct cspace_lock *lock =
        cspace_lock_on(monitor_cspace(m), range_address(a), range_end(a), a->id);
    return lock ? lock->operation : 0;
}

static void take(struct monitor *m, const struct agreement *a)
{
    enum capability_verdict verdict =
        cspace_lock(monitor_cspace(m), range_address(a), a->argument[0], a->id);
    assert(verdict == CAP_OK); /* one lock an operation, and nobody else's in the way (holder) */
    (void)verdict;
}

static void give(struct monitor *m, const struct environment *env, const struct agreement *a)
{
    (void)env;
    cspace_unlock(monitor_cspace(m), a->id);
}

static const uint64_t *participants(const struct monitor *m, const struct agreement *a,
                                    uint64_t *buffer)
{
    if (a->operation == OPERATION_COPY
            ? copy_how(a) & HOW_EVERYBODY
            : a->operation != OPERATION_RETYPE || a->argument[3] != RETYPE_OWNER_VOUCHES)
        return NULL;
    for (uint32_t word = 0; word < m->set_words; word++)
        buffer[word] = 0;
    core_set_add(buffer, (uint32_t)(a->id >> 48));
    core_set_add(buffer, a->root);
    if (a->operation == OPERATION_COPY)
        core_set_add(buffer, copy_destination(a));
    return buffer;
}

const struct object_kind capability_ranges = {
    .holder = holder, .take = take, .give = give, .participants = participants};

uint32_t capability_found(const struct cspace *cs, const struct agreement *a)
{
    return cspace_find_object(cs, range_address(a), a->argument[0], a->argument[1] & 0xff);
}

void capability_changes_hands(struct monitor *m)
{
    for (uint32_t lane = 0; lane < m->lanes && m->capability_protocol == CAPABILITIES_OWNER;
         lane++) {
        struct workflow *w = monitor_workflow(m, lane);
        if (w->state == WORKFLOW_WAITING || monitor_own(m, lane)->phase == PHASE_ASKED) {
            w->declined = TREE_NOBODY; /* the core that declined may own it by now */
            w->moved = 1;
        }
    }
}

/* --- The same for several kinds --- */

enum verdict capability_sequence(const struct monitor *m, struct agreement *a)
{
    const struct cspace *cs = monitor_cspace(m);
    bool retype = a->operation == OPERATION_RETYPE;
    uint32_t slot = retype ? cspace_find_object(cs, a->argument[1], a->argument[2], CAP_RAM)
                           : capability_found(cs, a);
    if (!makes_sense(a))
        return VERDICT_BAD_REQUEST;
    if (slot == NO_CAPABILITY || cspace_slot(cs, slot)->owner != m->me)
        return VERDICT_NOT_OWNER;
    if (retype)
        a->argument[3] = cspace_slot(cs, slot)->flags & CAP_REMOTE_DESCENDANTS
                             ? 0
                             : (uint64_t)RETYPE_OWNER_VOUCHES;
    return VERDICT_OK;
}

enum verdict capability_check(const struct monitor *m, const struct agreement *a)
{
    (void)m;
    return makes_sense(a) && a->argument[1] < CAP_TYPES ? VERDICT_OK : VERDICT_BAD_REQUEST;
}

void capability_nothing(struct monitor *m, const struct environment *env, struct agreement *a)
{
    (void)m;
    (void)a;
    (void)env;
}

bool capability_settled(struct monitor *m, struct workflow *w, struct agreement *a)
{
    (void)m;
    capability_made(a, &w->task);
    return true;
}
