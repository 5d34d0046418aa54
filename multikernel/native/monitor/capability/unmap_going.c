/* Unmap all pages that go with a deletion, in one agreement, before anything goes: of a Mapping its
 * page, of the last Frame here all pages of it, of a CNode those of what it holds (cspace_close.c
 * says which). And those that go with a revocation of RAM which is this core's alone, and in which
 * CNodes lie. So a pin on any core refuses either while nothing has changed.
 *
 * The pages are entries of the initiator's part of the table, for the Mappings are its own: a
 * message names up to piece_slots of them, and as many pieces as it takes are prepared one after
 * the other (operation_kind.more). Each core keeps the entries that it has voted for locked, by
 * which it knows them at the end. The initiator locks all of them when it begins, and the victim's
 * range, and holds CNodes that would go closing: nobody maps, moves or deletes anything meanwhile
 * that would change which pages go.
 *
 * A single page concerns its holders alone; several have holders that not every core knows, so all
 * take part. A core that has heard of an unmap of a page before the home has nothing left to do.
 *
 * As it travels: word 2 the first slot of the piece 0-31, and 32-63 of a single page its
 * generation, else 0; the arguments: which of the slots from there on, a bit each. */
#include "monitor/capability/ranges.h"

enum { NAMED_SLOTS = 256 }; /* the bits of four arguments */

static uint32_t first_slot(const struct monitor *m, const struct agreement *a)
{
    return (uint32_t)(a->id >> 48) * m->slots_per_core;
}

static bool single(const struct agreement *a)
{
    return a->generation != 0;
}

/* The next slot of the piece after that one, the first after NO_PAGE; NO_PAGE behind the last. */
static uint32_t next_named(const struct agreement *a, uint32_t slot)
{
    for (uint32_t i = slot == NO_PAGE ? 0 : slot - a->slot + 1; i < NAMED_SLOTS; i++)
        if (a->argument[i / 64] >> (i % 64) & 1)
            return a->slot + i;
    return NO_PAGE;
}

/* The victim of an own one; NO_CAPABILITY: it is another core's, or gone. */
static uint32_t own_victim(const struct monitor *m, const struct agreement *a)
{
    return agreement_is_own(m, a) ? cspace_find_any(monitor_cspace(m), agreement_task(m, a)->victim)
                                  : NO_CAPABILITY;
}

/* --- The object --- */

static uint64_t holder(const struct monitor *m, const struct agreement *a)
{
    for (uint32_t i = NO_PAGE; (i = next_named(a, i)) < monitor_slots(m);)
        if (monitor_mapping(m, i)->lock && monitor_mapping(m, i)->lock != a->id)
            return monitor_mapping(m, i)->lock;
    return 0;
}

/* Of the initiator the rest is adopt's. */
static void take(struct monitor *m, const struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    const uint32_t victim = own_victim(m, a);
    for (uint32_t i = NO_PAGE; (i = next_named(a, i)) != NO_PAGE;)
        if (monitor_mapping(m, i)->state != MAPPING_FREE)
            monitor_mapping(m, i)->lock = a->id;
    if (victim == NO_CAPABILITY)
        return;
    const struct capability *c = cspace_slot(cs, victim);
    enum capability_verdict verdict = cspace_lock(cs, c->address, c->size, a->id);
    assert(verdict == CAP_OK); /* asked at resume; one lock an operation */
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
    return single(a) ? mapping_holders(m, monitor_mapping(m, a->slot), buffer) : NULL;
}

static const struct object_kind pages = {.count = monitor_slots,
                                         .holder = holder,
                                         .take = take,
                                         .give = give,
                                         .participants = participants};

/* The next piece of what is locked, from that slot on. */
static bool name_piece(struct monitor *m, struct agreement *a, uint32_t slot)
{
    const uint32_t end = (m->me + 1) * m->slots_per_core;
    memset(a->argument, 0, sizeof a->argument);
    while (slot < end && monitor_mapping(m, slot)->lock != a->id)
        slot++;
    if (slot >= end)
        return false;
    a->slot = slot;
    for (uint32_t i = 0; i < m->piece_slots && slot + i < end; i++)
        if (monitor_mapping(m, slot + i)->lock == a->id)
            a->argument[i / 64] |= 1ull << i % 64;
    return true;
}

static void adopt(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const uint32_t victim = own_victim(m, a), first = first_slot(m, a);
    uint32_t count = 0;
    (void)env;
    if (victim == NO_CAPABILITY)
        return;
    cspace_close(monitor_cspace(m), victim);
    for (uint32_t i = first; (i = capability_next_going(m, i, victim)) != NO_PAGE; i++, count++)
        monitor_mapping(m, i)->lock = a->id;
    name_piece(m, a, first);
    a->generation = count == 1 ? monitor_mapping(m, a->slot)->generation : 0;
}

/* --- Its rounds --- */

static enum verdict check(const struct monitor *m, const struct agreement *a)
{
    enum verdict verdict = m->cspace_offset ? VERDICT_OK : VERDICT_BAD_REQUEST;
    for (uint32_t i = NO_PAGE; verdict == VERDICT_OK && (i = next_named(a, i)) != NO_PAGE;) {
        if (i - first_slot(m, a) >= m->slots_per_core)
            return VERDICT_BAD_REQUEST;
        verdict = capability_page_may_go(m, i);
    }
    return verdict;
}

static enum verdict prepare(struct monitor *m, const struct environment *env, struct agreement *a)
{
    enum verdict verdict = VERDICT_OK;
    for (uint32_t i = NO_PAGE; verdict == VERDICT_OK && (i = next_named(a, i)) != NO_PAGE;)
        if (monitor_mapping(m, i)->lock == a->id)
            verdict = capability_page_block(m, env, a, i);
    return verdict;
}

static bool more(struct monitor *m, struct agreement *a)
{
    return !single(a) && name_piece(m, a, a->slot + m->piece_slots);
}

/* What is revoked is gone for programs from now on, and nothing of it is mapped while it is
 * deleted. */
static void all_gone(struct cspace *cs, uint32_t kept)
{
    const struct capability *c = cspace_slot(cs, kept);
    uint32_t i = NO_CAPABILITY;
    while ((i = cspace_overlapping(cs, i, c->address, capability_end(c))) != NO_CAPABILITY)
        if (i != kept && cspace_nests(c, cspace_slot(cs, i)))
            cspace_slot(cs, i)->flags |= CAP_DYING;
}

/* All of what this core has locked: its pages go, or are there again. */
static void settle(struct monitor *m, const struct environment *env, const struct agreement *a,
                   bool go)
{
    const uint32_t end = single(a) ? a->slot + 1 : first_slot(m, a) + m->slots_per_core;
    for (uint32_t i = single(a) ? a->slot : first_slot(m, a); i < end; i++)
        capability_page_settle(m, env, a, i, go);
}

static void commit(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct cspace *cs = monitor_cspace(m);
    settle(m, env, a, true);
    const uint32_t victim = own_victim(m, a);
    if (victim == NO_CAPABILITY)
        return;
    cspace_closed(cs, victim);
    if (cspace_slot(cs, victim)->type == CAP_RAM)
        all_gone(cs, victim);
}

static void undo(struct monitor *m, const struct environment *env, struct agreement *a)
{
    settle(m, env, a, false);
    const uint32_t victim = own_victim(m, a);
    if (victim != NO_CAPABILITY)
        cspace_reopen(monitor_cspace(m), victim);
}

const struct operation_kind unmap_going_operation = {
    .object = &pages,
    .resume = capability_resume,
    .check = check,
    .adopt = adopt,
    .prepare = prepare,
    .more = more,
    .commit = commit,
    .undo = undo,
    .settled = capability_step_settled,
};
