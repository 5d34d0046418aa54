/* Capabilities of the shared kernel: one state for all cores, in the segment, under locks that
 * capabilities.c describes. */
#pragma once

#include "driver/driver.h"

/* What the locks are of. */
enum { SCOPE_BIG = 0, SCOPE_REGION = 1, SHARED_REGIONS = 16 };

/* Bytes of it in the segment. */
uint64_t shared_capabilities_bytes(uint32_t cores, uint32_t cnodes, uint32_t scope);
/* On that memory, a multiple of 128; core 0 writes the state. */
void shared_capabilities_open(struct driver *d, void *memory, const struct driver_options *o);

/* An operation on capabilities, as kernel->begin has it; final verdicts all. */
enum verdict shared_capability(struct driver *d, const struct request *request,
                               struct message *result);
enum verdict shared_create_ram(struct driver *d, uint64_t address, uint64_t size,
                               const struct cspace_place *to, uint64_t *made);
enum verdict shared_unused(struct driver *d, uint64_t address, uint64_t size);
/* As kernel->look. */
enum verdict shared_look(struct driver *d, uint64_t slot, bool next, struct capability *found,
                         uint64_t *reference);
void shared_capabilities_digest(struct driver *d, uint64_t words[5]);

/* Unmaps a page that was made with that Mapping (map_frame.c), by all its ways. */
enum verdict shared_frame_unmap(struct driver *d, const struct request *request, uint64_t mapping,
                                struct message *result);
