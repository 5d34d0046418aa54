/* One page of the shared kernel: an entry of its table, and what the holders have in their page
 * tables, changed together under the kernel's lock. The core that makes the change notifies the
 * others, does its own part meanwhile, and waits until all have acknowledged. Up to then the entry
 * is reserved: a notified core that faults waits (kernel.c: fault), for others have not been
 * notified and may still go on. So a page is gone, or read-only, at one moment for all. */
#include <string.h>

#include "shared/shared.h"

/* On all that hold the page; what went wrong here, or elsewhere. */
static enum verdict change(struct driver *d, uint32_t slot, enum change_kind what, uint32_t rights)
{
    const struct notification *by = shared_private(d)->notification;
    const struct shared_entry *entry = entry_at(shared_state(d), slot);
    enum verdict own = VERDICT_OK;
    by->notify(d, slot, what, rights);
    if (core_set_has(entry->sets, d->me)) {
        own = shared_own_part(d, slot, what, rights, &entry->page);
        if (what == CHANGE_UNMAP)
            shared_retire(d, slot);
    }
    const enum verdict theirs = by->await(d);
    return own != VERDICT_OK ? own : theirs;
}

enum verdict shared_page_reserve(struct driver *d, const struct request *request, uint32_t *slot)
{
    struct shared_kernel *k = shared_state(d);
    const uint32_t recorded = request->operation == OPERATION_MAP_FRAME ? request->rights : 0;
    struct mapping *page;
    const enum verdict verdict = mapping_reserve(&k->mappings, &k->fresh, request->frame,
                                                 request->afresh ? 0 : request->generation,
                                                 request->length, request->rights, recorded, &page);
    if (verdict != VERDICT_OK)
        return verdict;
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
    struct mapping *page = &entry_at(shared_state(d), slot)->page;
    const enum verdict verdict = change(d, slot, CHANGE_INSERT, page->rights);
    if (verdict != VERDICT_OK) {
        change(d, slot, CHANGE_UNMAP, RIGHTS_NONE);
        shared_page_free(d, slot);
        return verdict;
    }
    mapping_set(page, MAPPING_MAPPED, page->rights);
    result->word[1] = slot | (uint64_t)page->generation << 32;
    result->word[2] = page->address;
    return VERDICT_OK;
}

enum verdict shared_page_unpinned(struct driver *d, uint32_t slot, struct message *result)
{
    struct shared_kernel *k = shared_state(d);
    const uint32_t core = core_set_next(entry_pinners(k, entry_at(k, slot)), d->cores, 0);
    if (core >= d->cores)
        return VERDICT_OK;
    result->word[0] = message_head(message_kind(result), 0, 0, core, 0);
    return VERDICT_PINNED;
}

enum verdict shared_page_close(struct driver *d, uint32_t slot)
{
    mapping_set(&entry_at(shared_state(d), slot)->page, MAPPING_RESERVED, 0);
    return change(d, slot, CHANGE_UNMAP, RIGHTS_NONE);
}

enum verdict shared_page_unmap(struct driver *d, uint32_t slot)
{
    enum verdict verdict = shared_page_close(d, slot);
    shared_page_free(d, slot);
    return verdict;
}

enum verdict shared_page_protect(struct driver *d, uint32_t slot, uint32_t rights)
{
    struct mapping *page = &entry_at(shared_state(d), slot)->page;
    mapping_set(page, MAPPING_RESERVED, 0);
    const enum verdict verdict = change(d, slot, CHANGE_PROTECT, rights);
    mapping_set(page, MAPPING_MAPPED, rights);
    return verdict;
}
