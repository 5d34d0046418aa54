/* The mapping database as an object: a core's flat state of capabilities (capability/cspace.h), with
 * one CNode. What is checked and what is changed is the capabilities' own code, which the kernels
 * call too; it works on plain words.
 *
 * An undo puts back what was removed, which is kept for that; generations go on, and no result has
 * one. */
#include <string.h>

#include "capability/cspace_going.h"
#include "object/type.h"

enum { ROOT_ADDRESS = 1 << 30 }; /* nobody's RAM: no operation is about it */

struct mappings {
    uint64_t kept; /* of the last removal */
    uint32_t kept_slot[MAPPINGS_REVOKED_MOST];
    struct capability kept_record[MAPPINGS_REVOKED_MOST];
    _Alignas(LINE_BYTES) uint64_t cspace[];
};

static struct cspace *cspace_of(const void *state)
{
    return (struct cspace *)(uintptr_t)((const struct mappings *)state)->cspace;
}

static struct cspace_shape shape_of(uint32_t slots)
{
    return (struct cspace_shape){.cnodes = 1, .slot_bits = (uint32_t)__builtin_ctz(slots)};
}

static uint64_t bytes(uint32_t shape)
{
    if (shape < MAPPINGS_SLOTS_LEAST || shape > MAPPINGS_SLOTS_MOST || shape & (shape - 1))
        return 0;
    const struct cspace_shape room = shape_of(shape);
    return sizeof(struct mappings) + cspace_size(&room);
}

static void init(void *state, uint32_t shape)
{
    const struct cspace_shape room = shape_of(shape);
    memset(state, 0, bytes(shape));
    cspace_init(cspace_of(state), 0, &room, ROOT_ADDRESS);
}

/* --- What an operation names --- */

static struct capability record_of(const struct operation *o)
{
    return (struct capability){.address = o->value[0],
                               .size = o->value[1],
                               .type = (uint8_t)(o->value[2] < CAP_TYPES ? o->value[2] : CAP_NULL),
                               .rights = CAP_RIGHTS_ALL};
}

static struct cspace_place place_of(uint64_t slot)
{
    return (struct cspace_place){.cnode = CSPACE_ROOT,
                                 .index = slot < MAPPINGS_SLOTS_MOST ? (uint32_t)slot
                                                                     : MAPPINGS_SLOTS_MOST};
}

static bool names_root(const struct capability *c)
{
    return c->address < ROOT_ADDRESS + CNODE_BYTES && capability_end(c) > ROOT_ADDRESS;
}

static enum capability_verdict may_insert(const void *state, const struct operation *o)
{
    const struct capability record = record_of(o);
    const struct cspace_place place = place_of(o->key);
    uint32_t slot;
    if (names_root(&record))
        return CAP_RETYPE_CONFLICT;
    return cspace_may_receive(cspace_of(state), &record, &place, 0, &slot);
}

/* The slot's capability, which is not the root; NO_CAPABILITY: there is none. */
static uint32_t slot_of(const void *state, uint64_t key)
{
    const struct cspace *cs = cspace_of(state);
    const bool there = key && key < cspace_slots(cs) && cspace_slot(cs, (uint32_t)key)->type;
    return there ? (uint32_t)key : NO_CAPABILITY;
}

/* --- Removing, and what is kept of it --- */

static void keep(struct mappings *m, uint32_t slot)
{
    m->kept_slot[m->kept] = slot;
    m->kept_record[m->kept++] = *cspace_slot(cspace_of(m), slot);
}

/* How many a revocation removes; kept: they are kept. */
static uint32_t revoked(struct mappings *m, uint32_t slot, bool kept)
{
    const struct cspace *cs = cspace_of(m);
    const struct mapping_database *db = cspace_database(cs);
    const struct capability *of = cspace_slot(cs, slot);
    uint32_t count = 0;
    for (uint32_t i = mapping_database_find(db, of);
         i != NO_CAPABILITY && cspace_nests(of, cspace_slot(cs, i));
         i = mapping_database_next(db, i)) {
        if (i == slot)
            continue;
        count++;
        if (kept)
            keep(m, i);
    }
    return count;
}

static enum capability_verdict may_revoke(const void *state, uint32_t slot,
                                          struct cspace_revocation *revocation, uint32_t *count)
{
    const struct cspace *cs = cspace_of(state);
    const enum capability_verdict verdict =
        cspace_revoke_begin(cs, cspace_reference(cs, slot), revocation);
    *count = verdict == CAP_OK ? revoked((struct mappings *)(uintptr_t)state, slot, false) : 0;
    return *count > MAPPINGS_REVOKED_MOST ? CAP_MORE : verdict;
}

/* --- Operations --- */

static void insert(void *state, const struct operation *o, struct result *result)
{
    const struct capability record = record_of(o);
    const struct cspace_place place = place_of(o->key);
    enum capability_verdict verdict = may_insert(state, o);
    uint64_t made;
    if (verdict == CAP_OK)
        verdict = cspace_receive(cspace_of(state), &record, &place, 0, &made);
    *result = verdict == CAP_OK ? (struct result){RESULT_OK, 0}
                                : (struct result){RESULT_REFUSED, verdict};
}

static void take_out(void *state, uint32_t slot)
{
    struct cspace *cs = cspace_of(state);
    const enum capability_verdict verdict =
        cspace_delete(cs, cspace_reference(cs, slot), CSPACE_OUTCOME, 1, NULL);
    assert(verdict == CAP_OK);
    (void)verdict;
}

static void remove_one(void *state, uint32_t slot, struct result *result)
{
    struct mappings *m = state;
    m->kept = 0;
    keep(m, slot);
    *result = (struct result){RESULT_OK, m->kept_record[0].address};
    take_out(state, slot);
}

static void revoke(void *state, uint32_t slot, struct result *result)
{
    struct mappings *m = state;
    struct cspace_revocation revocation;
    uint32_t count;
    const enum capability_verdict verdict = may_revoke(state, slot, &revocation, &count);
    *result = (struct result){RESULT_REFUSED, verdict};
    if (verdict != CAP_OK)
        return;
    m->kept = 0;
    revoked(m, slot, true);
    cspace_revoke_step(cspace_of(state), &revocation, 0, UINT32_MAX, NULL);
    *result = (struct result){RESULT_OK, count};
}

static void find(const void *state, uint64_t address, struct result *result)
{
    const struct cspace *cs = cspace_of(state);
    *result = (struct result){RESULT_ABSENT, 0};
    if (address == UINT64_MAX)
        return;
    for (uint32_t i = NO_CAPABILITY;
         (i = cspace_overlapping(cs, i, address, address + 1)) != NO_CAPABILITY;)
        *result = (struct result){RESULT_OK, i};
}

static void count(const void *state, const struct operation *o, struct result *result)
{
    const struct cspace *cs = cspace_of(state);
    const uint64_t end = o->key + o->value[0];
    *result = (struct result){end > o->key ? RESULT_OK : RESULT_BAD, 0};
    for (uint32_t i = NO_CAPABILITY;
         end > o->key && (i = cspace_overlapping(cs, i, o->key, end)) != NO_CAPABILITY;)
        result->value++;
}

static void apply(void *state, const struct operation *o, struct result *result)
{
    const uint32_t slot = slot_of(state, o->key);
    *result = (struct result){RESULT_ABSENT, 0};
    switch (o->kind) {
    case MAPPINGS_INSERT:
        insert(state, o, result);
        return;
    case MAPPINGS_REMOVE:
        if (slot != NO_CAPABILITY)
            remove_one(state, slot, result);
        return;
    case MAPPINGS_REVOKE:
        if (slot != NO_CAPABILITY)
            revoke(state, slot, result);
        return;
    case MAPPINGS_FIND:
        find(state, o->key, result);
        return;
    case MAPPINGS_COUNT:
        count(state, o, result);
        return;
    default:
        result->status = RESULT_BAD;
    }
}

static bool check(const void *state, const struct operation *o)
{
    const uint32_t slot = slot_of(state, o->key);
    struct cspace_revocation revocation;
    uint32_t there;
    switch (o->kind) {
    case MAPPINGS_INSERT:
        return may_insert(state, o) == CAP_OK;
    case MAPPINGS_REMOVE:
        return slot != NO_CAPABILITY;
    case MAPPINGS_REVOKE:
        return slot != NO_CAPABILITY && may_revoke(state, slot, &revocation, &there) == CAP_OK &&
               there;
    default:
        return false;
    }
}

static void undo(void *state, const struct operation *o, const struct result *result)
{
    struct mappings *m = state;
    if (result->status != RESULT_OK || operation_reads(o))
        return;
    if (o->kind == MAPPINGS_INSERT)
        take_out(state, (uint32_t)o->key);
    for (uint64_t i = 0; o->kind != MAPPINGS_INSERT && i < m->kept; i++) {
        const struct cspace_place place = place_of(m->kept_slot[i]);
        uint64_t made;
        const enum capability_verdict verdict =
            cspace_receive(cspace_of(m), &m->kept_record[i], &place, 0, &made);
        assert(verdict == CAP_OK);
        (void)verdict;
    }
}

const struct object_type object_mappings = {.name = "mappings",
                                            .bytes = bytes,
                                            .init = init,
                                            .apply = apply,
                                            .check = check,
                                            .undo = undo,
                                            .plain = true};
