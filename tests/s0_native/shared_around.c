/* The lock and the table of pages of shared_around.h. */
#include "shared_around.h"

#include "clients.h"
#include "locks/mcs.h"
#include "shared/capability_locks.h"

static struct lock big;
static struct lock_node nodes[CORES_MOST];

void shared_while_waiting(void *context)
{
    (void)context;
    GIVE_WAY();
}

void shared_lock(struct driver *d)
{
    const struct lock_waiter waiter = {.while_waiting = shared_while_waiting, .context = d};
    mcs_acquire(&big, nodes, d->me, &waiter);
}

void shared_unlock(struct driver *d)
{
    mcs_release(&big, nodes, d->me);
}

enum verdict monitor_verdict(enum capability_verdict verdict)
{
    if (verdict == CAP_BUSY || verdict == CAP_MORE)
        return VERDICT_BUSY;
    return verdict == CAP_OK ? VERDICT_OK : (enum verdict)(VERDICT_CAPABILITY + verdict);
}

/* Under the kernel's lock. Every seventh page has no place on some core. */
static struct {
    struct shared_kernel k;
    struct shared_entry entry[2 + PAGES]; /* a blank one, which is aligned to its end */
    uint32_t count;
} table;

static struct mapping *page_at(uint32_t slot)
{
    return &entry_at(&table.k, slot)->page;
}

enum verdict shared_page_reserve(struct driver *d, const struct request *request, uint32_t *slot)
{
    (void)d;
    for (*slot = 0; *slot < PAGES && page_at(*slot)->state != MAPPING_FREE;)
        ++*slot;
    if (*slot == PAGES)
        return VERDICT_NO_SLOT;
    mapping_fill(page_at(*slot), 1, request->rights, request->rights,
                 ++table.count * (uint64_t)RAM_PAGES * PAGE_BYTES, request->frame, request->length);
    entry_at(&table.k, *slot)->mapping = 0;
    return VERDICT_OK;
}

void shared_page_free(struct driver *d, uint32_t slot)
{
    (void)d;
    mapping_set(page_at(slot), MAPPING_FREE, 0);
}

enum verdict shared_page_insert(struct driver *d, uint32_t slot, struct message *result)
{
    (void)d;
    result->word[1] = slot;
    CHECK(entry_at(&table.k, slot)->mapping && page_at(slot)->state == MAPPING_RESERVED, "page %u",
          slot);
    mapping_set(page_at(slot), table.count % 7 ? MAPPING_MAPPED : MAPPING_FREE, 0);
    return table.count % 7 ? VERDICT_OK : VERDICT_HOST;
}

enum verdict shared_page_unpinned(struct driver *d, uint32_t slot, struct message *result)
{
    (void)d;
    (void)slot;
    (void)result;
    return VERDICT_OK;
}

enum verdict shared_page_close(struct driver *d, uint32_t slot)
{
    (void)d;
    CHECK(page_at(slot)->state == MAPPING_MAPPED, "page %u", slot);
    mapping_set(page_at(slot), MAPPING_RESERVED, 0);
    return VERDICT_OK;
}

enum verdict shared_page_unmap(struct driver *d, uint32_t slot)
{
    shared_page_close(d, slot);
    shared_page_free(d, slot);
    return VERDICT_OK;
}

struct shared_kernel *around_open(void)
{
    table.k.slots = PAGES;
    sparse_init(&table.k.mappings, PAGES, 0, PAGES, 0, sizeof *table.entry, 0,
                (uint64_t)((char *)table.entry - (char *)&table.k.mappings));
    return &table.k;
}

uint64_t around_mapping(uint32_t slot)
{
    return entry_at(&table.k, slot)->mapping;
}

bool around_free(uint32_t slot)
{
    return page_at(slot)->state == MAPPING_FREE;
}
