/* The shared kernel behind the driver's kernel interface. */
#pragma once

#include "driver/kernel.h"

extern const struct kernel kernel_shared;

/* Bytes of state it needs in the segment; cnodes: of each core's capabilities; scope: what the
 * locks of those are of (shared/capabilities.h). */
uint64_t shared_kernel_bytes(uint32_t cores, uint32_t slots_per_core, uint32_t cnodes,
                             uint32_t scope, uint64_t memory_bytes);
