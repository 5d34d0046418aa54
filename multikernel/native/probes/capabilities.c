#include "probes/capabilities.h"

#include "arch/arch.h"

enum {
    FOR_CNODES = 1,
    POOL,
    TO_REVOKE,
    WORK,
    REVOKED,
    LEVELS = 64
}; /* slots of the root CNode, each first of its kind */
enum { OBJECT = 2 * PAGE_BYTES, BATCH = 64, SPARE = 1 + PROBE_DESCENDANTS_MAX / CNODE_SLOTS };
#define CNODES_AT    (1ull << 30)
#define TO_REVOKE_AT (1ull << 40)
#define POOL_AT      (1ull << 41)

static uint32_t parts(uint32_t count, uint32_t of)
{
    return (count + of - 1) / of;
}

/* The CNode in that slot. */
static uint32_t cnode_in(const struct cspace *cs, uint32_t slot)
{
    return (uint32_t)cspace_slot(cs, slot)->about;
}

static struct capability_task retype_to(uint32_t type, uint64_t source, uint64_t offset,
                                        uint64_t size, uint32_t count, uint64_t cnode,
                                        uint32_t index)
{
    return (struct capability_task){.source = source,
                                    .offset = offset,
                                    .size = size,
                                    .type = type,
                                    .count = count,
                                    .place = {.cnode = cnode, .index = index}};
}

static enum capability_verdict split(struct cspace *cs, uint32_t source, uint64_t offset,
                                     uint32_t type, uint64_t size, uint32_t count,
                                     uint32_t cnode_slot, uint32_t index)
{
    struct capability_task r = retype_to(type, cspace_reference(cs, source), offset, size, count,
                                         cspace_reference(cs, cnode_slot), index);
    return capability_retype(cs, &r, 0);
}

uint32_t probe_capabilities_cnodes(uint32_t count)
{
    uint32_t leaves = parts(count, CNODE_SLOTS);
    return 1 + SPARE + parts(leaves, CNODE_SLOTS) + leaves;
}

/* The slot of the i-th capability: in a CNode of the third level. */
static uint32_t slot_of(const struct cspace *cs, uint32_t i)
{
    uint32_t leaf = i / CNODE_SLOTS, level = cnode_in(cs, LEVELS + leaf / CNODE_SLOTS);
    return cnode_in(cs, level * CNODE_SLOTS + leaf % CNODE_SLOTS) * CNODE_SLOTS + i % CNODE_SLOTS;
}

enum capability_verdict probe_capabilities_fill(struct cspace *cs, uint32_t count)
{
    const struct cspace_place cnodes = {CSPACE_ROOT, FOR_CNODES, 0}, pool = {CSPACE_ROOT, POOL, 0},
                              revoked = {CSPACE_ROOT, TO_REVOKE, 0};
    const uint64_t room = (uint64_t)cs->cnodes * CNODE_BYTES;
    uint32_t leaves = parts(count, CNODE_SLOTS), levels = parts(leaves, CNODE_SLOTS);
    uint64_t made, offset = 0;
    enum capability_verdict verdict = cspace_create_ram(cs, CNODES_AT, room, &cnodes, &made);
    if (verdict == CAP_OK)
        verdict = cspace_create_ram(cs, POOL_AT, (uint64_t)count * OBJECT, &pool, &made);
    if (verdict == CAP_OK)
        verdict = cspace_create_ram(cs, TO_REVOKE_AT, PROBE_DESCENDANTS_MAX * PAGE_BYTES, &revoked,
                                    &made);
    if (verdict == CAP_OK)
        verdict = split(cs, FOR_CNODES, offset, CAP_CNODE, CNODE_BYTES, SPARE, 0, WORK);
    offset += SPARE * CNODE_BYTES;
    if (verdict == CAP_OK)
        verdict = split(cs, FOR_CNODES, offset, CAP_CNODE, CNODE_BYTES, levels, 0, LEVELS);
    offset += (uint64_t)levels * CNODE_BYTES;
    for (uint32_t leaf = 0; leaf < leaves && verdict == CAP_OK; leaf++, offset += CNODE_BYTES)
        verdict = split(cs, FOR_CNODES, offset, CAP_CNODE, CNODE_BYTES, 1,
                        LEVELS + leaf / CNODE_SLOTS, leaf % CNODE_SLOTS);
    for (uint32_t leaf = 0; leaf < leaves && verdict == CAP_OK; leaf++) {
        uint32_t first = leaf * CNODE_SLOTS,
                 left = count - first < CNODE_SLOTS ? count - first : CNODE_SLOTS;
        uint32_t holder =
            cnode_in(cs, LEVELS + leaf / CNODE_SLOTS) * CNODE_SLOTS + leaf % CNODE_SLOTS;
        verdict = split(cs, POOL, (uint64_t)first * OBJECT, CAP_RAM, OBJECT, left, holder, 0);
    }
    return verdict;
}

/* One operation, between two clocks. */
#define CLOCKED(times, operation)                            \
    do {                                                     \
        uint64_t start_ = arch_cycles();                     \
        verdict = (operation);                               \
        histogram_add(times, arch_cycles_behind() - start_); \
    } while (0)

/* Knuth's MMIX generator. */
static uint32_t random_below(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((*seed >> 33) * limit >> 31);
}

static uint32_t pick(const struct cspace *cs, uint64_t *seed, uint32_t count)
{
    return slot_of(cs, random_below(seed, count));
}

enum capability_verdict probe_capabilities(struct cspace *cs, uint32_t rounds, uint64_t seed,
                                           struct histogram *copy, struct histogram *retype,
                                           struct histogram *delete_)
{
    uint32_t count = (uint32_t)(cspace_slot(cs, POOL)->size / OBJECT), done = 0;
    uint64_t picked[BATCH], made[2 * BATCH], frames[BATCH];
    struct cspace_place to = {.cnode = cspace_reference(cs, WORK)};
    enum capability_verdict verdict = CAP_OK;
    while (done < rounds) {
        uint32_t batch = rounds - done < BATCH ? rounds - done : BATCH;
        for (uint32_t i = 0; i < batch; i++) {
            picked[i] = cspace_reference(cs, pick(cs, &seed, count));
            uint32_t slot = pick(cs, &seed, count);
            for (uint32_t j = 0; j < i; j++) /* retyped once a batch */
                if (frames[j] == cspace_reference(cs, slot)) {
                    slot = pick(cs, &seed, count);
                    j = UINT32_MAX;
                }
            frames[i] = cspace_reference(cs, slot);
            if (count <= BATCH)
                batch = 1;
        }
        for (uint32_t i = 0; i < batch; i++) {
            to.index = i;
            CLOCKED(copy, cspace_mint(cs, picked[i], CAP_RIGHTS_ALL, &to, 0, &made[i]));
            if (verdict != CAP_OK)
                return verdict;
        }
        for (uint32_t i = 0; i < batch; i++) {
            struct capability_task r =
                retype_to(CAP_FRAME, frames[i], 0, OBJECT, 1, to.cnode, BATCH + i);
            CLOCKED(retype, capability_retype(cs, &r, 0));
            made[batch + i] = r.made;
            if (verdict != CAP_OK)
                return verdict;
        }
        for (uint32_t i = 0; i < 2 * batch; i++) {
            CLOCKED(delete_, cspace_delete(cs, made[i], 0, 1, NULL));
            if (verdict != CAP_OK)
                return verdict;
        }
        done += batch;
    }
    return verdict;
}

enum capability_verdict probe_capabilities_split(struct cspace *cs, uint32_t rounds, uint64_t seed,
                                                 struct histogram *histogram)
{
    uint32_t count = (uint32_t)(cspace_slot(cs, POOL)->size / OBJECT), gone[PROBE_SPLITS_MAX],
             n = 0;
    enum capability_verdict verdict = CAP_OK;
    if (rounds > PROBE_SPLITS_MAX || rounds > count / 2)
        return CAP_BAD_SIZE;
    while (n < rounds && verdict == CAP_OK) {
        uint32_t i = random_below(&seed, count), slot = slot_of(cs, i);
        if (cspace_slot(cs, slot)->type == CAP_NULL)
            continue;
        verdict = cspace_delete(cs, cspace_reference(cs, slot), 0, 1, NULL);
        gone[n++] = i;
    }
    for (uint32_t j = 0; j < n && verdict == CAP_OK; j++) {
        uint32_t leaf = gone[j] / CNODE_SLOTS, level = cnode_in(cs, LEVELS + leaf / CNODE_SLOTS);
        struct capability_task r = retype_to(
            CAP_RAM, cspace_reference(cs, POOL), (uint64_t)gone[j] * OBJECT, OBJECT, 1,
            cspace_reference(cs, level * CNODE_SLOTS + leaf % CNODE_SLOTS), gone[j] % CNODE_SLOTS);
        CLOCKED(histogram, capability_retype(cs, &r, 0));
    }
    return verdict;
}

enum capability_verdict probe_capabilities_revoke(struct cspace *cs, uint32_t descendants,
                                                  uint32_t rounds, struct histogram *histogram)
{
    struct cspace_revocation revocation;
    enum capability_verdict verdict = descendants > PROBE_DESCENDANTS_MAX ? CAP_BAD_SIZE : CAP_OK;
    for (uint32_t round = 0; round < rounds && verdict == CAP_OK; round++) {
        for (uint32_t first = 0; first < descendants && verdict == CAP_OK; first += CNODE_SLOTS) {
            uint32_t left = descendants - first < CNODE_SLOTS ? descendants - first : CNODE_SLOTS;
            verdict = split(cs, TO_REVOKE, (uint64_t)first * PAGE_BYTES, CAP_FRAME, PAGE_BYTES,
                            left, REVOKED + first / CNODE_SLOTS, 0);
        }
        if (verdict != CAP_OK)
            break;
        uint64_t start = arch_cycles();
        verdict = cspace_revoke_begin(cs, cspace_reference(cs, TO_REVOKE), &revocation);
        if (verdict == CAP_OK)
            verdict = cspace_revoke_step(cs, &revocation, 0, UINT32_MAX, NULL);
        histogram_add(histogram, arch_cycles_behind() - start);
    }
    return verdict;
}
