#include "driver/trees.h"

#include <errno.h>
#include <stdlib.h>

#include "driver/driver.h"

static void *table_of(struct driver *d, uint32_t root, uint32_t place)
{
    return segment_at(d->segment, root, d->region.trees + (place - 1) * d->region.tree_stride);
}

const struct tree_link *trees_links(void *driver, uint32_t root, uint32_t place)
{
    return table_of(driver, root, place);
}

bool trees_publish(void *driver, uint32_t place, uint64_t ticket)
{
    struct driver *d = driver;
    d->staging.ticket = 0;
    return ticket != 0 && tree_make(table_of(d, d->me, place), d->cores, d->me, d->staging.edges);
}

/* Every core makes its own tree's table, before any core goes. */
int trees_open(struct driver *d, const uint32_t *trees, uint32_t count)
{
    d->staging.edges = calloc(d->cores, sizeof *d->staging.edges);
    if (!d->staging.edges)
        return ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *tree = trees + (size_t)i * d->cores;
        if (tree[0] >= d->cores)
            return EINVAL;
        if (tree[0] != d->me)
            continue;
        memcpy(d->staging.edges, tree + 1, (d->cores - 1) * sizeof *tree);
        if (!trees_publish(d, 1, UINT64_MAX))
            return EINVAL;
    }
    return 0;
}

/* Word 1: position of the first edge 0-15, edges in all 16-31, the installation's number 32-47,
 * edges here 48-63; words 2 to 4: two edges each; 5 root. The last piece begins the installation.
 * Of two that come at once the one that began last goes on, and the other is OVERTAKEN. */
enum verdict tree_request(struct driver *d, uint64_t address, const struct message *request,
                          struct message *reply)
{
    struct tree_staging *s = &d->staging;
    const uint64_t head = request->word[1];
    const uint32_t position = head & 0xffff, total = head >> 16 & 0xffff,
                   number = head >> 32 & 0xffff, count = (uint32_t)(head >> 48);
    if (request->word[5] != d->me || total != d->cores - 1 || !number || !count ||
        count > TREE_EDGES_MAX || position + count > total)
        return VERDICT_BAD_REQUEST;
    if (s->ticket == address)
        s->ticket = 0; /* tried again: the kernel had no room for it */
    else if (s->ticket)
        return VERDICT_BUSY;
    else if (position && (s->number != number || s->count != position))
        return VERDICT_OVERTAKEN;
    for (uint32_t i = 0; i < count; i++)
        s->edges[position + i] = (uint32_t)(request->word[2 + i / 2] >> (i % 2 ? 32 : 0));
    s->number = number;
    s->count = position + count;
    if (s->count < total)
        return VERDICT_OK;
    const struct request install = {.operation = OPERATION_TREE, .slot = d->me, .ticket = address};
    s->ticket = address;
    enum verdict verdict = d->kernel->begin(d, &install, reply);
    if (verdict != VERDICT_PENDING && verdict != VERDICT_BUSY)
        s->ticket = 0;
    return verdict;
}
