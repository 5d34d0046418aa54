/* What the files of monitor/capability share; for nobody else. The rows themselves, and how they
 * travel: ranges.c. */
#pragma once

#include "capability/cspace_inside.h"
#include "monitor/operation.h"

enum how { HOW_MOVE = 1, HOW_OWNER = 2, HOW_EVERYBODY = 4 };

/* Retype, argument 3: nobody but the owner and who asks has to be asked. */
enum { RETYPE_OWNER_VOUCHES = 1 };

#define NO_HEIR              0xffffull
#define HEIR_HAS_DESCENDANTS (1ull << 32)

static inline bool initiated_here(const struct monitor *m, const struct operation *op)
{
    return op->id >> 48 == m->me;
}

static inline struct capability_task *task_of(struct monitor *m, const struct operation *op)
{
    return monitor_task(m, (uint32_t)(op - monitor_own(m, 0)));
}

static inline uint64_t range_address(const struct operation *op)
{
    return op->slot | (uint64_t)op->generation << 32;
}

static inline uint64_t range_end(const struct operation *op)
{
    return range_address(op) + op->argument[0];
}

static inline void about_range(struct operation *op, uint64_t address, uint64_t size)
{
    op->slot = (uint32_t)address;
    op->generation = (uint32_t)(address >> 32);
    op->argument[0] = size;
    op->argument[1] = op->argument[2] = op->argument[3] = 0;
}

static inline uint32_t copy_destination(const struct operation *op)
{
    return (uint32_t)(op->argument[1] >> 48);
}

static inline uint32_t copy_how(const struct operation *op)
{
    return op->argument[1] >> 16 & 0xf;
}

/* What came in a message is not trusted. */
static inline bool makes_sense(const struct operation *op)
{
    return cspace_whole_pages(range_address(op), op->argument[0]);
}

/* The object kind of all of them: a range of memory. */
extern const struct object_kind capability_ranges;

/* What others have, for who takes part in deciding: is anything derived from it here, or it from
 * something? (CAP_REMOTE_...) */
uint32_t capability_relations_here(const struct cspace *cs, uint32_t slot);
/* The first capability here to what the operation's range is; 0: there is none. */
uint64_t capability_found(const struct cspace *cs, const struct operation *op);
/* Copies here, of an object that has another owner from now on, and more relations, if any. */
void capability_owned_by(struct cspace *cs, uint64_t reference, uint32_t owner, uint32_t relations);
/* Whom this core has asked in vain may own it from now on. */
void capability_changes_hands(struct monitor *m);
/* Fills a copy's or move's arguments: how it is to be done depends on who else has copies. */
void capability_ask_to_copy(const struct monitor *m, struct operation *op,
                            const struct capability_task *t, uint32_t slot);

/* The same in several rows. */
enum verdict capability_begin(struct monitor *m, struct operation *op,
                              const struct request *request);
enum verdict capability_resume(struct monitor *m, struct operation *op);
/* Does this core own what another has asked it to order, and who has to take part? */
enum verdict capability_sequence(struct monitor *m, struct operation *op);
enum verdict capability_may_prepare(struct monitor *m, const struct operation *op);
void capability_adopt(struct monitor *m, struct operation *op);
void capability_abort_nothing(struct monitor *m, struct operation *op, const struct environment *env);
bool capability_settled(struct monitor *m, struct operation *op);
/* A step on the way to what was asked for: what else is there to do? (delete, unmap) */
bool capability_step_settled(struct monitor *m, struct operation *op);

/* Fills the operation for the unmap of all pages that go with the victim: OK, ALONE: there are
 * none; BUSY, or PINNED here. */
enum verdict capability_ask_to_unmap(struct monitor *m, struct operation *op, uint32_t victim);
/* The Mapping that stands for an entry, at its home; and what is left to do when the entry goes
 * (map_frame.c). */
uint32_t capability_of_page(const struct monitor *m, const struct mapping *mapping);
void capability_page_deleted(struct monitor *m, const struct mapping *mapping);

/* One page, by its entry: OK, PINNED or BUSY; then it is unreachable, and at the end it is gone, or
 * back again, where the operation holds it. */
enum verdict capability_page_may_go(const struct monitor *m, uint32_t slot);
enum verdict capability_page_block(struct monitor *m, const struct operation *op, uint32_t slot,
                                   const struct environment *env);
void capability_page_drop(struct monitor *m, const struct operation *op, uint32_t slot,
                          const struct environment *env);
void capability_page_restore(struct monitor *m, const struct operation *op, uint32_t slot,
                             const struct environment *env);
/* A revoke's part in the pages of its range, on this core. PINNED, BUSY, or CAP_MAPPED refuse
 * it. */
enum verdict capability_pages_prepare(struct monitor *m, struct operation *op,
                                      const struct environment *env);
void capability_pages_commit(struct monitor *m, struct operation *op, const struct environment *env);
void capability_pages_abort(struct monitor *m, struct operation *op, const struct environment *env);
