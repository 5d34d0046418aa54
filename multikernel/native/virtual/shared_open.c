/* The modelled shared kernel's cores: each a driver as the product has it, without a host's page
 * table or channels. */
#include <stdlib.h>
#include <sys/mman.h>

#include "memory/vspace.h"
#include "shared/kernel.h"
#include "virtual/shared_inside.h"

/* Nothing lies at its mappings' addresses. */
#define ADDRESSES (1ull << 40)

/* --- Page tables --- */

static enum verdict changed(struct shared_cores *s, double cycles)
{
    shared_comes_to(s, STAGE_PAGE, 0);
    world_charge(&s->world, cycles);
    shared_resumes(s);
    return VERDICT_OK;
}

static enum verdict insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    struct shared_cores *s = context;
    (void)slot, (void)address, (void)frame, (void)length, (void)rights;
    return changed(s, s->world.machine->change);
}

static enum verdict protect(void *context, uint32_t slot, uint32_t rights)
{
    struct shared_cores *s = context;
    (void)slot, (void)rights;
    return changed(s, s->world.machine->change + s->world.machine->invalidate);
}

/* It is removed when there is time, and in batches. */
static void retire(void *context, uint32_t slot)
{
    (void)context, (void)slot;
}

/* --- Opening --- */

static void *zeroed(uint64_t bytes)
{
    void *got = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return got == MAP_FAILED ? NULL : got;
}

static bool open_driver(struct shared_cores *s, uint32_t core)
{
    const struct machine *machine = s->world.machine;
    const uint64_t each = ADDRESSES / machine->cores / PAGE_BYTES * PAGE_BYTES;
    static const uint16_t watched[DOORBELL_WATCHED] = {0, 1, 2, 3};
    /* One tree is enough to say that there are trees: to all, from core 0. */
    uint32_t *tree = calloc(machine->cores, sizeof *tree);
    struct driver *d = s->core[core].driver = calloc(1, sizeof *d);
    if (!d || !tree || !(d->peers = calloc(machine->cores, sizeof *d->peers))) {
        free(tree);
        return false;
    }
    for (uint32_t other = 1; other < machine->cores; other++)
        tree[other] = other << 16;
    const bool along_trees = s->shape.along_trees && machine->cores > 1;
    const struct driver_options options = {.me = core,
                                           .shared_kernel = 1,
                                           .slots_per_core = s->shape.slots_per_core,
                                           .cnodes = s->shape.cnodes,
                                           .lock_scope = s->shape.lock_scope,
                                           .address_base = VSPACE_BASE,
                                           .address_size = each,
                                           .memory_bytes = s->shape.pages * PAGE_BYTES,
                                           .cycles_per_us = machine->cycles_per_us,
                                           .trees = tree,
                                           .tree_count = along_trees};
    d->segment = s->segment;
    d->me = core;
    d->cores = machine->cores;
    d->cycles_per_us = machine->cycles_per_us;
    d->kernel = &kernel_shared;
    d->transport = &transport_modelled;
    segment_region(&s->segment->geometry, &d->region);
    for (uint32_t other = 0; other < machine->cores; other++) {
        d->peers[other].doorbell = segment_doorbell(s->segment, other);
        doorbell_poll(d->peers[other].doorbell);
    }
    doorbell_watch(d->peers[core].doorbell, watched);
    d->vspace.all = s->memory;
    d->vspace.memory_bytes = options.memory_bytes;
    d->vspace.mmu = (struct mmu){s, insert, protect, retire};
    const bool opened = !trees_open(d, tree, options.tree_count) && !dispatch_open(d) &&
                        !kernel_shared.open(d, &options);
    free(tree);
    if (!opened)
        return false;
    shared_private(d)->lock = &lock_modelled;
    shared_private(d)->notification =
        along_trees ? &notification_modelled_tree : &notification_modelled_line;
    return true;
}

bool shared_cores_open(struct shared_cores *s)
{
    const uint32_t cores = s->world.machine->cores;
    const struct geometry geometry = {
        .cores = cores,
        .window = 1,
        .user_channels = 1,
        .shared_bytes = shared_kernel_bytes(cores, s->shape.slots_per_core, s->shape.cnodes,
                                            s->shape.lock_scope, s->shape.pages * PAGE_BYTES)};
    s->state_bytes = geometry.shared_bytes;
    s->segment_bytes = segment_bytes(&geometry);
    s->core = calloc(cores, sizeof *s->core);
    s->lock = calloc(1 + SHARED_REGIONS + (size_t)cores, sizeof *s->lock);
    s->segment = zeroed(s->segment_bytes);
    s->memory = zeroed(s->shape.pages * PAGE_BYTES);
    s->reader = calloc((size_t)cores * s->shape.slots_per_core, sizeof *s->reader);
    if (!s->reader || !s->core || !s->lock || !s->segment || !s->memory)
        return false;
    segment_init(s->segment, &geometry);
    for (uint32_t core = 0; core < cores; core++)
        if (!open_driver(s, core) || !shared_lives(s, core))
            return false;
    return true;
}

static void close_driver(struct driver *d)
{
    struct shared_private *own = shared_private(d);
    if (own)
        free(own->pins);
    free(own);
    free(d->outgoing);
    free(d->full);
    free(d->deferred);
    free(d->staging.edges);
    free(d->peers);
    free(d);
}

void shared_cores_close(struct shared_cores *s)
{
    const uint32_t cores = s->world.machine->cores;
    for (uint32_t core = 0; s->core && core < cores; core++) {
        if (s->core[core].driver)
            close_driver(s->core[core].driver);
        shared_dies(s, core);
    }
    if (s->memory)
        munmap(s->memory, s->shape.pages * PAGE_BYTES);
    if (s->segment)
        munmap(s->segment, s->segment_bytes);
    free(s->core);
    free(s->lock);
    free(s->reader);
}
