/* Two cores that use one object: this process is core 0, the object's owner, on the first CPU; a
 * forked one is core 1, on the second. What a program measures runs on both at once. */
#pragma once

#include "arch/arch.h"
#include "capability/capability.h"
#include "object/object.h"

enum { CORES = 2, ROUNDS_MOST = 64 };

/* Shared by both. */
struct common {
    _Alignas(PAD_BYTES) _Atomic uint64_t ready;
    _Alignas(PAD_BYTES) _Atomic uint64_t ended;
    struct {
        _Alignas(PAD_BYTES) _Atomic uint64_t done;
    } core[CORES];
    _Alignas(PAD_BYTES) uint64_t result;  /* of core 1 */
    _Alignas(PAD_BYTES) struct slot line; /* for what is without an object */
};
extern struct common *common;

extern struct object_geometry geometry; /* of the object: its type and its shape are to be set */
extern struct object object;            /* this core's end */
extern uint64_t reads;                  /* percent of the operations */

/* Ends the program, unless it is so. */
void check(bool so, const char *what);
uint64_t number(int argc, char **argv, int i, uint64_t otherwise);
double cycles_per_us(void);
double median(double *numbers, uint64_t count); /* puts them in order */

/* First of all. */
void two_cores_begin(void);
/* A new object of that geometry, in that form, with something in it; and core 0's end. */
void make_object(enum object_form form);
/* Core 1 opens its end, does that, and is gone when core 0 has done `ours`. */
void on_both(void (*theirs)(void), void (*ours)(void));
/* Either waits there for the other, and does its duties meanwhile. */
void meet(void);
/* Says how many that core has done, and waits where it is so far ahead of the other; false: it has
 * ended. */
bool keep_step(uint32_t me, uint64_t done, uint64_t ahead);
bool has_ended(void);
void end(void);

/* Cycles of a line there and back, the least of some batches: between two processes. */
double round_trip(void);

enum { KEYS = 512 };

static inline void draw(uint64_t *seed, struct operation *o)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    const uint64_t chosen = *seed >> 33;
    const bool only_reads = (chosen & 1023) < reads * 1024 / 100;
    switch (geometry.type) {
    case TYPE_COUNTERS:
        o->kind = only_reads ? COUNTERS_SUM : COUNTERS_ADD;
        o->value[0] = geometry.shape;
        return;
    case TYPE_MAP:
        o->kind = only_reads ? MAP_GET : MAP_ADD;
        o->key = 1 + (chosen >> 10) % KEYS;
        o->value[0] = 1;
        return;
    case TYPE_MAPPINGS:
        o->key = 1 + (chosen >> 11) % (geometry.shape - 1);
        o->kind = only_reads ? MAPPINGS_FIND : chosen & 1024 ? MAPPINGS_INSERT : MAPPINGS_REMOVE;
        o->value[0] = o->key * PAGE_BYTES;
        o->value[1] = PAGE_BYTES;
        o->value[2] = CAP_FRAME;
        if (only_reads)
            o->key *= PAGE_BYTES;
        return;
    default:
        o->kind = only_reads ? QUEUE_FRONT : chosen & 1024 ? QUEUE_PUT : QUEUE_TAKE;
        o->value[0] = 7;
    }
}
