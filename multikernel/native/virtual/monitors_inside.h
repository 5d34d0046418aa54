/* What the files around the modelled monitors share. */
#pragma once

#include "driver/requests.h"
#include "monitor/tracing.h"
#include "virtual/monitors.h"

/* A message that carries a program's request, or its reply, has its number and this for a token;
 * monitors' have a core's number. */
#define ASK_TOKEN (1ull << 32)
/* ... and one between the members of a group, its place there and this. */
#define GROUP_TOKEN (1ull << 33)

/* A program's request while it waits. */
struct ask {
    struct message request;
    struct message reply;
    uint64_t *kept;
    uint64_t ticket, began;
    uint32_t from, core;
    uint32_t next; /* free: the next one */
    bool asked;    /* the kernel has it */
    bool carried;  /* the reply brings the own copy of an atomic broadcast */
};

/* The pieces of a core's new tree that have come (driver/trees.c). */
struct tree_pieces {
    uint32_t *edges;
    uint32_t number, count;
};

struct monitors;
struct modelled_group;

/* What is around the monitors (kernel.c). */
struct port {
    /* What became of what was asked by that number. */
    void (*done)(struct monitors *m, uint32_t number, const struct message *done);
    /* The reply to that request is made, but for its first word. */
    void (*answer)(struct monitors *m, uint32_t number, enum verdict verdict);
    /* A request, or its reply, has come by message; or something between members of a group. */
    void (*came)(struct monitors *m, const struct packet *packet);
    /* The core is woken for it: its program asks, or asks again. */
    void (*woken)(struct monitors *m, uint32_t core, uint32_t number);
};

struct monitors {
    const struct port *port;
    struct world world;
    struct environment environment;
    struct mmu mmu;
    struct routing routing;
    const struct work_table *work;
    struct work_sample *samples;
    struct trace *trace; /* by core; NULL: none is kept */
    bool evicts;         /* a monitor's state leaves the caches before each of its turns */
    struct monitor_shape shape;
    size_t block;
    struct monitor **monitor;
    struct tree_link **table;   /* by root and place */
    struct tree_pieces *pieces; /* by root */
    uint64_t **set;             /* by core and lane */
    uint64_t *tick_at;
    struct output *output;
    char *memory;                   /* what pages hold */
    struct modelled_group **groups; /* by core and place (groups.c) */
    struct ask *ask;
    uint32_t asks, ask_room, ask_free;
    struct answer *done;
    uint32_t done_first, done_count, done_room;
    double mmu_cycles; /* of this step */
    uint32_t stepping; /* the core */
    uint32_t changed;  /* slot + 1 that was protected ahead of the step; 0: none */
};

struct monitors *monitors_open(const struct port *port, const struct machine *machine,
                               const struct work_table *work, const struct monitor_shape *shape);
void monitors_close(struct monitors *m);
/* Steps that core's monitor, whose clock is the world's, and does what comes of it. */
void monitors_turn(struct monitors *m, uint32_t core, const struct input *input);
/* An input that puts nothing out, answered at once: PIN, UNPIN, CREATE, FRAMES. */
enum verdict monitors_local(struct monitors *m, uint32_t core, const struct input *input,
                            uint64_t *made);
/* The root's table in that place. */
const struct tree_link *monitors_links(const struct monitors *m, uint32_t root, uint32_t place);
bool monitors_make_tree(struct monitors *m, uint32_t root, uint32_t place, const uint32_t *edges);
