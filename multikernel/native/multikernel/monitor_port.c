/* Between the monitor and the driver: what has arrived becomes an input, and what a step puts out
 * is sent to other cores or answers a request. The monitor sees no transport: it is given messages
 * and replies. */
#include "multikernel/multikernel.h"

/* A DONE message carries slot and generation in word 2 and the address in word 3; a requester wants
 * them in 1 and 2. */
static struct message for_requester(const struct message *done)
{
    struct message reply = *done;
    reply.word[0] |= KIND_PING;
    reply.word[1] = done->word[2];
    reply.word[2] = done->word[3];
    return reply;
}

static void deliver(struct driver *d, const struct output *output, uint64_t ticket,
                    enum verdict *verdict, struct message *result)
{
    for (uint32_t i = 0; i < output->count; i++) {
        const struct output_entry *entry = &output->entry[i];
        struct message done;
        switch (entry->kind) {
        case OUTPUT_REQUEST:
        case OUTPUT_NOTICE:
            outgoing_send(d, entry->to, &entry->message);
            break;
        case OUTPUT_REPLY:
            outgoing_reply(d, entry->token, &entry->message);
            break;
        case OUTPUT_DONE:
            done = for_requester(&entry->message);
            if (ticket && entry->token == ticket && result) { /* at once: the caller answers */
                *verdict = message_verdict(&done);
                *result = done;
            } else {
                driver_reply(d, entry->token, &done);
            }
            break;
        }
    }
    for (uint32_t i = 0; i < output->count; i++)
        if (output->entry[i].kind == OUTPUT_REQUEST || output->entry[i].kind == OUTPUT_NOTICE)
            outgoing_notify(d, output->entry[i].to);
}

static void step(struct multikernel *k, const struct input *input)
{
    if (k->record)
        record_step(k->record, &k->environment, input, k->output);
    else
        monitor_step(k->monitor, &k->environment, input, k->output);
}

enum verdict monitor_turn(struct driver *d, const struct input *input, uint64_t ticket,
                          struct message *result)
{
    struct multikernel *k = multikernel_of(d);
    enum verdict verdict = VERDICT_PENDING;
    step(k, input);
    deliver(d, k->output, ticket, &verdict, result);
    while (k->output->local != NO_OPERATION) {
        struct input own = {.kind = INPUT_CONTINUE, .operation = k->output->local};
        step(k, &own);
        deliver(d, k->output, ticket, &verdict, NULL);
    }
    k->next_tick = k->output->next_tick;
    /* Relaxed: this core alone reads it. */
    atomic_store_explicit(&k->waiting, k->next_tick != NEVER, memory_order_relaxed);
    return verdict;
}

enum verdict monitor_local(struct driver *d, const struct input *input, uint64_t *made)
{
    struct multikernel *k = multikernel_of(d);
    step(k, input);
    *made = k->output->made;
    return k->output->verdict;
}

bool monitor_message(struct driver *d, const struct arrival *a)
{
    struct input input = {.from = a->from, .token = a->address, .message = &a->message};
    const uint32_t kind = message_kind(&a->message);
    if (a->reply) {
        input.kind = INPUT_REPLY;
        /* It may have to back off, and then how long an abort takes is asked for. */
        if (message_verdict(&a->message) != VERDICT_OK || monitor_of(d)->aborting)
            multikernel_of(d)->environment.now = arch_cycles();
    } else {
        input.kind = INPUT_MESSAGE;
        if (kind >= AGREEMENT_KINDS)
            return false;
        if (kind >= KIND_RELEASE) {
            /* A notice: nobody waits for the monitor, but its line wants its turn back. */
            const struct message taken = {{0}};
            if (d->transport->answer)
                d->transport->answer(d, a->address, &taken);
        }
    }
    monitor_turn(d, &input, 0, NULL);
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
