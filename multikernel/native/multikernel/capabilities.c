/* Capabilities in the multikernel: what one core decides alone is decided here and now, and sends
 * nothing; the rest is the monitors'. */
#include "multikernel/multikernel.h"

static struct cspace *cspace_of(const struct driver *d)
{
    return monitor_cspace(monitor_of(d));
}

static bool nothing_here(const struct driver *d, uint64_t address, uint64_t size)
{
    const struct mapping_database *db = cspace_database(cspace_of(d));
    return mapping_database_overlapping(db, address, address + size) == NO_CAPABILITY;
}

/* Memory that core 0 has given out comes back at once where this core can tell that a capability is
 * the last one: it owns RAM that nobody else has, or had, a part of (a revoke brings that about).
 * All other comes back when it is needed (unused). */
static bool goes_for_good(const struct driver *d, const struct capability_task *task,
                          struct capability *ram)
{
    const struct cspace *cs = cspace_of(d);
    uint32_t slot;
    if (d->me != 0 || task->row != ROW_CAP_DELETE || cspace_find(cs, task->source, &slot) != CAP_OK)
        return false;
    *ram = *cspace_slot(cs, slot);
    return ram->type == CAP_RAM && ram->owner == d->me && !(ram->flags & CAP_REMOTE) &&
           frames_kept(&d->frames, ram->address, ram->size);
}

enum verdict multikernel_capability(struct driver *d, uint64_t address,
                                    struct capability_task *task, struct message *reply)
{
    struct capability ram;
    bool last = goes_for_good(d, task, &ram);
    enum verdict verdict = monitor_capability(monitor_of(d), task);
    if (verdict == VERDICT_OK && last && nothing_here(d, ram.address, ram.size))
        frames_free(&d->frames, ram.address, ram.size);
    if (verdict != VERDICT_PENDING && verdict != VERDICT_BUSY) {
        reply->word[1] = task->made;
        return verdict;
    }
    task->tried = verdict == VERDICT_PENDING;
    /* BUSY too: what is half deleted has to be remembered, and waiting for another operation's
     * outcome is the monitor's. */
    const struct request request = {
        .row = task->row, .protocol = TWO_PHASE, .ticket = address, .capability = *task};
    return monitor_begin(d, &request, reply);
}

enum verdict multikernel_create_ram(struct driver *d, uint64_t address, uint64_t size,
                                    const struct cspace_place *to, uint64_t *made)
{
    return monitor_verdict(cspace_create_ram(cspace_of(d), address, size, to, made));
}

bool multikernel_look(struct driver *d, uint64_t slot, bool next, struct capability *found,
                      uint64_t *reference)
{
    const struct cspace *cs = cspace_of(d);
    if (slot >= cspace_slots(cs))
        return false;
    uint32_t at = (uint32_t)slot;
    while (next && at + 1 < cspace_slots(cs) && cspace_slot(cs, at)->type == CAP_NULL)
        at++;
    *found = *cspace_slot(cs, at);
    *reference = cspace_reference(cs, at);
    return true;
}

void multikernel_capability_digest(struct driver *d, uint64_t words[5])
{
    const struct cspace *cs = cspace_of(d);
    words[0] = cspace_digest(cs);
    words[1] = cspace_database(cs)->count;
    words[2] = cs->locks;
    words[3] = cspace_slots(cs);
    words[4] = cspace_check(cs) != NULL;
}

/* The others vote: an agreement for each piece that this core has nothing of itself. */
enum verdict multikernel_unused(struct driver *d, uint64_t address, uint64_t size)
{
    struct multikernel *k = multikernel_of(d);
    struct message reply;
    if (!k->ticket) {
        if (!nothing_here(d, address, size))
            return VERDICT_FRAME_IN_USE;
        const struct request request = {.row = ROW_CAP_RECLAIM,
                                        .protocol = TWO_PHASE,
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
    /* what was asked about may have come back by another way meanwhile */
    return k->asked == address ? message_verdict(&reply) : VERDICT_BUSY;
}
