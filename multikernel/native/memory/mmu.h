/* A core's page table as the kernels see it: a table of functions over slots, given to them as an
 * argument. The host's own page table is one (vspace.h); the state-space explorer has another. */
#pragma once

#include <stdint.h>

#include "base/verdict.h"

enum rights { RIGHTS_NONE = 0, RIGHTS_READ = 1, RIGHTS_WRITE = 3 };

/* This core's page table. insert makes the slot's mapping with those rights; protect changes the
 * rights of all of it; retire says that it is unreachable for good and may be removed when there is
 * time. */
struct mmu {
    void *context;
    enum verdict (*insert)(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights);
    enum verdict (*protect)(void *context, uint32_t slot, uint32_t rights);
    void (*retire)(void *context, uint32_t slot);
};
