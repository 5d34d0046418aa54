/* Capabilities in the multikernel: what one core decides alone is decided here and now, and sends
 * nothing; the rest is the monitors'. */
#include "multikernel/multikernel.h"

static struct cspace *cspace_of(const struct driver *d)
{
    return monitor_cspace(monitor_of(d));
}

/* Memory that core 0 has given out comes back at once where this core knows that a capability is
 * the last one: it owns RAM that nobody else has, or had, a part of (a revoke brings that about).
 * All other comes back when it is needed (unused). */
static bool goes_for_good(const struct driver *d, const struct capability_task *task,
                          struct capability *ram)
{
    const struct cspace *cs = cspace_of(d);
    if (d->me != 0 || task->operation != OPERATION_DELETE)
        return false;
    const uint32_t slot = cspace_find(cs, task->source);
    if (slot == NO_CAPABILITY)
        return false;
    *ram = *cspace_slot(cs, slot);
    return ram->type == CAP_RAM && ram->owner == d->me && !(ram->flags & CAP_REMOTE) &&
           frames_has(&d->frames, ram->address, ram->size, PAGE_KEPT);
}

enum verdict multikernel_capability(struct driver *d, uint64_t address,
                                    const struct capability_task *task, struct message *reply)
{
    struct capability ram;
    const bool last = goes_for_good(d, task, &ram);
    const struct request request = {.operation = task->operation, .ticket = address, .task = *task};
    const enum verdict verdict = monitor_begin(d, &request, reply);
    if (verdict == VERDICT_OK && last &&
        cspace_is_clear(cspace_of(d), ram.address, capability_end(&ram)))
        frames_free(&d->frames, ram.address, ram.size);
    return verdict;
}

enum verdict multikernel_create_ram(struct driver *d, uint64_t address, uint64_t size,
                                    const struct cspace_place *to, uint64_t *made)
{
    const struct creation creation = {.address = address, .size = size, .to = *to};
    const struct input input = {.kind = INPUT_CREATE, .creation = &creation};
    return monitor_local(d, &input, made);
}

bool multikernel_look(struct driver *d, uint64_t slot, bool next, struct capability *found,
                      uint64_t *reference)
{
    return cspace_look(cspace_of(d), 0, slot, next, found, reference);
}

void multikernel_capability_digest(struct driver *d, uint64_t words[5])
{
    cspace_figures(cspace_of(d), 0, words);
}

/* The others vote: an agreement for each piece that this core has nothing of itself. */
enum verdict multikernel_unused(struct driver *d, uint64_t address, uint64_t size)
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
