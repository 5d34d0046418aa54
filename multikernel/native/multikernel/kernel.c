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

/* Nobody else changes this replica. */
static void nothing(struct driver *d)
{
    (void)d;
}

static enum verdict frames(struct driver *d, struct frames_request *request)
{
    const struct input input = {.kind = INPUT_FRAMES, .frames = request};
    uint64_t made;
    return monitor_local(d, &input, &made);
}

/* --- Capabilities: what one core decides alone is decided here and now, and sends nothing --- */

static struct cspace *cspace_of(const struct driver *d)
{
    return monitor_cspace(monitor_of(d));
}

/* Memory that core 0 has given out comes back at once where this core knows that a capability is
 * the last one: it owns RAM that nobody else has, or had, a part of (a revoke brings that about).
 * All other comes back when it is needed (unused). */
static bool goes_for_good(const struct driver *d, const struct request *request,
                          struct capability *ram)
{
    const struct cspace *cs = cspace_of(d);
    if (d->me != 0)
        return false;
    const uint32_t slot = cspace_find(cs, request->task->source);
    if (slot == NO_CAPABILITY)
        return false;
    *ram = *cspace_slot(cs, slot);
    return ram->type == CAP_RAM && ram->owner == d->me && !(ram->flags & CAP_REMOTE) &&
           frames_is_kept(d->frames, ram->address, ram->size);
}

RARE static enum verdict delete(struct driver *d, const struct request *request,
                                struct message *result)
{
    struct capability ram = {0};
    const bool last = goes_for_good(d, request, &ram);
    const enum verdict verdict = monitor_begin(d, request, result);
    if (verdict == VERDICT_OK && last &&
        cspace_is_clear(cspace_of(d), ram.address, capability_end(&ram))) {
        struct frames_request memory = {
            .action = FRAMES_RETURN, .offset = ram.address, .length = ram.size};
        frames(d, &memory);
    }
    return verdict;
}

static enum verdict begin(struct driver *d, const struct request *request, struct message *result)
{
    return request->operation == OPERATION_DELETE ? delete(d, request, result)
                                                  : monitor_begin(d, request, result);
}

static enum verdict create_ram(struct driver *d, uint64_t address, uint64_t size,
                               const struct cspace_place *to, uint64_t *made)
{
    const struct creation creation = {.address = address, .size = size, .to = *to};
    const struct input input = {.kind = INPUT_CREATE, .creation = &creation};
    return monitor_local(d, &input, made);
}

static enum verdict look(struct driver *d, uint64_t slot, bool next, struct capability *found,
                         uint64_t *reference)
{
    if (!cspace_look(cspace_of(d), 0, slot, next, found, reference))
        return VERDICT_BAD_REQUEST;
    return found->flags & CAP_UNDECIDED ? VERDICT_BUSY : VERDICT_OK;
}

static void capability_digest(struct driver *d, uint64_t words[5])
{
    cspace_figures(cspace_of(d), 0, words);
}

/* The others vote: an agreement for each piece that this core has nothing of itself. */
static enum verdict unused(struct driver *d, uint64_t address, uint64_t size)
{
    struct multikernel *k = multikernel_of(d);
    struct message reply;
    if (!k->ticket) {
        if (!cspace_is_clear(cspace_of(d), address, address + size))
            return VERDICT_FRAME_IN_USE;
        const struct request request = {.operation = OPERATION_RECLAIM,
                                        .frame = address,
                                        .length = size,
                                        .ticket = driver_local_address(d)};
        enum verdict verdict = monitor_begin(d, &request, &reply);
        if (verdict != VERDICT_PENDING) {
            driver_forget(d, request.ticket);
            return verdict;
        }
        k->ticket = request.ticket;
        k->asked = address;
    }
    if (!driver_done(d, k->ticket, &reply))
        return VERDICT_BUSY;
    k->ticket = 0;
    /* What was asked about may have come back by another way meanwhile. */
    return k->asked == address ? message_verdict(&reply) : VERDICT_BUSY;
}

/* --- Opening --- */

static int open(struct driver *d, const struct driver_options *o)
{
    struct multikernel *k = aligned_alloc(LINE_BYTES, sizeof *k);
    const uint32_t messages = monitor_output_messages(d->cores);
    /* Room for every message that all operations under way can want to send at once. */
    uint64_t most = (uint64_t)d->cores * d->cores * OPERATION_LANES;
    if (!k || outgoing_open(d, messages,
                            4 * messages + (uint32_t)(most < OUTGOING_MOST ? most : OUTGOING_MOST)))
        return ENOMEM;
    *k = (struct multikernel){0};
    k->output = calloc(1, monitor_output_size(d->cores));
    if (!k->output)
        return ENOMEM;
    k->routing = (struct routing){d, trees_links, trees_publish, set_of, keep_set};
    k->environment = (struct environment){.operations = &monitor_operations,
                                          .mmu = &d->vspace.mmu,
                                          .routing = &k->routing,
                                          .backoff = o->cycles_per_us};
    k->ahead = k->environment;
    k->next_tick = NEVER;
    k->trace = d->trace;
    struct monitor_shape shape = multikernel_shape(d->cores, o->slots_per_core, o->cnodes);
    shape.pages = o->memory_bytes / PAGE_BYTES;
    shape.capability_protocol = o->capability_protocol;
    if (o->record) {
        k->record =
            record_open(o->record, d->me, &shape, o->address_base, o->address_size, &k->monitor);
        if (!k->record)
            return errno;
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
    k->watched = k->record || k->trace;
    if (k->record)
        record_begin(k->record, &k->environment);
    d->kernel_state = k;
    d->mappings = &k->monitor->mappings;
    d->trees = monitor_tree(k->monitor, 0);
    d->frames = monitor_frames(k->monitor);
    d->pending = &k->waiting;
    return 0;
}

const struct kernel kernel_multikernel = {
    .open = open,
    .message = monitor_message,
    .serve = serve,
    .engaged = engaged,
    .begin = begin,
    .pin = pin,
    .fault = fault,
    .digest = digest,
    .hold = nothing,
    .release = nothing,
    .frames = frames,
    .create_ram = create_ram,
    .look = look,
    .capability_digest = capability_digest,
    .unused = unused,
};
