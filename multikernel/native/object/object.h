/* An object that several cores use, in one of several forms, each of which can become another while
 * operations are under way:
 *
 *     locked      behind an unfair lock (locks/ttas.h)
 *     fifo        behind a lock that serves in order of arrival: any of locks/
 *     optimistic  behind a lock that counts, which reads only look at before and after (a seqlock)
 *     delegated   one core owns the state, others ask it, one request at a time each
 *     replicated  a log of operations in shared memory, and a replica a core that follows it
 *     combined    the same log, and a replica a node: one core appends for all of its node
 *     lock-free   where the type has one (lockfree.h)
 *     agreed      a replica a core, and a write is agreed by messages (agreed.h): in two phases, in
 *                 one, or by the owner alone
 *
 * Every operation takes effect once, at one moment between its call and its return, whatever becomes
 * of the form meanwhile. One core, the owner, changes the form; the others find out by one word.
 *
 * The shared part is one block that the caller places in a segment. An end is private to a core,
 * and not for two threads at once. A core has to call something of its end now and then
 * (object_poll, where nothing else): the owner answers in it, and a replica keeps up.
 *
 * Related: SmartPQ (Giannoula et al., 2024) and reactive locks (Lim and Agarwal, ASPLOS'94) change
 * between forms in the same spirit; delegation is after ffwd (Roghanchi et al., SOSP'17), the log
 * after NR (Calciu et al., ASPLOS'17). */
#pragma once

#include "channel/call_line.h"
#include "locks/lock.h"
#include "object/chooser.h"
#include "object/type.h"

enum {
    OBJECT_CORES_MOST = 64,
    OBJECT_LOG_LEAST = 16,
    OBJECT_LOG_MOST = 2048,
    FLIGHT_LINES = 4,      /* of each core */
    FLIGHT_OPERATIONS = 6, /* a line */
    FLIGHTS_MOST = FLIGHT_OPERATIONS * (FLIGHT_LINES + 1),
    FLIGHT_RESULTS = 32, /* room for them: a power of two */
};

static_assert(FLIGHT_RESULTS >= FLIGHTS_MOST, "room for all");

enum object_verdict {
    OBJECT_OK,
    OBJECT_NO_SUCH_TYPE,
    OBJECT_NO_SUCH_SHAPE,
    OBJECT_NO_SUCH_CORE,
    OBJECT_NO_SUCH_LOG, /* not a power of two within the bounds */
    OBJECT_NO_SUCH_LOCK,
    OBJECT_NO_SUCH_NODES,
    OBJECT_NO_SUCH_FORM,
    OBJECT_NOT_LOCKFREE, /* the type, or one of this shape, has no lock-free form */
    OBJECT_PLAIN_WORDS,  /* the type's words are not for who looks at them without a lock */
    OBJECT_NOT_OWNER,    /* only the owner changes the form */
    OBJECT_NOT_AN_OBJECT,
    OBJECT_TOO_SHORT, /* the block */
};
/* What it means, and what to do. */
const char *object_verdict_says(enum object_verdict verdict);

enum object_type_number { TYPE_COUNTERS, TYPE_MAP, TYPE_QUEUE, TYPE_MAPPINGS, OBJECT_TYPES };
extern const struct object_type *const object_types[OBJECT_TYPES];

/* What is decided when the block is made. */
struct object_geometry {
    uint32_t type, shape; /* shape: see the type */
    uint32_t cores, owner;
    uint32_t log;  /* how many operations a replica may be behind, a power of two */
    uint32_t lock; /* of the form `fifo`: which of the lock_algorithms that are; 0: the first */
    /* Of the form `combined`: how many; each has as many cores as the next, or one more, in their
     * order. 0: one. */
    uint32_t nodes;
};

/* The block's size; 0: there is no such object, and verdict says why. */
uint64_t object_bytes(const struct object_geometry *geometry, enum object_verdict *verdict);
/* Before any end is opened. The block is aligned to PAD_BYTES. */
enum object_verdict object_init(void *block, const struct object_geometry *geometry,
                                enum object_form form);

/* --- A core's end --- */

/* Of two attempts to agree the older one was first begun behind fewer operations. */
struct attempt {
    uint64_t age;
    uint32_t core;
};

/* What an end knows in an agreed form. */
struct agreed {
    void *replica;
    uint64_t mode;     /* in which others may send to this core; 0: nobody does */
    uint64_t joined;   /* those that have a replica, a bit each, as far as is known here */
    uint64_t awaited;  /* those whose reply is to come */
    uint64_t position; /* operations that this replica has */
    uint64_t released; /* ... that all are known to have */
    uint32_t turn;
    bool has;     /* the replica may be read, in that mode */
    bool held;    /* two phases: an operation is prepared here, of the attempt `holder` */
    bool busy;    /* the owner's: an operation is under way, asked for by `asker` */
    bool changes; /* ... which others have to hear of */
    bool closing;
    bool joins_wait;
    bool wanting; /* this core waits itself: others' operations that come now have to, too */
    uint32_t asker, next, asked;
    struct attempt holder, wants;
    struct operation operation; /* that is prepared, or under way; and what came of it */
    struct result result;
    struct call_sender to[OBJECT_CORES_MOST];
    struct call_receiver from[OBJECT_CORES_MOST];
};

struct object_line;
struct object_core_line;
struct object_node;
struct object_post;

struct object {
    const struct object_type *type;
    uint32_t me, owner, cores;
    /* In the block: object_inside.h. */
    struct object_line *line;
    struct object_core_line *of_core;
    struct lock *locks;
    struct lock_node *nodes;
    struct slot *calls, *flights, *operations, *lines;
    _Atomic uint64_t *log;
    void *state, *replica, *snapshots, *free;
    uint64_t state_bytes, replica_bytes; /* replica_bytes: from one replica to the next */
    uint32_t log_slots;
    const struct lock_algorithm *fifo;
    struct lock_waiter waiter, backing_off; /* object_inside.h: object_moment, object_back_off */
    void (*while_waiting)(void *context);
    void *context;
    /* What it has done. */
    uint64_t done, reads;
    uint32_t turn, moments, pauses, joins;
    bool inside; /* in the replica: who polls meanwhile leaves it alone */
    /* The owner's, where the form is chosen as it goes. */
    struct chooser *chooser;
    uint32_t polls, look_each;
    bool waiting; /* within while_waiting */
    uint64_t window_began, window_ends, looked;
    struct chooser_window counted; /* when the window began */
    /* Replicated. */
    uint64_t epoch;    /* the mode that the replica is of */
    uint64_t start;    /* where the log began then */
    uint64_t position; /* of the next entry to apply */
    uint64_t limit;    /* up to where there is room in the log */
    uint64_t appended;
    uint64_t log_end;                    /* the owner's: where the next log begins */
    uint64_t ignored[OBJECT_CORES_MOST]; /* where a core was that is not waited for */
    /* Combined. */
    struct object_node *of_node;
    struct object_post *posts;
    struct lock_node *readers;
    void *node_replicas;
    uint32_t node, node_count; /* this core's, of how many */
    uint64_t combining;        /* the mode in which this core did so last */
    /* Delegated: the asking ends of any core, the answering ones of the owner. */
    struct call_sender call, flight;
    struct call_receiver called[OBJECT_CORES_MOST], flown[OBJECT_CORES_MOST];
    struct agreed agreed;
    /* In flight: what was sent, by line; what waits for a line; results that wait to be taken. */
    uint64_t flight_mode, sent[FLIGHT_LINES][FLIGHT_OPERATIONS], filling[FLIGHT_OPERATIONS];
    uint32_t filled, oldest, lines_out, results_first, results;
    bool early; /* the oldest line was back when it was looked at first */
    struct result result[FLIGHT_RESULTS];
};

/* while_waiting is called again and again while an operation waits, on whatever; NULL: it relaxes.
 * It may poll this object, and no more of it. */
enum object_verdict object_open(struct object *object, void *block, uint64_t bytes, uint32_t me,
                                void (*while_waiting)(void *context), void *context);

/* One operation, in the form that is set now. */
void object_apply(struct object *object, const struct operation *operation, struct result *result);

/* What this core owes the others: the owner answers, a replica keeps up. True: there was
 * something. */
bool object_poll(struct object *object);

/* The form from now on. By the owner alone, between its operations. */
enum object_verdict object_switch(struct object *object, enum object_form form);
enum object_form object_form(const struct object *object);
/* How often it has changed. */
uint64_t object_switches(const struct object *object);
/* Whether object_switch could; by any core. */
enum object_verdict object_suits(const struct object *object, enum object_form form);

/* How many operations that core has done, and how many of them only read: of any core, at any
 * moment, for who compares windows. */
struct object_counts {
    uint64_t done, reads;
};
struct object_counts object_counts(const struct object *object, uint32_t core);

/* From now on the chooser says which form it is; NULL: it stays as it is. By the owner, between its
 * operations; the clock is looked at every 8 to 128 operations, or polls, of the owner. The chooser
 * is the caller's, chooser_begin comes first, and nobody else uses it meanwhile. */
enum object_verdict object_adapt(struct object *object, struct chooser *chooser);

/* --- Several in flight: another contract --- */

/* The caller does not wait for one operation before it has the next. They take effect in the order
 * in which they are sent, each between its sending and the taking of its result. Where the form is
 * delegated they travel several to a line, and the answers to a line's come in that line together;
 * in any other form each is done when it is sent.
 *
 * Several fit into a line where each is a word: with a key and one value of so many bits, and a
 * result of 56. Any other is done when it is sent, behind those before it. */
enum { FLIGHT_KEY_BITS = 24, FLIGHT_VALUE_BITS = 32 };

/* False: FLIGHTS_MOST are under way, take a result first. */
bool object_send(struct object *object, const struct operation *operation);
/* What has not filled a line goes out too. */
void object_flush(struct object *object);
/* The oldest result that has not been taken; false: it is not there yet. */
bool object_take(struct object *object, struct result *result);

/* --- One form alone: what a form costs without the others --- */

/* For an object that was made in that form and never changes it; the lock-free one has to suit. */
void object_apply_alone(struct object *object, enum object_form form,
                        const struct operation *operation, struct result *result);
