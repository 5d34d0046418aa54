#include "memory/frames.h"

#include <errno.h>
#include <stdlib.h>

#include "base/align.h"

static bool get(const uint64_t *bits, uint64_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}
static void set(uint64_t *bits, uint64_t i, bool value)
{
    if (value)
        bits[i / 64] |= 1ull << (i % 64);
    else
        bits[i / 64] &= ~(1ull << (i % 64));
}

int frames_open(struct frames *frames, uint64_t bytes)
{
    uint64_t words = bytes / PAGE_BYTES / 64 + 1;
    *frames = (struct frames){.pages = bytes / PAGE_BYTES,
                              .used = calloc(words, 8),
                              .first = calloc(words, 8),
                              .kept = calloc(words, 8)};
    return frames->used && frames->first && frames->kept ? 0 : ENOMEM;
}

static uint64_t search(const struct frames *frames, uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t run = 0;
    for (uint64_t page = from; page < to; page++) {
        run = get(frames->used, page) ? 0 : run + 1;
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
    for (uint64_t i = 0; i < count; i++)
        set(frames->used, page + i, true);
    set(frames->first, page, true);
    frames->next = page + count;
    return page * PAGE_BYTES;
}

static bool has(const struct frames *frames, uint64_t offset, uint64_t length)
{
    uint64_t page = offset / PAGE_BYTES, count = length / PAGE_BYTES;
    if (offset % PAGE_BYTES || length % PAGE_BYTES || !count || page >= frames->pages ||
        count > frames->pages - page)
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!get(frames->used, page + i) || get(frames->first, page + i) != (i == 0))
            return false;
    return page + count == frames->pages || !get(frames->used, page + count) ||
           get(frames->first, page + count);
}

bool frames_has(const struct frames *frames, uint64_t offset, uint64_t length)
{
    return has(frames, offset, length) && !get(frames->kept, offset / PAGE_BYTES);
}

bool frames_kept(const struct frames *frames, uint64_t offset, uint64_t length)
{
    return has(frames, offset, length) && get(frames->kept, offset / PAGE_BYTES);
}

void frames_keep(struct frames *frames, uint64_t offset)
{
    set(frames->kept, offset / PAGE_BYTES, true);
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
    while (frames->to_look_at &&
           !(get(frames->first, frames->look_at) && get(frames->kept, frames->look_at)))
        frames_looked_at(frames, PAGE_BYTES);
    uint64_t page = frames->look_at, end = page + 1;
    if (!frames->to_look_at)
        return false;
    while (end < frames->pages && get(frames->used, end) && !get(frames->first, end))
        end++;
    *offset = page * PAGE_BYTES;
    *length = (end - page) * PAGE_BYTES;
    return true;
}

void frames_free(struct frames *frames, uint64_t offset, uint64_t length)
{
    uint64_t page = offset / PAGE_BYTES;
    set(frames->first, page, false);
    set(frames->kept, page, false);
    for (uint64_t i = 0; i < length / PAGE_BYTES; i++)
        set(frames->used, page + i, false);
}
