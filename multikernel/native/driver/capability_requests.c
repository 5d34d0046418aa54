/* What programs and the launcher ask a driver about capabilities. What one core decides alone is
 * decided here and now, and sends nothing; the rest is the monitors'. In the shared kernel each
 * decides all, under locks. The kinds and their words: driver.h. */
#include "shared/capabilities.h"

/* Memory that core 0 keeps becomes RAM, until nobody has any of it any more. */
static enum verdict create(struct driver *d, const struct message *request, struct message *reply)
{
    if (d->me != 0)
        return VERDICT_BAD_REQUEST;
    const struct cspace_place place = {.cnode = request->word[2],
                                       .index = (uint32_t)request->word[3]};
    uint64_t size = request->word[1];
    if (!size || size % CAP_PAGE)
        return monitor_verdict(CAP_BAD_SIZE);
    uint64_t address;
    enum verdict verdict = driver_allocate(d, size, &address);
    if (verdict != VERDICT_OK)
        return verdict;
    verdict = d->monitor ? monitor_verdict(cspace_create_ram(monitor_cspace(d->monitor), address,
                                                             size, &place, &reply->word[1]))
                         : shared_create_ram(d, address, size, &place, &reply->word[1]);
    if (verdict == VERDICT_OK)
        frames_keep(&d->frames, address);
    else
        frames_free(&d->frames, address, size);
    if (verdict == VERDICT_BUSY)
        frames_search(&d->frames); /* it may be somebody else's at the next try */
    reply->word[2] = address;
    return verdict;
}

static enum verdict look(struct driver *d, const struct message *request, struct message *reply)
{
    struct capability c;
    if (!d->monitor) {
        if (!shared_look(d, request->word[1], request->word[2] != 0, &c, &reply->word[1]))
            return VERDICT_BAD_REQUEST;
    } else {
        const struct cspace *cs = monitor_cspace(d->monitor);
        if (request->word[1] >= cspace_slots(cs))
            return VERDICT_BAD_REQUEST;
        uint32_t slot = (uint32_t)request->word[1];
        while (request->word[2] && slot + 1 < cspace_slots(cs) &&
               cspace_slot(cs, slot)->type == CAP_NULL)
            slot++;
        c = *cspace_slot(cs, slot);
        reply->word[1] = cspace_reference(cs, slot);
    }
    reply->word[2] = c.address;
    reply->word[3] = c.size;
    reply->word[4] = c.about;
    reply->word[5] =
        c.owner | (uint64_t)c.type << 16 | (uint64_t)c.rights << 24 | (uint64_t)c.flags << 32;
    return VERDICT_OK;
}

static void digest(struct driver *d, struct message *reply)
{
    if (!d->monitor) {
        shared_capabilities_digest(d, &reply->word[1]);
        return;
    }
    const struct cspace *cs = monitor_cspace(d->monitor);
    reply->word[1] = cspace_digest(cs);
    reply->word[2] = cspace_database(cs)->count;
    reply->word[3] = cs->locks;
    reply->word[4] = cspace_slots(cs);
    reply->word[5] = cspace_check(cs) != NULL;
}

/* Memory that core 0 has given out comes back at once where this core can tell that a capability is
 * the last one: it owns RAM that nobody else has, or had, a part of (a revoke brings that about).
 * All other comes back when it is needed (reclaim.c). */
static bool goes_for_good(const struct driver *d, const struct capability_task *task,
                          struct capability *ram)
{
    const struct cspace *cs = monitor_cspace(d->monitor);
    uint32_t slot;
    if (d->me != 0 || task->row != ROW_CAP_DELETE || cspace_find(cs, task->source, &slot) != CAP_OK)
        return false;
    *ram = *cspace_slot(cs, slot);
    return ram->type == CAP_RAM && ram->owner == d->me && !(ram->flags & CAP_REMOTE) &&
           frames_kept(&d->frames, ram->address, ram->size);
}

static void take_back(struct driver *d, const struct capability *ram)
{
    const struct mapping_database *db = cspace_database(monitor_cspace(d->monitor));
    if (mapping_database_overlapping(db, ram->address, capability_end(ram)) == NO_CAPABILITY)
        frames_free(&d->frames, ram->address, ram->size);
}

static void task_of(const struct message *message, struct capability_task *task)
{
    uint64_t word = message->word[3];
    *task = (struct capability_task){.source = message->word[1], .cnode = message->word[2]};
    switch (message_kind(message)) {
    case KIND_CAP_COPY:
        task->row = ROW_CAP_COPY;
        task->index = word & 0xffff;
        task->rights = word >> 16 & 0xff;
        task->move = word >> 24 & 1;
        task->to = (uint32_t)(word >> 32);
        break;
    case KIND_CAP_RETYPE:
        task->row = ROW_CAP_RETYPE;
        task->index = word & 0xffff;
        task->type = word >> 16 & 0xffff;
        task->count = (uint32_t)(word >> 32);
        task->offset = message->word[4];
        task->size = message->word[5];
        task->about = message->word[6];
        break;
    case KIND_CAP_REVOKE:
        task->row = ROW_CAP_REVOKE;
        break;
    default:
        task->row = ROW_CAP_DELETE;
        break;
    }
}

static enum verdict map(struct driver *d, uint64_t address, const struct message *message,
                        struct message *reply)
{
    struct request request = {.row = ROW_CAP_MAP,
                              .protocol = TWO_PHASE,
                              .rights = message->word[3] >> 16 & 0xff,
                              .ticket = address,
                              .capability = {.row = ROW_CAP_MAP,
                                             .source = message->word[1],
                                             .cnode = message->word[2],
                                             .index = message->word[3] & 0xffff}};
    if (!driver_holders(d, message->word[4], request.holders))
        return VERDICT_BAD_REQUEST;
    if (request.rights != RIGHTS_READ && request.rights != RIGHTS_WRITE)
        return VERDICT_BAD_REQUEST;
    return d->kernel->begin(d, &request, reply);
}

static enum verdict shared_request(struct driver *d, struct capability_task *task,
                                   struct message *reply)
{
    struct shared_outcome outcome;
    enum verdict verdict = shared_capability(d, task, &outcome);
    if (d->me == 0 && frames_kept(&d->frames, outcome.address, outcome.size))
        frames_free(&d->frames, outcome.address, outcome.size);
    if (verdict == VERDICT_PINNED)
        reply->word[0] = message_head(message_kind(reply), 0, 0, outcome.pinned, 0);
    reply->word[1] = task->made;
    return verdict;
}

enum verdict capability_request(struct driver *d, uint64_t address, const struct message *message,
                                struct message *reply)
{
    switch (message_kind(message)) {
    case KIND_CAP_CREATE:
        return create(d, message, reply);
    case KIND_CAP_MAP:
        return map(d, address, message, reply);
    case KIND_CAP_LOOK:
        return look(d, message, reply);
    case KIND_CAP_DIGEST:
        digest(d, reply);
        return VERDICT_OK;
    default:
        break;
    }
    struct request request;
    struct capability_task *task = &request.capability;
    task_of(message, task);
    if (!d->monitor)
        return shared_request(d, task, reply);
    struct capability ram;
    bool last = goes_for_good(d, task, &ram);
    enum verdict verdict = monitor_capability(d->monitor, task);
    if (verdict == VERDICT_OK && last)
        take_back(d, &ram);
    if (verdict != VERDICT_PENDING && verdict != VERDICT_BUSY) {
        reply->word[1] = task->made;
        return verdict;
    }
    task->tried = verdict == VERDICT_PENDING;
    /* BUSY too: what is half deleted has to be remembered, and waiting for another operation's
     * outcome is the monitor's. */
    request.row = task->row;
    request.protocol = TWO_PHASE;
    request.slot = request.generation = 0;
    request.ticket = address;
    return d->kernel->begin(d, &request, reply);
}
