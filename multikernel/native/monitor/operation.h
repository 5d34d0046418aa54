/* What operations are about (objects), and what kinds of them there are: a kind is check, prepare,
 * commit and undo over the flat state, plus how it is agreed. The engine calls them by the table in
 * its environment and knows none by name. */
#pragma once

#include "base/hint.h"
#include "monitor/monitor.h"

/* What operations are about, what keeps two of them apart, and the cores that take part in one.
 * Objects are numbered, with a lock word each, or ranges, of which any two may overlap. */
struct object_kind {
    /* How many there are. NULL for ranges: check sees whether one makes sense. */
    uint32_t (*count)(const struct monitor *);
    /* The attempt that holds it, or a part of it; 0: none. This one is locked from now on, until it
     * gives back what it holds of it. */
    uint64_t (*holder)(const struct monitor *, const struct agreement *);
    void (*take)(struct monitor *, const struct agreement *);
    void (*give)(struct monitor *, const struct environment *, const struct agreement *);
    /* NULL: all members. A set that is kept nowhere is put into buffer, of CORE_SET_WORDS_MAX. */
    const uint64_t *(*participants)(const struct monitor *, const struct agreement *,
                                    uint64_t *buffer);
    /* RELEASE: it is final everywhere. NULL: nobody is notified. */
    void (*released)(struct monitor *, const struct environment *, const struct message *);
};

struct operation_kind {
    const struct object_kind *object;
    bool one_phase; /* may be done by one phase: undo can restore what was committed */
    bool in_parts;  /* alone may do a part, and more at the next call */
    /* What the caller is promised holds once all have voted and the commit is on its way: it hears
     * that it is done as soon as this core's own part is. Whoever comes to a core that has not heard
     * the commit finds the lock, and waits. */
    bool early;
    /* What this core can decide alone, before anything is agreed. PENDING: the others have to
     * agree; BUSY or MORE: again later; else the verdict, and what was made in the task. NULL:
     * nothing. */
    enum verdict (*alone)(struct monitor *, struct capability_task *);
    /* Initiator: fills the agreement from the request; OK, an error, or BUSY to be asked again. */
    enum verdict (*begin)(struct monitor *, const struct environment *, struct workflow *,
                          struct agreement *, const struct request *);
    /* Initiator, before every attempt: what is to be asked of the others now? OK, with the kind of
     * this step, and with a root where another core is to drive it; ALONE: nothing (any more), it
     * is done; BUSY: something is in the way; MORE: at the next tick; or an error. NULL: what begin
     * said. */
    enum verdict (*resume)(struct monitor *, struct workflow *, struct agreement *);
    /* The core that was asked to drive it, before every attempt: NOT_OWNER, or OK, and which cores
     * have to take part. NULL: only initiators drive. */
    enum verdict (*sequence)(const struct monitor *, struct agreement *);
    /* May this core take part? Asked of the initiator too, but where there is resume. */
    enum verdict (*check)(const struct monitor *, const struct agreement *);
    /* It does: make what is to be locked, note what is needed to undo. NULL: nothing of that. */
    void (*adopt)(struct monitor *, const struct environment *, struct agreement *);
    /* Down the tree: this core's part, which may refuse, and can be taken back. */
    enum verdict (*prepare)(struct monitor *, const struct environment *, struct agreement *);
    /* On a core that is not the initiator only the MMU can refuse prepare: what prepare asks of it
     * (foresight.c). NULL: that is not so. */
    void (*foresee)(const struct monitor *, const struct agreement *, struct foresight *);
    /* Root, when all have prepared: is there another piece to prepare? The agreement is about that
     * one then. NULL: never. */
    bool (*more)(struct monitor *, struct agreement *);
    void (*commit)(struct monitor *, const struct environment *, struct agreement *);
    /* Takes prepare back; for one phase, commit. */
    void (*undo)(struct monitor *, const struct environment *, struct agreement *);
    /* A child's answer to PREPARE adds to what this core's own will say, and COMMIT carries what it
     * came to, in that argument. NULL: answers carry a verdict and nothing else. */
    void (*gather)(struct agreement *, const uint64_t argument[4]);
    uint8_t gathered;
    /* Initiator: the commit stands everywhere; true when that was all that was asked for. With
     * this, initiator and root keep their locks up to here. NULL: they go with their own commit. */
    bool (*settled)(struct monitor *, struct workflow *, struct agreement *);
};

/* Handed to the engine with its environment. */
struct operations {
    const struct operation_kind *kind[OPERATIONS];
    /* A page is gone from its home that has a Mapping capability for it; or that is going to be
     * known, or known now: it stays. */
    void (*page_gone)(struct monitor *, const struct mapping *);
    void (*page_undecided)(struct monitor *, const struct mapping *, bool undecided);
};

extern const struct operations monitor_operations; /* all of them */

/* Asked for by this core? Then its record is one of the core's lanes. */
static inline bool agreement_is_own(const struct monitor *m, const struct agreement *a)
{
    return a->number - m->me * m->lanes < m->lanes;
}

static inline uint32_t agreement_lane(const struct monitor *m, const struct agreement *a)
{
    return a->number & (m->lanes - 1);
}

enum { AGREEMENT_CORE_SHIFT = 48 }; /* in an attempt's number */

static inline uint32_t agreement_initiator(const struct agreement *a)
{
    return (uint32_t)(a->id >> AGREEMENT_CORE_SHIFT);
}

static inline struct workflow *agreement_workflow(const struct monitor *m,
                                                  const struct agreement *a)
{
    return monitor_workflow(m, agreement_lane(m, a));
}

/* The task of the workflow that an own agreement is a step of. */
static inline struct capability_task *agreement_task(const struct monitor *m,
                                                     const struct agreement *a)
{
    return &agreement_workflow(m, a)->task;
}

/* Has it met another one, so that its initiator tries again after the abort? Not mapped there
 * though mapped here counts too: another outcome is under way to us. */
static inline bool agreement_retries(const struct agreement *a)
{
    return a->verdict == VERDICT_BUSY || a->verdict == VERDICT_NOT_MAPPED;
}
