/* What mapping.c shares with the rows in which mappings have capabilities
 * (monitor/capability/map_frame.c, monitor/capability/revoke.c). */
#pragma once

#include "monitor/operation.h"

/* The object kind of all rows about mappings: entries, numbered and locked one by one. */
extern const struct object_kind monitor_mappings;

/* The entry is free from now on. At home its Mapping capability goes with it, if it has one. */
void mapping_free(struct monitor *m, uint32_t slot);
/* The entry stands for a Mapping capability that its home has. */
void mapping_record(struct monitor *m, uint32_t slot);
/* What happens when an entry's lock is given back. */
void mapping_unlocked(struct monitor *m, uint32_t slot);
