/* The requests a driver answers, by kind. A request that cannot be finished now (a page prepared
 * for an unmap, every lane of the monitor taken) is kept and tried again on later turns of the
 * loop; nothing here blocks, so all of it may run in the interrupt handler, except that memory for
 * a program is allocated only in the loop proper. */
#include <errno.h>
#include <stdlib.h>

#include "driver/driver.h"

static struct message answer_to(const struct message *request, enum verdict verdict)
{
    return (struct message){{message_head(message_kind(request), 0, verdict, 0xffff, 0)}};
}

/* --- By kind --- */

/* What programs of this core have added to the driver's kinds. */
static enum verdict served(struct driver *d, const struct message *request, struct message *reply)
{
    uint32_t kind = message_kind(request);
    if (kind < DRIVER_KINDS || kind >= DRIVER_KINDS + SERVED_KINDS ||
        !d->served[kind - DRIVER_KINDS])
        return VERDICT_BAD_REQUEST;
    return d->served[kind - DRIVER_KINDS](d, request, reply);
}

static enum verdict handle(struct driver *d, uint64_t address, const struct message *request,
                           struct message *reply)
{
    switch (message_kind(request)) {
    case KIND_PING:
        *reply = *request;
        return VERDICT_OK;
    case KIND_TOUCH:
    case KIND_READ:
    case KIND_WRITE:
    case KIND_ALLOCATE:
    case KIND_FREE:
        return memory_request(d, request, reply);
    case KIND_MAP:
    case KIND_UNMAP:
    case KIND_PROTECT:
    case KIND_TREE:
    case KIND_TREES:
    case KIND_PIN:
    case KIND_UNPIN:
    case KIND_DIGEST:
        return kernel_request(d, address, request, reply);
    case KIND_GROUP:
    case KIND_GATHER:
    case KIND_SPREAD:
    case KIND_ORDER:
    case KIND_TAKE:
        return collective_request(d, address, request, reply);
    case KIND_POLICY:
        d->patience = (struct patience){request->word[1], (uint32_t)request->word[2]};
        d->slice_us = (uint32_t)request->word[3];
        return VERDICT_OK;
    case KIND_CAP_CREATE:
    case KIND_CAP_COPY:
    case KIND_CAP_RETYPE:
    case KIND_CAP_REVOKE:
    case KIND_CAP_DELETE:
    case KIND_CAP_LOOK:
    case KIND_CAP_MAP:
    case KIND_CAP_DIGEST:
        return capability_request(d, address, request, reply);
    case KIND_RUN_BEGIN:
    case KIND_RUN_DATA:
    case KIND_RUN_GO:
    case KIND_RUN_FETCH:
        return program_request(d, address, request, reply);
    default:
        return served(d, request, reply);
    }
}

/* The kernel's own DONE message carries slot, generation and address where the requester's reply
 * has words 1 and 2. */
static void finish(struct driver *d, uint64_t address, enum verdict verdict, struct message *reply)
{
    reply->word[0] = (reply->word[0] & ~(0xffull << 16)) | (uint64_t)verdict << 16;
    driver_reply(d, address, reply);
}

static bool turn(struct driver *d, uint64_t address, const struct message *request)
{
    struct message reply = answer_to(request, VERDICT_OK);
    enum verdict verdict = handle(d, address, request, &reply);
    if (verdict == VERDICT_BUSY)
        return false;
    if (verdict != VERDICT_PENDING)
        finish(d, address, verdict, &reply);
    return true;
}

/* --- Deferred --- */

int dispatch_open(struct driver *d)
{
    /* A deferred request keeps the place that its reply goes to, and each place holds one request:
     * this core's completions, the launcher's lines, a line a user channel, and of each other core
     * one that waits for a reply by message on a ring, and one on the kernel's transport. */
    d->deferred_max = COMPLETIONS + CLIENT_CHANNELS * CLIENT_LINES + d->channels + 2 * d->cores;
    d->deferred = calloc(d->deferred_max, sizeof *d->deferred);
    return d->deferred ? 0 : ENOMEM;
}

void dispatch(struct driver *d, uint64_t address, const struct message *request)
{
    if (turn(d, address, request))
        return;
    assert(d->deferred_count < d->deferred_max);
    d->deferred[d->deferred_count++] = (struct deferred){address, *request};
}

bool dispatch_deferred(struct driver *d)
{
    uint32_t kept = 0, count = d->deferred_count;
    for (uint32_t i = 0; i < count; i++) {
        struct deferred again = d->deferred[i];
        d->retrying = true;
        bool done = outgoing_has_room(d) && turn(d, again.address, &again.message);
        d->retrying = false;
        if (!done)
            d->deferred[kept++] = again;
    }
    d->deferred_count = kept;
    return kept != count;
}
