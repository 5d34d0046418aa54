/* Address ranges, frames and histogram buckets, one operation at a time.
 *
 * address range  o BASE SIZE: an empty table
 *                t SLOT LENGTH: an address that SLOT then holds, 0 full
 *                u SLOT: free again, 1
 * frames         O BYTES: all free
 *                a BYTES: offset, -1 none
 *                h OFFSET BYTES: is that a frame
 *                f OFFSET BYTES: 1 freed
 *                v: bytes available
 * histogram      b VALUE: its bucket */
#include "base/histogram.h"
#include "memory/address_range.h"
#include "memory/frames.h"

#include "shell.h"

enum { SLOTS = 256 };

struct table {
    uint64_t start[SLOTS], end[SLOTS];
};

static struct table table;
static struct address_range range;
static struct frames frames;

static int live(void *context, uint32_t i, uint64_t *start, uint64_t *end)
{
    const struct table *t = context;
    *start = t->start[i];
    *end = t->end[i];
    return t->end[i] != 0;
}

static int64_t take(uint64_t slot, uint64_t length)
{
    uint64_t address = address_range_take(&range, length, live, &table, SLOTS);
    if (address) {
        table.start[slot] = address;
        table.end[slot] = address + length;
    }
    return (int64_t)address;
}

static uint64_t available(void)
{
    uint64_t used = 0;
    for (uint64_t page = 0; page < frames.pages; page++)
        used += frames.state[page] != PAGE_FREE;
    return (frames.pages - used) * PAGE_BYTES;
}

/* As reclaim.c goes through them: the page and how many, or -1. */
static int64_t next_kept(void)
{
    uint64_t offset, length;
    if (!frames_next_kept(&frames, &offset, &length))
        return -1;
    frames_looked_at(&frames, length);
    return (int64_t)(offset / PAGE_BYTES * 1000 + length / PAGE_BYTES);
}

int main(void)
{
    struct operation_line operation;
    while (shell_next(&operation)) {
        uint64_t a = operation.number[0], b = operation.number[1];
        switch (operation.letter) {
        case 'o':
            memset(&table, 0, sizeof table);
            address_range_init(&range, a, b);
            shell_say(1);
            break;
        case 't':
            shell_say(take(a, b));
            break;
        case 'u':
            table.start[a] = table.end[a] = 0;
            shell_say(1);
            break;
        case 'O':
            free(frames.state);
            shell_say(frames_open(&frames, a) == 0);
            break;
        case 'a':
            shell_say((int64_t)frames_allocate(&frames, a));
            break;
        case 'h':
            shell_say(frames_has(&frames, a, b, PAGE_FIRST));
            break;
        case 'f':
            frames_free(&frames, a, b);
            shell_say(1);
            break;
        case 'k':
            frames_keep(&frames, a);
            shell_say(1);
            break;
        case 's':
            frames_search(&frames);
            shell_say(1);
            break;
        case 'n':
            shell_say(next_kept());
            break;
        case 'v':
            shell_say((int64_t)available());
            break;
        case 'b':
            shell_say(histogram_bucket(a));
            break;
        default:
            shell_unknown(&operation);
        }
    }
    return 0;
}
