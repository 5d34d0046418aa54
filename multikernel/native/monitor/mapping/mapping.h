/* The replica of mappings, as the kinds of operation change it. */
#pragma once

#include "monitor/operation.h"

/* The object kind of all that is about mappings: entries, numbered and locked one by one. */
extern const struct object_kind monitor_mappings;
extern const struct operation_kind map_operation, unmap_operation, protect_operation;

/* What a map does once it has begun, of a Frame that is a capability or not. */
void map_adopt(struct monitor *m, const struct environment *env, struct agreement *a);
enum verdict map_prepare(struct monitor *m, const struct environment *env, struct agreement *a);
void map_commit(struct monitor *m, const struct environment *env, struct agreement *a);
void map_undo(struct monitor *m, const struct environment *env, struct agreement *a);
/* What is to be mapped, in bytes. */
uint64_t map_frame(const struct agreement *a);
uint64_t map_length(const struct agreement *a);

/* The entry, made if this core has none. There is room: check has looked. */
struct mapping *mapping_make(struct monitor *m, uint32_t slot);
/* The entry is free from now on. At home its Mapping capability goes with it, if it has one. */
void mapping_free(struct monitor *m, const struct environment *env, struct mapping *mapping);
/* The entry stands for a Mapping capability that its home has. */
void mapping_record(struct monitor *m, uint32_t slot);
/* Its lock is given back, and with that all that was to be forgotten then. */
void mapping_unlock(struct monitor *m, const struct environment *env, struct mapping *mapping);

/* Are those rights that a page may be given, and its Mapping capability, if it has one, allows? */
enum verdict mapping_check_rights(const struct mapping *mapping, uint32_t generation,
                                  uint32_t rights);
/* What unmap and protect have in common: the page is mapped and not pinned; its rights are noted,
 * and those that are not in argument 0 taken away; it has them again. */
enum verdict mapping_check(const struct monitor *m, const struct agreement *a);
enum verdict mapping_take_rights(struct monitor *m, const struct environment *env,
                                 struct agreement *a);
void mapping_foresee(const struct monitor *m, const struct agreement *a, struct foresight *f);
void mapping_restore(struct monitor *m, const struct environment *env, struct agreement *a);

/* --- Its holders --- */

/* Cores in a word, of a set that came with a message or a request. There is room: check has
 * looked. */
void mapping_hold(struct monitor *m, struct mapping *mapping, uint64_t holders,
                  const uint64_t *set);
bool mapping_has_room(const struct monitor *m, uint32_t slot, uint64_t holders);
/* NULL: all cores. */
const uint64_t *mapping_holders(const struct monitor *m, const struct mapping *mapping,
                                uint64_t *buffer);
