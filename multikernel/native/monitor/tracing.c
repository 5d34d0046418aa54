#include "monitor/tracing.h"

static struct trace_event of_message(uint64_t now, enum trace_kind kind, uint32_t what,
                                     uint32_t peer, const struct message *message)
{
    return (struct trace_event){.time = now,
                                .about = message->word[1],
                                .object = message->word[2],
                                .kind = (uint8_t)kind,
                                .operation = (uint8_t)message_operation(message),
                                .phase = (uint8_t)message_kind(message),
                                .verdict = (uint8_t)message_verdict(message),
                                .peer = (uint16_t)peer,
                                .what = (uint8_t)what};
}

void trace_began(struct trace *t, uint64_t now, const struct input *in)
{
    struct trace_event event = {
        .time = now, .kind = TRACE_BEGAN, .operation = OPERATIONS, .what = (uint8_t)in->kind};
    if (in->kind == INPUT_MESSAGE || in->kind == INPUT_REPLY) {
        event = of_message(now, TRACE_BEGAN, in->kind, in->from, in->message);
    } else if (in->kind == INPUT_REQUEST) {
        event.operation = (uint8_t)in->request->operation;
        event.about = in->request->ticket;
        event.object = in->request->slot | (uint64_t)in->request->generation << 32;
    }
    trace_put(t, &event);
}

void trace_stepped(struct trace *t, uint64_t now, const struct output *out)
{
    const struct trace_event event = {.time = now,
                                      .kind = TRACE_STEPPED,
                                      .operation = out->work.operation,
                                      .phase = out->work.kind,
                                      .what = out->work.own_part,
                                      .role = out->work.role};
    trace_put(t, &event);
}

void trace_sent(struct trace *t, uint64_t now, enum output_kind kind, uint32_t to,
                const struct message *message)
{
    const struct trace_event event = of_message(now, TRACE_SENT, kind, to, message);
    trace_put(t, &event);
}

void trace_done(struct trace *t, uint64_t now, uint64_t ticket, const struct message *message)
{
    struct trace_event event = of_message(now, TRACE_DONE, OUTPUT_DONE, 0, message);
    event.about = ticket;
    trace_put(t, &event);
}
