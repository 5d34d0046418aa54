/* Random operations on a replica of capabilities, for sanitizers: no verdict is expected, but an
 * error must not have changed a byte, all invariants must hold, and in the end everything can be
 * taken back.
 *
 *     capability_client SEED STEPS */
#include "capability/cspace_going.h"
#include "capability/request.h"

#include "clients.h"

#include <string.h>

enum { NODES = 6, PAGES = 64, RAM_AT = 1, KEPT = 64 };

static struct cspace *cs, *before;
static uint64_t seed, kept[KEPT];
static struct cspace_revocation revocation;

static uint32_t below(uint32_t limit)
{
    return random_next(&seed) % limit;
}

/* Mostly what lies in some used slot, else something remembered, else anything. */
static uint64_t reference(void)
{
    uint32_t slot = below(3) ? below(cspace_slots(cs)) : below(24);
    for (int i = 0; i < 64 && cspace_slot(cs, slot)->type == CAP_NULL; i++)
        slot = below(i < 32 ? CNODE_SLOTS : cspace_slots(cs));
    switch (below(8)) {
    case 0:
        return kept[below(KEPT)];
    case 1:
        return (uint64_t)random_next(&seed) << 32 | below(2 * cspace_slots(cs));
    default:
        return cspace_reference(cs, slot);
    }
}

static struct cspace_place place(void)
{
    uint64_t cnode = reference();
    for (int i = 0; i < 16; i++) {
        const uint32_t slot = (uint32_t)cnode;
        if (slot < cspace_slots(cs) && cspace_slot(cs, slot)->type == CAP_CNODE)
            break;
        cnode = i < 12 ? reference() : CSPACE_ROOT;
    }
    return (struct cspace_place){.cnode = cnode,
                                 .index = below(4) ? below(16) : below(CNODE_SLOTS + 2)};
}

static enum capability_verdict step(uint64_t *made)
{
    const struct cspace_place to = place();
    const uint64_t operation = below(4) ? 0 : 1 + below(2), page = below(PAGES), from = reference();
    struct cspace_progress progress;
    struct capability_task task;
    enum capability_verdict verdict;
    uint32_t found, all;
    struct capability record;
    switch (below(12)) {
    case 0:
        return cspace_create_ram(cs, page * PAGE_BYTES, (uint64_t)below(PAGES) * PAGE_BYTES, &to,
                                 made);
    case 1:
        record = (struct capability){.address = page * PAGE_BYTES,
                                     .size = (uint64_t)below(9) * PAGE_BYTES,
                                     .owner = (uint16_t)below(4),
                                     .type = (uint8_t)below(CAP_TYPES + 2),
                                     .rights = (uint8_t)below(8),
                                     .flags = (uint8_t)below(8)};
        return cspace_receive(cs, &record, &to, operation, made);
    case 2:
        found = cspace_find(cs, from);
        all = found == NO_CAPABILITY ? 0 : cspace_slot(cs, found)->rights;
        return cspace_mint(cs, from, below(2) ? all : below(8), &to, operation, made);
    case 3:
    case 4:
    case 5:
        task = (struct capability_task){.source = from,
                                        .offset = (uint64_t)below(9) * PAGE_BYTES,
                                        .size = below(8) ? (uint64_t)(1 + below(4)) * PAGE_BYTES
                                                         : random_next(&seed),
                                        .type = below(CAP_TYPES + 2),
                                        .count = below(8) ? 1 + below(4) : random_next(&seed),
                                        .place = to};
        verdict = capability_retype(cs, &task, operation);
        *made = task.made;
        return verdict;
    case 6:
        task = (struct capability_task){.source = from, .place = to};
        verdict = capability_map(cs, &task, below(4) * PAGE_BYTES, below(8));
        *made = task.made;
        if (verdict == CAP_OK) /* only a monitor knows of pages */
            cspace_slot(cs, (uint32_t)*made)->flags &= (uint8_t)~CAP_REMOTE_COPIES;
        return verdict;
    case 7:
        return cspace_delete(cs, from, operation, below(5), &progress);
    case 8:
        return cspace_revoke_begin(cs, from, &revocation);
    case 9:
        return cspace_revoke_step(cs, &revocation, operation, below(5), &progress);
    case 10:
        if (!below(3))
            return cspace_lock(cs, page * PAGE_BYTES, (uint64_t)below(8) * PAGE_BYTES,
                               1 + below(2));
        cspace_unlock(cs, 1 + below(2));
        return CAP_OK;
    default:
        return below(3) ? CAP_OK
                        : cspace_relate(cs, cspace_find_any(cs, from), below(4), 0, below(8));
    }
}

static uint64_t retype_one(uint64_t ram, uint64_t page, uint32_t type, uint64_t pages,
                           uint64_t cnode, uint32_t index)
{
    struct capability_task task = {.source = ram,
                                   .offset = page * PAGE_BYTES,
                                   .size = pages * PAGE_BYTES,
                                   .type = type,
                                   .count = 1,
                                   .place = {.cnode = cnode, .index = index}};
    const enum capability_verdict verdict = capability_retype(cs, &task, 0);
    CHECK(verdict == CAP_OK, "%u", verdict);
    return task.made;
}

int main(int argc, char **argv)
{
    seed = argument(argc, argv, 1, 1);
    const uint64_t steps = argument(argc, argv, 2, 10000);
    const struct cspace_shape shape = {.cnodes = NODES, .slot_bits = CNODE_SLOT_BITS, .locks = 4};
    const size_t size = cspace_size(&shape);
    if (posix_memalign((void **)&cs, 64, size) || posix_memalign((void **)&before, 64, size))
        return 1;
    memset(cs, 0, size);
    cspace_init(cs, 0, &shape, 1ull << 30);
    CHECK(cs->size == size, "%llu", (unsigned long long)cs->size);
    const struct cspace_place first = {.cnode = CSPACE_ROOT, .index = RAM_AT};
    uint64_t made = 0;
    uint32_t seen[CAP_VERDICTS] = {0};
    for (uint64_t i = 0; i < steps; i++) {
        if (i % 250 == 0 && cspace_create_ram(cs, 0, PAGES * PAGE_BYTES, &first, &made) == CAP_OK) {
            const uint64_t outer = retype_one(made, 0, CAP_CNODE, 4, CSPACE_ROOT, 40 + below(100));
            retype_one(made, 4, CAP_CNODE, 4, outer, 3);
        }
        progress();
        memcpy(before, cs, size);
        const enum capability_verdict verdict = step(&made);
        if (verdict == CAP_OK)
            kept[below(KEPT)] = made;
        else if (verdict != CAP_MORE)
            CHECK(memcmp(before, cs, size) == 0, "verdict %u: something has changed", verdict);
        seen[verdict]++;
        const char *wrong = cspace_check(cs);
        CHECK(!wrong, "step %llu: %s", (unsigned long long)i, wrong);
    }
    CHECK(seen[CAP_OK] > steps / 20, "%u of %llu did anything", seen[CAP_OK],
          (unsigned long long)steps);

    /* Everything goes, on behalf of an operation that has agreed with all. */
    cspace_unlock(cs, 1);
    cspace_unlock(cs, 2);
    for (uint32_t slot = 1; slot < cspace_slots(cs); slot++) {
        struct cspace_progress progress;
        while (cspace_slot(cs, slot)->type != CAP_NULL) {
            const enum capability_verdict verdict =
                cspace_delete(cs, cspace_reference(cs, slot), 3, 7, &progress);
            CHECK(verdict == CAP_OK || verdict == CAP_MORE, "%u", verdict);
        }
    }
    CHECK(cspace_database(cs)->count == 1 && cspace_space(cs, 0)->free_count == NODES - 1 &&
              !cspace_check(cs),
          "something is left");
    return 0;
}
