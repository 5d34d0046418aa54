/* Memory: a core's access to its mappings for others, and frames.
 *
 * What becomes of the memory of capabilities core 0 cannot know by itself: the RAM that it made may
 * be deleted while other cores have what was derived, and they part with that without a message.
 * Nor does it know which pages that it lent are in use. So it is found out when it is needed: when
 * there is no memory left, core 0 asks its kernel about what it has given out, piece by piece,
 * whether anybody has any of it, and what nobody has is free. A request that waits for this is kept
 * and tried again; several share one search. */
#include "driver/driver.h"

/* --- Access --- */

/* Does that lie in the page which the handle names? Another one may have its slot by now, or its
 * address. Whether it may be accessed, the host's page table says. */
static bool lies_in_page(const struct driver *d, uint32_t slot, uint32_t generation,
                         uint64_t address, uint64_t length)
{
    if (slot >= d->mappings->numbers)
        return false;
    const struct mapping *page = sparse_at(d->mappings, slot);
    const uint64_t word = mapping_word(page), offset = address - page->address;
    return (uint32_t)word == generation && word_state(word) != MAPPING_FREE &&
           offset <= page->length && length <= page->length - offset;
}

enum verdict memory_access(struct driver *d, uint32_t slot, uint32_t generation, uint64_t address,
                           void *buffer, size_t length, int write)
{
    void *page = (void *)(uintptr_t)address;
    if (address < d->vspace.base || length > d->vspace.size ||
        address - d->vspace.base > d->vspace.size - length ||
        !lies_in_page(d, slot, generation, address, length))
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

bool access_in_place(struct driver *d, struct slot *line, uint32_t from)
{
    const uint32_t kind = slot_word(line, 0) & 0xff;
    const uint64_t page = slot_word(line, 1), address = slot_word(line, 2);
    const uint64_t length = kind == KIND_TOUCH ? 8 : slot_word(line, 3);
    const bool write = kind == KIND_WRITE;
    uint64_t bytes[6] = {0};
    if (length > (write ? 24 : 48)) {
        line_return(d, line, from, VERDICT_BAD_REQUEST);
        return true;
    }
    for (uint32_t i = 0; write && i < 3; i++)
        bytes[i] = slot_word(line, 4 + i);
    const enum verdict verdict =
        memory_access(d, (uint32_t)page, (uint32_t)(page >> 32), address, bytes, length, write);
    for (uint32_t i = 0; kind == KIND_READ && verdict == VERDICT_OK && i < 6; i++)
        slot_set(line, 1 + i, bytes[i]);
    if (verdict == VERDICT_BUSY)
        return false;
    line_return(d, line, from, verdict);
    return true;
}

/* --- Frames --- */

static void searched(struct driver *d, uint64_t pages)
{
    d->search_at = (d->search_at + pages) % d->frames->pages;
    d->to_search -= pages < d->to_search ? pages : d->to_search;
}

/* The next piece that may come back; its pages, or 0: the search is over. */
static uint64_t next_out(struct driver *d)
{
    uint64_t pages = 0;
    d->kernel->hold(d);
    while (d->to_search && !(pages = frames_out(d->frames, d->search_at)))
        searched(d, 1);
    d->kernel->release(d);
    return pages;
}

void memory_search(struct driver *d)
{
    d->to_search = d->frames->pages;
}

enum verdict memory_take(struct driver *d, struct frames_request *request)
{
    const struct frames_request wanted = *request;
    for (bool searching = d->retrying;; searching = true) {
        uint64_t pages;
        *request = wanted;
        enum verdict verdict = d->kernel->frames(d, request);
        if (verdict != VERDICT_NO_MEMORY || d->me != 0 ||
            !frames_there_are(d->frames, 0, wanted.length))
            return verdict;
        if (!searching)
            memory_search(d);
        if (!(pages = next_out(d)))
            return VERDICT_NO_MEMORY;
        struct frames_request piece = {.action = FRAMES_RETURN,
                                       .offset = d->search_at * PAGE_BYTES,
                                       .length = pages * PAGE_BYTES};
        verdict = d->kernel->unused(d, piece.offset, piece.length);
        if (verdict == VERDICT_BUSY)
            return VERDICT_BUSY; /* the same one again */
        if (verdict == VERDICT_OK)
            d->kernel->frames(d, &piece);
        searched(d, pages);
    }
}

static enum verdict allocate(struct driver *d, const struct message *request, struct message *reply)
{
    struct frames_request frame = {.action = FRAMES_ALLOCATE, .length = request->word[1]};
    const enum verdict verdict = memory_take(d, &frame);
    if (verdict != VERDICT_OK)
        return verdict;
    if (frame.used)
        vspace_clear(&d->vspace, frame.offset, frame.length);
    reply->word[1] = frame.offset;
    reply->word[2] = frame.generation | (uint64_t)d->me << 32;
    return VERDICT_OK;
}

/* A run that spares its borrower some further questions: so many pages, and no more than an eighth
 * of what would be each core's. */
static enum verdict lend(struct driver *d, const struct message *request, struct message *reply)
{
    enum { LENT_MOST = 64 };
    const uint64_t share = d->frames->pages / (8 * d->cores);
    struct frames_request run = {.action = FRAMES_OFFER,
                                 .length = request->word[1],
                                 .most = (share < LENT_MOST ? share : LENT_MOST) * PAGE_BYTES};
    const enum verdict verdict = memory_take(d, &run);
    reply->word[1] = run.offset;
    reply->word[2] = run.length;
    reply->word[3] = run.used;
    return verdict;
}

enum verdict frame_request(struct driver *d, const struct message *request, struct message *reply)
{
    struct frames_request frame = {.offset = request->word[1], .length = request->word[2]};
    switch (message_kind(request)) {
    case KIND_ALLOCATE:
        return allocate(d, request, reply);
    case KIND_FREE:
        frame.action = FRAMES_FREE;
        frame.generation = (uint32_t)request->word[3];
        return d->kernel->frames(d, &frame);
    case KIND_BORROW:
        return d->me == 0 ? lend(d, request, reply) : VERDICT_BAD_REQUEST;
    default:
        frame.action = FRAMES_LEND;
        return d->me == 0 ? d->kernel->frames(d, &frame) : VERDICT_BAD_REQUEST;
    }
}
