/* The transport of call lines. An edge of a multicast tree is a request and its reply, so it is
 * carried by a call line: one line there and back.
 *
 * A call line is in use until its reply is written, and an inner node of a tree replies only when
 * its children have. Lines held while waiting for lines could make a circle. So a core answers
 * LATER on every line whose operation waits: where it cannot forward at once, where the request has
 * to wait for another operation, and where it is itself answered LATER. The reply proper then comes
 * as a request of its own, which is acknowledged at once. A line is therefore held for a bounded
 * time, whatever the trees and however many operations are under way.
 *
 * Many operations are in flight between two cores. A pair has one line that a single request at a
 * time always takes, and a window for those beyond. (Measured: lines taken in turn cost a single
 * retype half as much again where the CPUs are far apart, for the receiver polls the line that the
 * next request goes to, and the sender has to fetch it first.) The window's lines are taken in
 * turn: one whose operation takes long would stop the others when its turn comes again. So a core
 * that is one message short of that answers LATER on it: what an operation waits for holds up that
 * operation alone. */
#include <errno.h>
#include <stdlib.h>

#include "driver/driver.h"

enum {
    WINDOW_LEAST = 4, /* beside the first line; one of so few lines is not worth it */
    SEND_AHEAD = 3    /* lines; less than any window */
};

/* A line whose request is not answered yet: where the reply goes, 0: there is none; and the
 * operation that it belongs to. */
struct held {
    uint64_t address;
    uint64_t operation;
};

/* To and from one core. */
struct lines {
    struct call_receiver answer, answers; /* the first line; and the window, where there is one */
    struct call_sender call, calls;
    struct place *place;               /* the first line that is received on */
    struct held held[CALL_WINDOW_MAX]; /* by line, the first being 0 */
};

/* --- Sending --- */

static bool send(struct driver *d, uint32_t to, const struct message *message)
{
    struct lines *p = &d->lines[to];
    /* The first line is the fastest: coming back with the reply, it is where the next request will
     * be written. Only past it while the window is empty, or this message could be seen before
     * those. */
    struct call_sender *sender =
        p->calls.window && (p->calls.outstanding || !call_has_credit(&p->call)) ? &p->calls
                                                                                : &p->call;
    const bool first = call_is_unused(sender);
    int line = call_try_send(sender, message);
    if (line < 0)
        return false;
    if (sender == &p->calls) {
        /* A line is fetched from the other core before it can be written, one after the other
         * unless asked for ahead. */
        uint32_t ahead = sender->next + SEND_AHEAD;
        arch_prefetch_write(
            &sender->lines[ahead < sender->window ? ahead : ahead - sender->window]);
    }
    watch_reply(d, sender, to, (uint32_t)line, 0);
    if (first)
        notify_request(d, to, true);
    return true;
}

static void answer_on(struct lines *p, uint32_t line, const struct message *message)
{
    call_reply(line ? &p->answers : &p->answer, line ? line - 1 : 0, message);
}

static bool answer(struct driver *d, uint64_t address, const struct message *message, bool awaited)
{
    uint32_t to = reply_who(address), line = reply_line(address);
    struct lines *p = &d->lines[to];
    if (p->held[line].address != address)
        return false; /* LATER was the answer there */
    p->held[line].address = 0;
    answer_on(p, line, message);
    if (awaited)
        notify(d, to);
    return true;
}

/* --- LATER --- */

static void release(struct driver *d, uint32_t from, uint32_t line)
{
    struct lines *p = &d->lines[from];
    struct message later = {{message_head(0, 0, VERDICT_LATER, d->me, 0), p->held[line].operation}};
    p->held[line].address = 0; /* answer will find it gone */
    answer_on(p, line, &later);
    notify(d, from);
}

/* Every line of that operation; 0: of all. */
static void release_lines(struct driver *d, uint64_t operation)
{
    for (uint32_t from = 0; from < d->cores; from++)
        for (uint32_t line = 0; from != d->me && line < d->segment->geometry.window; line++) {
            const struct held *held = &d->lines[from].held[line];
            if (held->address && (!operation || held->operation == operation))
                release(d, from, line);
        }
}

bool lines_answered(struct driver *d, const struct message *reply)
{
    if (message_verdict(reply) == VERDICT_LATER) {
        release_lines(d, reply->word[1]);
        return false;
    }
    return reply->word[0] != 0; /* else a line coming back, and nothing more */
}

/* --- Receiving --- */

static void took(struct driver *d, uint32_t from, uint32_t line, struct arrival *a)
{
    struct lines *p = &d->lines[from];
    a->from = from;
    a->reply = (a->message.word[0] & FLAG_REPLY) != 0;
    if (a->reply) { /* what LATER promised */
        const struct message taken = {{0}};
        answer_on(p, line, &taken);
        notify(d, from);
        a->address = 0;
        return;
    }
    a->address = reply_address(REPLY_LINE, from, ++d->reply_count, line);
    p->held[line] = (struct held){a->address, a->message.word[1]};
}

static enum received receive_first(struct driver *d, struct place *place, struct arrival *a)
{
    struct lines *p = &d->lines[place->index];
    if (call_try_receive(&p->answer, &a->message) < 0)
        return NOTHING;
    watch_call(d, place, &p->answer);
    took(d, place->index, 0, a);
    return ARRIVED;
}

static enum received receive_window(struct driver *d, struct place *place, struct arrival *a)
{
    struct lines *p = &d->lines[place->index];
    /* What is in the window was sent after what is on the first line, if that is new too. Acquire:
     * having seen the one (look_is_new) we see the other; pairs with the release in
     * call_try_send. */
    atomic_thread_fence(memory_order_acquire);
    if (receive_first(d, p->place, a))
        return ARRIVED;
    int got = call_try_receive(&p->answers, &a->message);
    if (got < 0)
        return NOTHING;
    watch_call(d, place, &p->answers);
    took(d, place->index, 1 + (uint32_t)got, a);
    /* The line that the next one will want must be free by then. */
    if (p->held[1 + p->answers.next].address)
        release(d, place->index, 1 + p->answers.next);
    /* The next one is likely to be on its way. Asked for to be written: its reply goes over it. */
    arch_prefetch_write(&p->answers.lines[p->answers.next]);
    return ARRIVED;
}

/* --- Opening --- */

static int lines_open(struct driver *d, const int *ends)
{
    const uint32_t window = d->segment->geometry.window;
    const bool has_window = window > WINDOW_LEAST;
    (void)ends;
    d->lines = calloc(d->cores, sizeof *d->lines);
    if (!d->lines)
        return ENOMEM;
    for (uint32_t other = 0; other < d->cores; other++) {
        struct lines *p = &d->lines[other];
        if (other == d->me)
            continue;
        struct slot *out = segment_calls(d->segment, &d->region, d->me, other);
        struct slot *in = segment_calls(d->segment, &d->region, other, d->me);
        call_open_sender(&p->call, out, 1);
        call_open_receiver(&p->answer, in, 1);
        if (has_window) {
            call_open_sender(&p->calls, out + 1, window - 1);
            call_open_receiver(&p->answers, in + 1, window - 1);
        }
        p->place = watch_place(d, other, PLACE_FIRST, true, receive_first, other);
        watch_call(d, p->place, &p->answer);
        if (has_window)
            watch_call(d, watch_place(d, other, PLACE_WINDOW, true, receive_window, other),
                       &p->answers);
    }
    return 0;
}

const struct transport transport_lines = {
    .open = lines_open, .send = send, .answer = answer, .later = release_lines};
