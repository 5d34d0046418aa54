/* One turn of the loop: what has arrived goes to the kernel, to dispatch, or to whoever waits for
 * it; what waits for something else is tried again. */
#include <string.h>

#include "driver/driver.h"

enum { REPLIES_FIRST = 2, REPLIES_AHEAD = 4 };

static bool called(struct driver *d, struct watch *watch, struct arrival *a)
{
    struct call_receiver *end = &d->answers[watch->index];
    const bool client = watch->index >= d->channels;
    int line = call_try_receive(end, &a->message);
    if (line < 0)
        return false;
    watch_call(watch, end);
    a->reply = false;
    a->address = reply_address(client ? REPLY_CLIENT : REPLY_CHANNEL,
                               client ? watch->index - d->channels : watch->index, ++d->reply_count,
                               (uint32_t)line);
    return true;
}

void arrivals_open(struct driver *d)
{
    for (uint32_t i = 0; i < d->channels + CLIENT_CHANNELS; i++)
        if (i / d->segment->geometry.user_channels != d->me || i >= d->channels)
            watch_call(watch_add(d, called, i), &d->answers[i]);
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

static inline bool arrived(struct driver *d, struct watch *watch)
{
    struct arrival arrival;
    if (!watch->receive(d, watch, &arrival))
        return false;
    route(d, &arrival);
    return true;
}

bool driver_poll_transport(struct driver *d)
{
    bool any = false;
    for (struct watch *watch = d->watches; watch < d->transport_watches; watch++)
        if (watch_is_new(watch))
            any |= arrived(d, watch);
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
    /* Without room the kernel may not step; what has arrived waits in its channel. */
    if (outgoing_has_room(d)) {
        if (d->host)
            any |= poll_host(d);
        uint32_t since = 0;
        for (struct watch *watch = d->watches; watch < d->watches_end; watch++) {
            /* Mostly the next message comes from where the last one did: look there often. */
            if (since++ % 4 == 0 && watch_is_new(d->hot_watch))
                any |= arrived(d, d->hot_watch);
            if (!watch_is_new(watch))
                continue;
            any |= arrived(d, watch);
            d->hot_watch = watch;
            if (!outgoing_has_room(d))
                break;
        }
    }
    /* Relaxed: a hint; the kernel looks itself. */
    if (atomic_load_explicit(d->pending, memory_order_relaxed) != d->pending_seen)
        any |= d->kernel->serve(d);
    if (d->deferred_count)
        any |= dispatch_deferred(d);
    if (d->groups_waiting)
        any |= collective_pump(d);
    notify_turn_ends(d, any);
    return any;
}
