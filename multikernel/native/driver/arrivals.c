/* One turn of the loop: what has arrived goes to the kernel, to dispatch, or to whoever waits for
 * it; what waits for something else is tried again. */
#include <string.h>

#include "driver/driver.h"

enum { REPLIES_FIRST = 2, REPLIES_AHEAD = 4, RUN_MOST = 8 };

/* By another core's program, which is answered where its request lies, if that can be. */
static enum received called(struct driver *d, struct place *place, struct arrival *a)
{
    struct call_receiver *end = &d->answers[place->index];
    struct slot *slot = call_arrived(end);
    if (!slot)
        return NOTHING;
    const uint32_t line = call_take_up(end);
    watch_call(d, place, end);
    if (dispatch_in_place(d, slot, place->from))
        return ANSWERED;
    slot_get(slot, &a->message);
    a->reply = false;
    a->address = reply_address(REPLY_CHANNEL, place->index, ++d->reply_count, line);
    return ARRIVED;
}

static enum received launched(struct driver *d, struct place *place, struct arrival *a)
{
    struct call_receiver *end = &d->answers[place->index];
    int line = call_try_receive(end, &a->message);
    if (line < 0)
        return NOTHING;
    watch_call(d, place, end);
    a->reply = false;
    a->address =
        reply_address(REPLY_CLIENT, place->index - d->channels, ++d->reply_count, (uint32_t)line);
    return ARRIVED;
}

void arrivals_open(struct driver *d)
{
    const uint32_t each = d->segment->geometry.user_channels;
    for (uint32_t i = 0; i < d->channels; i++)
        if (i / each != d->me)
            watch_call(d, watch_place(d, i / each, PLACE_CHANNELS + i % each, false, called, i),
                       &d->answers[i]);
    for (uint32_t i = 0; i < CLIENT_CHANNELS; i++)
        watch_call(d, watch_launcher(d, i, launched, d->channels + i),
                   &d->answers[d->channels + i]);
}

static inline void reply_to(struct driver *d, uint64_t waiter, const struct message *message)
{
    if (reply_type(waiter) == REPLY_GROUP)
        collective_reply(d, waiter, message);
    else
        driver_reply(d, waiter, message);
}

static void route(struct driver *d, const struct arrival *a)
{
    if (!a->reply) {
        if (message_kind(&a->message) >= KIND_PING || reply_type(a->address) < REPLY_LINE ||
            !d->kernel->message(d, a))
            dispatch(d, a->address, &a->message);
    } else if (a->address) {
        reply_to(d, a->address, &a->message);
    } else {
        d->kernel->message(d, a);
    }
}

static bool arrived(struct driver *d, struct place *place)
{
    struct arrival arrival;
    const enum received what = place->receive(d, place, &arrival);
    if (what == NOTHING)
        return false;
    for (uint32_t i = 0; d->cores > DOORBELL_WATCHED + 1 && i < DOORBELL_WATCHED; i++)
        d->heard |= (uint32_t)(d->watched[i] == place->from) << i;
    arrival.first = d->idle;
    if (what == ARRIVED)
        route(d, &arrival);
    return true;
}

/* Of four looks some are new. Where one message has come the next is likely to. */
static bool look_closer(struct driver *d, uint32_t first)
{
    const uint32_t arranged = d->arranged;
    bool any = false;
    for (uint32_t i = first; i < first + LOOKS_AT_ONCE; i++)
        for (uint32_t n = 0; n < RUN_MOST && look_is_new(&d->looks[i]) && outgoing_has_room(d);
             n++) {
            any |= arrived(d, d->looked_at[i]);
            if (d->arranged != arranged)
                return true; /* what was handled looked around itself */
        }
    return any;
}

/* Without room the kernel may not step; what has arrived waits in its channel. */
static inline bool look_around(struct driver *d, uint32_t count)
{
    bool any = false;
    if (d->hints_left || hints_are_there(&d->doorbell->hints))
        watch_hinted(d);
    for (uint32_t i = 0; i < count; i += LOOKS_AT_ONCE) {
        const struct look *at = &d->looks[i];
        if (__builtin_expect(look_is_new(at) | look_is_new(at + 1) | look_is_new(at + 2) |
                                 look_is_new(at + 3),
                             0))
            any |= look_closer(d, i);
    }
    return any;
}

bool driver_poll_transport(struct driver *d)
{
    bool any = look_around(d, d->transport_looks);
    notify_all(d);
    return any;
}

/* The i-th reply that is awaited, if it has come. */
static bool replied(struct driver *d, uint32_t i)
{
    const struct awaited awaited = d->awaited[i];
    if (!watch_is_there(&awaited))
        return false;
    if (!awaited.waiter && !outgoing_has_room(d))
        return false; /* it is for the kernel, which may not step now */
    struct arrival arrival;
    call_try_take(awaited.sender, awaited.line, &arrival.message);
    d->awaited_count--;
    if (i)
        memmove(&d->awaited[i], &d->awaited[i + 1], (d->awaited_count - i) * sizeof awaited);
    else
        d->awaited++;
    /* The next ones are likely to be there too, the more so the more there were: let them come
     * while this one is worked at. */
    d->awaited_run++;
    for (uint32_t next = i;
         next < d->awaited_count && next < i + REPLIES_AHEAD && next < i + d->awaited_run; next++)
        arch_prefetch_read(d->awaited[next].control);
    if (awaited.waiter) {
        reply_to(d, awaited.waiter, &arrival.message);
    } else if (lines_answered(d, &arrival.message)) {
        arrival.from = awaited.peer;
        arrival.address = 0;
        arrival.reply = true;
        d->kernel->message(d, &arrival);
    }
    return true;
}

/* Replies come mostly in the order of their requests. A look at a line that the other core is about
 * to write takes it away from that core, so of many only the oldest are looked at every time, and
 * the others by turns. */
bool driver_poll_replies(struct driver *d)
{
    bool any = false;
    uint32_t missed = 0;
    d->awaited_run = 0;
    while (missed < REPLIES_FIRST && missed < d->awaited_count)
        if (replied(d, missed))
            any = true;
        else
            missed++;
    if (missed < d->awaited_count) {
        if (++d->awaited_turn >= d->awaited_count)
            d->awaited_turn = missed;
        any |= replied(d, d->awaited_turn);
    }
    notify_turn_ends(d, any);
    return any;
}

static bool poll_host(struct driver *d)
{
    struct arrival arrival;
    bool any = false;
    while (outgoing_has_room(d) && d->transport->receive(d, NULL, &arrival)) {
        arrival.first = d->idle;
        route(d, &arrival);
        any = true;
    }
    return any;
}

bool driver_poll(struct driver *d)
{
    bool any = d->awaited_count && driver_poll_replies(d);
    if (d->outgoing_count)
        any |= outgoing_drain(d);
    if (outgoing_has_room(d)) {
        if (d->host)
            any |= poll_host(d);
        any |= look_around(d, d->look_count);
    }
    /* Relaxed: a hint; the kernel looks itself. */
    if (atomic_load_explicit(d->pending, memory_order_relaxed) != d->pending_seen)
        any |= d->kernel->serve(d);
    if (d->deferred_count)
        any |= dispatch_deferred(d);
    if (d->groups_waiting)
        any |= collective_pump(d);
    if (__builtin_expect(d->duties != NULL, 0))
        d->owed |= d->duties(d);
    d->idle = !any;
    notify_turn_ends(d, any);
    return any;
}
