/* Pages of Frames that are capabilities, in the shared kernel: mapping one, and unmapping it
 * because the Frame or its Mapping goes.
 *
 * What holds is what holds in the multikernel (monitor/capability/map_frame.c): a page of such a
 * Frame is reachable on some core only while the core that mapped it has the Mapping capability,
 * and so a Frame that it is derived from. The Mapping is made before any core maps the page, and
 * goes after all have unmapped it; all of that in one step, under the lock of the Frame's region
 * and the kernel's own. A look under either lock sees both or none.
 *
 * A Mapping with a page has CAP_REMOTE_COPIES, as there, for what other cores have in their page
 * tables is a copy. cspace_delete.c lets none go and names it instead: so whatever goes, no page is
 * forgotten. The entry names the Mapping, so that an unmap finds it; from a Mapping to its entry is
 * a search through the table.
 *
 * The locks: regions, then the kernel's, then a space's (capability_locks.h). An unmap by its page,
 * which knows no region yet, reads the Mapping's name under the kernel's lock, gives that back, and
 * begins with the region's. Under lock_scope big, regions and kernel have one lock. While
 * acknowledgements are awaited all are held: a core that waits for one of them goes on answering
 * (shared_while_waiting), and one that is to unmap needs none. */
#include "capability/cspace_going.h"
#include "shared/capability_locks.h"

/* After the regions' locks. */
static void lock_pages(struct driver *d)
{
    if (shared_private(d)->scope != SCOPE_BIG)
        shared_lock(d);
}

static void unlock_pages(struct driver *d)
{
    if (shared_private(d)->scope != SCOPE_BIG)
        shared_unlock(d);
}

/* --- The Mapping --- */

static void mapping_goes(struct driver *d, uint64_t mapping)
{
    struct cspace *state = shared_cspace(d);
    const uint32_t slot = (uint32_t)mapping, core = space_of(state, slot);
    struct cspace *cs = cspace_part(state, cspace_slot(state, slot)->part);
    lock_space(d, core);
    cspace_slot(cs, slot)->flags &= (uint8_t)~CAP_REMOTE_COPIES;
    cs->mapped--;
    enum capability_verdict verdict = cspace_delete(cs, mapping, CSPACE_OUTCOME, 1, NULL);
    unlock_space(d, core);
    /* nothing is made of a Mapping, and without a page nothing keeps it */
    assert(verdict == CAP_OK);
    (void)verdict;
}

/* --- map --- */

/* Under all locks but the space's. */
static enum capability_verdict map_page(struct driver *d, struct cspace *cs, struct attempt *a)
{
    uint32_t slot;
    a->page = shared_page_reserve(d, &a->request, &slot);
    if (a->page != VERDICT_OK)
        return CAP_NEEDS_AGREEMENT;
    struct shared_entry *entry = entry_at(shared_state(d), slot);
    const enum capability_verdict verdict = fill_slots(d, cs, a, entry->page.address);
    if (verdict != CAP_OK) {
        shared_page_free(d, slot);
        return verdict;
    }
    cs->mapped++;
    entry->mapping = a->task.made;
    a->page = shared_page_insert(d, slot, a->result);
    if (a->page == VERDICT_OK)
        return CAP_OK;
    mapping_goes(d, a->task.made);
    return CAP_NEEDS_AGREEMENT;
}

enum capability_verdict shared_frame_map(struct driver *d, struct cspace *cs, struct attempt *a)
{
    uint32_t frame;
    enum capability_verdict verdict = capability_find_frame(cs, &a->task, &frame);
    if (verdict != CAP_OK)
        return verdict;
    a->request.frame = cspace_slot(cs, frame)->address;
    a->request.length = cspace_slot(cs, frame)->size;
    lock_pages(d);
    verdict = map_page(d, cs, a);
    unlock_pages(d);
    return verdict;
}

/* --- unmap --- */

enum verdict shared_frame_unmap(struct driver *d, const struct request *request, uint64_t mapping,
                                struct message *result)
{
    uint32_t regions;
    if (!lock_for_removal(d, mapping, false, &regions))
        return VERDICT_NOT_MAPPED;
    lock_pages(d);
    /* No page has had that Mapping but this one. */
    enum verdict verdict = VERDICT_NOT_MAPPED;
    const struct shared_entry *entry = entry_at(shared_state(d), request->slot);
    if (mapping_state(&entry->page) == MAPPING_MAPPED && entry->mapping == mapping)
        verdict = shared_page_unpinned(d, request->slot, result);
    if (verdict == VERDICT_OK) {
        verdict = shared_page_unmap(d, request->slot);
        mapping_goes(d, mapping);
    }
    unlock_pages(d);
    unlock_regions(d, regions);
    return verdict;
}

/* --- Several pages, or none --- */

/* Which ones. */
struct pages {
    uint64_t address, end;
    bool range;      /* all of Frames that share a byte with that range */
    uint32_t victim; /* and what goes with that capability; or NO_CAPABILITY */
    bool everywhere; /* ... outside the range too */
};

static bool one_of(const struct pages *which, const struct cspace *cs,
                   const struct shared_entry *entry)
{
    const struct mapping *page = &entry->page;
    const bool inside = page->frame < which->end && which->address < page->frame + page->length;
    if (!entry->mapping)
        return false;
    return (which->range && inside) ||
           (which->victim != NO_CAPABILITY && (inside || which->everywhere) &&
            cspace_page_goes(cs, (uint32_t)entry->mapping, which->victim));
}

/* The next entry from that one on that is one of those and in that state; the table's size when
 * there is none. Other entries come and go under the kernel's lock; these under the region's
 * too. */
static uint32_t next_page(struct driver *d, const struct pages *which, uint32_t slot,
                          enum mapping_state state)
{
    struct shared_kernel *k = shared_state(d);
    const struct cspace *cs = shared_cspace(d);
    while (slot < k->slots && !(mapping_state(&entry_at(k, slot)->page) == state &&
                                one_of(which, cs, entry_at(k, slot))))
        slot++;
    return slot;
}

static void change_victim(struct driver *d, uint32_t victim,
                          void (*change)(struct cspace *, uint32_t))
{
    lock_space(d, d->me);
    change(shared_cspace(d), victim);
    unlock_space(d, d->me);
}

static enum verdict pages_go(struct driver *d, const struct pages *which, struct message *result)
{
    const uint32_t slots = shared_state(d)->slots, victim = which->victim;
    /* What goes with a victim is closed meanwhile, and stays so if they have gone; a Mapping itself
     * goes with its page. */
    const bool closes =
        victim != NO_CAPABILITY && cspace_slot(shared_cspace(d), victim)->type != CAP_MAPPING;
    enum verdict verdict = VERDICT_OK;
    lock_pages(d);
    if (closes)
        change_victim(d, victim, cspace_close);
    for (uint32_t i = 0;
         verdict == VERDICT_OK && (i = next_page(d, which, i, MAPPING_MAPPED)) < slots; i++)
        verdict = shared_page_unpinned(d, i, result);
    /* No program sees that one is gone while another one is still there. */
    for (uint32_t i = 0;
         verdict == VERDICT_OK && (i = next_page(d, which, i, MAPPING_MAPPED)) < slots; i++)
        verdict = shared_page_close(d, i);
    for (uint32_t i = 0; (i = next_page(d, which, i, MAPPING_RESERVED)) < slots; i++) {
        mapping_goes(d, entry_at(shared_state(d), i)->mapping);
        shared_page_free(d, i);
    }
    if (closes)
        change_victim(d, victim, verdict == VERDICT_OK ? cspace_closed : cspace_reopen);
    unlock_pages(d);
    return verdict;
}

enum verdict shared_pages_with(struct driver *d, uint32_t victim, struct message *result)
{
    const struct capability *c = cspace_slot(shared_cspace(d), victim);
    const struct pages which = {.address = c->address,
                                .end = capability_end(c),
                                .victim = victim,
                                /* and then all regions are locked */
                                .everywhere = c->type == CAP_CNODE};
    return pages_go(d, &which, result);
}

/* --- All pages of a range, before a revocation --- */

/* Where there are CNodes in the range, all regions are locked. */
static bool pages_anywhere(const struct cspace *cs)
{
    uint32_t mapped = 0;
    for (uint32_t part = 0; part < cs->parts; part++)
        mapped += cspace_part(cs, part)->mapped;
    return mapped != 0;
}

enum verdict shared_pages_of(struct driver *d, const struct cspace *cs,
                             const struct cspace_revocation *r, struct message *result)
{
    const bool cnodes = r->of.type == CAP_RAM && cs->cnode_objects && pages_anywhere(cs);
    const struct pages which = {.address = r->of.address,
                                .end = capability_end(&r->of),
                                .range = true,
                                .victim = cnodes ? (uint32_t)r->reference : NO_CAPABILITY,
                                .everywhere = cnodes};
    if (cnodes && cspace_cnodes_mapped(cs, which.address, which.end, d->me) != CAP_OK)
        return monitor_verdict(CAP_MAPPED);
    return cs->mapped || cnodes ? pages_go(d, &which, result) : VERDICT_OK;
}
