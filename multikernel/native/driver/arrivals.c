/* What the driver polls. Every place where a message may arrive is one watch: the address of a
 * control word and the value that says "new". A turn is a walk over the watches, a load and a
 * comparison each, all in the first-level cache while nothing arrives; the paper's complaint about
 * polling many channels (section 5 of its follow-ups) is this walk, so it is kept short. Replies on
 * their way are a list of their own, short and walked first. What the host carries is asked of the
 * host (host.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

enum { REPLIES_FIRST = 2, REPLIES_AHEAD = 4 };

static void look_call(struct watch *watch, const struct call_receiver *end)
{
    watch->control = &end->lines[end->next].control;
    watch->expected = (uint32_t)(2 * end->lap + 1);
    watch->mask = UINT32_MAX;
}

static void look_ring(struct watch *watch, const struct ring_receiver *end)
{
    watch->control = &end->slots[end->position & end->mask].control;
    watch->expected = end->epoch;
    watch->mask = RING_EPOCH;
}

bool driver_ring_send(struct driver *d, struct peer *peer, const struct message *message)
{
    bool sent = ring_try_send(&peer->ring, message);
    look_ring(&d->watches[peer->ring_watch], &peer->ring.receiver);
    return sent;
}

static void from_ring(struct driver *d, uint32_t from, struct peer *peer)
{
    struct message message;
    if (!ring_try_receive(&peer->ring, &message))
        return;
    if (!(message.word[0] & FLAG_REPLY))
        carrier_request(d, from, reply_address(REPLY_RING, from, ++d->reply_count, 0), &message);
    else if (message_kind(&message) >= KIND_PING)
        driver_reply(d, peer->ring_waiter, &message);
    else
        carrier_answer(d, from, &message);
}

static inline bool is_new(const struct watch *watch)
{
    /* Relaxed: a hint. The receive that follows looks again, and its acquire is the one that
     * counts. */
    return (atomic_load_explicit(watch->control, memory_order_relaxed) & watch->mask) ==
           watch->expected;
}

/* poll_open put those of the other cores' first lines first. */
static uint32_t first_line_of(const struct driver *d, uint32_t core)
{
    return core - (core > d->me);
}

static bool arrived(struct driver *d, struct watch *watch)
{
    struct message message;
    uint32_t index = watch->index;
    struct peer *peer;
    struct call_receiver *end;
    int line;
    switch (watch->type) {
    case WATCH_CALL:
    case WATCH_CALLS:
        peer = &d->peers[index];
        end = watch->type == WATCH_CALL ? &peer->answer : &peer->answers;
        /* What is in the window was sent after what is on the first line, if that is new too.
         * Acquire: having seen the one (is_new) we see the other; pairs with the release in
         * call_try_send. */
        atomic_thread_fence(memory_order_acquire);
        if (watch->type == WATCH_CALLS && (line = call_try_receive(&peer->answer, &message)) >= 0) {
            watch = &d->watches[first_line_of(d, index)];
            end = &peer->answer;
        } else if ((line = call_try_receive(end, &message)) < 0) {
            return false;
        }
        look_call(watch, end);
        line += end == &peer->answers;
        peer->held[line] = reply_address(REPLY_PEER, index, ++d->reply_count, (uint32_t)line);
        peer->held_operation[line] = message.word[1];
        if (line) {
            carrier_make_way(d, index);
            /* The next one is likely to be on its way. Asked for to be written: its reply goes over
             * it. */
            arch_prefetch_write(&end->lines[end->next]);
        }
        carrier_request(d, index, peer->held[line], &message);
        return true;
    case WATCH_RING:
        peer = &d->peers[index];
        from_ring(d, index, peer);
        look_ring(watch, &peer->ring.receiver);
        /* if only an acknowledgement: something happened, and that is all the caller asks */
        return true;
    default:
        if (watch->type == WATCH_CLIENT && d->deferred_count >= DEFERRED_MAX / 2)
            return false;
        end = watch->type == WATCH_CLIENT ? &d->client[index] : &d->user_answers[index];
        if ((line = call_try_receive(end, &message)) < 0)
            return false;
        look_call(watch, end);
        dispatch(d,
                 reply_address(watch->type == WATCH_CLIENT ? REPLY_CLIENT : REPLY_CHANNEL, index,
                               ++d->reply_count, (uint32_t)line),
                 &message);
        return true;
    }
}

bool driver_poll_calls(struct driver *d)
{
    bool any = false;
    uint32_t lines = carrier_has_window(d) ? 2 * (d->cores - 1) : d->cores - 1;
    for (uint32_t i = 0; i < lines && !d->links; i++) /* poll_open put them first */
        if (is_new(&d->watches[i]))
            any |= arrived(d, &d->watches[i]);
    carrier_told_all(d);
    return any;
}

void driver_awaited_to_front(struct driver *d)
{
    memmove(d->awaited_block, d->awaited, d->awaited_count * sizeof *d->awaited);
    d->awaited = d->awaited_block;
}

/* The i-th reply that is awaited, if it has come. */
static bool take_reply(struct driver *d, uint32_t i)
{
    const struct awaited awaited = d->awaited[i];
    /* Relaxed: a hint. call_try_take looks again, and its acquire is the one that counts. */
    if (atomic_load_explicit(awaited.control, memory_order_relaxed) != awaited.expected)
        return false;
    if (!awaited.waiter && !carrier_has_room(d))
        return false;
    struct message message;
    call_try_take(awaited.sender, awaited.line, &message);
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
    if (awaited.waiter)
        driver_reply(d, awaited.waiter, &message);
    else
        carrier_answer(d, awaited.peer, &message);
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
        if (take_reply(d, missed))
            any = true;
        else
            missed++;
    if (missed < d->awaited_count) {
        if (++d->awaited_turn >= d->awaited_count)
            d->awaited_turn = missed;
        any |= take_reply(d, d->awaited_turn);
    }
    carrier_turn_ends(d, any);
    return any;
}

bool driver_poll(struct driver *d)
{
    bool any = d->awaited_count && driver_poll_replies(d);
    if (d->outgoing_count)
        any |= carrier_drain(d);
    /* else step may not run now; what has arrived waits in its channel */
    if (carrier_has_room(d)) {
        if (d->links)
            any |= link_poll(d);
        for (uint32_t i = 0; i < d->watch_count; i++) {
            /* Who spoke last speaks next, mostly: between every few others, look there again. */
            if (i % 4 == 0 && is_new(&d->watches[d->hot_watch]))
                any |= arrived(d, &d->watches[d->hot_watch]);
            if (!is_new(&d->watches[i]))
                continue;
            any |= arrived(d, &d->watches[i]);
            d->hot_watch = i;
            if (!carrier_has_room(d))
                break;
        }
    }
    if (d->monitor ? d->monitor->waiting != 0
                   : atomic_load_explicit(d->told, memory_order_relaxed) != d->told_seen)
        any |= d->kernel->serve(d);
    if (d->deferred_count)
        any |= dispatch_deferred(d);
    if (d->groups_waiting)
        any |= collective_pump(d);
    carrier_turn_ends(d, any);
    return any;
}

int poll_open(struct driver *d)
{
    d->watches = calloc(3 * (size_t)d->cores + d->channels + CLIENT_CHANNELS, sizeof *d->watches);
    d->awaited_max = d->cores * d->segment->geometry.window + d->channels + 1;
    d->awaited = d->awaited_block = calloc(2 * (size_t)d->awaited_max, sizeof *d->awaited);
    if (!d->watches || !d->awaited)
        return ENOMEM;
    struct watch *watch = d->watches;
    for (uint32_t other = 0; other < d->cores; other++) {
        if (other == d->me || d->links)
            continue;
        look_call(watch, &d->peers[other].answer);
        watch->type = WATCH_CALL;
        watch++->index = (uint16_t)other;
    }
    for (uint32_t other = 0; other < d->cores && carrier_has_window(d); other++) {
        if (other == d->me || d->links)
            continue;
        look_call(watch, &d->peers[other].answers);
        watch->type = WATCH_CALLS;
        watch++->index = (uint16_t)other;
    }
    for (uint32_t other = 0; d->rings && other < d->cores; other++) {
        if (other == d->me)
            continue;
        look_ring(watch, &d->peers[other].ring.receiver);
        watch->type = WATCH_RING;
        d->peers[other].ring_watch = (uint32_t)(watch - d->watches);
        watch++->index = (uint16_t)other;
    }
    for (uint32_t channel = 0; channel < d->channels; channel++) {
        if (channel / d->segment->geometry.user_channels == d->me)
            continue;
        look_call(watch, &d->user_answers[channel]);
        watch->type = WATCH_CHANNEL;
        watch++->index = (uint16_t)channel;
    }
    for (uint32_t channel = 0; channel < CLIENT_CHANNELS; channel++) {
        look_call(watch, &d->client[channel]);
        watch->type = WATCH_CLIENT;
        watch++->index = (uint16_t)channel;
    }
    d->watch_count = (uint32_t)(watch - d->watches);
    return 0;
}
