/* The kernel segment: everything cores say to one another, and nothing else. A header, then one
 * region a core, then the shared kernel's state. A region holds what its owner receives on, so that
 * the owner, pinned, is the first to touch it and it lies in the owner's memory:
 *
 *   doorbell | call lines from each core | user channels from each core | rings from each core |
 *   the client's lines | its tree's tables | core sets | scratch memory, which no kernel uses |
 *   its trace, where one is kept
 *
 * Offsets, never pointers; magic, version and geometry are checked on attach. Made and unlinked by
 * the supervisor. The header's first page says where everything lies, so every process keeps a copy
 * of its own that nobody can write: a wild pointer of a program on one core leads nobody astray who
 * is not a core. */
#pragma once

#include <stddef.h>

#include "base/align.h"
#include "base/core_set.h"
#include "base/trace.h"
#include "channel/call_line.h"
#include "channel/doorbell.h"
#include "channel/ring.h"

#define SEGMENT_MAGIC 0x314c4e52454b4d75ull /* "uMKERNL1" */
enum {
    SEGMENT_VERSION = 1,
    CLIENT_LINES = 32,   /* window of each of the clients' channels to a core */
    CLIENT_CHANNELS = 3, /* the launcher's requests, its programs, the supervisor's inspection */
    /* Operations a core may have under way at once, with those of which only acknowledgements are
     * missing; in a large system half as many (multikernel/shape.c). */
    OPERATION_LANES = 32,
    USER_CHANNELS_MAX = 1 << 16, /* more than anybody asks for */
    SCRATCH_BYTES = 128 * PAD_BYTES,
    TRACE_EVENTS_MAX = 1 << 24,
    HEADER_BYTES = 2 * PAGE_BYTES,
};

/* What the supervisor decides; all else follows. */
struct geometry {
    uint32_t cores;
    uint32_t window;        /* call lines an ordered pair */
    uint32_t user_channels; /* single call lines an ordered pair for programs, at least 1 */
    uint32_t ring_slots;    /* of the ring an ordered pair; 0: no rings */
    uint64_t shared_bytes;  /* of the shared kernel's state; 0: another kernel */
    uint64_t trace_events;  /* that a core's trace keeps, a power of two; 0: there is none */
};

struct segment {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    struct geometry geometry;
    uint64_t size;
    uint64_t region_bytes;
    uint64_t regions_offset;
    uint64_t shared_offset;
    _Alignas(PAGE_BYTES) _Atomic uint32_t go; /* supervisor: every core is ready */
    _Atomic uint32_t stop;                    /* supervisor: leave your waits */
};
static_assert(sizeof(struct segment) == HEADER_BYTES, "what is shared of it has a page to itself");

/* Offsets inside a region. */
struct region {
    uint64_t calls, call_stride;
    uint64_t channels;
    uint64_t rings, ring_stride;
    uint64_t client;
    uint64_t trees, tree_stride; /* two tables of the owner's tree */
    uint64_t sets, set_stride;   /* core sets that the owner's operations name, by lane */
    uint64_t client_sets;        /* ... and the client's requests, by channel and line */
    uint64_t scratch;
    uint64_t trace;
    uint64_t bytes;
};

void segment_region(const struct geometry *geometry, struct region *region);
uint64_t segment_bytes(const struct geometry *geometry);

/* Writes the header into zeroed memory of segment_bytes. */
void segment_init(struct segment *segment, const struct geometry *geometry);

/* The segment is that file, mapped: from here on the first page is a copy that nobody can write, of
 * this process and those that it forks. 0, or an errno. */
int segment_keep_layout(struct segment *segment, int file);

/* NULL when fine, else what is wrong with it, for an error message. */
const char *segment_check(const struct segment *segment, uint64_t mapped_bytes);

/* What lies so far into a core's region. */
static inline void *segment_at(struct segment *segment, uint32_t core, uint64_t offset)
{
    return (char *)segment + segment->regions_offset + core * segment->region_bytes + offset;
}
static inline struct doorbell *segment_doorbell(struct segment *segment, uint32_t core)
{
    return segment_at(segment, core, 0);
}
/* The lines on which `from` calls `to`; they lie with the answering side, which polls them. */
static inline struct slot *segment_calls(struct segment *segment, const struct region *region,
                                         uint32_t from, uint32_t to)
{
    return segment_at(segment, to, region->calls + from * region->call_stride);
}
static inline struct slot *segment_channel(struct segment *segment, const struct region *region,
                                           uint32_t from, uint32_t to, uint32_t k)
{
    uint64_t index = (uint64_t)from * segment->geometry.user_channels + k;
    return segment_at(segment, to, region->channels + index * PAD_BYTES);
}
static inline struct slot *segment_ring(struct segment *segment, const struct region *region,
                                        uint32_t from, uint32_t to)
{
    return segment_at(segment, to, region->rings + from * region->ring_stride);
}
static inline struct slot *segment_client(struct segment *segment, const struct region *region,
                                          uint32_t core, uint32_t channel)
{
    return segment_at(segment, core,
                      region->client + (uint64_t)channel * CLIENT_LINES * LINE_BYTES);
}
/* What a core's operation in that lane names; written by that core. */
static inline uint64_t *segment_set(struct segment *segment, const struct region *region,
                                    uint32_t core, uint32_t lane)
{
    return segment_at(segment, core, region->sets + lane * region->set_stride);
}
/* What the client's request on that line names; written by the client, before it sends. */
static inline uint64_t *segment_client_set(struct segment *segment, const struct region *region,
                                           uint32_t core, uint32_t channel, uint32_t line)
{
    return segment_at(segment, core,
                      region->client_sets + (channel * CLIENT_LINES + line) * region->set_stride);
}
/* What a core does, where that is kept. */
static inline struct trace_log *segment_trace(struct segment *segment, const struct region *region,
                                              uint32_t core)
{
    return segment_at(segment, core, region->trace);
}
