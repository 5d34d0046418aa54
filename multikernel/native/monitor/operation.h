/* What operations are about (objects) and what kinds of them there are (rows): the agreement engine
 * calls, the files with "row" in their name define.
 *
 * Who includes it: monitor/step.c, monitor/round.c, monitor/mapping/mapping.c, install_tree.c,
 * the files of monitor/capability, monitor/capability/task.c, monitor/table/operations.c. */
#pragma once

#include "monitor/monitor.h"

/* What operations are about, what keeps two of them apart, and the cores that take part in one.
 * Objects are numbered things with a lock word each, or ranges, of which any two may overlap. */
struct object_kind {
    /* Numbered: how many there are, and the lock of one. NULL for ranges: may_prepare sees whether
     * one makes sense. */
    uint32_t (*count)(const struct monitor *);
    uint64_t *(*lock)(struct monitor *, uint32_t object);
    /* Ranges. Who holds a part of this one, other than the operation itself? 0: nobody. */
    uint64_t (*holder)(struct monitor *, const struct operation *);
    void (*take)(struct monitor *, const struct operation *);
    void (*give)(struct monitor *, const struct operation *);
    /* NULL: all cores. A set that is kept nowhere is put into buffer, of CORE_SET_WORDS_MAX. */
    const uint64_t *(*participants)(struct monitor *, const struct operation *, uint64_t *buffer);
    /* The lock was given back. NULL: nothing to be done then. */
    void (*unlocked)(struct monitor *, uint32_t object);
    /* A notice (KIND_SET, KIND_RELEASE) about one. NULL: there are none. */
    void (*notice)(struct monitor *, const struct message *);
};

struct row {
    const char *name;
    const struct object_kind *object;
    int one_phase; /* may be done by one phase: its abort can restore what was applied */
    /* participants learn who takes part from the operation itself: more than 64 go ahead of it */
    int set_travels;
    /* Initiator: fills the operation from the request; VERDICT_OK, an error, or BUSY to be asked
     * again. */
    enum verdict (*begin)(struct monitor *, struct operation *, const struct request *);
    /* Initiator, before every attempt: what is to be asked of the others now? OK, with a root where
     * another core is to drive it; ALONE: nothing (any more), it is done; BUSY: later; or an error.
     * NULL: what begin said. */
    enum verdict (*resume)(struct monitor *, struct operation *);
    /* The core that was asked to drive it, before every attempt: NOT_OWNER, or OK with who has to
     * take part. NULL: only initiators drive. */
    enum verdict (*sequence)(struct monitor *, struct operation *);
    /* May this core take part? Changes nothing. Asked of the initiator too, but where there is
     * resume. */
    enum verdict (*may_prepare)(struct monitor *, const struct operation *);
    /* The object is locked; note what is needed to undo. */
    void (*adopt)(struct monitor *, struct operation *);
    enum verdict (*prepare)(struct monitor *, struct operation *, const struct environment *);
    /* Root, when all have prepared: is there another piece to prepare? The operation is about that
     * one then. NULL: never. */
    bool (*more)(struct monitor *, struct operation *);
    void (*commit)(struct monitor *, struct operation *, const struct environment *);
    /* Undo prepare; for one phase, undo commit. */
    void (*abort)(struct monitor *, struct operation *, const struct environment *);
    /* A child's answer to PREPARE adds to what this core's own will say, and COMMIT tells everybody
     * what it came to. NULL: answers carry a verdict and nothing else. */
    void (*gather)(struct monitor *, struct operation *, const uint64_t argument[4]);
    /* Initiator: the commit stands everywhere; true when that was all that was asked for. With
     * this, initiator and root keep their locks up to here. NULL: they go with their own commit. */
    bool (*settled)(struct monitor *, struct operation *);
    /* The operation is final everywhere: does the object's home, which took no part, have to be
     * told? NULL: never. */
    int (*release_home)(struct monitor *, const struct operation *);
};

extern const struct row map_row, unmap_row, protect_row, tree_row;
extern const struct row capability_copy_row, capability_retype_row, capability_revoke_row,
    capability_delete_row;
extern const struct row capability_map_row, capability_unmap_row, capability_reclaim_row;
extern const struct row *const monitor_rows[ROWS];

/* Has the operation met another one, so that its initiator tries again after the abort? Not mapped
 * there though mapped here counts too: another operation's outcome is under way to us. */
static inline int monitor_retries(const struct operation *op)
{
    return op->verdict == VERDICT_BUSY || op->verdict == VERDICT_NOT_MAPPED;
}
