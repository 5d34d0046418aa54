/* The shared kernel's state, in the segment and private, and how the holders of a page are notified
 * of a change: by one line that all poll (line.c), or along the initiator's multicast tree
 * (tree.c). Which of the two is decided at boot; both run under the kernel's one lock, so one
 * change is under way at a time. Lock, notification and page table are arguments (struct
 * shared_private, struct vspace), so that the same files run in virtual time. */
#pragma once

#include <unistd.h>

#include "driver/driver.h"
#include "locks/lock.h"
#include "monitor/tree.h"
#include "shared/change_line.h"

enum change_kind { CHANGE_INSERT = 1, CHANGE_PROTECT, CHANGE_UNMAP };

/* What is locked, or not: an entry's word is read without the lock by faults. */
struct shared_entry {
    struct mapping page;
    uint64_t mapping; /* the capability that it goes with, as a slot of all cores'; 0: none */
    uint64_t sets[];  /* holders, then the cores that have it pinned */
};

struct shared_kernel {
    struct lock lock;
    struct change_line line;
    _Alignas(PAD_BYTES) struct sparse mappings; /* under the lock from here on */
    struct new_mappings fresh;
    uint32_t slots, set_words;
    uint64_t frames;          /* where they lie, in bytes from here */
    struct lock_node nodes[]; /* the lock's queue, by core */
};

/* Between the cores of a system that notifies along trees (tree.c). */
enum { KIND_SHOOTDOWN = AGREEMENT_KINDS };
static_assert((int)KIND_SHOOTDOWN < (int)KIND_PING, "the kernel's own");

/* A change that this core makes, or passes on, along a tree. */
struct shootdown {
    uint32_t missing;   /* children that have not answered yet */
    bool failed;        /* here, or below */
    uint64_t answer_to; /* the parent's request; 0: the change is this core's, or answered */
};

/* How the holders of a page are notified. */
struct notification {
    /* Notifies every other holder; and waits until all have acknowledged. */
    void (*notify)(struct driver *d, uint32_t slot, enum change_kind what, uint32_t rights);
    enum verdict (*await)(struct driver *d);
    /* One moment in which this core acts on what it is notified of. */
    void (*meanwhile)(struct driver *d);
};

struct shared_private {
    struct shared_kernel *kernel;
    uint32_t *pins;     /* this core's, by slot */
    struct tree *trees; /* by root, in the segment: under the lock */
    const struct lock_algorithm *lock;
    const struct notification *notification;
    bool along_trees; /* else by the line */
    struct shootdown shootdown;
    _Atomic uint32_t *missing; /* the line's count of those notified; NULL: there are none */
    /* of capabilities; in the segment but for the last two */
    struct cspace *cspace;
    struct lock *locks; /* one a region, one a core's space */
    struct lock_node *nodes;
    uint32_t scope;
    uint32_t region_next; /* core 0 alone creates RAM */
};

static inline struct shared_private *shared_private(const struct driver *d)
{
    return d->kernel_state;
}
static inline struct shared_kernel *shared_state(const struct driver *d)
{
    return shared_private(d)->kernel;
}

static inline struct frames *shared_frames(struct shared_kernel *k)
{
    return (struct frames *)((uintptr_t)k + k->frames);
}

static inline struct shared_entry *entry_at(struct shared_kernel *k, uint32_t slot)
{
    return sparse_at(&k->mappings, slot);
}

static inline uint64_t *entry_pinners(const struct shared_kernel *k, struct shared_entry *entry)
{
    return entry->sets + k->set_words;
}

static inline uint32_t shared_others(const struct driver *d, const uint64_t *set)
{
    return core_set_count(set, d->cores) - core_set_has(set, d->me);
}

/* A change in this core's page table. rights: NONE of an unmap. */
static inline enum verdict shared_own_part(struct driver *d, uint32_t slot, enum change_kind what,
                                           uint32_t rights, const struct mapping *page)
{
    const struct mmu *mmu = &d->vspace.mmu;
    if (what == CHANGE_INSERT)
        return mmu->insert(mmu->context, slot, page->address, page->frame, page->length, rights);
    return mmu->protect(mmu->context, slot, rights);
}
static inline void shared_retire(struct driver *d, uint32_t slot)
{
    d->vspace.mmu.retire(d->vspace.mmu.context, slot);
}

/* One moment of waiting for another core. */
static inline void shared_breathe(const struct driver *d)
{
    wait_moment(d->crowded);
    if (driver_stopped(d))
        _exit(0);
}

/* --- lock.c --- */

/* One moment in which this core acts on what it is notified of: while it waits for a lock, or for
 * what another core is at. context: the driver. */
void shared_while_waiting(void *context);
/* The kernel's one lock. */
void shared_lock(struct driver *d);
void shared_unlock(struct driver *d);

/* --- Pages, under the lock: page.c --- */

/* An entry and an address for the request's frame, which no core maps yet. NO_SLOT,
 * NO_ADDRESS. */
enum verdict shared_page_reserve(struct driver *d, const struct request *request, uint32_t *slot);
/* ... is taken back. */
void shared_page_free(struct driver *d, uint32_t slot);
/* ... is mapped on all that are to hold it; or on none, and the entry is free. result: as map's. */
enum verdict shared_page_insert(struct driver *d, uint32_t slot, struct message *result);
/* PINNED: by the core that the result names. */
enum verdict shared_page_unpinned(struct driver *d, uint32_t slot, struct message *result);
enum verdict shared_page_protect(struct driver *d, uint32_t slot, uint32_t rights);
/* No core reaches it any more; the entry stays reserved up to shared_page_free, and accesses wait.
 * HOST: a core's host refused. */
enum verdict shared_page_close(struct driver *d, uint32_t slot);
/* Both. Whatever it returns, the entry is free. */
enum verdict shared_page_unmap(struct driver *d, uint32_t slot);

/* --- frames.c --- */

/* As kernel->frames. */
enum verdict shared_frames_do(struct driver *d, struct frames_request *request);
/* Nobody has any of that memory any more; free, if it is exactly what was given to capabilities. */
void shared_frames_return(struct driver *d, uint64_t offset, uint64_t length);

/* --- By the line: line.c --- */

extern const struct notification notification_by_line;
bool line_serve(struct driver *d);

/* --- Along trees: tree.c --- */

/* To the holders next below this core, which pass it on. */
extern const struct notification notification_along_trees;
/* A piece of a tree that is installed, as monitor/install_tree.c has it; under the lock. */
enum verdict shared_install_tree(struct driver *d, const struct request *request);
/* A request of KIND_SHOOTDOWN, and the reply to one. */
void tree_notified(struct driver *d, const struct arrival *arrival);
void tree_answered(struct driver *d, const struct message *reply);
