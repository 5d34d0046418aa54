/* Pages of Frames that are capabilities: mapping one, and unmapping it because the Frame or its Mapping goes. Two rows about entries of the
 * replica of mappings, which are those of mapping_rows.c with a capability beside.
 *
 * What holds: a page of such a Frame is reachable on some core only while its home, the core that mapped it, has the Mapping
 * capability, and so the Frame that is derived from. The Mapping is made before any core maps the page, in the step in which the operation
 * begins; it goes in the step in which the entry becomes free at home, which every way of unmapping comes to (mapping_free).
 *
 * Every core keeps to it by the locks of ranges: a map is refused, and tries again, where a revoke of that memory awaits its outcome.
 *
 * A Mapping is a capability with copies elsewhere, for what other cores have in their page tables is one: so the deletion that meets it
 * stops and asks for agreement (cspace_delete.c), and the agreement is the unmap. That is one for each page: meanwhile others may find one
 * page gone and the next, or the Frame, still there, and a pin ends the deletion where it has come to. A revoke unmaps all pages of its range
 * within its own two phases (capability_revoke_row.c): nobody is asked twice, and a pin refuses it before anything has changed.
 *
 * Source: paper section 4.7; Barrelfish kernel/mapping.c and include/barrelfish_kpi (Frame_Mapping: the page table slot in a capability). */
#include <string.h>

#include "capability_rows.h"
#include "mapping_rows.h"

static uint32_t mapping_capability(const struct monitor *m, const struct mapping *mapping)
{
    const struct capability key = {
        .address = mapping->frame, .size = mapping->length, .about = mapping->address, .type = CAP_MAPPING};
    return mapping_database_find(cspace_database(monitor_cspace(m)), &key);
}

static void delete_mapping(struct monitor *m, const struct mapping *mapping)
{
    struct cspace_progress progress;
    struct cspace *cs = monitor_cspace(m);
    uint32_t i = mapping_capability(m, mapping);
    if (i != NO_CAPABILITY)
        cspace_delete(cs, cspace_reference(cs, i), CSPACE_OUTCOME, 1, &progress);
}

void mapping_record(struct monitor *m, uint32_t slot)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    m->recorded += !mapping->recorded;
    mapping->recorded = mapping->rights;
}

void mapping_free(struct monitor *m, uint32_t slot)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    mapping->state = MAPPING_FREE;
    if (!mapping->recorded)
        return;
    mapping->recorded = 0;
    m->recorded--;
    if (monitor_home(m, slot) == m->me && !MUTANT(MAPPING_LEFT))
        delete_mapping(m, mapping);
}

/* --- map --------------------------------------------------------------------------------------------------------------------------- */

static enum verdict begin(struct monitor *m, struct operation *op, const struct request *request)
{
    uint32_t slot;
    if (!m->cspace_offset)
        return VERDICT_BAD_REQUEST;
    struct cspace *cs = monitor_cspace(m);
    struct capability_task *t = task_of(m, op);
    *t = request->capability;
    if (cspace_find(cs, t->source, &slot) != CAP_OK)
        return monitor_verdict(CAP_STALE);
    const struct capability *frame = cspace_slot(cs, slot);
    if (frame->type != CAP_FRAME)
        return monitor_verdict(CAP_WRONG_TYPE);
    const struct address_range addresses = m->addresses;
    const uint32_t next = m->slot_next;
    struct request plain = *request;
    plain.frame = frame->address;
    plain.length = frame->size;
    enum verdict verdict = map_row.begin(m, op, &plain);
    if (verdict != VERDICT_OK)
        return verdict;
    const struct cspace_place place = {.cnode = t->cnode, .index = t->index};
    verdict = monitor_verdict(cspace_map(cs, t->source, op->argument[0], request->rights, &place, 0, &t->made));
    if (verdict != VERDICT_OK) { /* nobody has heard of it: no address and no generation is lost by asking again */
        m->addresses = addresses;
        m->slot_next = next;
        monitor_mapping(m, op->slot)->generation--;
        mapping_free(m, op->slot);
        return verdict;
    }
    cspace_slot(cs, (uint32_t)t->made)->flags |= CAP_REMOTE_COPIES;
    mapping_record(m, op->slot);
    return VERDICT_OK;
}

static void adopt(struct monitor *m, struct operation *op)
{
    map_row.adopt(m, op);
    mapping_record(m, op->slot);
}

/* Who has voted for a revoke has blocked all pages of its range: another one must not come behind the vote. */
static enum verdict may_prepare(struct monitor *m, const struct operation *op)
{
    const uint64_t frame = op->argument[1], length = op->argument[2] & ((1ull << 56) - 1);
    if (!m->cspace_offset)
        return VERDICT_BAD_REQUEST;
    if (cspace_locked(monitor_cspace(m), frame, frame + length, 0) && !MUTANT(PAGE_BEHIND_A_VOTE))
        return VERDICT_BUSY;
    return map_row.may_prepare(m, op);
}

static bool held(const struct monitor *m, const struct mapping *mapping)
{
    return core_set_has(mapping->holders, m->me);
}

/* Unreachable up to the commit: where a map is refused, its home gives the Mapping back before all others have heard of it. */
static enum verdict prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    const struct mapping *mapping = monitor_mapping(m, op->slot);
    if (!held(m, mapping))
        return VERDICT_OK;
    return mmu->insert(mmu->context, op->slot, mapping->address, mapping->frame, mapping->length,
                       MUTANT(PAGE_BEFORE_COMMIT) ? mapping->rights : (uint32_t)RIGHTS_NONE);
}

static void commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    const struct mapping *mapping = monitor_mapping(m, op->slot);
    map_row.commit(m, op, mmu);
    if (held(m, mapping))
        mmu->protect(mmu->context, op->slot, mapping->rights);
}

static void undo(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    map_row.abort(m, op, mmu);
}

/* Who asked gets the Mapping too, in argument 1. */
static bool settled(struct monitor *m, struct operation *op)
{
    op->argument[1] = task_of(m, op)->made;
    return true;
}

const struct row capability_map_row = {
    .name = "map a Frame",
    .object = &monitor_mappings,
    .set_travels = 1,
    .begin = begin,
    .may_prepare = may_prepare,
    .adopt = adopt,
    .prepare = prepare,
    .commit = commit,
    .abort = undo,
    .settled = settled,
};

/* --- unmap, as a step of a deletion ------------------------------------------------------------------------------------------------ */

enum verdict capability_ask_to_unmap(struct monitor *m, struct operation *op, uint32_t slot)
{
    struct cspace *cs = monitor_cspace(m);
    const struct capability *c = cspace_slot(cs, slot);
    uint32_t first = m->me * m->slots_per_core;
    for (uint32_t i = first; i < first + m->slots_per_core; i++) {
        const struct mapping *mapping = monitor_mapping(m, i);
        if (!mapping->recorded || mapping->address != c->about || mapping->frame != c->address)
            continue;
        if (mapping->state != MAPPING_MAPPED)
            return VERDICT_BUSY; /* it is being mapped, or unmapped by others, whose word will come */
        op->row = ROW_CAP_UNMAP;
        op->slot = i;
        op->generation = mapping->generation;
        memset(op->argument, 0, sizeof op->argument);
        return VERDICT_OK;
    }
    assert(0 && "a Mapping with copies and no entry");
    return monitor_verdict(CAP_STALE);
}

static enum verdict unmap_may_prepare(struct monitor *m, const struct operation *op)
{
    return unmap_row.may_prepare(m, op);
}

static void unmap_adopt(struct monitor *m, struct operation *op)
{
    unmap_row.adopt(m, op);
    if (MUTANT(MAPPING_GOES_EARLY) && initiated_here(m, op))
        delete_mapping(m, monitor_mapping(m, op->slot));
}

static enum verdict unmap_prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    enum verdict verdict =
        initiated_here(m, op) && !MUTANT(HOME_PIN_IGNORED) ? unmap_may_prepare(m, op) : VERDICT_OK; /* its pins too */
    return verdict == VERDICT_OK ? unmap_row.prepare(m, op, mmu) : verdict;
}

static void unmap_commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    unmap_row.commit(m, op, mmu);
}

static void unmap_abort(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    unmap_row.abort(m, op, mmu);
}

const struct row capability_unmap_row = {
    .name = "unmap a Frame",
    .object = &monitor_mappings,
    .begin = capability_begin,
    .resume = capability_resume,
    .may_prepare = unmap_may_prepare,
    .adopt = unmap_adopt,
    .prepare = unmap_prepare,
    .commit = unmap_commit,
    .abort = unmap_abort,
    .settled = capability_step_settled,
};

/* --- All pages of a range, within a revoke ----------------------------------------------------------------------------------------- */

/* Calls with every entry that has a capability and whose frame shares a byte with the operation's range; ends where one says no. */
static enum verdict each_page(struct monitor *m, struct operation *op, const struct mmu *mmu,
                              enum verdict (*with)(struct monitor *, struct operation *, uint32_t, const struct mmu *))
{
    uint32_t left = m->recorded;
    enum verdict verdict = VERDICT_OK;
    for (uint32_t slot = 0; left && slot < monitor_slots(m) && verdict == VERDICT_OK; slot++) {
        const struct mapping *mapping = monitor_mapping(m, slot);
        if (!mapping->recorded)
            continue;
        left--;
        if (mapping->frame < range_end(op) && range_address(op) < mapping->frame + mapping->length)
            verdict = with(m, op, slot, mmu);
    }
    return verdict;
}

static enum verdict may_go(struct monitor *m, struct operation *op, uint32_t slot, const struct mmu *mmu)
{
    const struct mapping *mapping = monitor_mapping(m, slot);
    (void)op;
    (void)mmu;
    if ((mapping->lock || mapping->state == MAPPING_RESERVED) && !MUTANT(PAGE_MAPPING_OVERLOOKED))
        return VERDICT_BUSY;
    return mapping->state == MAPPING_MAPPED && mapping->pins && !MUTANT(PAGE_PIN_IGNORED) ? VERDICT_PINNED : VERDICT_OK;
}

static enum verdict block(struct monitor *m, struct operation *op, uint32_t slot, const struct mmu *mmu)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    mapping->lock = op->id;
    return mapping->state == MAPPING_MAPPED && held(m, mapping) && !MUTANT(PAGE_NOT_BLOCKED)
               ? mmu->protect(mmu->context, slot, RIGHTS_NONE)
               : VERDICT_OK;
}

static enum verdict restore(struct monitor *m, struct operation *op, uint32_t slot, const struct mmu *mmu)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->lock != op->id)
        return VERDICT_OK;
    if (mapping->state == MAPPING_MAPPED && held(m, mapping) && !MUTANT(PAGE_NOT_RESTORED))
        mmu->protect(mmu->context, slot, mapping->rights);
    mapping->lock = 0;
    mapping_unlocked(m, slot);
    return VERDICT_OK;
}

static enum verdict drop(struct monitor *m, struct operation *op, uint32_t slot, const struct mmu *mmu)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->lock != op->id)
        return VERDICT_OK;
    bool here = mapping->state == MAPPING_MAPPED && held(m, mapping);
    if (MUTANT(PAGE_KEPT) && !initiated_here(m, op))
        return restore(m, op, slot, mmu);
    mapping->lock = 0;
    mapping->released = 0;
    mapping_free(m, slot);
    if (here)
        mmu->retire(mmu->context, slot);
    return VERDICT_OK;
}

/* Does a CNode in the range hold what is mapped and is not in the range itself? It would go with the CNode, and nobody was asked. Of Frames
 * each counts, not the last one alone: the CNode may hold all that there are. */
static bool holds_pages(const struct cspace *cs, const struct operation *op, uint32_t cnode)
{
    for (uint32_t slot = cnode << cs->slot_bits; slot < (cnode + 1) << cs->slot_bits; slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        if (c->type == CAP_NULL || (range_address(op) <= c->address && capability_end(c) <= range_end(op)))
            continue;
        bool page = MUTANT(PAGE_IN_CNODE_FORGOTTEN) ? cspace_mapped(cs, slot) : cspace_page(cs, slot) != NO_CAPABILITY;
        if (c->type == CAP_CNODE ? holds_pages(cs, op, (uint32_t)c->about) : page)
            return true;
    }
    return false;
}

enum verdict capability_pages_prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    if (!m->recorded)
        return VERDICT_OK;
    const struct cspace *cs = monitor_cspace(m);
    const struct mapping_database *db = cspace_database(cs);
    for (uint32_t i = mapping_database_overlapping(db, range_address(op), range_end(op)); i != NO_CAPABILITY;
         i = mapping_database_next_overlapping(db, i, range_address(op), range_end(op))) {
        const struct capability *c = cspace_slot(cs, i);
        if (c->type == CAP_CNODE && op->argument[1] == CAP_RAM && holds_pages(cs, op, (uint32_t)c->about))
            return monitor_verdict(CAP_MAPPED);
    }
    enum verdict verdict = each_page(m, op, mmu, may_go);
    return verdict == VERDICT_OK ? each_page(m, op, mmu, block) : verdict;
}

void capability_pages_commit(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    each_page(m, op, mmu, drop);
}

void capability_pages_abort(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    each_page(m, op, mmu, restore);
}
