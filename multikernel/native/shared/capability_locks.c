#include "shared/capability_locks.h"

#include "capability/cspace_going.h"

/* --- Where it is --- */

/* A core holds every region's lock and one space's at most: so many nodes has it in the queues. */
enum { NODES_A_CORE = SHARED_REGIONS + 1 };

/* A core has a range locked while it revokes, and revokes one at a time. */
static struct cspace_shape shape_of(uint32_t cores, uint32_t cnodes, uint32_t scope)
{
    return (struct cspace_shape){.cnodes = cnodes,
                                 .slot_bits = CNODE_SLOT_BITS,
                                 .locks = cores,
                                 .spaces = cores,
                                 .parts = scope == SCOPE_REGION ? SHARED_REGIONS : 1};
}

uint64_t shared_capabilities_bytes(uint32_t cores, uint32_t cnodes, uint32_t scope)
{
    const struct cspace_shape shape = shape_of(cores, cnodes, scope);
    return sizeof(struct lock) * (SHARED_REGIONS + cores) +
           sizeof(struct lock_node) * NODES_A_CORE * cores + cspace_size(&shape);
}

void shared_capabilities_open(struct driver *d, void *memory, const struct driver_options *o)
{
    struct shared_private *own = shared_private(d);
    const struct cspace_shape shape = shape_of(d->cores, o->cnodes, o->lock_scope);
    own->scope = o->lock_scope;
    own->locks = memory;
    own->nodes = (struct lock_node *)(own->locks + SHARED_REGIONS + d->cores);
    own->cspace = (struct cspace *)(void *)(own->nodes + NODES_A_CORE * d->cores);
    if (d->me == 0)
        cspace_init(own->cspace, 0, &shape, CSPACE_ROOTS);
}

/* --- Locks --- */

static void take(struct driver *d, uint32_t lock, uint32_t node)
{
    struct shared_private *own = shared_private(d);
    const struct lock_waiter waiter = {.while_waiting = shared_while_waiting, .context = d};
    own->lock->acquire(&own->locks[lock], own->nodes, d->me * NODES_A_CORE + node, &waiter);
}

static void give(struct driver *d, uint32_t lock, uint32_t node)
{
    struct shared_private *own = shared_private(d);
    own->lock->release(&own->locks[lock], own->nodes, d->me * NODES_A_CORE + node);
}

void lock_regions(struct driver *d, uint32_t regions)
{
    if (shared_private(d)->scope == SCOPE_BIG) {
        shared_lock(d);
        return;
    }
    for (uint32_t left = regions, region; left; left ^= 1u << region) {
        region = (uint32_t)__builtin_ctz(left);
        take(d, region, region);
    }
}

void unlock_regions(struct driver *d, uint32_t regions)
{
    if (shared_private(d)->scope == SCOPE_BIG) {
        shared_unlock(d);
        return;
    }
    for (uint32_t left = regions; left; left &= left - 1) {
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

struct cspace *lock_for_making(struct driver *d, uint64_t *source, uint64_t *cnode,
                               uint32_t *regions)
{
    struct cspace *state = shared_cspace(d);
    const uint32_t also = *regions;
    for (;;) {
        if (cspace_home(state, (uint32_t)*source) == NO_PART)
            *source = 0;
        if (cspace_home(state, (uint32_t)*cnode) == NO_PART)
            *cnode = 0;
        const uint32_t home = cspace_home(state, (uint32_t)*source),
                       around = home_of_cnode(state, *cnode, home);
        if (home == NO_PART || around == NO_PART)
            continue; /* just now */
        *regions = 1u << home | 1u << around | also;
        lock_regions(d, *regions);
        if (cspace_home(state, (uint32_t)*source) == home &&
            home_of_cnode(state, *cnode, home) == around)
            return cspace_part(state, home);
        unlock_regions(d, *regions);
    }
}

struct cspace *lock_for_removal(struct driver *d, uint64_t reference, bool revoke,
                                uint32_t *regions)
{
    struct cspace *state = shared_cspace(d);
    const uint32_t slot = (uint32_t)reference;
    bool all = false;
    for (;;) {
        const uint32_t home = cspace_home(state, slot);
        if (home == NO_PART)
            return NULL;
        *regions = all ? ALL_REGIONS : 1u << home;
        lock_regions(d, *regions);
        if (cspace_home(state, slot) == home) {
            struct cspace *cs = cspace_part(state, home);
            bool cnodes =
                revoke ? cs->cnode_objects != 0 : cspace_slot(cs, slot)->type == CAP_CNODE;
            if (all || !cnodes || cs->parts == 1)
                return cs;
            all = true;
        }
        unlock_regions(d, *regions);
    }
}

enum capability_verdict slot_in_use(const struct cspace *cs, const struct cspace_place *place,
                                    uint32_t count, uint32_t *regions)
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
        if (!(*regions >> there->part & 1))
            other = there->part;
        else if (cspace_find_usable(cs, cspace_reference(cs, slot), 0, &unused) != CAP_BUSY)
            return CAP_SLOT_IN_USE;
        else
            goes = true;
    }
    if (goes || other == NO_PART)
        return goes ? CAP_BUSY : CAP_SLOT_IN_USE;
    *regions |= 1u << other;
    return CAP_MORE;
}

void lock_space(struct driver *d, uint32_t core)
{
    if (shared_private(d)->scope == SCOPE_REGION)
        take(d, SHARED_REGIONS + core, SHARED_REGIONS);
}

void unlock_space(struct driver *d, uint32_t core)
{
    if (shared_private(d)->scope == SCOPE_REGION)
        give(d, SHARED_REGIONS + core, SHARED_REGIONS);
}

enum capability_verdict fill_slots(struct driver *d, struct cspace *cs, struct attempt *a,
                                   uint64_t address)
{
    struct capability_task *t = &a->task;
    const uint32_t operation = a->request.operation;
    const uint32_t space = operation == OPERATION_COPY ? t->to : d->me;
    enum capability_verdict verdict;
    lock_space(d, space);
    if (operation == OPERATION_COPY)
        verdict = cspace_mint(cs, t->source, t->rights, &t->place, 0, &t->made);
    else if (operation == OPERATION_RETYPE)
        verdict = capability_retype(cs, t, 0);
    else
        verdict = capability_map(cs, t, address, a->request.rights);
    if (verdict == CAP_SLOT_IN_USE)
        verdict =
            slot_in_use(cs, &t->place, operation == OPERATION_RETYPE ? t->count : 1, &a->regions);
    unlock_space(d, space);
    return verdict;
}
