/* Memory: a core's access to its mappings for others, and core 0's frames.
 *
 * What becomes of the memory of capabilities core 0 cannot know by itself: the RAM that it made may
 * be deleted while other cores have what was derived, and they part with that without a message. So
 * it is found out when it is needed: when there is no memory left, core 0 asks its kernel about
 * what it has given out, piece by piece, whether anybody has any of it, and what nobody has is
 * free. A request that waits for this is kept and tried again; several share one search. */
#include "driver/driver.h"

/* --- Access --- */

enum verdict memory_access(struct driver *d, uint32_t slot, uint32_t generation, uint64_t address,
                           void *buffer, size_t length, int write)
{
    void *page = (void *)(uintptr_t)address;
    if (address < d->vspace.base || length > d->vspace.size ||
        address - d->vspace.base > d->vspace.size - length)
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

enum verdict access_request(struct driver *d, const struct message *request, struct message *reply)
{
    const uint32_t slot = (uint32_t)request->word[1], kind = message_kind(request);
    const uint64_t length = kind == KIND_TOUCH ? 8 : request->word[3];
    const bool write = kind == KIND_WRITE;
    const void *bytes = write ? &request->word[4] : &reply->word[1];
    if (length > (write ? 24 : 48))
        return VERDICT_BAD_REQUEST;
    return memory_access(d, slot, (uint32_t)(request->word[1] >> 32), request->word[2],
                         (void *)(uintptr_t)bytes, length, write);
}

/* --- Frames --- */

enum verdict memory_allocate(struct driver *d, uint64_t length, uint64_t *offset)
{
    struct frames *f = &d->frames;
    for (bool searching = d->retrying;; searching = true) {
        uint64_t kept, size; /* the next piece that was given out */
        *offset = frames_allocate(f, length);
        if (*offset != UINT64_MAX)
            return VERDICT_OK;
        if (!length || length % PAGE_BYTES || length / PAGE_BYTES > f->pages)
            return VERDICT_NO_MEMORY;
        if (!searching)
            frames_search(f);
        if (!frames_next_kept(f, &kept, &size))
            return VERDICT_NO_MEMORY;
        const enum verdict verdict = d->kernel->unused(d, kept, size);
        if (verdict == VERDICT_BUSY)
            return VERDICT_BUSY; /* the same one again */
        if (verdict == VERDICT_OK)
            frames_free(f, kept, size);
        frames_looked_at(f, size);
    }
}

enum verdict frame_request(struct driver *d, const struct message *request, struct message *reply)
{
    if (d->me != 0)
        return VERDICT_BAD_REQUEST; /* core 0 keeps the memory */
    if (message_kind(request) == KIND_ALLOCATE)
        return memory_allocate(d, request->word[1], &reply->word[1]);
    if (!frames_has(&d->frames, request->word[1], request->word[2], PAGE_FIRST))
        return VERDICT_NOT_A_FRAME;
    d->kernel->hold(d);
    const bool in_use = mapping_of_frame(d->mappings, request->word[1], request->word[2]);
    d->kernel->release(d);
    if (in_use)
        return VERDICT_FRAME_IN_USE;
    frames_free(&d->frames, request->word[1], request->word[2]);
    return VERDICT_OK;
}
