/* What the driver looks at on every turn: the places where a message may arrive, and the replies on
 * their way.
 *
 * Every place is one watch: the address of a control word and the value that says "new". A turn is
 * a walk over the watches, a load and a comparison each, all in the first-level cache while nothing
 * arrives; polling many channels costs this walk, so it is kept short. Replies awaited are a list
 * of their own, short and walked first. */
#pragma once

#include "channel/call_line.h"
#include "driver/transport.h"

struct watch {
    _Atomic uint64_t *control;
    uint64_t expected;
    receive_function *receive; /* false: there was nothing for the driver after all */
    uint32_t mask;             /* the low bits of the control word that count */
    uint32_t index;            /* the receive function's */
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
/* A new one, still to be pointed at its place. Those added first are looked at first. */
struct watch *watch_add(struct driver *driver, receive_function *receive, uint32_t index);

static inline void watch_call(struct watch *watch, const struct call_receiver *end)
{
    watch->control = &end->lines[end->next].control;
    watch->expected = (uint32_t)(2 * end->lap + 1);
    watch->mask = UINT32_MAX;
}

static inline bool watch_is_new(const struct watch *watch)
{
    /* Relaxed: a hint. The receive that follows looks again, and its acquire is the one that
     * counts. */
    return (atomic_load_explicit(watch->control, memory_order_relaxed) & watch->mask) ==
           watch->expected;
}

static inline bool watch_is_there(const struct awaited *awaited)
{
    /* Relaxed: a hint. call_try_take looks again, and its acquire is the one that counts. */
    return atomic_load_explicit(awaited->control, memory_order_relaxed) == awaited->expected;
}

/* There is no room behind the last reply awaited any more: they move to the block's beginning. */
void watch_to_front(struct driver *driver);
