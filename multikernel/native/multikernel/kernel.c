/* The multikernel behind the kernel interface: operations are the monitor's, everything else is a
 * look at the own replica. */
#include "driver/driver.h"

static enum verdict begin(struct driver *d, const struct request *request, struct message *result)
{
    if (!carrier_has_room(d))
        return VERDICT_BUSY;
    struct input input = {.kind = INPUT_REQUEST, .request = request};
    return monitor_turn(d, &input, request->ticket, result);
}

static bool serve(struct driver *d)
{
    if (!d->monitor->waiting || !carrier_has_room(d))
        return false;
    d->environment.now = arch_cycles();
    uint32_t waiting = d->monitor->waiting;
    struct input input = {.kind = INPUT_TICK};
    monitor_turn(d, &input, 0, NULL);
    return d->monitor->waiting != waiting;
}

static enum verdict pin(struct driver *d, uint32_t slot, uint32_t generation)
{
    return monitor_pin(d->monitor, slot, generation);
}

static enum verdict unpin(struct driver *d, uint32_t slot, uint32_t generation)
{
    return monitor_unpin(d->monitor, slot, generation);
}

static enum verdict fault(struct driver *d, uint32_t slot, uint32_t generation, int write)
{
    return monitor_fault(d->monitor, slot, generation, write);
}

static uint64_t digest(struct driver *d, const uint64_t *set)
{
    return monitor_digest(d->monitor, set);
}

static void count(struct driver *d, uint32_t *mapped, uint32_t *locked)
{
    monitor_count(d->monitor, mapped, locked);
}

static bool frame_in_use(struct driver *d, uint64_t frame, uint64_t length)
{
    for (uint32_t slot = 0; slot < monitor_slots(d->monitor); slot++) {
        const struct mapping *mapping = monitor_mapping(d->monitor, slot);
        /* GONE is unmapped: only its slot is still its home's to release. */
        bool used = mapping->state == MAPPING_MAPPED || mapping->state == MAPPING_RESERVED;
        if (used && mapping->frame < frame + length && frame < mapping->frame + mapping->length)
            return true;
    }
    return false;
}

const struct kernel kernel_multikernel = {"multikernel", begin,  serve, pin,         unpin,
                                          fault,         digest, count, frame_in_use};
