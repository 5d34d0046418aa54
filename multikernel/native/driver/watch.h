/* What the driver looks at on every turn: the places where a message may arrive, and the replies on
 * their way.
 *
 * A place is the address of a control word and the value that says "new". A turn compares the looks:
 * those places, one behind the other, that have been used, of the four cores that this one watches
 * (channel/doorbell.h), and the launcher's. Whoever else sends leaves a hint, and is watched from
 * then on in place of one that has been silent. So a turn costs what is active, however many cores
 * and channels there are.
 *
 * Replies awaited are a list of their own, short and walked first. */
#pragma once

#include "channel/call_line.h"
#include "driver/transport.h"

enum { LOOKS_AT_ONCE = 4 }; /* one branch for so many */

struct look {
    _Atomic uint64_t *control;
    uint32_t expected;
    uint32_t mask; /* the low bits of the control word that count */
};

/* Where one core's messages arrive, in the order in which they are looked at. A ring is the
 * transport's or the programs'. */
enum { PLACE_FIRST, PLACE_WINDOW, PLACE_RING, PLACE_CHANNELS };

struct place {
    struct look look;
    receive_function *receive; /* NULL: nothing arrives there */
    uint32_t index;            /* the receive function's */
    uint32_t at;               /* its look, counted from 1; 0: none */
    uint16_t from;             /* TREE_NOBODY: the launcher */
    bool transport;
    bool used;
};

/* A reply that is on its way, and its waiter: a local reply address, or 0 for the kernel. */
struct awaited {
    _Atomic uint64_t *control;
    uint64_t expected;
    uint64_t waiter;
    struct call_sender *sender;
    uint16_t peer, line;
};

/* Room for all there can be. 0, or an errno. */
int watch_open(struct driver *driver);
/* That place of that core, of the kernel's transport or not; or the launcher's channel of that
 * number. Still to be pointed at its control word. */
struct place *watch_place(struct driver *driver, uint32_t core, uint32_t place, bool transport,
                          receive_function *receive, uint32_t index);
struct place *watch_launcher(struct driver *driver, uint32_t channel, receive_function *receive,
                             uint32_t index);
/* All places are there. */
void watch_begin(struct driver *driver);

/* Hints: whoever has left one is watched. */
void watch_hinted(struct driver *driver);
/* As if some more of those who have sent something had left one: a fault that loses a hint costs
 * ticks, and never a hang. */
void watch_doubted(struct driver *driver);

/* What is new there from now on. */
void watch_for(struct driver *driver, struct place *place, _Atomic uint64_t *control,
               uint32_t expected, uint32_t mask);
static inline void watch_call(struct driver *driver, struct place *place,
                              const struct call_receiver *end)
{
    watch_for(driver, place, &end->lines[end->next].control, (uint32_t)(2 * end->lap + 1),
              UINT32_MAX);
}

static inline bool look_is_new(const struct look *look)
{
    /* Relaxed: a hint. The receive that follows looks again, and its acquire is the one that
     * counts. */
    return ((uint32_t)atomic_load_explicit(look->control, memory_order_relaxed) & look->mask) ==
           look->expected;
}

static inline bool watch_is_there(const struct awaited *awaited)
{
    /* Relaxed: a hint. call_try_take looks again, and its acquire is the one that counts. */
    return atomic_load_explicit(awaited->control, memory_order_relaxed) == awaited->expected;
}

/* Another one waits for that reply now. */
void watch_hand_over(struct driver *driver, uint64_t waiter, uint64_t other);
/* There is no room behind the last reply awaited any more: they move to the block's beginning. */
void watch_to_front(struct driver *driver);
