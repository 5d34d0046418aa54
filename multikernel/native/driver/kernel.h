/* Two kernels, one interface. What differs between the multikernel and the shared kernel is behind
 * these functions; the driver's loop, its channels, its modes and the programs on top are the same
 * for both (DESIGN section 4). */
#pragma once

#include "monitor/monitor.h"

struct driver;

struct kernel {
    const char *name;
    /* Begins map, unmap or protect. PENDING: driver_complete(request->ticket) follows. BUSY: ask
     * again later. Otherwise the final verdict, with result filled like OUTPUT_DONE's message. */
    enum verdict (*begin)(struct driver *, const struct request *, struct message *result);
    /* Does what others have asked of this core by other ways than its channels; true if there was
     * something. Safe in the interrupt handler and while waiting for a lock. */
    bool (*serve)(struct driver *);
    /* See monitor_pin, monitor_unpin, monitor_fault. */
    enum verdict (*pin)(struct driver *, uint32_t slot, uint32_t generation);
    enum verdict (*unpin)(struct driver *, uint32_t slot, uint32_t generation);
    enum verdict (*fault)(struct driver *, uint32_t slot, uint32_t generation, int write);
    uint64_t (*digest)(struct driver *, const uint64_t *set);
    void (*count)(struct driver *, uint32_t *mapped, uint32_t *locked);
    /* Is a page of this frame mapped, as far as this core knows? */
    bool (*frame_in_use)(struct driver *, uint64_t frame, uint64_t length);
};

extern const struct kernel kernel_multikernel, kernel_shared;

/* Bytes of state the shared kernel needs in the segment; trees: whether it is told along trees;
 * cnodes: of each core's capabilities; scope: what the locks of those are of
 * (shared/capabilities.h). */
uint64_t shared_kernel_bytes(uint32_t cores, uint32_t slots_per_core, bool trees, uint32_t cnodes,
                             uint32_t scope);
