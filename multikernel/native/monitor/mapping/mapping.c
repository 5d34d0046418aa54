/* What the monitors agree about: mappings of frames. Three rows of the agreement engine, and the
 * core-local operations on a mapping that need no agreement.
 *
 * A page becomes unreachable in prepare and is forgotten in commit, so from the vote to the outcome
 * a read of it faults and waits (monitor_fault): PageFault after commit, success after abort.
 * Nothing on the unmap path inserts or removes a host mapping; retire leaves that to idle time
 * (DESIGN section 3, Memory). */
#include <string.h>

#include "monitor/mapping/mapping.h"

static int held(const struct monitor *m, const struct mapping *mapping)
{
    return core_set_has(mapping->holders, m->me);
}

static int initiated_here(const struct monitor *m, const struct operation *op)
{
    return op->id >> 48 == m->me;
}

static int is_mapped(const struct mapping *mapping, uint32_t generation)
{
    return mapping->state == MAPPING_MAPPED && mapping->generation == generation;
}

/* --- The object --- */

static uint64_t *lock(struct monitor *m, uint32_t slot)
{
    return &monitor_mapping(m, slot)->lock;
}

static const uint64_t *holders(struct monitor *m, const struct operation *op, uint64_t *buffer)
{
    (void)buffer;
    return monitor_mapping(m, op->slot)->holders;
}

void mapping_unlocked(struct monitor *m, uint32_t slot)
{
    struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->released) {
        mapping->released = 0;
        mapping_free(m, slot);
    }
}

static void notice(struct monitor *m, const struct message *message)
{
    struct mapping *mapping = monitor_mapping(m, (uint32_t)message->word[2]);
    uint32_t generation = (uint32_t)(message->word[2] >> 32);
    if (message_kind(message) == KIND_SET) {
        if (message->word[3] >= m->set_words || mapping->lock || mapping->state == MAPPING_MAPPED)
            /* too early: the last operation is still at the entry, and the map that follows is
             * refused (map_may_prepare) */
            return;
        if (message->word[3] == 0)
            mapping->generation = generation;
        mapping->holders[message->word[3]] = message->word[4];
    } else if (mapping->generation == generation) { /* RELEASE: an unmap by others is final */
        if (mapping->lock)
            mapping->released = 1;
        else
            mapping_free(m, (uint32_t)message->word[2]);
    }
}

const struct object_kind monitor_mappings = {.count = monitor_slots,
                                             .lock = lock,
                                             .participants = holders,
                                             .unlocked = mapping_unlocked,
                                             .notice = notice};

/* --- map --- */

static int live(void *monitor, uint32_t i, uint64_t *start, uint64_t *end)
{
    struct monitor *m = monitor;
    const struct mapping *mapping = monitor_mapping(m, m->me * m->slots_per_core + i);
    *start = mapping->address;
    *end = mapping->address + mapping->length;
    return mapping->state != MAPPING_FREE;
}

static enum verdict map_begin(struct monitor *m, struct operation *op,
                              const struct request *request)
{
    uint32_t first = m->me * m->slots_per_core;
    struct mapping *mapping = NULL;
    for (uint32_t i = 0; i < m->slots_per_core && !mapping; i++) {
        uint32_t slot = first + (m->slot_next - first + i) % m->slots_per_core;
        struct mapping *candidate = monitor_mapping(m, slot);
        if (candidate->state == MAPPING_FREE && !candidate->lock) {
            mapping = candidate;
            op->slot = slot;
        }
    }
    if (!mapping)
        return VERDICT_NO_SLOT;
    uint64_t address =
        address_range_take(&m->addresses, request->length, live, m, m->slots_per_core);
    if (!address)
        return VERDICT_NO_SLOT;
    m->slot_next = first + (op->slot - first + 1) % m->slots_per_core;
    mapping->generation++;
    mapping->state = MAPPING_RESERVED;
    mapping->rights = (uint8_t)request->rights;
    mapping->pins = 0;
    mapping->address = address;
    mapping->frame = request->frame;
    mapping->length = request->length;
    memcpy(mapping->holders, request->holders, 8 * (size_t)m->set_words);
    op->generation = mapping->generation;
    op->argument[0] = address;
    op->argument[1] = request->frame;
    op->argument[2] = request->length | (uint64_t)request->rights << 56;
    op->argument[3] = request->holders[0];
    return VERDICT_OK;
}

static enum verdict map_may_prepare(struct monitor *m, const struct operation *op)
{
    const struct mapping *mapping = monitor_mapping(m, op->slot);
    if (initiated_here(m, op) || monitor_home(m, op->slot) == m->me)
        return VERDICT_OK;
    /* Its home found the slot free, so nobody maps it; GONE is what one-phase left for its home to
     * release. */
    if (mapping->state != MAPPING_FREE && mapping->state != MAPPING_GONE)
        return VERDICT_NO_SLOT;
    /* A set that came ahead (KIND_SET) while the last operation was still at the entry was not
     * taken: it has to come again. */
    if (m->set_words > 1 && mapping->generation != op->generation)
        return VERDICT_BUSY;
    return VERDICT_OK;
}

static void map_adopt(struct monitor *m, struct operation *op)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    if (initiated_here(m, op))
        return;
    mapping_free(m, op->slot); /* what one phase left */
    mapping->generation = op->generation;
    mapping->state = MAPPING_RESERVED;
    mapping->pins = 0;
    mapping->address = op->argument[0];
    mapping->frame = op->argument[1];
    mapping->length = op->argument[2] & ((1ull << 56) - 1);
    mapping->rights = (uint8_t)(op->argument[2] >> 56);
    if (m->set_words == 1)
        mapping->holders[0] = op->argument[3]; /* larger sets came ahead, by KIND_SET */
}

static enum verdict map_prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    if (!held(m, mapping))
        return VERDICT_OK;
    return env->mmu->insert(env->mmu->context, op->slot, mapping->address, mapping->frame, mapping->length,
                       mapping->rights);
}

static void map_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    (void)env;
    monitor_mapping(m, op->slot)->state = MAPPING_MAPPED;
}

static void map_abort(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    if (held(m, mapping)) {
        env->mmu->protect(env->mmu->context, op->slot, RIGHTS_NONE);
        env->mmu->retire(env->mmu->context, op->slot);
    }
    /* Between two tries the slot stays the operation's: another map must not take it. */
    if (initiated_here(m, op) && monitor_retries(op))
        mapping->state = MAPPING_RESERVED;
    else
        mapping_free(m, op->slot);
}

/* --- unmap --- */

static enum verdict unmap_begin(struct monitor *m, struct operation *op,
                                const struct request *request)
{
    const struct mapping *mapping = monitor_mapping(m, request->slot);
    if (!is_mapped(mapping, request->generation))
        return VERDICT_NOT_MAPPED;
    /* One phase is ordered by the initiator's own lock on an entry that it holds; a home that only
     * keeps the directory uses two. */
    if (!held(m, mapping))
        op->protocol = TWO_PHASE;
    return VERDICT_OK;
}

static enum verdict mapped_and_unpinned(struct monitor *m, const struct operation *op)
{
    const struct mapping *mapping = monitor_mapping(m, op->slot);
    if (!is_mapped(mapping, op->generation))
        return VERDICT_NOT_MAPPED;
    return mapping->pins ? VERDICT_PINNED : VERDICT_OK;
}

static void unmap_adopt(struct monitor *m, struct operation *op)
{
    op->saved = monitor_mapping(m, op->slot)->rights;
}

static enum verdict unmap_prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    if (!held(m, monitor_mapping(m, op->slot)))
        return VERDICT_OK;
    return env->mmu->protect(env->mmu->context, op->slot, RIGHTS_NONE);
}

static void unmap_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    int final = op->protocol == TWO_PHASE || initiated_here(m, op);
    if (final)
        mapping_free(m, op->slot);
    else
        mapping->state = MAPPING_GONE;
    if (held(m, mapping))
        env->mmu->retire(env->mmu->context, op->slot);
}

/* One phase gave the entry back before the outcome was known, and its root tells the others while
 * it goes on: a revoke may have locked the page meanwhile, and says what becomes of it, or has
 * taken it away, and another one may be there. */
static void unmap_abort(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    if (mapping->state == MAPPING_FREE || mapping->generation != op->generation)
        return;
    mapping->state = MAPPING_MAPPED;
    if (mapping->lock && mapping->lock != op->id)
        return;
    if (held(m, mapping))
        env->mmu->protect(env->mmu->context, op->slot, op->saved);
}

static int unmap_release_home(struct monitor *m, const struct operation *op)
{
    uint32_t home = monitor_home(m, op->slot);
    if (home == m->me)
        return 0;
    return op->protocol == ONE_PHASE || !core_set_has(monitor_mapping(m, op->slot)->holders, home);
}

/* --- protect --- */

static enum verdict protect_begin(struct monitor *m, struct operation *op,
                                  const struct request *request)
{
    if (!is_mapped(monitor_mapping(m, request->slot), request->generation))
        return VERDICT_NOT_MAPPED;
    if (request->rights != RIGHTS_READ && request->rights != RIGHTS_WRITE)
        return VERDICT_BAD_REQUEST;
    uint32_t recorded = monitor_mapping(m, request->slot)->recorded;
    if (recorded && request->rights & ~recorded)
        return monitor_verdict(CAP_RIGHTS_EXCEEDED);
    op->argument[0] = request->rights;
    return VERDICT_OK;
}

/* Rights are taken away in prepare and given in commit: between the two a core has what both sides
 * of the change allow. */
static enum verdict protect_prepare(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    uint32_t both = mapping->rights & (uint32_t)op->argument[0];
    if (!held(m, mapping) || both == mapping->rights)
        return VERDICT_OK;
    return env->mmu->protect(env->mmu->context, op->slot, both);
}

static void protect_commit(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    uint32_t rights = (uint32_t)op->argument[0];
    if (held(m, mapping) && (rights & op->saved) != rights)
        env->mmu->protect(env->mmu->context, op->slot, rights);
    mapping->rights = (uint8_t)rights;
}

static void protect_abort(struct monitor *m, struct operation *op, const struct environment *env)
{
    struct mapping *mapping = monitor_mapping(m, op->slot);
    mapping->rights = op->saved;
    if (held(m, mapping))
        env->mmu->protect(env->mmu->context, op->slot, op->saved);
}

const struct row map_row = {
    .name = "map",
    .object = &monitor_mappings,
    .set_travels = 1,
    .begin = map_begin,
    .may_prepare = map_may_prepare,
    .adopt = map_adopt,
    .prepare = map_prepare,
    .commit = map_commit,
    .abort = map_abort,
};
const struct row unmap_row = {
    .name = "unmap",
    .object = &monitor_mappings,
    .one_phase = 1,
    .begin = unmap_begin,
    .may_prepare = mapped_and_unpinned,
    .adopt = unmap_adopt,
    .prepare = unmap_prepare,
    .commit = unmap_commit,
    .abort = unmap_abort,
    .release_home = unmap_release_home,
};
const struct row protect_row = {
    .name = "protect",
    .object = &monitor_mappings,
    .begin = protect_begin,
    .may_prepare = mapped_and_unpinned,
    .adopt = unmap_adopt,
    .prepare = protect_prepare,
    .commit = protect_commit,
    .abort = protect_abort,
};

/* --- core-local --- */

enum verdict monitor_pin(struct monitor *m, uint32_t slot, uint32_t generation)
{
    if (slot >= monitor_slots(m))
        return VERDICT_NOT_MAPPED;
    struct mapping *mapping = monitor_mapping(m, slot);
    if (!is_mapped(mapping, generation) || !held(m, mapping))
        return VERDICT_NOT_MAPPED;
    if (mapping->lock)
        return VERDICT_BUSY;
    mapping->pins++;
    return VERDICT_OK;
}

enum verdict monitor_unpin(struct monitor *m, uint32_t slot, uint32_t generation)
{
    if (slot >= monitor_slots(m))
        return VERDICT_NOT_MAPPED;
    struct mapping *mapping = monitor_mapping(m, slot);
    if (!is_mapped(mapping, generation) || !held(m, mapping))
        return VERDICT_NOT_MAPPED;
    if (!mapping->pins)
        return VERDICT_BAD_REQUEST;
    mapping->pins--;
    return VERDICT_OK;
}

enum verdict monitor_fault(struct monitor *m, uint32_t slot, uint32_t generation, int write)
{
    if (slot >= monitor_slots(m))
        return VERDICT_FAULT;
    const struct mapping *mapping = monitor_mapping(m, slot);
    if (mapping->generation != generation || !held(m, mapping))
        return VERDICT_FAULT;
    if (mapping->lock)
        return VERDICT_BUSY;
    if (mapping->state != MAPPING_MAPPED)
        return VERDICT_FAULT;
    return write && mapping->rights != RIGHTS_WRITE ? VERDICT_FAULT : VERDICT_OK;
}

uint64_t monitor_digest(struct monitor *m, const uint64_t *set)
{
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < monitor_slots(m); slot++) {
        const struct mapping *mapping = monitor_mapping(m, slot);
        int member = mapping->state == MAPPING_MAPPED;
        for (uint32_t word = 0; word < m->set_words && set && member; word++)
            member = (mapping->holders[word] & set[word]) == set[word];
        if (!member)
            continue;
        uint64_t hash = hash_mix(hash_mix(hash_mix(slot, mapping->generation), mapping->rights),
                                 mapping->address);
        hash = hash_mix(hash_mix(hash, mapping->frame), mapping->length);
        for (uint32_t word = 0; word < m->set_words; word++)
            hash = hash_mix(hash, mapping->holders[word]);
        sum += hash;
    }
    return sum;
}

void monitor_count(struct monitor *m, uint32_t *mapped, uint32_t *locked)
{
    *mapped = *locked = 0;
    for (uint32_t slot = 0; slot < monitor_slots(m); slot++) {
        const struct mapping *mapping = monitor_mapping(m, slot);
        *mapped += mapping->state == MAPPING_MAPPED;
        *locked += mapping->lock != 0;
    }
}
