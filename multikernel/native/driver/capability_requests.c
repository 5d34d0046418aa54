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
    struct frames_request ram = {.action = FRAMES_KEEP, .length = request->word[1]};
    if (!ram.length || ram.length % PAGE_BYTES)
        return monitor_verdict(CAP_BAD_SIZE);
    enum verdict verdict = memory_take(d, &ram);
    if (verdict != VERDICT_OK)
        return verdict;
    verdict = d->kernel->create_ram(d, ram.offset, ram.length, &place, &reply->word[1]);
    if (verdict != VERDICT_OK) {
        ram.action = FRAMES_RETURN;
        d->kernel->frames(d, &ram);
    }
    if (verdict == VERDICT_BUSY)
        memory_search(d); /* it may be somebody else's at the next try */
    reply->word[2] = ram.offset;
    return verdict;
}

static enum verdict look(struct driver *d, const struct message *request, struct message *reply)
{
    struct capability c;
    const enum verdict verdict =
        d->kernel->look(d, request->word[1], request->word[2] != 0, &c, &reply->word[1]);
    if (verdict == VERDICT_OK)
        reply_of_look(reply, &c);
    return verdict;
}

static enum verdict operation(struct driver *d, uint64_t address, const struct message *message,
                              struct message *reply)
{
    const struct capability_task task = task_of(message->word);
    struct request request = request_of_task(message, &task);
    request.ticket = address;
    if (request.operation == OPERATION_MAP_FRAME) {
        request.kept = driver_set(d, address, message->word[4]);
        if (!request_may_map(&request, d->cores))
            return VERDICT_BAD_REQUEST;
    }
    return d->kernel->begin(d, &request, reply);
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
        d->kernel->capability_digest(d, &reply->word[1]);
        return VERDICT_OK;
    default:
        return operation(d, address, message, reply);
    }
}
