/* How the monitors' messages travel. An edge of a monitors' tree is a request and its reply, so it
 * is carried by a call line: one line there and back; or, to compare, by the rings, or by sockets
 * or pipes (host.c). The engine sees none of them: it is given messages and replies.
 *
 * A call line is in use until its reply is written, and an inner node of a tree replies only when
 * its children have. Lines held while waiting for lines could make a circle, so a core that cannot
 * forward at once answers LATER on every line whose operation waits, and so does who is told LATER;
 * the reply proper then comes as a request of its own, which is acknowledged at once. A line is
 * therefore held for a bounded time, whatever the trees and however many operations are under way.
 *
 * Many operations are in flight between two cores. A pair has one line that a single request at a
 * time always takes, and a window for those beyond. (Measured: lines taken in turn cost a single
 * retype half as much again where the CPUs are far apart, for the receiver polls the line that the
 * next request goes to, and the sender has to fetch it first.) The window's lines are taken in
 * turn: one whose operation takes long would stop the others when its turn comes again. So a core
 * that is one message short of that answers LATER on it: what an operation waits for holds up
 * nobody but that operation. */
#include "driver/driver.h"

enum { SEND_AHEAD = 3 }; /* lines; less than any window (carrier_has_window) */

static void outgoing_push(struct driver *d, uint32_t to, const struct message *message,
                          uint32_t notice)
{
    assert(d->outgoing_count < d->outgoing_max);
    d->outgoing[d->outgoing_count++] = (struct outgoing){to, notice, *message};
}

static bool send_now(struct driver *d, uint32_t to, const struct message *message)
{
    struct peer *peer = &d->peers[to];
    if (d->links)
        return link_send(d, to, message);
    if (d->carrier == CARRIER_RING)
        return driver_ring_send(d, peer, message);
    /* The first line is the fastest: coming back with the reply, it is where the next request will
     * be written. Only past it while the window is empty, or this message could be seen before
     * those. */
    struct call_sender *sender =
        peer->calls.window && (peer->calls.outstanding || !call_has_credit(&peer->call))
            ? &peer->calls
            : &peer->call;
    int line = call_try_send(sender, message);
    if (line < 0)
        return false;
    if (sender == &peer->calls) {
        /* A line is fetched from the other core before it can be written, one after the other
         * unless asked for ahead. */
        uint32_t ahead = sender->next + SEND_AHEAD;
        arch_prefetch_write(
            &sender->lines[ahead < sender->window ? ahead : ahead - sender->window]);
    }
    driver_await(d, sender, to, (uint32_t)line, 0);
    return true;
}

void carrier_tell_rest(struct driver *d)
{
    /* Our message stores before our mode loads; pairs with the fence in doorbell_enter. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < d->untold_count; i++)
        doorbell_ring_fenced(d->peers[d->untold[i]].doorbell);
    d->untold_count = d->untold_turns = 0;
}

/* A message was sent to that core, in memory. (One that the host carries is told by the host.) Who
 * does not poll is told now, as waking takes long. Who seems to is told when what there is to do
 * has been done (carrier_told_all): the fence waits until the line has been fetched from that core,
 * and meanwhile this core can do its own part of the operation, or answer others. */
static void tell(struct driver *d, uint32_t to)
{
    if (d->links)
        return;
    if (!doorbell_seems_to_poll(d->peers[to].doorbell)) {
        doorbell_ring(d->peers[to].doorbell);
        return;
    }
    if (d->untold_count == UNTOLD_MOST)
        carrier_tell_rest(d);
    d->untold[d->untold_count++] = (uint16_t)to;
}

static void send(struct driver *d, uint32_t to, const struct message *message)
{
    /* Behind anything that waits already: a channel is FIFO to the monitor. */
    if (d->outgoing_count || !send_now(d, to, message))
        outgoing_push(d, to, message, 0);
}

/* --- LATER --- */

/* Of a peer's lines, 0 is the first and the others are the window. */
static void answer_on(struct peer *peer, uint32_t line, const struct message *message)
{
    if (line)
        call_reply(&peer->answers, line - 1, message);
    else
        call_reply(&peer->answer, 0, message);
}

static void release_line(struct driver *d, uint32_t from, uint32_t line)
{
    struct peer *peer = &d->peers[from];
    struct message later = {
        {message_head(0, 0, VERDICT_LATER, d->me, 0), peer->held_operation[line]}};
    peer->held[line] = 0; /* carrier_reply will find it gone, and send a message */
    answer_on(peer, line, &later);
    tell(d, from);
}

void carrier_make_way(struct driver *d, uint32_t from)
{
    struct peer *peer = &d->peers[from];
    uint32_t line = 1 + peer->answers.next;
    if (d->monitor && peer->held[line])
        release_line(d, from, line);
}

static void release_lines(struct driver *d, uint64_t operation)
{
    for (uint32_t from = 0; from < d->cores; from++)
        for (uint32_t line = 0; from != d->me && line < d->segment->geometry.window; line++)
            if (d->peers[from].held[line] &&
                (!operation || d->peers[from].held_operation[line] == operation))
                release_line(d, from, line);
}

/* --- Monitor and channels --- */

static void deliver(struct driver *d, const struct output *output, uint64_t ticket,
                    enum verdict *verdict, struct message *result)
{
    for (uint32_t i = 0; i < output->count; i++) {
        const struct output_entry *entry = &output->entry[i];
        switch (entry->kind) {
        case OUTPUT_REQUEST:
        case OUTPUT_NOTICE:
            send(d, entry->to, &entry->message);
            break;
        case OUTPUT_REPLY:
            carrier_reply(d, entry->token, &entry->message);
            break;
        case OUTPUT_DONE:
            if (ticket && entry->token == ticket &&
                message_verdict(&entry->message) != VERDICT_OK && result) {
                *verdict = message_verdict(
                    &entry->message); /* refused at once: the caller answers, or asks again */
                *result = entry->message;
            } else {
                driver_reply(d, entry->token, &entry->message);
            }
            break;
        }
    }
    for (uint32_t i = 0; i < output->count; i++)
        if (output->entry[i].kind == OUTPUT_REQUEST || output->entry[i].kind == OUTPUT_NOTICE)
            tell(d, output->entry[i].to);
}

enum verdict monitor_turn(struct driver *d, const struct input *input, uint64_t ticket,
                          struct message *result)
{
    enum verdict verdict = VERDICT_PENDING;
    monitor_step(d->monitor, &d->environment, input, d->output);
    deliver(d, d->output, ticket, &verdict, result);
    while (d->output->local != NO_OPERATION) {
        struct input own = {.kind = INPUT_CONTINUE, .operation = d->output->local};
        monitor_step(d->monitor, &d->environment, &own, d->output);
        deliver(d, d->output, ticket, &verdict, NULL);
    }
    return verdict;
}

void carrier_request(struct driver *d, uint32_t from, uint64_t address,
                     const struct message *message)
{
    uint32_t kind = message_kind(message);
    if (message->word[0] & FLAG_REPLY) { /* what LATER promised */
        struct input input = {.kind = INPUT_REPLY, .from = from, .message = message};
        struct message taken = {{0}};
        carrier_reply(d, address, &taken);
        if (message_verdict(message) != VERDICT_OK)
            d->environment.now = arch_cycles();
        monitor_turn(d, &input, 0, NULL);
    } else if (kind < AGREEMENT_KINDS && d->monitor) {
        struct input input = {
            .kind = INPUT_MESSAGE, .from = from, .token = address, .message = message};
        /* a notice: nobody waits for the monitor, but the line wants its turn back */
        if (kind >= KIND_SET) {
            struct message taken = {{0}};
            carrier_reply(d, address, &taken);
        }
        monitor_turn(d, &input, 0, NULL);
    } else {
        dispatch(d, address, message);
    }
}

void carrier_answer(struct driver *d, uint32_t from, const struct message *message)
{
    if (message_verdict(message) == VERDICT_LATER) {
        release_lines(d, message->word[1]);
        return;
    }
    if (!message->word[0])
        return; /* a notice's or a carried reply's line coming back */
    if (message_verdict(message) != VERDICT_OK)
        d->environment.now = arch_cycles(); /* it may have to back off */
    struct input input = {.kind = INPUT_REPLY, .from = from, .message = message};
    monitor_turn(d, &input, 0, NULL);
}

void carrier_reply(struct driver *d, uint64_t address, const struct message *message)
{
    uint32_t who = address >> 44 & 0xffff, line = address & 0xff;
    struct peer *peer = &d->peers[who];
    if (address >> 60 == REPLY_PEER && peer->held[line] == address) {
        peer->held[line] = 0;
        answer_on(peer, line, message);
        tell(d, who);
        return;
    }
    struct message carried = *message;
    carried.word[0] |= FLAG_REPLY;
    /* any carrier: a program's ring request */
    if (address >> 60 == REPLY_RING && message_kind(message) >= KIND_PING) {
        while (!driver_ring_send(d, peer, &carried))
            arch_relax(); /* unreachable: a request on the ring left room for its reply */
        doorbell_ring(peer->doorbell);
        return;
    }
    if (address >> 60 != REPLY_PEER && !message->word[0])
        return; /* a notice: only lines want their turn back */
    send(d, who, &carried);
    tell(d, who);
}

bool carrier_drain(struct driver *d)
{
    uint32_t kept = 0, count = d->outgoing_count;
    for (uint32_t i = 0; i < count; i++) {
        struct outgoing *entry = &d->outgoing[i];
        bool blocked = false; /* FIFO for each destination: not past an entry that stays */
        for (uint32_t k = 0; k < kept && !blocked; k++)
            blocked = d->outgoing[k].to == entry->to;
        if (!blocked && send_now(d, entry->to, &entry->message))
            tell(d, entry->to);
        else
            d->outgoing[kept++] = *entry;
    }
    d->outgoing_count = kept;
    if (kept == count && d->carrier == CARRIER_CALL_LINE)
        release_lines(d, 0); /* nothing moved: do not hold what others may be waiting for */
    return kept != count;
}

void carrier_open(struct driver *d)
{
    struct segment *segment = d->segment;
    const struct geometry *g = &segment->geometry;
    for (uint32_t other = 0; other < d->cores; other++) {
        struct peer *peer = &d->peers[other];
        peer->doorbell = segment_doorbell(segment, other);
        if (other == d->me)
            continue;
        struct slot *out = segment_calls(segment, &d->region, d->me, other);
        struct slot *in = segment_calls(segment, &d->region, other, d->me);
        call_open_sender(&peer->call, out, 1);
        call_open_receiver(&peer->answer, in, 1);
        if (carrier_has_window(d)) {
            call_open_sender(&peer->calls, out + 1, g->window - 1);
            call_open_receiver(&peer->answers, in + 1, g->window - 1);
        }
        if (g->ring_slots)
            ring_open(&peer->ring, segment_ring(segment, &d->region, d->me, other),
                      segment_ring(segment, &d->region, other, d->me), g->ring_slots);
    }
}
