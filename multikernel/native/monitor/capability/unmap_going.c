/* Unmap all pages that go with a deletion, in one agreement, before anything goes: of a Mapping its
 * page, of the last Frame here all pages of it, of a CNode those of what it holds (cspace_close.c
 * says which). And those that go with a revocation of RAM which is this core's alone, and in which
 * CNodes lie. So a pin on any core refuses either while nothing has changed.
 *
 * The pages are entries of the initiator's part of the table, for the Mappings are its own: a
 * message names up to PIECE_SLOTS of them, and as many pieces as it takes are prepared one after
 * the other (row.more). Each core keeps the entries that it has voted for locked, by which it knows
 * them at the end. The initiator locks all of them when it begins, and the victim's range, and
 * holds CNodes that would go closing: nobody maps, moves or deletes anything meanwhile that would
 * change which pages go.
 *
 * A single page concerns its holders alone; several have holders that not every core knows, so all
 * take part. Who has heard of an unmap of a page before the home has, has nothing left to do.
 *
 * As it travels: word 2 the first slot of the piece 0-31, and 32-63 of a single page its
 * generation, else 0; the arguments: which of the slots from there on, a bit each. */
#include <string.h>

#include "monitor/capability/ranges.h"

#ifndef MK_PIECE_SLOTS /* a state-space explorer sets less, so that it sees several pieces */
#define MK_PIECE_SLOTS 256
#endif
enum { PIECE_SLOTS = MK_PIECE_SLOTS };
static_assert(PIECE_SLOTS <= 256, "a piece's slots are the bits of four arguments");

enum { SAVED_CNODE = 1, SAVED_BLOCKED = 2 };

static uint32_t first_slot(const struct monitor *m, const struct operation *op)
{
    return (uint32_t)(op->id >> 48) * m->slots_per_core;
}

static bool single(const struct operation *op)
{
    return op->generation != 0;
}

/* The entries that it can have locked: those from here up to there. */
static uint32_t locked_from(const struct monitor *m, const struct operation *op)
{
    return single(op) ? op->slot : first_slot(m, op);
}
static uint32_t locked_to(const struct monitor *m, const struct operation *op)
{
    return single(op) ? op->slot + 1 : first_slot(m, op) + m->slots_per_core;
}

/* The next slot of the piece after that one; NOBODY, which is no slot, behind the last. */
enum { BEGIN = UINT32_MAX };
static uint32_t next_named(const struct operation *op, uint32_t slot)
{
    for (uint32_t i = slot == BEGIN ? 0 : slot - op->slot + 1; i < PIECE_SLOTS; i++)
        if (op->argument[i / 64] >> (i % 64) & 1)
            return op->slot + i;
    return BEGIN;
}

/* --- The object --- */

static uint64_t holder(struct monitor *m, const struct operation *op)
{
    for (uint32_t i = next_named(op, BEGIN); i != BEGIN && i < monitor_slots(m);
         i = next_named(op, i))
        if (monitor_mapping(m, i)->lock && monitor_mapping(m, i)->lock != op->id)
            return monitor_mapping(m, i)->lock;
    return 0;
}

/* Of the initiator the rest is adopt's. */
static void take(struct monitor *m, const struct operation *op)
{
    struct cspace *cs = monitor_cspace(m);
    for (uint32_t i = next_named(op, BEGIN); i != BEGIN; i = next_named(op, i))
        if (monitor_mapping(m, i)->state != MAPPING_FREE)
            monitor_mapping(m, i)->lock = op->id;
    if (!initiated_here(m, op))
        return;
    const struct capability *c = cspace_slot(cs, (uint32_t)task_of(m, op)->victim);
    enum capability_verdict verdict = cspace_lock(cs, c->address, c->size, op->id);
    assert(verdict == CAP_OK); /* asked at resume; one lock an operation */
    (void)verdict;
}

static void give(struct monitor *m, const struct operation *op)
{
    cspace_unlock(monitor_cspace(m), op->id);
}

static const uint64_t *participants(struct monitor *m, const struct operation *op, uint64_t *buffer)
{
    (void)buffer;
    return single(op) ? monitor_mapping(m, op->slot)->holders : NULL;
}

static const struct object_kind pages = {.count = monitor_slots,
                                         .holder = holder,
                                         .take = take,
                                         .give = give,
                                         .participants = participants};

/* --- Beginning --- */

/* The next own page from that slot on that goes with the victim, whose CNodes are closing; BEGIN:
 * there is none. */
static uint32_t next_going(struct monitor *m, uint32_t slot, uint32_t victim)
{
    const uint32_t end = (m->me + 1) * m->slots_per_core;
    const struct capability *c = cspace_slot(monitor_cspace(m), victim);
    const bool anywhere = c->type == CAP_CNODE || c->type == CAP_RAM;
    for (; slot < end; slot++) {
        const struct mapping *mapping = monitor_mapping(m, slot);
        if (!mapping->recorded ||
            (!anywhere && (mapping->frame != c->address || mapping->length != c->size)))
            continue;
        const uint32_t page = capability_of_page(m, mapping);
        if (page != NO_CAPABILITY && cspace_page_goes(monitor_cspace(m), page, victim))
            return slot;
    }
    return BEGIN;
}

/* May all of them go, as far as is known here? ALONE: there are none. */
static enum verdict may_go_here(struct monitor *m, uint32_t victim)
{
    enum verdict verdict = VERDICT_ALONE;
    for (uint32_t i = m->me * m->slots_per_core; (i = next_going(m, i, victim)) != BEGIN; i++) {
        enum verdict own = capability_page_may_go(m, i);
        if (own == VERDICT_BUSY)
            return own;
        if (verdict != VERDICT_PINNED)
            verdict = own;
    }
    return verdict;
}

enum verdict capability_ask_to_unmap(struct monitor *m, struct operation *op, uint32_t victim)
{
    struct cspace *cs = monitor_cspace(m);
    const struct capability *c = cspace_slot(cs, victim);
    const struct capability_task *t = task_of(m, op);
    enum capability_verdict going = CAP_NEEDS_AGREEMENT;
    if (t->row == ROW_CAP_REVOKE && t->victim == t->source)
        going = cspace_revoking(cs, victim);
    else if (c->type != CAP_MAPPING) /* which may be met in what is dying */
        going = cspace_going(cs, victim);
    else if (cspace_locked(cs, c->address, capability_end(c), 0))
        going = CAP_BUSY;
    if (going != CAP_NEEDS_AGREEMENT)
        return going == CAP_OK ? VERDICT_ALONE : VERDICT_BUSY;
    cspace_close(cs, victim);
    enum verdict verdict = may_go_here(m, victim);
    cspace_reopen(cs, victim);
    assert(verdict != VERDICT_ALONE); /* a Mapping with copies has an entry */
    op->row = ROW_CAP_UNMAP;
    op->slot = m->me * m->slots_per_core;
    op->generation = 0;
    memset(op->argument, 0, sizeof op->argument);
    return verdict;
}

/* The next piece of what is locked, from that slot on. */
static bool name_piece(struct monitor *m, struct operation *op, uint32_t slot)
{
    const uint32_t end = (m->me + 1) * m->slots_per_core;
    memset(op->argument, 0, sizeof op->argument);
    while (slot < end && monitor_mapping(m, slot)->lock != op->id)
        slot++;
    if (slot == end)
        return false;
    op->slot = slot;
    for (uint32_t i = 0; i < PIECE_SLOTS && slot + i < end; i++)
        if (monitor_mapping(m, slot + i)->lock == op->id)
            op->argument[i / 64] |= 1ull << i % 64;
    return true;
}

static void adopt(struct monitor *m, struct operation *op)
{
    if (!initiated_here(m, op))
        return;
    struct cspace *cs = monitor_cspace(m);
    const uint32_t victim = (uint32_t)task_of(m, op)->victim, first = m->me * m->slots_per_core;
    uint32_t count = 0;
    const uint32_t type = cspace_slot(cs, victim)->type;
    op->saved = type == CAP_CNODE || type == CAP_RAM ? SAVED_CNODE : 0;
    cspace_close(cs, victim);
    for (uint32_t i = first; (i = next_going(m, i, victim)) != BEGIN; i++, count++)
        monitor_mapping(m, i)->lock = op->id;
    name_piece(m, op, first);
    op->generation = count == 1 ? monitor_mapping(m, op->slot)->generation : 0;
}

/* --- Its rounds --- */

static enum verdict may_prepare(struct monitor *m, const struct operation *op)
{
    enum verdict verdict = m->cspace_offset ? VERDICT_OK : VERDICT_BAD_REQUEST;
    for (uint32_t i = next_named(op, BEGIN); i != BEGIN && verdict == VERDICT_OK;
         i = next_named(op, i)) {
        if (i - first_slot(m, op) >= m->slots_per_core)
            return VERDICT_BAD_REQUEST;
        verdict = capability_page_may_go(m, i);
    }
    return verdict;
}

static enum verdict prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    enum verdict verdict = VERDICT_OK;
    if (initiated_here(m, op) && op->saved & SAVED_BLOCKED)
        return VERDICT_OK; /* all of its own, with the first piece */
    op->saved |= SAVED_BLOCKED;
    if (!initiated_here(m, op)) {
        for (uint32_t i = next_named(op, BEGIN); i != BEGIN && verdict == VERDICT_OK;
             i = next_named(op, i))
            if (monitor_mapping(m, i)->state != MAPPING_FREE)
                verdict = capability_page_block(m, op, i, env);
        return verdict;
    }
    for (uint32_t i = locked_from(m, op); i < locked_to(m, op) && verdict == VERDICT_OK; i++)
        if (monitor_mapping(m, i)->lock == op->id)
            verdict = capability_page_block(m, op, i, env);
    return verdict;
}

/* Others have to be asked piece by piece. */
static bool more(struct monitor *m, struct operation *op)
{
    return m->cores > 1 && !single(op) && name_piece(m, op, op->slot + PIECE_SLOTS);
}

/* What is revoked is gone for programs from now on, and nothing of it is mapped while it is
 * deleted. */
static void all_gone(struct cspace *cs, uint32_t kept)
{
    const struct mapping_database *db = cspace_database(cs);
    const struct capability *c = cspace_slot(cs, kept);
    for (uint32_t i = mapping_database_overlapping(db, c->address, capability_end(c));
         i != NO_CAPABILITY;
         i = mapping_database_next_overlapping(db, i, c->address, capability_end(c)))
        if (i != kept && cspace_nests(c, cspace_slot(cs, i)))
            cspace_slot(cs, i)->flags |= CAP_DYING;
}

static void commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct cspace *cs = monitor_cspace(m);
    uint32_t victim;
    for (uint32_t i = locked_from(m, op); i < locked_to(m, op); i++)
        capability_page_drop(m, op, i, env);
    if (!initiated_here(m, op) || cspace_find_any(cs, task_of(m, op)->victim, &victim) != CAP_OK)
        return;
    cspace_closed(cs, victim);
    if (cspace_slot(cs, victim)->type == CAP_RAM)
        all_gone(cs, victim);
}

static void undo(struct monitor *m, struct operation *op, const struct environment *env)
{
    for (uint32_t i = locked_from(m, op); i < locked_to(m, op); i++)
        capability_page_restore(m, op, i, env);
    if (initiated_here(m, op) && op->saved & SAVED_CNODE)
        cspace_reopen(monitor_cspace(m), (uint32_t)task_of(m, op)->victim);
}

const struct row capability_unmap_row = {
    .name = "unmap what goes",
    .object = &pages,
    .begin = capability_begin,
    .resume = capability_resume,
    .may_prepare = may_prepare,
    .adopt = adopt,
    .prepare = prepare,
    .more = more,
    .commit = commit,
    .abort = undo,
    .settled = capability_step_settled,
};
