#include "memory/frames.h"

#include "base/align.h"
#include "memory/mapping_table.h"

enum page_state {
    PAGE_AT_BOOT = 0, /* free where all memory is at boot, and away everywhere else */
    PAGE_FREE,
    PAGE_AWAY,    /* another core's to hand out */
    PAGE_OFFERED, /* lent, and the borrower has not said that it has it */
    PAGE_LENT,
    PAGE_LEAVING, /* free, and about to be given back */
    PAGE_FIRST,
    PAGE_KEPT, /* as FIRST, but capabilities say what becomes of it: naming it is not enough */
    PAGE_REST,
};

enum { STATE_BITS = 4, USED = 1 << STATE_BITS, GENERATION_SHIFT = STATE_BITS + 1 };
static_assert((int)PAGE_REST < (int)USED, "a state has its bits");

void frames_init(struct frames *f, uint64_t pages, bool all)
{
    *f = (struct frames){.pages = pages,
                         .free = all ? pages : 0,
                         .low = all ? 0 : pages,
                         .high = all ? pages : 0,
                         .at_boot = all ? PAGE_FREE : PAGE_AWAY};
}

/* --- A page --- */

static enum page_state state_of(const struct frames *f, uint64_t page)
{
    const uint32_t state = f->page[page] & (USED - 1);
    return state == PAGE_AT_BOOT ? f->at_boot : state;
}

static void set(struct frames *f, uint64_t page, enum page_state state)
{
    f->page[page] = (f->page[page] & ~(uint32_t)(USED - 1)) | state;
}

static bool begins(enum page_state state)
{
    return state == PAGE_FIRST || state == PAGE_KEPT;
}

/* --- Several --- */

bool frames_there_are(const struct frames *f, uint64_t offset, uint64_t length)
{
    const uint64_t bytes = f->pages * PAGE_BYTES;
    return length && length % PAGE_BYTES == 0 && offset % PAGE_BYTES == 0 && length <= bytes &&
           offset <= bytes - length;
}

/* From that page to the end of what begins there. */
static uint64_t count_of(const struct frames *f, uint64_t page)
{
    uint64_t end = page + 1;
    while (end < f->pages && state_of(f, end) == PAGE_REST)
        end++;
    return end - page;
}

static uint64_t search(const struct frames *f, uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t run = 0;
    for (uint64_t page = from; page < to; page++) {
        run = state_of(f, page) == PAGE_FREE ? run + 1 : 0;
        if (run == count)
            return page + 1 - count;
    }
    return UINT64_MAX;
}

/* So many free pages are those from now on; their first, or UINT64_MAX. */
static uint64_t take(struct frames *f, uint64_t count, enum page_state first, enum page_state rest,
                     uint64_t *used)
{
    uint64_t page = UINT64_MAX;
    if (count <= f->free)
        page = search(f, f->next < f->low ? f->low : f->next, f->high, count);
    if (page == UINT64_MAX && count <= f->free)
        page = search(f, f->low, f->high, count);
    if (page == UINT64_MAX)
        return page;
    *used = 0;
    for (uint64_t i = page; i < page + count; i++) {
        *used |= f->page[i] & USED;
        f->page[i] |= USED;
        set(f, i, i == page ? first : rest);
    }
    f->free -= count;
    f->next = page + count;
    return page;
}

/* All pages there that are in one of those states are in that state from now on. */
static void change(struct frames *f, const struct frames_request *r, uint32_t states,
                   enum page_state to)
{
    for (uint64_t i = 0; i < r->length / PAGE_BYTES; i++) {
        const uint64_t page = r->offset / PAGE_BYTES + i;
        if (!(states >> state_of(f, page) & 1))
            continue;
        set(f, page, to);
        f->free += to == PAGE_FREE;
    }
}

/* --- What is asked --- */

static enum verdict allocate(struct frames *f, struct frames_request *r)
{
    if (!frames_there_are(f, 0, r->length))
        return VERDICT_NO_MEMORY;
    const uint64_t page =
        take(f, r->length / PAGE_BYTES, r->action == FRAMES_KEEP ? PAGE_KEPT : PAGE_FIRST,
             PAGE_REST, &r->used);
    if (page == UINT64_MAX)
        return VERDICT_NO_MEMORY;
    f->page[page] += 1u << GENERATION_SHIFT;
    r->generation = f->page[page] >> GENERATION_SHIFT;
    r->offset = page * PAGE_BYTES;
    return VERDICT_OK;
}

static enum verdict offer(struct frames *f, struct frames_request *r)
{
    if (!frames_there_are(f, 0, r->length))
        return VERDICT_NO_MEMORY;
    const uint64_t least = r->length / PAGE_BYTES, most = r->most / PAGE_BYTES;
    uint64_t count = most > least ? most : least;
    uint64_t page = take(f, count, PAGE_OFFERED, PAGE_OFFERED, &r->used);
    if (page == UINT64_MAX && count > least)
        page = take(f, count = least, PAGE_OFFERED, PAGE_OFFERED, &r->used);
    r->length = count * PAGE_BYTES;
    r->offset = page * PAGE_BYTES;
    return page == UINT64_MAX ? VERDICT_NO_MEMORY : VERDICT_OK;
}

static enum verdict borrow(struct frames *f, const struct frames_request *r)
{
    const uint64_t first = r->offset / PAGE_BYTES, end = first + r->length / PAGE_BYTES;
    change(f, r, 1u << PAGE_AWAY | 1u << PAGE_OFFERED, PAGE_FREE);
    for (uint64_t page = first; r->used && page < end; page++)
        f->page[page] |= USED;
    f->low = first < f->low ? first : f->low;
    f->high = end > f->high ? end : f->high;
    return VERDICT_OK;
}

static enum verdict free_frame(struct frames *f, const struct sparse *mappings, uint32_t keeper,
                               const struct frames_request *r)
{
    if (!frames_has(f, r->offset, r->length, r->generation))
        return VERDICT_NOT_A_FRAME;
    const enum verdict verdict = mapping_of_frame(mappings, keeper, r->offset, r->length);
    if (verdict == VERDICT_OK)
        change(f, r, 1u << PAGE_FIRST | 1u << PAGE_REST, PAGE_FREE);
    return verdict;
}

enum verdict frames_do(struct frames *f, const struct sparse *mappings, uint32_t keeper,
                       struct frames_request *r)
{
    switch (r->action) {
    case FRAMES_ALLOCATE:
    case FRAMES_KEEP:
        return allocate(f, r);
    case FRAMES_OFFER:
        return offer(f, r);
    default:
        break;
    }
    if (!frames_there_are(f, r->offset, r->length))
        return VERDICT_NOT_A_FRAME;
    switch (r->action) {
    case FRAMES_FREE:
        return free_frame(f, mappings, keeper, r);
    case FRAMES_BORROW:
        return borrow(f, r);
    case FRAMES_LEND:
        change(f, r, 1u << PAGE_OFFERED, PAGE_LENT);
        return VERDICT_OK;
    case FRAMES_RETURN:
        change(f, r,
               state_of(f, r->offset / PAGE_BYTES) == PAGE_KEPT ? 1u << PAGE_KEPT | 1u << PAGE_REST
                                                                : 1u << PAGE_LENT,
               PAGE_FREE);
        return VERDICT_OK;
    default:
        return VERDICT_BAD_REQUEST;
    }
}

/* --- Looking --- */

bool frames_has(const struct frames *f, uint64_t offset, uint64_t length, uint32_t generation)
{
    const uint64_t page = offset / PAGE_BYTES;
    return frames_there_are(f, offset, length) && state_of(f, page) == PAGE_FIRST &&
           f->page[page] >> GENERATION_SHIFT == generation &&
           count_of(f, page) == length / PAGE_BYTES;
}

bool frames_is_kept(const struct frames *f, uint64_t offset, uint64_t length)
{
    const uint64_t page = offset / PAGE_BYTES;
    return frames_there_are(f, offset, length) && state_of(f, page) == PAGE_KEPT &&
           count_of(f, page) == length / PAGE_BYTES;
}

uint64_t frames_out(const struct frames *f, uint64_t page)
{
    const enum page_state state = state_of(f, page);
    return state == PAGE_KEPT ? count_of(f, page) : state == PAGE_LENT;
}

/* --- Leaving --- */

bool frames_leave(struct frames *f, uint64_t offset, uint64_t length)
{
    if (!frames_there_are(f, offset, length))
        return true;
    for (uint64_t i = 0; i < length / PAGE_BYTES; i++) {
        const enum page_state state = state_of(f, offset / PAGE_BYTES + i);
        if (begins(state) || state == PAGE_REST)
            return false;
    }
    for (uint64_t i = 0; i < length / PAGE_BYTES; i++)
        if (state_of(f, offset / PAGE_BYTES + i) == PAGE_FREE) {
            set(f, offset / PAGE_BYTES + i, PAGE_LEAVING);
            f->free--;
        }
    return true;
}

void frames_left(struct frames *f, uint64_t offset, uint64_t length, bool gone)
{
    const struct frames_request range = {.offset = offset, .length = length};
    if (frames_there_are(f, offset, length))
        change(f, &range, 1u << PAGE_LEAVING, gone ? PAGE_AWAY : PAGE_FREE);
}
