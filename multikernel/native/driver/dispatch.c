/* The requests a driver answers, by kind. A request that cannot be finished now (a page prepared
 * for an unmap, every lane of the monitor taken) is kept and tried again on later turns of the
 * loop; nothing here blocks, so all of it may run in the interrupt handler, except that memory for
 * a program is allocated only in the loop proper. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

/* --- Where it lies --- */

/* A handler reads the words that it needs from the line, each once, writes those that it changes,
 * and gives the line back (line_return), after which it may keep its books. False: it has done
 * nothing of that. */
typedef bool line_handler(struct driver *, struct slot *, uint32_t from);

static bool ping(struct driver *d, struct slot *line, uint32_t from)
{
    line_return(d, line, from, VERDICT_OK);
    return true;
}

static bool pin(struct driver *d, struct slot *line, uint32_t from)
{
    const uint64_t page = slot_word(line, 1);
    const enum verdict verdict = d->kernel->pin(d, (uint32_t)page, (uint32_t)(page >> 32),
                                                (slot_word(line, 0) & 0xff) == KIND_PIN);
    if (verdict == VERDICT_BUSY)
        return false;
    line_return(d, line, from, verdict);
    return true;
}

static line_handler *const in_place[] = {
    [KIND_PING] = ping,
    [KIND_TOUCH] = access_in_place,
    [KIND_READ] = access_in_place,
    [KIND_WRITE] = access_in_place,
    [KIND_PIN] = pin,
    [KIND_UNPIN] = pin,
    [KIND_SPREAD] = collective_in_place,
};

bool dispatch_in_place(struct driver *d, struct slot *line, uint32_t from)
{
    const uint32_t kind = slot_word(line, 0) & 0xff;
    line_handler *handler = kind < sizeof in_place / sizeof *in_place ? in_place[kind] : NULL;
    return handler && handler(d, line, from);
}

/* --- Copied off --- */

/* What comes by a transport of messages, or has had to wait. */
static enum verdict again_in_place(struct driver *d, const struct message *request,
                                   struct message *reply)
{
    struct slot line = {.control = 0};
    slot_put(&line, request);
    if (!dispatch_in_place(d, &line, d->me))
        return VERDICT_BUSY;
    slot_get(&line, reply);
    return message_verdict(reply);
}

static enum verdict handle(struct driver *d, uint64_t address, const struct message *request,
                           struct message *reply)
{
    switch (message_kind(request)) {
    case KIND_PING ... KIND_WRITE:
    case KIND_PIN ... KIND_UNPIN:
        return again_in_place(d, request, reply);
    case KIND_ALLOCATE ... KIND_BORROWED:
        return frame_request(d, request, reply);
    case KIND_MAP ... KIND_PROTECT:
    case KIND_DIGEST ... KIND_TREES:
        return kernel_request(d, address, request, reply);
    case KIND_GROUP ... KIND_TAKE:
        return collective_request(d, address, request, reply);
    case KIND_POLICY:
        d->patience = (struct patience){request->word[1], (uint32_t)request->word[2]};
        d->slice_us = (uint32_t)request->word[3];
        return VERDICT_OK;
    case KIND_RUN_BEGIN ... KIND_RUN_CANCEL:
        return program_request(d, address, request, reply);
    case KIND_CAP_CREATE ... KIND_CAP_DIGEST:
        return capability_request(d, address, request, reply);
    case KIND_OBJECT_OPEN ... KIND_OBJECT_CHANGES:
        return d->objects(d, request, reply);
    case KIND_SERVED:
        return d->served ? d->served(d, request, reply) : VERDICT_BAD_REQUEST;
    default:
        return VERDICT_BAD_REQUEST;
    }
}

/* False: it is to be tried again. */
static bool turn(struct driver *d, uint64_t address, const struct message *request)
{
    struct message reply = {{message_head(message_kind(request), 0, VERDICT_OK, 0xffff, 0)}};
    const enum verdict verdict = handle(d, address, request, &reply);
    if (verdict == VERDICT_BUSY)
        return false;
    if (verdict == VERDICT_PENDING)
        return true;
    reply.word[0] = (reply.word[0] & ~(0xffull << 16)) | (uint64_t)verdict << 16;
    driver_reply(d, address, &reply);
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
    if (d->deferred_count == d->deferred_max) { /* not by the rules above: garbage */
        const struct message refused = {
            {message_head(message_kind(request), 0, VERDICT_BAD_REQUEST, 0xffff, 0)}};
        driver_reply(d, address, &refused);
        return;
    }
    d->deferred[d->deferred_count++] = (struct addressed){address, *request};
}

bool dispatch_forget(struct driver *d, uint64_t address)
{
    for (uint32_t i = 0; i < d->deferred_count; i++)
        if (d->deferred[i].address == address) {
            memmove(&d->deferred[i], &d->deferred[i + 1],
                    (--d->deferred_count - i) * sizeof *d->deferred);
            return true;
        }
    return false;
}

bool dispatch_deferred(struct driver *d)
{
    uint32_t kept = 0, count = d->deferred_count;
    for (uint32_t i = 0; i < count; i++) {
        struct addressed again = d->deferred[i];
        d->retrying = true;
        bool done = outgoing_has_room(d) && turn(d, again.address, &again.message);
        d->retrying = false;
        if (!done)
            d->deferred[kept++] = again;
    }
    d->deferred_count = kept;
    return kept != count;
}
