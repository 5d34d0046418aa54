/* What programs and the launcher ask a driver about capabilities. What one core decides alone is decided here and now, and sends nothing; the rest
 * is the monitors'. In the shared kernel each decides all, under locks. The kinds and their words: cpu_driver.h. */
#include "shared_capabilities.h"

/* Memory that core 0 keeps becomes RAM, for good: to be asked for at boot. */
static enum verdict create(struct driver *d, const struct message *request, struct message *reply)
{
    if (d->me != 0)
        return VERDICT_BAD_REQUEST;
    const struct cspace_place place = {.cnode = request->word[2], .index = (uint32_t)request->word[3]};
    uint64_t size = request->word[1];
    if (!size || size % CAP_PAGE)
        return monitor_verdict(CAP_BAD_SIZE);
    uint64_t address = frames_allocate(&d->frames, size);
    if (address == UINT64_MAX)
        return VERDICT_NO_MEMORY;
    enum verdict verdict =
        d->monitor
            ? monitor_verdict(cspace_create_ram(monitor_cspace(d->monitor), address, size, &place, &reply->word[1]))
            : shared_create_ram(d, address, size, &place, &reply->word[1]);
    if (verdict != VERDICT_OK)
        frames_free(&d->frames, address, size);
    reply->word[2] = address;
    return verdict;
}

static enum verdict look(struct driver *d, const struct message *request, struct message *reply)
{
    struct capability shared;
    const struct capability *c = &shared;
    if (!d->monitor) {
        if (!shared_look(d, request->word[1], &shared, &reply->word[1]))
            return VERDICT_BAD_REQUEST;
    } else {
        const struct cspace *cs = monitor_cspace(d->monitor);
        if (request->word[1] >= cspace_slots(cs))
            return VERDICT_BAD_REQUEST;
        c = cspace_slot(cs, (uint32_t)request->word[1]);
        reply->word[1] = cspace_reference(cs, (uint32_t)request->word[1]);
    }
    reply->word[2] = c->address;
    reply->word[3] = c->size;
    reply->word[4] = c->about;
    reply->word[5] = c->owner | (uint64_t)c->type << 16 | (uint64_t)c->rights << 24 | (uint64_t)c->flags << 32;
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

enum verdict capability_request(struct driver *d, uint64_t address, const struct message *message,
                                struct message *reply)
{
    switch (message_kind(message)) {
    case KIND_CAP_CREATE:
        return create(d, message, reply);
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
    enum verdict verdict = d->monitor ? monitor_capability(d->monitor, task) : shared_capability(d, task);
    if (verdict != VERDICT_PENDING && verdict != VERDICT_BUSY) {
        reply->word[1] = task->made;
        return verdict;
    }
    /* BUSY too: what is half deleted has to be remembered, and waiting for another operation's outcome is the monitor's. */
    request.row = task->row;
    request.protocol = TWO_PHASE;
    request.slot = request.generation = 0;
    request.ticket = address;
    return d->kernel->begin(d, &request, reply);
}
