/* What is asked of the kernel: operations on pages and trees, pins, and looks at its state. */
#include <string.h>

#include "driver/driver.h"

bool driver_holders(const struct driver *d, uint64_t word, uint64_t *holders)
{
    memcpy(holders, d->client_holders, sizeof d->client_holders);
    if (d->cores <= 64)
        holders[0] = word; /* larger sets come ahead, by KIND_HOLDERS */
    if (d->cores % 64)
        holders[d->cores / 64] &= (1ull << (d->cores % 64)) - 1;
    return core_set_count(holders, d->cores) != 0;
}

static enum verdict operation(struct driver *d, uint64_t address, const struct message *message,
                              struct message *reply)
{
    struct request request;
    request.ticket = address;
    request.slot = (uint32_t)message->word[1];
    request.generation = (uint32_t)(message->word[1] >> 32);
    request.protocol = TWO_PHASE;
    request.rights = 0;
    switch (message_kind(message)) {
    case KIND_UNMAP:
        request.row = ROW_UNMAP;
        request.protocol = message->word[2] == ONE_PHASE ? ONE_PHASE : TWO_PHASE;
        break;
    case KIND_PROTECT:
        request.row = ROW_PROTECT;
        request.rights = (uint32_t)message->word[2];
        break;
    case KIND_TREE:
        request.row = ROW_TREE;
        request.slot = (uint32_t)message->word[5];
        request.generation = 0;
        memcpy(request.argument, &message->word[1], sizeof request.argument);
        break;
    default:
        request.row = ROW_MAP;
        request.slot = 0;
        request.frame = message->word[1];
        request.length = message->word[2];
        request.rights = (uint32_t)message->word[3];
        if (!driver_holders(d, message->word[4], request.holders))
            return VERDICT_BAD_REQUEST;
        if (request.rights != RIGHTS_READ && request.rights != RIGHTS_WRITE)
            return VERDICT_BAD_REQUEST;
        if (d->me == 0 && !frames_has(&d->frames, request.frame, request.length))
            return VERDICT_NOT_A_FRAME;
    }
    return d->kernel->begin(d, &request, reply);
}

static void digest_request(struct driver *d, const struct message *request, struct message *reply)
{
    uint64_t set[CORE_SET_WORDS_MAX] = {0};
    uint32_t mapped, locked;
    if (request->word[1] < d->cores) {
        core_set_add(set, d->me);
        core_set_add(set, (uint32_t)request->word[1]);
    }
    reply->word[1] = d->kernel->digest(d, request->word[1] < d->cores ? set : NULL);
    d->kernel->count(d, &mapped, &locked);
    reply->word[2] = mapped;
    reply->word[3] = locked;
}

static enum verdict trees_request(struct driver *d, const struct message *request,
                                  struct message *reply)
{
    if (request->word[1] >= d->cores)
        return VERDICT_BAD_REQUEST;
    const struct tree *tree = d->kernel->tree_hold(d, (uint32_t)request->word[1]);
    reply->word[1] = d->kernel->trees_digest(d);
    if (!tree)
        return VERDICT_OK; /* no trees: all flat */
    reply->word[2] = tree->current | (uint32_t)tree->installed << 16;
    d->kernel->tree_release(d);
    return VERDICT_OK;
}

enum verdict kernel_request(struct driver *d, uint64_t address, const struct message *request,
                            struct message *reply)
{
    uint32_t slot = (uint32_t)request->word[1], generation = (uint32_t)(request->word[1] >> 32);
    switch (message_kind(request)) {
    case KIND_HOLDERS:
        if (request->word[1] >= CORE_SET_WORDS_MAX)
            return VERDICT_BAD_REQUEST;
        d->client_holders[request->word[1]] = request->word[2];
        return VERDICT_OK;
    case KIND_TREES:
        return trees_request(d, request, reply);
    case KIND_PIN:
        return d->kernel->pin(d, slot, generation);
    case KIND_UNPIN:
        return d->kernel->unpin(d, slot, generation);
    case KIND_DIGEST:
        digest_request(d, request, reply);
        return VERDICT_OK;
    default:
        return operation(d, address, request, reply);
    }
}
