/* What is to happen, by time; of two at one time the one that was said first. Idea: a 4-ary heap of
 * 16-byte events, whose children share a cache line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct scheduled {
    uint64_t time;
    uint32_t order;
    uint32_t what; /* the caller's */
};

struct schedule {
    struct scheduled *heap;
    uint32_t count, room, order;
};

/* False: no memory. */
bool schedule_push(struct schedule *schedule, uint64_t time, uint32_t what);
/* The next one; there is one. */
struct scheduled schedule_pop(struct schedule *schedule);
void schedule_free(struct schedule *schedule);
