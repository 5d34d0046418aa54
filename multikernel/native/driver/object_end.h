/* A core's ends of objects (object/object.h) that lie in pages of the system.
 *
 * An end belongs to the driver, as a group does, and not to a program: the loop does its duties on
 * every turn. So the owner of a delegated object answers and a replica keeps up, whatever program
 * runs on the core, or none; a core that computes is interrupted when somebody has waited for it for
 * a while, as for any message. While its end is open the page is pinned on the core.
 *
 * An operation is a system call: it has the end to itself, and the core is in its driver. While it
 * waits, the core does what it owes: to other kernels, and to all its objects. */
#pragma once

#include <setjmp.h>

#include "driver/driver.h"
#include "object/object.h"

enum {
    OBJECT_ENDS = 16,
    OBJECT_CHANGES_KEPT = 128,
    FORM_ADAPTIVE = OBJECT_FORMS, /* where a form is asked for: whichever is cheapest */
};

struct object_cost {
    uint64_t operations, cycles;
};

struct object_end {
    struct object object;
    struct driver *driver;
    uint64_t page;          /* slot 0-31, generation 32-63 */
    struct doorbell *owner; /* its core's */
    bool open;
    bool busy;        /* in an operation, or in its duties */
    uint32_t moments; /* of the operation, waited */
    /* An operation that asks the owner, and gives up when it does not answer. */
    bool bounded;
    uint64_t patience, gives_up_at; /* cycles */
    jmp_buf gives_up;
    struct object_cost cost[OBJECT_FORMS]; /* of operations that were timed, by form */
    /* The owner's: the choice; how it was made, and the last changes of form, that of a number in
     * that mod KEPT. Several between two looks are the last one of them. */
    struct chooser chooser;
    uint64_t changes;
    struct object_change {
        uint64_t number, form, when;
    } made, change[OBJECT_CHANGES_KEPT];
};

/* All of a core's. */
struct object_ends {
    struct object_end *open[OBJECT_ENDS]; /* side by side: looked at on every turn */
    uint32_t count;                       /* of those */
    struct object_end end[OBJECT_ENDS];
};

/* Objects are to be served from now on. 0, or an errno. */
int object_ends_open(struct driver *driver);

/* --- For programs: between driver_enter and driver_leave --- */

/* NULL: this core has no end of an object in that page. */
struct object_end *object_end_of(struct driver *driver, uint64_t page);
/* In place of a patience: in a request. */
#define OBJECT_NO_PROGRAM UINT64_MAX
/* One operation, timed. False: the owner was asked and has not answered for so many cycles, or the
 * program was cancelled meanwhile. The operation may still take effect, and until the answer comes
 * this end does no other. */
bool object_end_apply(struct object_end *end, const struct operation *operation,
                      struct result *result, uint64_t patience);
/* See object_switch; FORM_ADAPTIVE: from now on the owner's chooser switches. */
enum object_verdict object_end_switch(struct object_end *end, uint32_t form);
/* Whether it could; of any core. */
enum object_verdict object_end_suits(const struct object_end *end, uint32_t form);

/* Many operations, one behind the other, by all members at once: who is ahead of the others waits.
 * Else forms would be compared that do different work, for a core may be served in bursts. */
struct object_work {
    /* `reads` of 2^32 are the last one, and the others the first two by turns; each of a key that is
     * drawn: its own one and fewer than `keys` more. */
    struct operation operation[3];
    uint64_t reads, keys, seed;
    uint64_t think;        /* cycles between two */
    uint64_t begins, ends; /* by the clock, arch_cycles */
};
struct object_worked {
    uint64_t operations, reads, cycles;
};
/* False: the program was cancelled before the end. */
bool object_end_work(struct object_end *end, const struct object_work *work,
                     struct object_worked *worked);
