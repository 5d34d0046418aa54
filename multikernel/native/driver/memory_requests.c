/* Memory: a core's access to its mappings for others, and core 0's frames.
 *
 * What becomes of the memory of capabilities core 0 cannot know by itself: the RAM that it made may
 * be deleted while other cores have what was derived, and they part with that without a message. So
 * it is found out when it is needed: when there is no memory left, core 0 asks its kernel about
 * what it has given out, piece by piece, whether anybody has any of it, and what nobody has is
 * free. A request that waits for this is kept and tried again; several share one search. */
#include "driver/driver.h"

/* --- Access --- */

static bool in_range(const struct driver *d, uint64_t address, uint64_t length)
{
    return address >= d->vspace.base && length <= d->vspace.size &&
           address - d->vspace.base <= d->vspace.size - length;
}

enum verdict memory_access(struct driver *d, uint32_t slot, uint32_t generation, uint64_t address,
                           void *buffer, size_t length, int write)
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
        return memory_access(d, slot, generation, request->word[2], &reply->word[1], 8, 0);
    case KIND_READ:
        if (length > 48)
            return VERDICT_BAD_REQUEST;
        return memory_access(d, slot, generation, request->word[2], &reply->word[1], length, 0);
    default:
        if (length > 24)
            return VERDICT_BAD_REQUEST;
        return memory_access(d, slot, generation, request->word[2],
                             (void *)(uintptr_t)&request->word[4], length, 1);
    }
}

/* --- Frames --- */

/* The next piece that was given out. BUSY: the same one again. */
static enum verdict search(struct driver *d)
{
    uint64_t offset, length;
    if (!frames_next_kept(&d->frames, &offset, &length))
        return VERDICT_OK;
    enum verdict verdict = d->kernel->unused(d, offset, length);
    if (verdict == VERDICT_BUSY)
        return VERDICT_BUSY;
    if (verdict == VERDICT_OK)
        frames_free(&d->frames, offset, length);
    frames_looked_at(&d->frames, length);
    return VERDICT_OK;
}

enum verdict memory_allocate(struct driver *d, uint64_t length, uint64_t *offset)
{
    struct frames *f = &d->frames;
    *offset = frames_allocate(f, length);
    if (*offset != UINT64_MAX)
        return VERDICT_OK;
    if (!length || length % PAGE_BYTES || length / PAGE_BYTES > f->pages)
        return VERDICT_NO_MEMORY;
    if (!d->retrying)
        frames_search(f);
    while (f->to_look_at) {
        if (search(d) == VERDICT_BUSY)
            return VERDICT_BUSY;
        *offset = frames_allocate(f, length);
        if (*offset != UINT64_MAX)
            return VERDICT_OK;
    }
    return VERDICT_NO_MEMORY;
}

static enum verdict frame_request(struct driver *d, const struct message *request,
                                  struct message *reply)
{
    if (d->me != 0)
        return VERDICT_BAD_REQUEST; /* core 0 keeps the memory */
    if (message_kind(request) == KIND_ALLOCATE)
        return memory_allocate(d, request->word[1], &reply->word[1]);
    if (!frames_has(&d->frames, request->word[1], request->word[2], PAGE_FIRST))
        return VERDICT_NOT_A_FRAME;
    if (d->kernel->frame_in_use(d, request->word[1], request->word[2]))
        return VERDICT_FRAME_IN_USE;
    frames_free(&d->frames, request->word[1], request->word[2]);
    return VERDICT_OK;
}

enum verdict memory_request(struct driver *d, const struct message *message, struct message *reply)
{
    switch (message_kind(message)) {
    case KIND_ALLOCATE:
    case KIND_FREE:
        return frame_request(d, message, reply);
    default:
        return access_request(d, message, reply);
    }
}
