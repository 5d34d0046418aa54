/* The requests about capabilities that measuring loops make: a page of RAM to a Frame, and whatever
 * is about one capability. Their words: driver/requests.h. */
#pragma once

#include "probes/probes.h"

enum { ASKING_RIGHTS_SHIFT = 16, ASKING_TYPE_SHIFT = 16, ASKING_HIGH_SHIFT = 32 };

static inline struct message asking(uint32_t kind)
{
    return (struct message){{message_head(kind, 0, 0, 0, 0)}};
}

static inline struct message asking_about(uint32_t kind, uint64_t reference)
{
    struct message request = asking(kind);
    request.word[1] = reference;
    return request;
}

/* `count` Frames of a page each, from `offset` of that RAM on, to the slots from `index` on. */
static inline struct message asking_for_frames(uint64_t ram, uint64_t cnode, uint32_t index,
                                               uint64_t count, uint64_t offset)
{
    struct message request = asking_about(KIND_CAP_RETYPE, ram);
    request.word[2] = cnode;
    request.word[3] = index | (uint64_t)CAP_FRAME << ASKING_TYPE_SHIFT | count << ASKING_HIGH_SHIFT;
    request.word[4] = offset;
    request.word[5] = PAGE_BYTES;
    return request;
}
