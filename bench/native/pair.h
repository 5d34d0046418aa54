/* Two cores, each a booted driver in a process of its own on a CPU of its own: this process is core
 * 0, and the other is core 1, which does what it is told: it runs its loop, or its half of a probe,
 * or something written by hand. */
#pragma once

#include "driver/driver.h"
#include "probes/probes.h"
#include "probes/timed.h"

enum { PAIR_MEMORY = 64 << 20 };

/* What core 1 is to do: takes what it finds in the control block, of which it may fill the
 * histogram and the results. */
typedef void pair_part(struct driver *driver, struct probe *probe);

/* Shared by both. */
struct control {
    _Alignas(PAD_BYTES) _Atomic uint32_t command; /* counts */
    pair_part *part; /* text and data lie at the same place in both: one forked */
    struct probe probe;
    const char *kind; /* of the probe */
    _Alignas(PAD_BYTES) _Atomic uint32_t begun;
    _Alignas(PAD_BYTES) _Atomic uint32_t ended;
    _Alignas(PAD_BYTES) struct slot line; /* for what is written by hand */
    struct histogram times[3];
    uint64_t results[16];
};

struct pair {
    struct control *control;
    struct segment *segment;
    struct driver *driver; /* this process' own */
    int memory;            /* what frames are made of */
    uint32_t cores;        /* that the geometry is for; the two are booted */
    bool shared;           /* the kernel */
};
extern struct pair pair;

/* Boots both; core 1 is in its loop then. Ends the program, saying why, where that fails. */
void pair_boot(const char *kernel, uint32_t cores);
/* Ends core 1. */
void pair_end(void);

/* Core 1 does that until it has done it (pair_join); or its loop, which pair_leave_loop ends. */
void pair_begin(pair_part *part);
void pair_join(void);
void pair_loop(void);
void pair_leave_loop(void);

/* Ends the program, unless it is so. */
void pair_check(bool so, const char *what, long long value);

/* A request to one of the two, which must be granted. */
struct message pair_ask(uint32_t core, struct message request);
#define REQUEST(kind, ...) ((struct message){{message_head(kind, 0, 0, 0, 0), __VA_ARGS__}})

/* The lower bound of the bucket in which half of them have come; 0: there are none. */
uint64_t pair_median(const struct histogram *histogram);
