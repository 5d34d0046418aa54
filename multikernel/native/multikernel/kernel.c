/* The multikernel behind the kernel interface: operations are the monitor's, everything else is a
 * look at the core's own replica. */
#include "multikernel/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "monitor/operation.h"
#include "multikernel/multikernel.h"

enum { OUTGOING_MOST = 65536 };

/* --- What the monitor is given --- */

static const uint64_t *set_of(void *driver, uint32_t core, uint32_t lane)
{
    struct driver *d = driver;
    return segment_set(d->segment, &d->region, core, lane);
}

static void keep_set(void *driver, uint32_t lane, const uint64_t *set)
{
    struct driver *d = driver;
    memcpy(segment_set(d->segment, &d->region, d->me, lane), set,
           8 * (size_t)core_set_words(d->cores));
}

/* --- The interface --- */

static bool serve(struct driver *d)
{
    struct multikernel *k = multikernel_of(d);
    const uint64_t now = arch_cycles();
    if (now < k->next_tick || !outgoing_has_room(d))
        return false;
    k->environment.now = now;
    const uint32_t waiting = k->monitor->waiting;
    struct input input = {.kind = INPUT_TICK};
    monitor_turn(d, &input, 0, NULL);
    return k->monitor->waiting != waiting;
}

/* Voted, and the outcome not known. */
static bool engaged(struct driver *d)
{
    return monitor_of(d)->engaged != 0;
}

static enum verdict pin(struct driver *d, uint32_t slot, uint32_t generation, bool pinned)
{
    const struct input input = {
        .kind = pinned ? INPUT_PIN : INPUT_UNPIN, .slot = slot, .generation = generation};
    uint64_t made;
    return monitor_local(d, &input, &made);
}

static enum verdict fault(struct driver *d, uint32_t slot, uint32_t generation, int write)
{
    return monitor_fault(monitor_of(d), slot, generation, write != 0);
}

static uint64_t digest(struct driver *d, uint32_t one, uint32_t other)
{
    return monitor_digest(monitor_of(d), one, other);
}

static void count(struct driver *d, uint32_t *mapped, uint32_t *locked)
{
    mapping_count(&monitor_of(d)->mappings, mapped, locked);
}

static bool frame_in_use(struct driver *d, uint64_t frame, uint64_t length)
{
    return mapping_of_frame(&monitor_of(d)->mappings, frame, length);
}

static const struct tree *tree_hold(struct driver *d, uint32_t root)
{
    return monitor_tree(monitor_of(d), root);
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
    uint64_t most = (uint64_t)d->cores * d->cores * OPERATION_LANES;
    if (!k ||
        outgoing_open(d, (uint32_t)entries,
                      (uint32_t)(4 * entries + (most < OUTGOING_MOST ? most : OUTGOING_MOST))))
        return ENOMEM;
    k->output = calloc(1, sizeof *k->output + entries * sizeof(struct output_entry));
    if (!k->output)
        return ENOMEM;
    k->routing = (struct routing){d, trees_links, trees_publish, set_of, keep_set};
    k->environment = (struct environment){.operations = &monitor_operations,
                                          .mmu = &d->vspace.mmu,
                                          .routing = &k->routing,
                                          .backoff = o->cycles_per_us};
    k->next_tick = NEVER;
    struct monitor_shape shape = multikernel_shape(d->cores, o->slots_per_core, o->cnodes);
    shape.capability_protocol = o->capability_protocol;
    if (o->record) {
        k->record = record_open(o->record, d->me, &shape, o->address_base, o->address_size);
        if (!k->record)
            return errno;
        k->monitor = record_block(k->record);
    } else {
        /* mmap, not calloc: the block must be zero, and only what is used should cost memory. */
        k->monitor = mmap(NULL, monitor_size(&shape), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (k->monitor == MAP_FAILED)
            return errno;
    }
    monitor_init(k->monitor, d->me, &shape, o->address_base, o->address_size);
    for (uint32_t i = 0; i < o->tree_count; i++)
        monitor_planted(k->monitor, o->trees[(size_t)i * d->cores]);
    if (k->record)
        record_begin(k->record, &k->environment);
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
    .fault = fault,
    .digest = digest,
    .count = count,
    .frame_in_use = frame_in_use,
    .tree_hold = tree_hold,
    .tree_release = tree_release,
    .trees_digest = trees_digest,
    .capability = multikernel_capability,
    .create_ram = multikernel_create_ram,
    .look = multikernel_look,
    .capability_digest = multikernel_capability_digest,
    .unused = multikernel_unused,
};
