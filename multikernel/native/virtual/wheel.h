/* What is to happen soon, by time; of two at one time the one that was said first. It answers as
 * schedule.h does, but nothing may be said for a time before the last one popped: cores that wait in
 * loops say what they do next some hundred cycles before they do it, millions of times a second.
 *
 * Idea: a timing wheel (Varghese and Lauck, SOSP'87). A slot a cycle, whose events are a list in the
 * order in which they were said, and a bit for each slot, so that the next is found by two counts of
 * zeros. What is farther away waits in a heap until the wheel comes near. */
#pragma once

#include "virtual/schedule.h"

enum { WHEEL_WORD = 64, WHEEL_WORDS = 64, WHEEL_SLOTS = WHEEL_WORD * WHEEL_WORDS };

struct wheel_event {
    uint64_t time;
    uint32_t what, next; /* in its slot's list, or in the free ones': its place + 1; 0: none */
};

struct wheel {
    struct schedule far; /* WHEEL_SLOTS cycles and more behind `now` */
    struct wheel_event *event;
    uint32_t count, near, room, used, spare; /* count: of all events; spare: the free ones' first */
    uint64_t now, soonest;                   /* soonest: of all; UINT64_MAX: to be looked up */
    uint64_t words, word[WHEEL_WORDS]; /* bits: words that are not 0; slots that are not empty */
    struct {
        uint32_t first, last;
    } slot[WHEEL_SLOTS];
};

/* False: no memory. */
bool wheel_push(struct wheel *wheel, uint64_t time, uint32_t what);
/* The next one; there is one. */
struct scheduled wheel_pop(struct wheel *wheel);
void wheel_free(struct wheel *wheel);

uint64_t wheel_looks_up(struct wheel *wheel);
/* When the next one is; there is one. */
static inline uint64_t wheel_soonest(struct wheel *w)
{
    return w->soonest != UINT64_MAX ? w->soonest : wheel_looks_up(w);
}
