/* Between the monitor and the driver: what has arrived becomes an input, and what a step puts out is
 * sent, answered or told to whoever asked. The monitor sees no transport: it is given messages and
 * replies. */
#include "multikernel/multikernel.h"

static void deliver(struct driver *d, const struct output *output, uint64_t ticket,
                    enum verdict *verdict, struct message *result)
{
    for (uint32_t i = 0; i < output->count; i++) {
        const struct output_entry *entry = &output->entry[i];
        switch (entry->kind) {
        case OUTPUT_REQUEST:
        case OUTPUT_NOTICE:
            outgoing_send(d, entry->to, &entry->message);
            break;
        case OUTPUT_REPLY:
            outgoing_reply(d, entry->token, &entry->message);
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
            outgoing_notify(d, output->entry[i].to);
}

enum verdict monitor_turn(struct driver *d, const struct input *input, uint64_t ticket,
                          struct message *result)
{
    struct multikernel *k = multikernel_of(d);
    enum verdict verdict = VERDICT_PENDING;
    monitor_step(k->monitor, &k->environment, input, k->output);
    deliver(d, k->output, ticket, &verdict, result);
    while (k->output->local != NO_OPERATION) {
        struct input own = {.kind = INPUT_CONTINUE, .operation = k->output->local};
        monitor_step(k->monitor, &k->environment, &own, k->output);
        deliver(d, k->output, ticket, &verdict, NULL);
    }
    atomic_store_explicit(&k->waiting, k->monitor->waiting, memory_order_relaxed); /* ours alone */
    return verdict;
}

bool monitor_message(struct driver *d, const struct arrival *a)
{
    struct input input = {.from = a->from, .token = a->address, .message = &a->message};
    const uint32_t kind = message_kind(&a->message);
    if (a->reply) {
        input.kind = INPUT_REPLY;
        if (message_verdict(&a->message) != VERDICT_OK)
            multikernel_of(d)->environment.now = arch_cycles(); /* it may have to back off */
    } else {
        input.kind = INPUT_MESSAGE;
        if (kind >= AGREEMENT_KINDS)
            return false;
        if (kind >= KIND_SET) {
            /* a notice: nobody waits for the monitor, but its line wants its turn back */
            const struct message taken = {{0}};
            d->transport->answer(d, a->address, &taken);
        }
    }
    monitor_turn(d, &input, 0, NULL);
    return true;
}

enum verdict monitor_begin(struct driver *d, const struct request *request, struct message *result)
{
    if (!outgoing_has_room(d))
        return VERDICT_BUSY;
    struct input input = {.kind = INPUT_REQUEST, .request = request};
    return monitor_turn(d, &input, request->ticket, result);
}
