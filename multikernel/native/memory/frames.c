#include "memory/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/align.h"

int frames_open(struct frames *frames, uint64_t bytes)
{
    *frames = (struct frames){.pages = bytes / PAGE_BYTES,
                              .state = calloc(bytes / PAGE_BYTES + 1, sizeof *frames->state)};
    return frames->state ? 0 : ENOMEM;
}

static uint64_t search(const struct frames *frames, uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t run = 0;
    for (uint64_t page = from; page < to; page++) {
        run = frames->state[page] == PAGE_FREE ? run + 1 : 0;
        if (run == count)
            return page + 1 - count;
    }
    return UINT64_MAX;
}

uint64_t frames_allocate(struct frames *frames, uint64_t length)
{
    uint64_t count = length / PAGE_BYTES;
    if (!count || length % PAGE_BYTES || count > frames->pages)
        return UINT64_MAX;
    uint64_t page = search(frames, frames->next, frames->pages, count);
    if (page == UINT64_MAX)
        page = search(frames, 0, frames->pages, count);
    if (page == UINT64_MAX)
        return UINT64_MAX;
    memset(&frames->state[page], PAGE_REST, count);
    frames->state[page] = PAGE_FIRST;
    frames->next = page + count;
    return page * PAGE_BYTES;
}

/* Of the frame that begins with that page. */
static uint64_t length_of(const struct frames *frames, uint64_t page)
{
    uint64_t end = page + 1;
    while (end < frames->pages && frames->state[end] == PAGE_REST)
        end++;
    return (end - page) * PAGE_BYTES;
}

bool frames_has(const struct frames *frames, uint64_t offset, uint64_t length,
                enum page_state first)
{
    uint64_t page = offset / PAGE_BYTES;
    return offset % PAGE_BYTES == 0 && page < frames->pages && frames->state[page] == first &&
           length_of(frames, page) == length;
}

void frames_keep(struct frames *frames, uint64_t offset)
{
    frames->state[offset / PAGE_BYTES] = PAGE_KEPT;
}

void frames_search(struct frames *frames)
{
    frames->to_look_at = frames->pages;
}

void frames_looked_at(struct frames *frames, uint64_t length)
{
    uint64_t count = length / PAGE_BYTES;
    frames->look_at = (frames->look_at + count) % frames->pages;
    frames->to_look_at -= count < frames->to_look_at ? count : frames->to_look_at;
}

bool frames_next_kept(struct frames *frames, uint64_t *offset, uint64_t *length)
{
    while (frames->to_look_at && frames->state[frames->look_at] != PAGE_KEPT)
        frames_looked_at(frames, PAGE_BYTES);
    *offset = frames->look_at * PAGE_BYTES;
    *length = length_of(frames, frames->look_at);
    return frames->to_look_at;
}

void frames_free(struct frames *frames, uint64_t offset, uint64_t length)
{
    memset(&frames->state[offset / PAGE_BYTES], PAGE_FREE, length / PAGE_BYTES);
}
