/* The state-space explorer's model: what surrounds the monitors, small enough to be enumerated.
 *
 * The monitors are the product's own object files (native/monitor, native/capability); everything
 * else is modelled:
 *   channels   bounded FIFOs between every two cores, requests and notices in one and replies in
 *              another, or both in one (as the ring carries them), or replies taken in any order
 *              (as call lines give them);
 *   outboxes   what a step sent and no channel had room for; a step runs only when the outbox has
 *              room for its worst case;
 *   the MMU    rights and state of every slot on every core;
 *   programs   threads of a few steps each: map, unmap, protect, pin, read; copy, move, retype,
 *              revoke, delete capabilities, and map Frames by them.
 * A world is all of that. scenarios_*.c and beginning.c say where to begin, world.c, turn.c,
 * programs.c and capabilities.c what can happen next, canonical.c and capability_canonical.c which
 * worlds are the same, properties.c, at_rest.c and capability_properties.c what must hold, and
 * explorer.c visits every world that can be reached.
 *
 * Time is left out: a retry may come at any moment (now and backoff are 0, so every wait is over at
 * once, each at a tick of its own, which may be arbitrarily late). That is more than any clock
 * does. */
#pragma once

#include <stdbool.h>

#include "monitor/operation.h"

enum {
    MODEL_CORES = 4,
    MODEL_LANES = 4,    /* operations a core may have under way at once */
    MODEL_STRENGTH = 1, /* aborted attempts that make an operation stronger */
    MODEL_SLOTS = 12,   /* of all cores together */
    MODEL_PAGES = 8,
    MODEL_THREADS = 6,
    MODEL_STEPS = 5,
    MODEL_PACKETS = 48,
    MODEL_MONITOR_WORDS = 768,
    MODEL_SLOT_BITS = 3, /* slots of a CNode */
    MODEL_BEFORE = 8,
};

/* --- Scenarios --- */

enum action {
    STOP = 0,
    MAP,     /* argument: holders; tried again while the table is full */
    UNMAP,   /* argument: protocol */
    PROTECT, /* argument: rights */
    PIN,
    UNPIN,
    READ,
    WRITE,
    AWAIT, /* until the page's unmap has returned */
    FREE, /* the page's frame, by the core that keeps it; tried again while an outcome is awaited */
    INSTALL, /* page: the root; argument: a shape */
    /* About capabilities; page is a slot on the thread's core: */
    CAP_COPY,
    CAP_MOVE,
    CAP_RETYPE,
    CAP_REVOKE,
    CAP_DELETE,
    /* a Frame; argument: where its Mapping goes, holders, and the page that it becomes */
    CAP_MAP,
    CAP_RECLAIM, /* a range, and then RAM of it in that slot; argument as CAP_CREATE's */
    CAP_CREATE,  /* only before the exploration begins */
};

#define COPY_TO(slot, core, there) {CAP_COPY, (slot), (there) | (core) << 4}
#define MOVE_TO(slot, core, there) {CAP_MOVE, (slot), (there) | (core) << 4}
#define RETYPE_TO(slot, type, offset, pages, there) \
    {CAP_RETYPE, (slot), (there) | (type) << 4 | (offset) << 7 | (pages) << 10}
#define REVOKE_ALL(slot) {CAP_REVOKE, (slot), 0}
#define DELETE_ONE(slot) {CAP_DELETE, (slot), 0}
/* The page's other steps (UNMAP, PIN, READ ...) name it by its number. */
#define MAP_FRAME(slot, there, page, holders) \
    {CAP_MAP, (slot), (there) | (holders) << 4 | (page) << 8}
#define RECLAIM(slot, offset, pages) {CAP_RECLAIM, (slot), (pages) | (offset) << 4}
#define RAM(slot, offset, pages)     {CAP_CREATE, (slot), (pages) | (offset) << 4}

/* Trees of any root, counted from it on: every core below the last, the other way round, all below
 * the root, and none at all. */
enum shape { CHAIN = 0, BACKWARDS, STAR, NONSENSE };

/* An edge as struct tree_piece has it. */
static inline uint32_t tree_edge(uint32_t parent, uint32_t child)
{
    return parent | child << 16;
}

enum { ALL = 0xf };

struct step {
    uint8_t action;
    uint8_t page;
    uint16_t argument;
};

struct script {
    uint8_t core;
    struct step step[MODEL_STEPS + 1];
};

#define THREAD(on, ...)                     \
    {                                       \
        .core = (on), .step = {__VA_ARGS__} \
    }

/* A page mapped before the exploration begins. */
struct setup {
    uint8_t home;
    uint8_t holders; /* 0: no such page yet */
    uint8_t rights;
};

struct scenario {
    const char *name;
    const char *about;
    uint8_t cores; /* at least */
    uint8_t slots_per_core;
    uint8_t wide;         /* core sets fit into no word: they are kept by who initiates a map */
    uint8_t failing_core; /* its MMU refuses the first calls: */
    uint8_t failing_inserts;
    uint8_t failing_protects;
    uint8_t keeper; /* of all pages' frames, and 1; 0: nobody keeps them */
    uint8_t cnodes; /* of each core; 0: no capabilities */
    struct {
        uint8_t core;
        struct step step;
    } before[MODEL_BEFORE]; /* done one after the other before the exploration begins */
    struct setup page[MODEL_PAGES];
    struct script thread[MODEL_THREADS];
};

/* In scenarios_*.c. */
extern const struct scenario page_scenarios[], capability_scenarios[], frame_scenarios[];
extern const unsigned page_scenario_count, capability_scenario_count, frame_scenario_count;

const struct scenario *scenario_named(const char *name); /* NULL if there is none */
void scenarios_print(void);

/* --- The world --- */

/* In order of (from, to, reply), then FIFO: one world has one representation. */
struct packet {
    uint8_t present;
    uint8_t from;
    uint8_t to;
    uint8_t reply;      /* the FIFO it travels in */
    uint8_t is_reply;   /* what it is: the same, but where one FIFO carries both */
    uint8_t in_channel; /* else in the sender's outbox */
    uint16_t reserved;
    uint64_t token;
    struct message message;
};

enum translation_state { TRANSLATION_NONE = 0, TRANSLATION_PRESENT, TRANSLATION_RETIRED };

/* What the MMU of one core holds for one slot. */
struct translation {
    uint8_t state;
    uint8_t rights;
    uint8_t frame;      /* page + 1, or FRAME_OF_RAM and the page of memory */
    uint8_t generation; /* of the entry at the insertion */
};

/* The memory that capabilities are about, and how a translation names a page of it. */
enum { MODEL_RAM = 0x100000, FRAME_OF_RAM = 0x80 };

static inline uint8_t frame_number(uint64_t frame)
{
    return (uint8_t)(frame < MODEL_RAM ? frame / PAGE_BYTES
                                       : FRAME_OF_RAM | (frame - MODEL_RAM) / PAGE_BYTES);
}

enum page_state { PAGE_NONE = 0, PAGE_MAPPING, PAGE_MAPPED, PAGE_UNMAPPED, PAGE_FAILED };

/* What an observer of all cores knows of a page. */
struct page {
    uint8_t state;
    uint8_t holders;
    uint8_t rights; /* of the map, then of protects that returned */
    uint8_t missed; /* somebody was told that it is not mapped */
    uint8_t price;  /* a one-phase unmap was refused: the documented window was open */
    uint8_t pinned[MODEL_CORES];
    uint8_t of_frame; /* mapped by capability */
    uint8_t freed;    /* its frame */
    uint8_t reserved;
    uint32_t slot;
    uint32_t generation;
};

struct thread {
    uint8_t at;        /* step */
    uint8_t waiting;   /* for DONE */
    uint8_t late;      /* the page's unmap had returned when the operation began */
    uint8_t pins;      /* cores that held a pin while the operation ran */
    uint8_t succeeded; /* steps about capabilities, a bit each */
    uint8_t conflicts; /* ... that were refused because the memory is something else */
    uint8_t contents;  /* of the CNode that is being deleted, when that was asked for */
    uint8_t reserved;
};

struct world {
    struct packet packet[MODEL_PACKETS];
    struct translation mmu[MODEL_CORES][MODEL_SLOTS];
    struct page page[MODEL_PAGES];
    struct thread thread[MODEL_THREADS];
    uint8_t failing_inserts;
    uint8_t failing_protects;
    uint8_t installed[MODEL_CORES]; /* 1 + shape of the last installation that returned */
    uint8_t reserved[2];
    struct tree_link table[MODEL_CORES][TREE_PLACES][MODEL_CORES]; /* by root */
    uint64_t kept[MODEL_CORES][MODEL_LANES];                       /* sets, by initiator */
    _Alignas(64) uint64_t
        /* one behind the other; the rest is not used, nor copied */
        monitors[MODEL_CORES * MODEL_MONITOR_WORDS];
};

struct model {
    uint32_t cores;
    uint32_t capacity; /* of every channel */
    uint32_t outbox;   /* entries of every outbox */
    bool any_order;    /* replies are taken in any order */
    bool one_fifo;     /* replies travel behind requests */
    bool owner;        /* owners drive operations on capabilities, instead of who asks for them */
    bool peaceful;     /* no operation is aborted for another: a property of some scenarios */
    bool tight;        /* room for one agreement of another core at a time */
    bool remember;     /* a frame is mapped where it was last */
    bool lazy;         /* moving from outbox to channel is a transition of its own */
    uint32_t fan;      /* of the trees to begin with; 0: none, every root sends to all */
    bool
        /* or of four cores the trees with these numbers, of the 16 there are: of core 0, and of
         * the others */
        numbered;
    uint32_t number[2];
    const struct scenario *scenario;
    uint32_t messages;      /* ... that a step may put out */
    uint32_t monitor_words; /* of one monitor */
    uint32_t words;         /* of a world */
};

extern struct model model;

size_t world_monitor_size(void);

static inline struct monitor *world_monitor(struct world *w, uint32_t core)
{
    return (struct monitor *)(void *)&w->monitors[core * model.monitor_words];
}

static inline struct cspace *cspace_of(struct world *w, uint32_t core)
{
    return monitor_cspace(world_monitor(w, core));
}

/* NULL where the slot is empty. */
static inline struct capability *capability_in(struct world *w, uint32_t core, uint32_t slot)
{
    struct capability *c = cspace_slot(cspace_of(w, core), slot);
    return c->type == CAP_NULL ? NULL : c;
}

/* --- Transitions --- */

enum transition_kind { TAKE = 1, DRAIN, CONTINUE, TICK, SCRIPT };

/* TAKE: from, to, reply * 64 + place in the FIFO. DRAIN: from, to, reply. CONTINUE, TICK: core,
 * operation. SCRIPT: thread. */
struct transition {
    uint8_t kind;
    uint8_t a;
    uint8_t b;
    uint8_t c;
};

enum { TRANSITIONS_MAX = 128 };

void world_init(struct world *world);
uint32_t world_transitions(struct world *world, struct transition *list);
/* Leaves the world in canonical form. */
void world_apply(struct world *world, struct transition transition);
void transition_name(struct world *world, struct transition transition, char *text, size_t size);

/* Inside the model: a step of a core's monitor, and what comes of it. */
bool world_has_room(const struct world *world, uint32_t core);
enum verdict world_turn(struct world *world, uint32_t core, const struct input *input);
void world_drain(struct world *world);
void world_canonicalise(struct world *world);
void world_send(struct world *world, const struct packet *packet);
const struct step *thread_step(const struct world *world, uint32_t thread);
bool thread_may_run(const struct world *world, uint32_t thread);
void thread_run(struct world *world, uint32_t thread);
uint32_t shape_edge(uint32_t shape, uint32_t root, uint32_t number);
/* The table of the tree that root has now; NULL: it is flat. */
const struct tree_link *world_links(struct world *world, uint32_t root);
/* A map has begun: which slot is it, if it is under way? */
void page_begun(struct world *world, uint32_t core, uint32_t thread, struct page *page);
void thread_ask(struct world *world, uint32_t core, uint32_t thread, const struct step *step);
void capability_ask(struct world *world, uint32_t core, uint32_t thread, const struct step *step);
void capability_create(struct world *world, uint32_t core, const struct step *step);
struct page *capability_page(struct world *world, const struct step *step); /* that CAP_MAP maps */
void capability_canonicalise(struct world *world);

/* --- Properties --- */

/* The first violation since it was last cleared, or NULL. */
extern const char *violation;
__attribute__((format(printf, 1, 2))) void violate(const char *format, ...);

struct page *page_of(struct world *world, uint32_t slot, uint32_t generation);
void check_state(struct world *world);
void check_terminal(struct world *world);
bool world_finished(const struct world *world); /* every thread has ended */
void check_output(struct world *world, uint32_t core, const struct output *output);
void free_done(struct world *world, uint32_t thread, struct page *page, enum verdict verdict);
void map_done(struct world *world, struct thread *thread, uint32_t core, struct page *page,
              const struct message *message);
void thread_done(struct world *world, uint32_t thread, const struct message *message);
void capability_check_state(struct world *world);
void capability_check_terminal(struct world *world);
void capability_check_message(struct world *world, uint32_t core, uint32_t to,
                              const struct message *message);
void capability_done(struct world *world, uint32_t thread, uint32_t core, const struct step *step,
                     uint32_t at, const struct message *message);
const char *verdict_name(enum verdict verdict);
