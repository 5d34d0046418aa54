/* Between the monitor and the driver: what has arrived becomes an input, and what a step puts out
 * is sent to other cores or answers a request. The monitor sees no transport: it is given messages
 * and replies. */
#include <string.h>

#include "monitor/tracing.h"
#include "multikernel/multikernel.h"

/* What the requester is told. New Frames are cleared here: nobody has heard of them, and nobody can
 * revoke them while this core does not answer. */
static void for_requester(const struct driver *d, struct message *reply, const struct message *done)
{
    if (message_operation(done) == OPERATION_RETYPE && message_verdict(done) == VERDICT_OK)
        vspace_clear(&d->vspace, done->word[5], done->word[6]);
    reply_of_done(reply, done);
}

/* Noted before it is on its way, so that nobody has it earlier. */
static inline void sends(const struct driver *d, enum output_kind kind, uint32_t to,
                         const struct message *message)
{
    struct trace *trace = multikernel_of(d)->trace;
    if (trace)
        trace_sent(trace, arch_cycles(), kind, to, message);
}

/* All have it before any is notified: that may take long. */
static void send(struct driver *d, const struct output *output, const struct output_entry *entry)
{
    const uint32_t receivers = output_receivers(output, entry);
    for (uint32_t i = 0; i < receivers; i++) {
        sends(d, entry->kind, output_receiver(output, entry, i), &entry->message);
        outgoing_send(d, output_receiver(output, entry, i), &entry->message);
    }
    for (uint32_t i = 0; i < receivers; i++)
        outgoing_notify(d, output_receiver(output, entry, i));
}

static inline void done(const struct driver *d, const struct output_entry *entry)
{
    struct trace *trace = multikernel_of(d)->trace;
    if (trace)
        trace_done(trace, arch_cycles(), entry->token, &entry->message);
}

/* The verdict of a DONE for the ticket, with the result: the caller answers. Else PENDING. */
static enum verdict deliver(struct driver *d, const struct output *output, uint64_t ticket,
                            struct message *result)
{
    const struct output_entry *end = output->entry + output->count;
    enum verdict verdict = VERDICT_PENDING;
    for (const struct output_entry *entry = output->entry; entry < end; entry++) {
        if (entry->kind <= OUTPUT_NOTICE) {
            send(d, output, entry);
        } else if (entry->kind == OUTPUT_REPLY) {
            sends(d, OUTPUT_REPLY, entry->to, &entry->message);
            outgoing_reply(d, entry->token, &entry->message, !entry->unawaited);
        } else {
            done(d, entry);
            if (ticket && entry->token == ticket) {
                for_requester(d, result, &entry->message);
                verdict = message_verdict(&entry->message);
            } else {
                struct message reply = {{0}};
                for_requester(d, &reply, &entry->message);
                driver_reply(d, entry->token, &reply);
            }
        }
    }
    return verdict;
}

RARE static void step_watched(struct multikernel *k, const struct input *input)
{
    if (k->trace)
        trace_mark(k->trace, arch_cycles(), TRACE_STEP);
    if (k->record)
        record_step(k->record, &k->environment, input, k->output);
    else
        monitor_step(k->monitor, &k->environment, input, k->output);
    if (k->trace)
        trace_stepped(k->trace, arch_cycles(), k->output);
}

static void step(struct multikernel *k, const struct input *input)
{
    if (k->watched)
        step_watched(k, input);
    else
        monitor_step(k->monitor, &k->environment, input, k->output);
}

/* Behind the load that saw the message: who has it first reads a later clock than who sent it. */
static inline void began(struct multikernel *k, const struct input *input)
{
    if (k->trace)
        trace_began(k->trace, arch_cycles_behind(), input);
}

static inline void ended(struct multikernel *k)
{
    if (k->trace)
        trace_mark(k->trace, arch_cycles(), TRACE_ENDED);
}

static void wants_tick(struct multikernel *k)
{
    k->next_tick = k->output->next_tick;
    /* Relaxed: this core alone reads it. */
    atomic_store_explicit(&k->waiting, k->next_tick != NEVER, memory_order_relaxed);
}

/* monitor_turn, of what has begun. */
static enum verdict turn(struct driver *d, const struct input *input, uint64_t ticket,
                         struct message *result)
{
    struct multikernel *k = multikernel_of(d);
    step(k, input);
    const enum verdict verdict = deliver(d, k->output, ticket, result);
    while (k->output->local != NO_OPERATION) {
        const struct input own = {.kind = INPUT_CONTINUE, .operation = k->output->local};
        step(k, &own);
        deliver(d, k->output, 0, NULL);
    }
    wants_tick(k);
    ended(k);
    return verdict;
}

enum verdict monitor_turn(struct driver *d, const struct input *input, uint64_t ticket,
                          struct message *result)
{
    began(multikernel_of(d), input);
    return turn(d, input, ticket, result);
}

enum verdict monitor_local(struct driver *d, const struct input *input, uint64_t *made)
{
    struct multikernel *k = multikernel_of(d);
    step(k, input);
    *made = k->output->made;
    return k->output->verdict;
}

/* A notice: nobody waits for the monitor, but its line wants its turn back. */
RARE static void return_line(struct driver *d, const struct arrival *a)
{
    const struct message taken = {{0}};
    if (d->transport->answer)
        d->transport->answer(d, a->address, &taken, false);
}

/* Where it is plain what a step comes to, the rights go and the answer leaves first. (Where
 * requests come one behind the other what counts is how many are done, and to foresee is more to
 * do.) */
static bool answers_first(struct driver *d, const struct arrival *a, const struct input *input)
{
    struct multikernel *k = multikernel_of(d);
    const struct mmu *mmu = k->ahead.mmu;
    struct foresight f;
    if (!monitor_foresees(k->monitor, &k->ahead, &a->message, &f) ||
        (f.protects && mmu->protect(mmu->context, f.slot, f.rights) != VERDICT_OK))
        return false;
    struct message reply;
    message_copy(&reply, &a->message);
    reply.word[0] = f.head;
    sends(d, OUTPUT_REPLY, a->from, &reply);
    outgoing_reply(d, a->address, &reply, true);
    step(k, input);
    assert(k->output->count == 1 && k->output->local == NO_OPERATION &&
           memcmp(&k->output->entry[0].message, &reply, sizeof reply) == 0);
    wants_tick(k);
    ended(k);
    return true;
}

bool monitor_message(struct driver *d, const struct arrival *a)
{
    const struct input input = {.kind = a->reply ? INPUT_REPLY : INPUT_MESSAGE,
                                .from = a->from,
                                .token = a->address,
                                .message = &a->message};
    const uint32_t kind = message_kind(&a->message);
    if (a->reply) {
        /* It may have to back off, and then how long an abort takes is asked for. */
        if (message_verdict(&a->message) != VERDICT_OK || monitor_of(d)->aborting)
            multikernel_of(d)->environment.now = arch_cycles();
    } else if (kind >= AGREEMENT_KINDS) {
        return false;
    } else if (kind >= KIND_RELEASE) {
        return_line(d, a);
    }
    began(multikernel_of(d), &input);
    if (!a->reply && kind < KIND_RELEASE && a->first && answers_first(d, a, &input))
        return true;
    turn(d, &input, 0, NULL);
    if (multikernel_of(d)->output->work.waits && d->transport->later)
        d->transport->later(d, a->message.word[1]);
    return true;
}

enum verdict monitor_begin(struct driver *d, const struct request *request, struct message *result)
{
    if (!outgoing_has_room(d))
        return VERDICT_BUSY;
    struct input input = {.kind = INPUT_REQUEST, .request = request};
    return monitor_turn(d, &input, request->ticket, result);
}
