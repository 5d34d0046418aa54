/* The requests a driver answers, by kind. A request that cannot be finished now (a page prepared
 * for an unmap, every lane of the monitor taken) is kept and tried again on later turns of the
 * loop; nothing here blocks, so all of it may run in the interrupt handler, except that memory for
 * a program is allocated only in the loop proper. */
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

static struct message answer_to(const struct message *request, enum verdict verdict)
{
    return (struct message){{message_head(message_kind(request), 0, verdict, 0xffff, 0)}};
}

/* --- Memory --- */

static bool in_range(const struct driver *d, uint64_t address, uint64_t length)
{
    return address >= d->vspace.base && length <= d->vspace.size &&
           address - d->vspace.base <= d->vspace.size - length;
}

/* One try: OK, FAULT, or BUSY when the page is prepared and the outcome not known yet. */
static enum verdict try_access(struct driver *d, uint32_t slot, uint32_t generation,
                               uint64_t address, void *buffer, size_t length, int write)
{
    void *page = (void *)(uintptr_t)address;
    if (!in_range(d, address, length))
        return VERDICT_FAULT;
    for (int tries = 0; tries < 3; tries++) {
        int faulted = write ? vspace_copy(page, buffer, length) : vspace_copy(buffer, page, length);
        if (!faulted)
            return VERDICT_OK;
        enum verdict why = d->kernel->fault(d, slot, generation, write);
        if (why != VERDICT_OK)
            return why;
        /* The mapping allows it: it was restored between the fault and the look. Again. */
    }
    return VERDICT_FAULT;
}

static enum verdict access_request(struct driver *d, const struct message *request,
                                   struct message *reply)
{
    uint32_t slot = (uint32_t)request->word[1], generation = (uint32_t)(request->word[1] >> 32);
    uint64_t length = request->word[3];
    switch (message_kind(request)) {
    case KIND_TOUCH:
        return try_access(d, slot, generation, request->word[2], &reply->word[1], 8, 0);
    case KIND_READ:
        if (length > 48)
            return VERDICT_BAD_REQUEST;
        return try_access(d, slot, generation, request->word[2], &reply->word[1], length, 0);
    default:
        if (length > 24)
            return VERDICT_BAD_REQUEST;
        return try_access(d, slot, generation, request->word[2],
                          (void *)(uintptr_t)&request->word[4], length, 1);
    }
}

static enum verdict frame_request(struct driver *d, const struct message *request,
                                  struct message *reply)
{
    if (d->me != 0)
        return VERDICT_BAD_REQUEST; /* core 0 keeps the memory */
    if (message_kind(request) == KIND_ALLOCATE)
        return driver_allocate(d, request->word[1], &reply->word[1]);
    if (!frames_has(&d->frames, request->word[1], request->word[2]))
        return VERDICT_NOT_A_FRAME;
    if (d->kernel->frame_in_use(d, request->word[1], request->word[2]))
        return VERDICT_FRAME_IN_USE;
    frames_free(&d->frames, request->word[1], request->word[2]);
    return VERDICT_OK;
}

/* --- The kernel's operations --- */

bool driver_holders(const struct driver *d, uint64_t word, uint64_t *holders)
{
    memcpy(holders, d->client_holders, sizeof d->client_holders);
    if (d->cores <= 64)
        holders[0] = word; /* larger sets come ahead, by KIND_HOLDERS */
    if (d->cores % 64)
        holders[d->cores / 64] &= (1ull << (d->cores % 64)) - 1;
    return core_set_count(holders, d->cores) != 0;
}

static enum verdict kernel_request(struct driver *d, uint64_t address,
                                   const struct message *message, struct message *reply)
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

/* --- Programs --- */

static enum verdict program_request(struct driver *d, uint64_t address,
                                    const struct message *request, struct message *reply)
{
    struct program *program = &d->program;
    uint64_t at = request->word[1];
    switch (message_kind(request)) {
    case KIND_RUN_BEGIN:
        /* One that is being loaded was given up by a client that was interrupted: it loads one at a
         * time. */
        if (program->state == PROGRAM_RUNNING)
            return VERDICT_CORE_BUSY;
        if (!d->inside)
            /* between the end of a program and the loop: no malloc in the interrupt handler */
            return VERDICT_BUSY;
        free(program->result);
        free(program->code);
        program->result = NULL;
        program->code = malloc(at ? at : 1);
        program->code_bytes = at;
        if (!program->code)
            return VERDICT_NO_MEMORY;
        program->state = PROGRAM_LOADING;
        return VERDICT_OK;
    case KIND_RUN_DATA:
        if (program->state != PROGRAM_LOADING || at >= program->code_bytes)
            return VERDICT_BAD_REQUEST;
        memcpy(program->code + at, &request->word[2],
               program->code_bytes - at < 40 ? program->code_bytes - at : 40);
        return VERDICT_OK;
    case KIND_RUN_GO:
        if (program->state != PROGRAM_LOADING)
            return VERDICT_BAD_REQUEST;
        program->state = PROGRAM_RUNNING;
        program->answer_to = address;
        d->event = EVENT_RUN;
        return VERDICT_PENDING;
    default:
        if (!program->result || at >= program->result_bytes)
            return VERDICT_BAD_REQUEST;
        memcpy(&reply->word[1], program->result + at,
               program->result_bytes - at < 48 ? program->result_bytes - at : 48);
        return VERDICT_OK;
    }
}

int driver_finish(struct driver *d, const char *result, uint64_t bytes)
{
    struct program *program = &d->program;
    char *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return -1;
    memcpy(copy, result, bytes);
    driver_enter(d);
    free(program->code);
    program->code = NULL;
    program->result = copy;
    program->result_bytes = bytes;
    program->state = PROGRAM_IDLE;
    struct message reply = {{message_head(KIND_RUN_GO, 0, VERDICT_OK, 0xffff, 0), bytes}};
    driver_reply(d, program->answer_to, &reply);
    driver_leave(d);
    return 0;
}

/* --- A service to measure with --- */

/* The server of the paper's Fig 3: data that only this core touches, updated on behalf of
 * others. */
static void update_request(struct driver *d, const struct message *request, struct message *reply)
{
    uint64_t start = arch_cycles();
    segment_update(segment_scratch(d->segment, &d->region, d->me), request->word[1]);
    reply->word[1] = arch_cycles_behind() - start;
}

/* --- By kind --- */

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
    uint32_t root = (uint32_t)request->word[1];
    const struct tree *tree =
        d->monitor ? monitor_tree(d->monitor, root) : shared_tree_hold(d, root);
    reply->word[1] = d->monitor ? monitor_trees_digest(d->monitor) : 0;
    if (!tree)
        return VERDICT_OK; /* no trees: all flat */
    reply->word[2] = tree->current | (uint32_t)tree->installed << 16;
    if (!d->monitor)
        shared_tree_release(d);
    return VERDICT_OK;
}

static enum verdict handle(struct driver *d, uint64_t address, const struct message *request,
                           struct message *reply)
{
    uint32_t slot = (uint32_t)request->word[1], generation = (uint32_t)(request->word[1] >> 32);
    switch (message_kind(request)) {
    case KIND_PING:
        *reply = *request;
        return VERDICT_OK;
    case KIND_TOUCH:
    case KIND_READ:
    case KIND_WRITE:
        return access_request(d, request, reply);
    case KIND_ALLOCATE:
    case KIND_FREE:
        return frame_request(d, request, reply);
    case KIND_HOLDERS:
        if (request->word[1] >= CORE_SET_WORDS_MAX)
            return VERDICT_BAD_REQUEST;
        d->client_holders[request->word[1]] = request->word[2];
        return VERDICT_OK;
    case KIND_MAP:
    case KIND_UNMAP:
    case KIND_PROTECT:
    case KIND_TREE:
        return kernel_request(d, address, request, reply);
    case KIND_TREES:
        return trees_request(d, request, reply);
    case KIND_GROUP:
    case KIND_GATHER:
    case KIND_SPREAD:
    case KIND_ORDER:
    case KIND_TAKE:
        return collective_request(d, address, request, reply);
    case KIND_PIN:
        return d->kernel->pin(d, slot, generation);
    case KIND_UNPIN:
        return d->kernel->unpin(d, slot, generation);
    case KIND_DIGEST:
        digest_request(d, request, reply);
        return VERDICT_OK;
    case KIND_POLICY:
        d->patience = (struct patience){request->word[1], (uint32_t)request->word[2]};
        d->slice_us = (uint32_t)request->word[3];
        return VERDICT_OK;
    case KIND_UPDATE:
        if (request->word[1] > UPDATE_LINES)
            return VERDICT_BAD_REQUEST;
        update_request(d, request, reply);
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
    case KIND_SHOOT:
        return shared_told(d, address, request);
    case KIND_RUN_BEGIN:
    case KIND_RUN_DATA:
    case KIND_RUN_GO:
    case KIND_RUN_FETCH:
        return program_request(d, address, request, reply);
    default:
        return VERDICT_BAD_REQUEST;
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

void dispatch(struct driver *d, uint64_t address, const struct message *request)
{
    /* The client's doorstep keeps room: driver_poll takes no client request while this queue is
     * half full. */
    if (!turn(d, address, request))
        d->deferred[d->deferred_count++] = (struct deferred){address, *request};
}

bool dispatch_deferred(struct driver *d)
{
    uint32_t kept = 0, count = d->deferred_count;
    for (uint32_t i = 0; i < count; i++) {
        struct deferred again = d->deferred[i];
        d->retrying = true;
        bool done = carrier_has_room(d) && turn(d, again.address, &again.message);
        d->retrying = false;
        if (!done)
            d->deferred[kept++] = again;
    }
    d->deferred_count = kept;
    return kept != count;
}

enum verdict driver_access(struct driver *d, uint32_t slot, uint32_t generation, uint64_t address,
                           void *buffer, size_t length, int write)
{
    struct wait wait = {0};
    for (;;) {
        enum verdict verdict = try_access(d, slot, generation, address, buffer, length, write);
        if (verdict != VERDICT_BUSY)
            return verdict;
        driver_wait(d, &wait);
    }
}
