/* What operations on capabilities share. What they are, and how they travel: ranges.c. */
#pragma once

#include "capability/cspace_going.h"
#include "monitor/mapping/mapping.h"

enum how { HOW_MOVE = 1, HOW_OWNER = 2, HOW_EVERYBODY = 4 };

/* Retype, argument 3: nobody but owner and initiator has to take part. */
enum { RETYPE_OWNER_VOUCHES = 1 };

#define NO_HEIR              0xffffull
#define HEIR_HAS_DESCENDANTS (1ull << 32)

static inline uint64_t range_address(const struct agreement *a)
{
    return a->slot | (uint64_t)a->generation << 32;
}

static inline uint64_t range_end(const struct agreement *a)
{
    return range_address(a) + a->argument[0];
}

static inline void about_range(struct agreement *a, uint64_t address, uint64_t size)
{
    a->slot = (uint32_t)address;
    a->generation = (uint32_t)(address >> 32);
    a->argument[0] = size;
    a->argument[1] = a->argument[2] = a->argument[3] = 0;
}

/* What the program gets: DONE, as struct output_entry has it. */
static inline void capability_made(struct agreement *a, const struct capability_task *t)
{
    about_range(a, t->made, 0);
    a->argument[2] = t->fresh;
    a->argument[3] = t->fresh_size;
}

static inline uint32_t copy_destination(const struct agreement *a)
{
    return (uint32_t)(a->argument[1] >> 48);
}

static inline uint32_t copy_how(const struct agreement *a)
{
    return a->argument[1] >> 16 & 0xf;
}

/* What came in a message is not trusted. Root CNodes are nobody's to agree about. */
static inline bool makes_sense(const struct agreement *a)
{
    return cspace_whole_pages(range_address(a), a->argument[0]) && range_end(a) <= CSPACE_ROOTS;
}

/* The object kind of all of them: a range of memory. */
extern const struct object_kind capability_ranges;

/* The first capability here to what the operation's range is; NO_CAPABILITY. */
uint32_t capability_found(const struct cspace *cs, const struct agreement *a);
/* Whom this core has asked in vain may own it from now on. */
void capability_changes_hands(struct monitor *m);

/* --- The same for several kinds --- */

/* What one core decides alone (task.c). */
enum verdict capability_alone(struct monitor *m, struct capability_task *t);
/* Does this core own what another has asked it to order, and which cores have to take part? */
enum verdict capability_sequence(const struct monitor *m, struct agreement *a);
enum verdict capability_check(const struct monitor *m, const struct agreement *a);
void capability_nothing(struct monitor *m, const struct environment *env, struct agreement *a);
bool capability_settled(struct monitor *m, struct workflow *w, struct agreement *a);

/* --- How workflows go on from step to step (asking.c) --- */

enum verdict capability_begin(struct monitor *m, const struct environment *env, struct workflow *w,
                              struct agreement *a, const struct request *request);
/* Fills the agreement for what is still to be agreed. */
enum verdict capability_resume(struct monitor *m, struct workflow *w, struct agreement *a);
/* The next own page from that slot on that goes with the victim, whose CNodes are closing; NO_PAGE:
 * there is none. */
uint32_t capability_next_going(const struct monitor *m, uint32_t slot, uint32_t victim);
enum { NO_PAGE = UINT32_MAX };
/* After a step on the way to what was asked for: true when nothing is left to do. */
bool capability_step_settled(struct monitor *m, struct workflow *w, struct agreement *a);

/* --- Pages of Frames --- */

/* The Mapping that stands for an entry, at its home; and what is left to do when the entry goes
 * (pages.c). */
uint32_t capability_of_page(const struct monitor *m, const struct mapping *mapping);
void capability_page_deleted(struct monitor *m, const struct mapping *mapping);
void capability_page_undecided(struct monitor *m, const struct mapping *mapping, bool undecided);

/* One page, by its entry: OK, PINNED or BUSY; then it is unreachable, and at the end it is gone, or
 * back again, where the operation holds it. */
enum verdict capability_page_may_go(const struct monitor *m, uint32_t slot);
enum verdict capability_page_block(struct monitor *m, const struct environment *env,
                                   const struct agreement *a, uint32_t slot);
void capability_page_settle(struct monitor *m, const struct environment *env,
                            const struct agreement *a, uint32_t slot, bool goes);
/* A revoke's part in the pages of its range, on this core. PINNED, BUSY, or CAP_MAPPED refuse
 * it. */
enum verdict capability_pages_prepare(struct monitor *m, const struct environment *env,
                                      struct agreement *a);
void capability_pages_settle(struct monitor *m, const struct environment *env,
                             const struct agreement *a, bool go);

extern const struct operation_kind copy_operation, retype_operation, revoke_operation;
extern const struct operation_kind delete_operation, map_frame_operation, unmap_going_operation;
extern const struct operation_kind reclaim_operation;
