/* One page of the shared kernel: an entry of its table, and what the holders have in their page
 * tables, changed together under the kernel's lock. The core that makes the change notifies the
 * others, does its own part meanwhile, and waits until all have acknowledged. Up to then the entry
 * is reserved: a notified core that faults waits (kernel.c: fault), for others have not been
 * notified and may still go on. So a page is gone, or read-only, at one moment for all. */
#include <string.h>

#include "shared/shared.h"

/* To every other holder. What it returns is for await_acknowledgements: the line's counter, NULL
 * when there is none to wait for. */
static _Atomic uint32_t *notify_holders(struct driver *d, struct shared_entry *entry, uint32_t slot,
                                        enum change_kind what, uint32_t rights)
{
    if (!shared_private(d)->shootdown)
        return line_notify(d, entry, slot, what, rights);
    tree_notify(d, entry, slot, what, rights);
    return NULL;
}

static enum verdict await_acknowledgements(struct driver *d, _Atomic uint32_t *missing)
{
    return shared_private(d)->shootdown ? tree_await(d) : line_await(d, missing);
}

enum verdict shared_page_reserve(struct driver *d, const struct request *request, uint32_t *slot)
{
    struct shared_kernel *k = shared_state(d);
    struct mapping *page =
        mapping_reserve(&k->mappings, &k->fresh, request->frame, request->length, request->rights,
                        request->operation == OPERATION_MAP_FRAME ? request->rights : 0);
    if (!page)
        return VERDICT_NO_SLOT;
    *slot = (uint32_t)page->slot;
    struct shared_entry *entry = entry_at(k, *slot);
    entry->mapping = 0;
    memset(entry->sets, 0, 16 * (size_t)k->set_words); /* nobody has it pinned */
    for (uint32_t core = 0; core < d->cores; core++)
        if (cores_has(request->holders, core, request->kept))
            core_set_add(entry->sets, core);
    return VERDICT_OK;
}

void shared_page_free(struct driver *d, uint32_t slot)
{
    mapping_set(&entry_at(shared_state(d), slot)->page, MAPPING_FREE, 0);
}

enum verdict shared_page_insert(struct driver *d, uint32_t slot, struct message *result)
{
    struct shared_entry *entry = entry_at(shared_state(d), slot);
    const struct mapping *page = &entry->page;
    const uint32_t rights = page->rights;
    _Atomic uint32_t *missing = notify_holders(d, entry, slot, CHANGE_INSERT, rights);
    enum verdict own = VERDICT_OK;
    if (core_set_has(entry->sets, d->me))
        own = vspace_insert(&d->vspace, slot, page->address, page->frame, page->length, rights);
    enum verdict verdict = await_acknowledgements(d, missing);
    if (verdict == VERDICT_OK)
        verdict = own;
    if (verdict != VERDICT_OK) {
        missing = notify_holders(d, entry, slot, CHANGE_UNMAP, RIGHTS_NONE);
        vspace_protect(&d->vspace, slot, RIGHTS_NONE);
        vspace_retire(&d->vspace, slot);
        await_acknowledgements(d, missing);
        shared_page_free(d, slot);
        return verdict;
    }
    mapping_set(&entry->page, MAPPING_MAPPED, rights);
    result->word[1] = slot | (uint64_t)page->generation << 32;
    result->word[2] = page->address;
    return VERDICT_OK;
}

enum verdict shared_page_unpinned(struct driver *d, uint32_t slot, uint32_t *core)
{
    struct shared_kernel *k = shared_state(d);
    *core = core_set_next(entry_pinners(k, entry_at(k, slot)), d->cores, 0);
    return *core >= d->cores ? VERDICT_OK : VERDICT_PINNED;
}

enum verdict shared_page_close(struct driver *d, uint32_t slot)
{
    struct shared_entry *entry = entry_at(shared_state(d), slot);
    enum verdict own = VERDICT_OK;
    mapping_set(&entry->page, MAPPING_RESERVED, 0);
    _Atomic uint32_t *missing = notify_holders(d, entry, slot, CHANGE_UNMAP, RIGHTS_NONE);
    if (core_set_has(entry->sets, d->me)) {
        own = vspace_protect(&d->vspace, slot, RIGHTS_NONE);
        vspace_retire(&d->vspace, slot);
    }
    enum verdict theirs = await_acknowledgements(d, missing);
    return own != VERDICT_OK ? own : theirs;
}

enum verdict shared_page_unmap(struct driver *d, uint32_t slot)
{
    enum verdict verdict = shared_page_close(d, slot);
    shared_page_free(d, slot);
    return verdict;
}

enum verdict shared_page_protect(struct driver *d, uint32_t slot, uint32_t rights)
{
    struct shared_entry *entry = entry_at(shared_state(d), slot);
    enum verdict own = VERDICT_OK;
    mapping_set(&entry->page, MAPPING_RESERVED, 0);
    _Atomic uint32_t *missing = notify_holders(d, entry, slot, CHANGE_PROTECT, rights);
    if (core_set_has(entry->sets, d->me))
        own = vspace_protect(&d->vspace, slot, rights);
    enum verdict theirs = await_acknowledgements(d, missing);
    mapping_set(&entry->page, MAPPING_MAPPED, rights);
    return own != VERDICT_OK ? own : theirs;
}
