/* What programs and the launcher ask a driver about capabilities. What a core decides alone, and
 * what takes others, is the kernel's to know. */
#include "driver/driver.h"

/* Memory that core 0 keeps becomes RAM, until nobody has any of it any more. */
static enum verdict create(struct driver *d, const struct message *request, struct message *reply)
{
    if (d->me != 0)
        return VERDICT_BAD_REQUEST;
    const struct cspace_place place = {.cnode = request->word[2],
                                       .index = (uint32_t)request->word[3]};
    uint64_t size = request->word[1];
    if (!size || size % PAGE_BYTES)
        return monitor_verdict(CAP_BAD_SIZE);
    uint64_t address;
    enum verdict verdict = memory_allocate(d, size, &address);
    if (verdict != VERDICT_OK)
        return verdict;
    verdict = d->kernel->create_ram(d, address, size, &place, &reply->word[1]);
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
    if (!d->kernel->look(d, request->word[1], request->word[2] != 0, &c, &reply->word[1]))
        return VERDICT_BAD_REQUEST;
    reply->word[2] = c.address;
    reply->word[3] = c.size;
    reply->word[4] = c.about;
    reply->word[5] =
        c.owner | (uint64_t)c.type << 16 | (uint64_t)c.rights << 24 | (uint64_t)c.flags << 32;
    return VERDICT_OK;
}

static void task_of(const struct message *message, struct capability_task *task)
{
    uint64_t word = message->word[3];
    *task = (struct capability_task){.source = message->word[1], .place.cnode = message->word[2]};
    switch (message_kind(message)) {
    case KIND_CAP_COPY:
        task->operation = OPERATION_COPY;
        task->place.index = word & 0xffff;
        task->rights = word >> 16 & 0xff;
        task->move = word >> 24 & 1;
        task->to = (uint32_t)(word >> 32);
        break;
    case KIND_CAP_RETYPE:
        task->operation = OPERATION_RETYPE;
        task->place.index = word & 0xffff;
        task->type = word >> 16 & 0xffff;
        task->count = (uint32_t)(word >> 32);
        task->offset = message->word[4];
        task->size = message->word[5];
        break;
    case KIND_CAP_REVOKE:
        task->operation = OPERATION_REVOKE;
        break;
    default:
        task->operation = OPERATION_DELETE;
        break;
    }
}

static enum verdict map(struct driver *d, uint64_t address, const struct message *message,
                        struct message *reply)
{
    struct request request = {
        .operation = OPERATION_MAP_FRAME,
        .rights = message->word[3] >> 16 & 0xff,
        .ticket = address,
        .holders = message->word[4],
        .kept = driver_set(d, address, message->word[4]),
        .task = {.source = message->word[1],
                 .place = {.cnode = message->word[2], .index = message->word[3] & 0xffff}}};
    if (!driver_may_map(d, &request))
        return VERDICT_BAD_REQUEST;
    return d->kernel->begin(d, &request, reply);
}

enum verdict capability_request(struct driver *d, uint64_t address, const struct message *message,
                                struct message *reply)
{
    struct capability_task task;
    switch (message_kind(message)) {
    case KIND_CAP_CREATE:
        return create(d, message, reply);
    case KIND_CAP_MAP:
        return map(d, address, message, reply);
    case KIND_CAP_LOOK:
        return look(d, message, reply);
    case KIND_CAP_DIGEST:
        d->kernel->capability_digest(d, &reply->word[1]);
        return VERDICT_OK;
    default:
        task_of(message, &task);
        return d->kernel->capability(d, address, &task, reply);
    }
}
