#include "segment/segment.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

void segment_region(const struct geometry *g, struct region *region)
{
    uint64_t at = sizeof(struct doorbell);
    region->calls = at;
    region->call_stride = round_up((uint64_t)g->window * LINE_BYTES, PAD_BYTES);
    at += region->call_stride * g->cores;
    region->channels = at;
    at += (uint64_t)g->cores * g->user_channels * PAD_BYTES;
    region->rings = at;
    region->ring_stride = (uint64_t)g->ring_slots * LINE_BYTES;
    at += region->ring_stride * g->cores;
    region->client = round_up(at, PAD_BYTES);
    at = region->client + (uint64_t)CLIENT_CHANNELS * CLIENT_LINES * LINE_BYTES;
    region->trees = round_up(at, PAD_BYTES);
    region->tree_stride = round_up(6 * (uint64_t)g->cores, PAD_BYTES);
    region->sets = region->trees + 2 * region->tree_stride;
    region->set_stride = round_up(8 * (uint64_t)core_set_words(g->cores), PAD_BYTES);
    region->client_sets = region->sets + OPERATION_LANES * region->set_stride;
    at = region->client_sets + CLIENT_CHANNELS * CLIENT_LINES * region->set_stride;
    region->scratch = at;
    region->trace = round_up(at + SCRATCH_BYTES, PAD_BYTES);
    region->bytes = round_up(region->trace + trace_bytes(g->trace_events), PAGE_BYTES);
}

uint64_t segment_bytes(const struct geometry *g)
{
    struct region region;
    segment_region(g, &region);
    return HEADER_BYTES + region.bytes * g->cores + round_up(g->shared_bytes, PAGE_BYTES);
}

void segment_init(struct segment *segment, const struct geometry *g)
{
    struct region region;
    segment_region(g, &region);
    segment->version = SEGMENT_VERSION;
    segment->header_bytes = sizeof(struct segment);
    segment->geometry = *g;
    segment->size = segment_bytes(g);
    segment->region_bytes = region.bytes;
    segment->regions_offset = HEADER_BYTES;
    segment->shared_offset = segment->regions_offset + region.bytes * g->cores;
    segment->magic = SEGMENT_MAGIC;
}

int segment_keep_layout(struct segment *segment, int file)
{
    if (mmap(segment, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) ==
        MAP_FAILED)
        return errno;
    /* A private page is the file's until it is written. */
    *(volatile uint32_t *)&segment->version = segment->version;
    return mprotect(segment, PAGE_BYTES, PROT_READ) ? errno : 0;
}

enum { LAYOUT_BYTES = offsetof(struct segment, shared_offset) + sizeof(uint64_t) };

/* Is there such a segment? What follows from the numbers is then far from wrapping round. */
static bool makes_sense(const struct geometry *g)
{
    return g->cores - 1 < CORES_MAX && g->window - 1 < CALL_WINDOW_MAX &&
           g->user_channels - 1 < USER_CHANNELS_MAX && g->shared_bytes < 1ull << 48 &&
           g->trace_events <= TRACE_EVENTS_MAX && !(g->trace_events & (g->trace_events - 1)) &&
           (!g->ring_slots || (g->ring_slots >= RING_SLOTS_MIN && g->ring_slots <= RING_SLOTS_MAX &&
                               !(g->ring_slots & (g->ring_slots - 1))));
}

const char *segment_check(const struct segment *segment, uint64_t mapped)
{
    if (mapped < sizeof(struct segment))
        return "it is smaller than its header";
    if (segment->magic != SEGMENT_MAGIC)
        return "its magic number is not a kernel segment's";
    if (segment->version != SEGMENT_VERSION)
        return "its version is another one";
    struct segment made = {.magic = 0};
    if (makes_sense(&segment->geometry))
        segment_init(&made, &segment->geometry);
    if (memcmp(segment, &made, LAYOUT_BYTES) != 0)
        return "its layout is another one: it comes from another build";
    return segment->size > mapped ? "it is truncated" : NULL;
}
