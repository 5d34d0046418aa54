/* The kernel around the shared kernel's capabilities, for threads that stand for its cores: its
 * lock, and a table of pages that nobody maps. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CORES_MOST = 8, PAGES = 24, RAM_PAGES = 32 };

/* The kernel, with an empty table. */
struct shared_kernel *around_open(void);
/* Of a page: its Mapping's reference, under the kernel's lock, or 0; whether nothing lies there. */
uint64_t around_mapping(uint32_t slot);
bool around_free(uint32_t slot);
