/* Physical memory: which pages of the memory segment are handed out as frames, and as what. One
 * flat block without pointers, a word a page; first fit from where the last search ended.
 *
 * In the multikernel every core has one. All memory is core 0's at boot; it lends the others runs
 * of pages, out of which they hand out frames by themselves. The core that handed a frame out keeps
 * it: it alone knows which handles of it are good, so it takes part in every map of it, and no core
 * asks another before it maps what it keeps itself. What is left of a run comes back when core 0
 * has no more (frames_leave). In the shared kernel there is one for all cores, under its lock.
 *
 * A handle names a frame's place, length, keeper and generation: that of its first page, which
 * counts how often a frame began there. It is good as long as all of them are right.
 *
 * Memory is zero at boot. What was handed out before is USED, and is to be cleared before anybody
 * else gets it; that is for the caller to do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sparse.h"
#include "base/verdict.h"

struct frames {
    uint64_t pages;
    uint64_t free;      /* how many are */
    uint64_t next;      /* where the next search begins, */
    uint64_t low, high; /* ... and all pages that ever were free here lie in between */
    uint32_t at_boot;   /* what a page is that nothing was done with */
    uint32_t page[];    /* state 0-3, USED 4, generation 5-31 */
};

enum frames_action {
    FRAMES_ALLOCATE, /* length -> offset, generation, used. NO_MEMORY */
    FRAMES_KEEP,     /* the same, of memory for capabilities */
    FRAMES_FREE,     /* offset, length, generation. NOT_A_FRAME, FRAME_IN_USE; BUSY: ask again */
    FRAMES_OFFER,  /* length, most -> offset, length (most if there is so much), used. NO_MEMORY */
    FRAMES_BORROW, /* offset, length, used: what was offered is this core's now */
    FRAMES_LEND,   /* offset, length: ... and its lender has heard of that */
    FRAMES_RETURN, /* offset, length: what was kept or lent, and nobody has any of it any more */
};

/* Asked and answered in place; all in bytes. */
struct frames_request {
    uint32_t action;
    uint32_t generation;
    uint64_t offset, length, most;
    uint64_t used; /* not 0: somebody may have written there */
};

static inline size_t frames_bytes(uint64_t pages)
{
    return sizeof(struct frames) + pages * sizeof(uint32_t);
}

/* In a zeroed block of frames_bytes. all: it is this core's at boot. */
void frames_init(struct frames *frames, uint64_t pages, bool all);

/* mappings: the table that knows every page mapped of what is handed out here; keeper: as in its
 * entries. */
enum verdict frames_do(struct frames *frames, const struct sparse *mappings, uint32_t keeper,
                       struct frames_request *request);

/* Is that memory, in whole pages? */
bool frames_there_are(const struct frames *frames, uint64_t offset, uint64_t length);
/* Is that exactly a frame that is handed out here? */
bool frames_has(const struct frames *frames, uint64_t offset, uint64_t length, uint32_t generation);
/* ... or memory that was given to capabilities? */
bool frames_is_kept(const struct frames *frames, uint64_t offset, uint64_t length);
/* How many pages begin there that are kept or lent, so that they might come back; 0: none. */
uint64_t frames_out(const struct frames *frames, uint64_t page);

/* Where a core is asked for pages that it borrowed: they leave, unless one of them is in use. All
 * agree, and they are gone; or they do not, and the pages stay. */
bool frames_leave(struct frames *frames, uint64_t offset, uint64_t length);
void frames_left(struct frames *frames, uint64_t offset, uint64_t length, bool gone);
