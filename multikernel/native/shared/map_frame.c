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
    if (shared_capabilities_of(d)->scope != SCOPE_BIG)
        shared_lock(d);
}

static void unlock_pages(struct driver *d)
{
    if (shared_capabilities_of(d)->scope != SCOPE_BIG)
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

static enum capability_verdict mapping_made(struct driver *d, struct cspace *cs,
                                            struct capability_task *t, uint64_t address,
                                            uint32_t rights, struct needs *n)
{
    lock_space(d, d->me);
    enum capability_verdict verdict = capability_map(cs, t, address, rights);
    cs->mapped += verdict == CAP_OK;
    if (verdict == CAP_SLOT_IN_USE)
        verdict = slot_in_use(cs, &t->place, 1, n);
    unlock_space(d, d->me);
    return verdict;
}

/* --- map --- */

/* Under all locks but the space's. */
static enum verdict map_page(struct driver *d, struct cspace *cs, struct request *request,
                             struct message *result, struct needs *next)
{
    struct capability_task *t = &request->task;
    uint32_t slot;
    enum verdict verdict = shared_page_reserve(d, request, &slot);
    if (verdict != VERDICT_OK)
        return verdict;
    struct shared_entry *entry = entry_at(shared_state(d), slot);
    verdict = shared_verdict(mapping_made(d, cs, t, entry->page.address, request->rights, next));
    if (verdict != VERDICT_OK) {
        shared_page_free(d, slot);
        return verdict;
    }
    entry->mapping = t->made;
    verdict = shared_page_insert(d, slot, result);
    if (verdict != VERDICT_OK)
        mapping_goes(d, t->made);
    result->word[4] = to_core(cs, d->me, t->made);
    return verdict;
}

/* One try. BUSY: another one, with the locks that next names. */
static enum verdict map_frame(struct driver *d, struct request *request, struct message *result,
                              struct needs *next)
{
    struct capability_task *t = &request->task;
    struct needs n = *next;
    struct cspace *cs = lock_for_making(d, &t->source, &t->place.cnode, &n);
    uint32_t frame;
    *next = n;
    enum verdict verdict = shared_verdict(capability_find_frame(cs, t, &frame));
    if (verdict == VERDICT_OK) {
        request->frame = cspace_slot(cs, frame)->address;
        request->length = cspace_slot(cs, frame)->size;
        lock_pages(d);
        verdict = map_page(d, cs, request, result, next);
        unlock_pages(d);
    }
    unlock_regions(d, &n);
    return verdict;
}

enum verdict shared_frame_map(struct driver *d, const struct request *asked, struct message *result)
{
    struct request request = *asked;
    enum verdict verdict;
    struct needs n = {0};
    request.task.source = from_core(shared_cspace(d), d->me, asked->task.source);
    request.task.place.cnode = from_core(shared_cspace(d), d->me, asked->task.place.cnode);
    while ((verdict = map_frame(d, &request, result, &n)) == VERDICT_BUSY)
        /* a revocation has the range locked, and another core is at work on it */
        shared_while_waiting(d);
    return verdict;
}

/* --- unmap --- */

/* Under all locks but the space's; it has no pins. */
static enum verdict page_goes(struct driver *d, uint32_t slot)
{
    const uint64_t mapping = entry_at(shared_state(d), slot)->mapping;
    enum verdict verdict = shared_page_unmap(d, slot);
    mapping_goes(d, mapping);
    return verdict;
}

enum verdict shared_frame_unmap(struct driver *d, const struct request *request, uint64_t mapping,
                                struct message *result)
{
    struct needs n;
    uint32_t pinned;
    if (!lock_for_removal(d, mapping, false, &n))
        return VERDICT_NOT_MAPPED;
    lock_pages(d);
    /* No page has had that Mapping but this one. */
    enum verdict verdict = VERDICT_NOT_MAPPED;
    const struct shared_entry *entry = entry_at(shared_state(d), request->slot);
    if (mapping_state(&entry->page) == MAPPING_MAPPED && entry->mapping == mapping)
        verdict = shared_page_unpinned(d, request->slot, &pinned);
    if (verdict == VERDICT_PINNED)
        result->word[0] = message_head(message_kind(result), 0, 0, pinned, 0);
    if (verdict == VERDICT_OK)
        verdict = page_goes(d, request->slot);
    unlock_pages(d);
    unlock_regions(d, &n);
    return verdict;
}

/* --- Several pages, or none --- */

/* Which ones. */
struct pages {
    uint64_t mapping; /* the one of that Mapping; else 0 */
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
    if (which->mapping || !entry->mapping)
        return entry->mapping && entry->mapping == which->mapping;
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

/* What goes with a victim is closed meanwhile, and stays so if they have gone. */
static void close_victim(struct driver *d, const struct pages *which)
{
    if (which->victim == NO_CAPABILITY)
        return;
    lock_space(d, d->me);
    cspace_close(shared_cspace(d), which->victim);
    unlock_space(d, d->me);
}

static void victim_closed(struct driver *d, const struct pages *which, enum verdict verdict)
{
    if (which->victim == NO_CAPABILITY)
        return;
    lock_space(d, d->me);
    (verdict == VERDICT_OK ? cspace_closed : cspace_reopen)(shared_cspace(d), which->victim);
    unlock_space(d, d->me);
}

static enum verdict pages_go(struct driver *d, const struct pages *which, uint32_t *pinned)
{
    const uint32_t slots = shared_state(d)->slots;
    enum verdict verdict = VERDICT_OK;
    lock_pages(d);
    close_victim(d, which);
    for (uint32_t i = 0;
         verdict == VERDICT_OK && (i = next_page(d, which, i, MAPPING_MAPPED)) < slots; i++)
        verdict = shared_page_unpinned(d, i, pinned);
    /* No program sees that one is gone while another one is still there. */
    for (uint32_t i = 0;
         verdict == VERDICT_OK && (i = next_page(d, which, i, MAPPING_MAPPED)) < slots; i++)
        verdict = shared_page_close(d, i);
    for (uint32_t i = 0; (i = next_page(d, which, i, MAPPING_RESERVED)) < slots; i++) {
        mapping_goes(d, entry_at(shared_state(d), i)->mapping);
        shared_page_free(d, i);
    }
    victim_closed(d, which, verdict);
    unlock_pages(d);
    return verdict;
}

enum verdict shared_pages_with(struct driver *d, uint32_t victim, uint32_t *pinned)
{
    const struct capability *c = cspace_slot(shared_cspace(d), victim);
    const bool mapping = c->type == CAP_MAPPING; /* which goes with its page: nothing to close */
    const struct pages which = {.mapping = mapping ? cspace_reference(shared_cspace(d), victim) : 0,
                                .address = c->address,
                                .end = capability_end(c),
                                .victim = mapping ? NO_CAPABILITY : victim,
                                /* and then all regions are locked */
                                .everywhere = c->type == CAP_CNODE};
    return pages_go(d, &which, pinned);
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
                             const struct cspace_revocation *r, uint32_t *pinned)
{
    const bool cnodes = r->of.type == CAP_RAM && cs->cnode_objects && pages_anywhere(cs);
    const struct pages which = {.address = r->of.address,
                                .end = capability_end(&r->of),
                                .range = true,
                                .victim = cnodes ? (uint32_t)r->reference : NO_CAPABILITY,
                                .everywhere = cnodes};
    if (cnodes && cspace_cnodes_mapped(cs, which.address, which.end, d->me) != CAP_OK)
        return shared_verdict(CAP_MAPPED);
    return cs->mapped || cnodes ? pages_go(d, &which, pinned) : VERDICT_OK;
}
