#include "shared/capability_locks.h"

#include "capability/cspace_going.h"

/* --- Where it is --- */

static uint32_t regions_of(uint32_t scope)
{
    return scope == SCOPE_REGION ? SHARED_REGIONS : 1;
}

/* A core has a range locked while it revokes, and revokes one at a time. */
static struct cspace_shape shape_of(uint32_t cores, uint32_t cnodes, uint32_t scope)
{
    return (struct cspace_shape){.cnodes = cnodes,
                                 .slot_bits = CNODE_SLOT_BITS,
                                 .locks = cores,
                                 .spaces = cores,
                                 .parts = regions_of(scope)};
}

/* A core holds every region's lock and one space's at most: so many nodes has it in the queues. */
static uint32_t nodes_a_core(uint32_t regions)
{
    return regions + 1;
}

static struct shared_capabilities layout_of(uint32_t cores, uint32_t scope)
{
    struct shared_capabilities k = {.scope = scope, .regions = regions_of(scope)};
    k.locks_offset = round_up(sizeof k, PAD_BYTES);
    k.nodes_offset = k.locks_offset + sizeof(struct lock) * (k.regions + cores);
    k.state_offset = k.nodes_offset + sizeof(struct lock_node) * nodes_a_core(k.regions) * cores;
    return k;
}

uint64_t shared_capabilities_bytes(uint32_t cores, uint32_t cnodes, uint32_t scope)
{
    const struct cspace_shape shape = shape_of(cores, cnodes, scope);
    return layout_of(cores, scope).state_offset + cspace_size(&shape);
}

void shared_capabilities_open(struct driver *d, void *memory, const struct driver_options *o)
{
    struct shared_capabilities *k = memory;
    shared_private(d)->capabilities = k;
    if (d->me != 0)
        return;
    *k = layout_of(d->cores, o->lock_scope);
    const struct cspace_shape shape = shape_of(d->cores, o->cnodes, o->lock_scope);
    cspace_init(shared_cspace(d), 0, &shape, CSPACE_ROOTS);
}

/* --- Locks --- */

static struct lock *lock_at(struct shared_capabilities *k, uint32_t index)
{
    return (struct lock *)(void *)((char *)k + k->locks_offset) + index;
}

static struct lock_node *nodes_of(struct shared_capabilities *k)
{
    return (struct lock_node *)(void *)((char *)k + k->nodes_offset);
}

static void take(struct driver *d, uint32_t index, uint32_t node)
{
    struct shared_capabilities *k = shared_capabilities_of(d);
    struct lock_waiter waiter = {shared_while_waiting, d};
    shared_private(d)->lock->acquire(lock_at(k, index), nodes_of(k),
                                     d->me * nodes_a_core(k->regions) + node, &waiter);
}

static void give(struct driver *d, uint32_t index, uint32_t node)
{
    struct shared_capabilities *k = shared_capabilities_of(d);
    shared_private(d)->lock->release(lock_at(k, index), nodes_of(k),
                                     d->me * nodes_a_core(k->regions) + node);
}

void lock_regions(struct driver *d, const struct needs *n)
{
    struct shared_capabilities *k = shared_capabilities_of(d);
    if (k->scope == SCOPE_BIG) {
        shared_lock(d);
        return;
    }
    for (uint32_t left = n->regions, region; left; left ^= 1u << region) {
        region = (uint32_t)__builtin_ctz(left);
        take(d, region, region);
    }
}

void unlock_regions(struct driver *d, const struct needs *n)
{
    struct shared_capabilities *k = shared_capabilities_of(d);
    if (k->scope == SCOPE_BIG) {
        shared_unlock(d);
        return;
    }
    for (uint32_t left = n->regions; left; left &= left - 1) {
        const uint32_t region = (uint32_t)__builtin_ctz(left);
        give(d, region, region);
    }
}

/* The region to lock for a CNode that something goes into: a root's is never needed, and then the
 * other one does. */
static uint32_t home_of_cnode(const struct cspace *cs, uint64_t cnode, uint32_t other)
{
    return cspace_is_root(cs, (uint32_t)cnode) ? other : cspace_home(cs, (uint32_t)cnode);
}

struct cspace *lock_for_making(struct driver *d, uint64_t *source, uint64_t *cnode, struct needs *n)
{
    struct cspace *state = shared_cspace(d);
    const uint32_t also = n->regions;
    for (;;) {
        if (cspace_home(state, (uint32_t)*source) == NO_PART)
            *source = 0;
        if (cspace_home(state, (uint32_t)*cnode) == NO_PART)
            *cnode = 0;
        const uint32_t home = cspace_home(state, (uint32_t)*source),
                       around = home_of_cnode(state, *cnode, home);
        if (home == NO_PART || around == NO_PART)
            continue; /* just now */
        *n = needs(home, around);
        n->regions |= also;
        lock_regions(d, n);
        if (cspace_home(state, (uint32_t)*source) == home &&
            home_of_cnode(state, *cnode, home) == around)
            return cspace_part(state, home);
        unlock_regions(d, n);
    }
}

struct cspace *lock_for_removal(struct driver *d, uint64_t reference, bool revoke, struct needs *n)
{
    struct cspace *state = shared_cspace(d);
    const uint32_t slot = (uint32_t)reference;
    bool all = false;
    for (;;) {
        const uint32_t home = cspace_home(state, slot);
        if (home == NO_PART)
            return NULL;
        *n = all ? needs_all() : needs(home, home);
        lock_regions(d, n);
        if (cspace_home(state, slot) == home) {
            struct cspace *cs = cspace_part(state, home);
            bool cnodes =
                revoke ? cs->cnode_objects != 0 : cspace_slot(cs, slot)->type == CAP_CNODE;
            if (all || !cnodes || cs->parts == 1)
                return cs;
            all = true;
        }
        unlock_regions(d, n);
    }
}

enum capability_verdict slot_in_use(const struct cspace *cs, const struct cspace_place *place,
                                    uint32_t count, struct needs *n)
{
    const uint32_t cnode = cspace_find(cs, place->cnode);
    uint32_t unused, other = NO_PART;
    bool goes = false;
    if (cs->parts == 1 || cnode == NO_CAPABILITY)
        return CAP_SLOT_IN_USE;
    const uint32_t first =
        (uint32_t)(cspace_slot(cs, cnode)->about << cs->slot_bits) + place->index;
    for (uint32_t slot = first; slot < first + count; slot++) {
        const struct capability *there = cspace_slot(cs, slot);
        if (there->type == CAP_NULL)
            continue;
        if (!(n->regions >> there->part & 1))
            other = there->part;
        else if (cspace_find_usable(cs, cspace_reference(cs, slot), 0, &unused) != CAP_BUSY)
            return CAP_SLOT_IN_USE;
        else
            goes = true;
    }
    if (goes || other == NO_PART)
        return goes ? CAP_BUSY : CAP_SLOT_IN_USE;
    n->regions |= 1u << other;
    return CAP_MORE;
}

void lock_space(struct driver *d, uint32_t core)
{
    struct shared_capabilities *k = shared_capabilities_of(d);
    if (k->scope == SCOPE_REGION)
        take(d, k->regions + core, k->regions);
}

void unlock_space(struct driver *d, uint32_t core)
{
    struct shared_capabilities *k = shared_capabilities_of(d);
    if (k->scope == SCOPE_REGION)
        give(d, k->regions + core, k->regions);
}
