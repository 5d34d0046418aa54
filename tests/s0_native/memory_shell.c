/* Address ranges, frames and histogram buckets, one operation at a time.
 *
 * address range  o BASE SIZE: an empty table
 *                t SLOT LENGTH: an address that SLOT then holds, 0 full
 *                u SLOT: free again, 1
 * frames         O BYTES: a lender that has all of them, and a borrower that has none
 *                w WHICH: from now on the lender (0) or the borrower
 *                d ACTION OFFSET BYTES GENERATION MOST USED: the verdict, and then offset, bytes,
 *                  generation and used
 *                h OFFSET BYTES GENERATION: is that a frame
 *                n PAGE: pages that begin there and may come back
 *                x OFFSET BYTES: they leave, or one is in use (0)
 *                X OFFSET BYTES GONE
 *                v: pages available
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
static struct frames *frames[2];
static uint32_t which;
static const struct sparse no_mappings;

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

static void open_frames(uint64_t pages)
{
    which = 0;
    for (int i = 0; i < 2; i++) {
        free(frames[i]);
        frames[i] = calloc(1, frames_bytes(pages));
        if (!frames[i])
            exit(2);
        frames_init(frames[i], pages, i == 0);
    }
}

static void act(const uint64_t *n)
{
    struct frames_request r = {.action = (uint32_t)n[0],
                               .offset = n[1],
                               .length = n[2],
                               .generation = (uint32_t)n[3],
                               .most = n[4],
                               .used = n[5]};
    const enum verdict verdict = frames_do(frames[which], &no_mappings, 1, &r);
    printf("%d %llu %llu %u %d\n", verdict, (unsigned long long)r.offset,
           (unsigned long long)r.length, r.generation, r.used != 0);
    fflush(stdout);
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
            open_frames(a / PAGE_BYTES);
            shell_say(1);
            break;
        case 'w':
            which = (uint32_t)a;
            shell_say(1);
            break;
        case 'd':
            act(operation.number);
            break;
        case 'h':
            shell_say(frames_has(frames[which], a, b, (uint32_t)operation.number[2]));
            break;
        case 'n':
            shell_say((int64_t)frames_out(frames[which], a));
            break;
        case 'x':
            shell_say(frames_leave(frames[which], a, b));
            break;
        case 'X':
            frames_left(frames[which], a, b, operation.number[2] != 0);
            shell_say(1);
            break;
        case 'v':
            shell_say((int64_t)frames[which]->free);
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
