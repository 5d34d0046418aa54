/* A program's request about capabilities, and what both kernels do with one, where a look at one
 * state of capabilities is enough. References mean something on one core alone, so a task does not
 * travel. What other cores have to agree to, or which locks to hold, is the kernels' to know. */
#pragma once

#include "capability/cspace.h"

struct capability_task {
    uint64_t source;           /* reference */
    struct cspace_place place; /* on the core where the new capability goes */
    uint64_t offset, size;     /* of a revoke that has begun, the range's address */
    uint32_t type, count, rights;
    uint32_t to;       /* copy: the core */
    uint8_t move;      /* copy: the source goes */
    uint8_t begun;     /* delete, revoke: something is gone; STALE means that others did the rest */
    uint8_t operation; /* what is asked for: enum operation_number */
    uint8_t tried;     /* alone, just now, and the others have to agree */
    uint32_t reserved;
    uint64_t victim; /* delete, revoke: what stands in the way and needs agreement; 0: nothing */
    uint64_t made;
    uint64_t fresh, fresh_size; /* what is a Frame now and was not: to be cleared; in bytes */
};

/* May it be copied, or moved, there? Of a move, the task gets the source's rights. OK: within the
 * core, as far as the source is concerned. NEEDS_AGREEMENT: away from it, as far as is known
 * here. */
enum capability_verdict capability_check_copy(const struct cspace *cs, struct capability_task *t,
                                              bool away);
/* Makes count objects of the source's memory, each of that size and the first at that offset, in
 * consecutive slots. Needs CAP_WRITE. made: the first one's reference. Mappings are made by
 * capability_map. */
enum capability_verdict capability_retype(struct cspace *cs, struct capability_task *t,
                                          uint64_t operation);
/* The Frame to map. */
enum capability_verdict capability_find_frame(const struct cspace *cs,
                                              const struct capability_task *t, uint32_t *slot);
/* Records that a Frame is mapped at that virtual address, with those of its rights. The Mapping has
 * a page from now on: copies of it are in the cores' page tables. Deleting it is unmapping. */
enum capability_verdict capability_map(struct cspace *cs, struct capability_task *t,
                                       uint64_t virtual_address, uint32_t rights);
/* At most that many capabilities; MORE: again. NEEDS_AGREEMENT: the pages that go with the task's
 * victim have to be unmapped first, all or none. */
enum capability_verdict capability_delete(struct cspace *cs, struct capability_task *t,
                                          uint32_t work);
/* After some of a deletion or revocation was done: what has become of it. */
enum capability_verdict capability_went(const struct cspace *cs, struct capability_task *t,
                                        enum capability_verdict verdict,
                                        const struct cspace_progress *progress);
