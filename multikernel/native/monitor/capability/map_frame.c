/* Pages of Frames that are capabilities: mapping one. A row about entries of the replica of
 * mappings, which is that of monitor/mapping/mapping.c with a capability beside.
 *
 * What holds: a page of such a Frame is reachable on some core only while its home, the core that
 * mapped it, has the Mapping capability, and so the Frame that is derived from. The Mapping is made
 * before any core maps the page, in the step in which the operation begins; it goes in the step in
 * which the entry becomes free at home, which every way of unmapping comes to (mapping_free).
 *
 * An unmap by another core is over before the home, where it took no part, has heard of it
 * (RELEASE, which nobody answers): for that moment the Mapping is there without its page, takes its
 * slot, and can be deleted.
 *
 * Every core keeps to it by the locks of ranges: a map is refused, and tries again, where a revoke
 * of that memory awaits its outcome.
 *
 * A Mapping is a capability with copies elsewhere, for what other cores have in their page tables
 * is one: so nothing that would take it along is decided by one core. A deletion unmaps all that
 * goes with it in one agreement before anything goes (unmap_going.c), a revoke all pages
 * of its range within its own two phases (revoke.c): a pin refuses either before
 * anything has changed.
 *
 * Source: paper section 4.7; Barrelfish kernel/mapping.c and include/barrelfish_kpi (Frame_Mapping:
 * the page table slot in a capability). */
#include <string.h>

#include "monitor/capability/ranges.h"
#include "monitor/mapping/mapping.h"

uint32_t capability_of_page(const struct monitor *m, const struct mapping *mapping)
{
    const struct capability key = {.address = mapping->frame,
                                   .size = mapping->length,
                                   .about = mapping->address,
                                   .type = CAP_MAPPING};
    return mapping_database_find(cspace_database(monitor_cspace(m)), &key);
}

void capability_page_deleted(struct monitor *m, const struct mapping *mapping)
{
    struct cspace_progress progress;
    struct cspace *cs = monitor_cspace(m);
    uint32_t i = capability_of_page(m, mapping);
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
    if (monitor_home(m, slot) == m->me)
        capability_page_deleted(m, mapping);
}

/* --- map --- */

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
    verdict = monitor_verdict(
        cspace_map(cs, t->source, op->argument[0], request->rights, &place, &t->made));
    /* nobody has heard of it: no address and no generation is lost by asking again */
    if (verdict != VERDICT_OK) {
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

/* Who has voted for a revoke has blocked all pages of its range: another one must not come behind
 * the vote. */
static enum verdict may_prepare(struct monitor *m, const struct operation *op)
{
    const uint64_t frame = op->argument[1], length = op->argument[2] & ((1ull << 56) - 1);
    if (!m->cspace_offset)
        return VERDICT_BAD_REQUEST;
    if (cspace_locked(monitor_cspace(m), frame, frame + length, 0))
        return VERDICT_BUSY;
    return map_row.may_prepare(m, op);
}

static bool held(const struct monitor *m, const struct mapping *mapping)
{
    return core_set_has(mapping->holders, m->me);
}

/* Unreachable up to the commit: where a map is refused, its home gives the Mapping back before all
 * others have heard of it. */
static enum verdict prepare(struct monitor *m, struct operation *op, const struct mmu *mmu)
{
    const struct mapping *mapping = monitor_mapping(m, op->slot);
    if (!held(m, mapping))
        return VERDICT_OK;
    return mmu->insert(mmu->context, op->slot, mapping->address, mapping->frame, mapping->length,
                       RIGHTS_NONE);
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
