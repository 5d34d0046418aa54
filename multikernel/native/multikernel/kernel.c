/* The multikernel behind the kernel interface: operations are the monitor's, everything else is a
 * look at the own replica. */
#include "multikernel/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "multikernel/multikernel.h"

enum { LANES = 16, OUTGOING_MOST = 65536 };

static bool serve(struct driver *d)
{
    struct multikernel *k = multikernel_of(d);
    if (!outgoing_has_room(d))
        return false;
    k->environment.now = arch_cycles();
    uint32_t waiting = k->monitor->waiting;
    struct input input = {.kind = INPUT_TICK};
    monitor_turn(d, &input, 0, NULL);
    return k->monitor->waiting != waiting;
}

/* Voted, and not told the outcome. */
static bool engaged(struct driver *d)
{
    return monitor_of(d)->engaged != 0;
}

static enum verdict pin(struct driver *d, uint32_t slot, uint32_t generation)
{
    return monitor_pin(monitor_of(d), slot, generation);
}

static enum verdict unpin(struct driver *d, uint32_t slot, uint32_t generation)
{
    return monitor_unpin(monitor_of(d), slot, generation);
}

static enum verdict fault(struct driver *d, uint32_t slot, uint32_t generation, int write)
{
    return monitor_fault(monitor_of(d), slot, generation, write);
}

static uint64_t digest(struct driver *d, const uint64_t *set)
{
    return monitor_digest(monitor_of(d), set);
}

static void count(struct driver *d, uint32_t *mapped, uint32_t *locked)
{
    monitor_count(monitor_of(d), mapped, locked);
}

static bool frame_in_use(struct driver *d, uint64_t frame, uint64_t length)
{
    for (uint32_t slot = 0; slot < monitor_slots(monitor_of(d)); slot++) {
        const struct mapping *mapping = monitor_mapping(monitor_of(d), slot);
        /* GONE is unmapped: only its slot is still its home's to release. */
        bool used = mapping->state == MAPPING_MAPPED || mapping->state == MAPPING_RESERVED;
        if (used && mapping->frame < frame + length && frame < mapping->frame + mapping->length)
            return true;
    }
    return false;
}

static const struct tree *tree_hold(struct driver *d, uint32_t root)
{
    return monitor_tree(monitor_of(d), root);
}

static const struct tree_link *tree_links(struct driver *d, uint32_t root, uint32_t version)
{
    return monitor_links(monitor_of(d), root, version);
}

static void tree_release(struct driver *d)
{
    (void)d; /* nobody else changes this replica */
}

static uint64_t trees_digest(struct driver *d)
{
    return monitor_trees_digest(monitor_of(d));
}

static int open(struct driver *d, const struct driver_options *o)
{
    struct multikernel *k = calloc(1, sizeof *k);
    size_t entries = monitor_output_entries(d->cores);
    /* Room for every message that all operations under way can want to send at once. */
    uint64_t most = (uint64_t)d->cores * d->cores * LANES;
    if (!k ||
        outgoing_open(d, (uint32_t)entries,
                      (uint32_t)(4 * entries + (most < OUTGOING_MOST ? most : OUTGOING_MOST))))
        return ENOMEM;
    k->output = calloc(1, sizeof *k->output + entries * sizeof(struct output_entry));
    if (!k->output)
        return ENOMEM;
    k->environment.mmu = &d->vspace.mmu;
    k->environment.backoff = 2 * o->cycles_per_us;
    /* mmap, not calloc: the block must be zero, and only what is used should cost memory. */
    const struct monitor_shape shape = {.cores = d->cores,
                                        .lanes = LANES,
                                        .slots_per_core = o->slots_per_core,
                                        .cnodes = o->cnodes,
                                        .slot_bits = CNODE_SLOT_BITS,
                                        .capability_protocol = o->capability_protocol};
    k->monitor = mmap(NULL, monitor_size(&shape), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (k->monitor == MAP_FAILED)
        return errno;
    monitor_init(k->monitor, d->me, &shape, o->address_base, o->address_size);
    for (uint32_t i = 0; i < o->tree_count; i++) {
        const uint32_t *tree = o->trees + (size_t)i * d->cores;
        if (tree[0] >= d->cores || !monitor_plant(k->monitor, tree[0], tree + 1))
            return EINVAL;
    }
    d->kernel_state = k;
    d->pending = &k->waiting;
    return 0;
}

const struct kernel kernel_multikernel = {
    .name = "multikernel",
    .open = open,
    .message = monitor_message,
    .serve = serve,
    .engaged = engaged,
    .begin = monitor_begin,
    .pin = pin,
    .unpin = unpin,
    .fault = fault,
    .digest = digest,
    .count = count,
    .frame_in_use = frame_in_use,
    .tree_hold = tree_hold,
    .tree_links = tree_links,
    .tree_release = tree_release,
    .trees_digest = trees_digest,
    .capability = multikernel_capability,
    .create_ram = multikernel_create_ram,
    .look = multikernel_look,
    .capability_digest = multikernel_capability_digest,
    .unused = multikernel_unused,
};
