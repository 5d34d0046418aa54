/* What surrounds the monitors, and what can happen in a world: a message is taken, a core does its
 * own part, a tick comes, a program goes on. */
#include <stdio.h>
#include <string.h>

#include "explorer.h"
#include "operation_names.h"

struct model model;

/* --- Channels and outboxes --- */

static int same_fifo(const struct packet *p, uint32_t from, uint32_t to, uint32_t reply)
{
    return p->present && p->from == from && p->to == to && p->reply == reply;
}

static uint32_t packet_key(const struct packet *p)
{
    return (uint32_t)p->from << 16 | (uint32_t)p->to << 8 | p->reply;
}

void world_send(struct world *w, const struct packet *packet)
{
    uint32_t count = 0;
    while (count < MODEL_PACKETS && w->packet[count].present)
        count++;
    if (count == MODEL_PACKETS) {
        violate("more than %d messages under way (raise MODEL_PACKETS)", MODEL_PACKETS);
        return;
    }
    for (; count > 0 && packet_key(&w->packet[count - 1]) > packet_key(packet); count--)
        w->packet[count] = w->packet[count - 1];
    w->packet[count] = *packet;
}

static struct packet take(struct world *w, uint32_t index)
{
    struct packet packet = w->packet[index];
    memmove(&w->packet[index], &w->packet[index + 1], (MODEL_PACKETS - 1 - index) * sizeof packet);
    memset(&w->packet[MODEL_PACKETS - 1], 0, sizeof packet);
    return packet;
}

bool world_has_room(const struct world *w, uint32_t core)
{
    uint32_t waiting = 0;
    for (const struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        waiting += p->from == core && !p->in_channel;
    return model.outbox >= waiting + model.messages;
}

/* Moves what fits from outboxes to channels. To do this at once loses nothing: the move takes away
 * no other transition, and commutes with all of them. (model.lazy makes it a transition, to see
 * that for oneself.) */
void world_drain(struct world *w)
{
    uint32_t key = UINT32_MAX, inside = 0;
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++) {
        if (packet_key(p) != key) {
            key = packet_key(p);
            inside = 0;
        }
        if (p->in_channel || inside < model.capacity)
            p->in_channel = 1;
        inside += p->in_channel;
    }
}

/* --- Transitions --- */

/* Where it says since when that lane's operation has been waiting for a tick; NULL: it does not. */
static uint64_t *waiting_since(const struct monitor *m, uint32_t number)
{
    struct workflow *flow = monitor_workflow(m, number % MODEL_LANES);
    struct agreement *a = monitor_agreement(m, number);
    if (number / MODEL_LANES == m->me)
        return flow->state == WORKFLOW_WAITING ? &flow->retry_at : NULL;
    return a->phase == PHASE_QUEUED ? &a->began : NULL;
}

uint32_t world_transitions(struct world *w, struct transition *list)
{
    uint32_t count = 0, key = UINT32_MAX, place = 0, inside = 0;
    int room[MODEL_CORES];
    for (uint32_t core = 0; core < model.cores; core++)
        room[core] = world_has_room(w, core);
    for (const struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++) {
        if (packet_key(p) != key) {
            key = packet_key(p);
            place = inside = 0;
        }
        inside += p->in_channel;
        if (p->in_channel && room[p->to] && (place == 0 || (model.any_order && p->reply)))
            list[count++] =
                (struct transition){TAKE, p->from, p->to, (uint8_t)(p->reply * 64 + place)};
        if (!p->in_channel && inside == place && inside < model.capacity)
            list[count++] = (struct transition){DRAIN, p->from, p->to, p->reply};
        place++;
    }
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        if (!room[core])
            continue;
        for (uint32_t i = 0; i < model.cores * MODEL_LANES; i++)
            if (monitor_agreement(m, i)->local)
                list[count++] = (struct transition){CONTINUE, (uint8_t)core, (uint8_t)i, 0};
        for (uint32_t i = 0; m->waiting && i < model.cores * MODEL_LANES; i++)
            if (waiting_since(m, i))
                list[count++] = (struct transition){TICK, (uint8_t)core, (uint8_t)i, 0};
    }
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        if (thread_may_run(w, i))
            list[count++] = (struct transition){SCRIPT, (uint8_t)i, 0, 0};
    return count;
}

static uint32_t find(const struct world *w, struct transition t)
{
    uint32_t index = 0;
    while (index < MODEL_PACKETS &&
           !same_fifo(&w->packet[index], t.a, t.b, t.kind == TAKE ? t.c / 64 : t.c))
        index++;
    if (t.kind == TAKE)
        return index + t.c % 64;
    while (w->packet[index].in_channel)
        index++;
    return index;
}

/* Any wait may be the next that is over, so none keeps another waiting for ever: only this one's
 * is, at that tick. */
static void tick(struct world *w, uint32_t core, uint32_t operation)
{
    struct monitor *m = world_monitor(w, core);
    struct input input = {.kind = INPUT_TICK};
    for (uint32_t i = 0; i < model.cores * MODEL_LANES; i++)
        if (i != operation && waiting_since(m, i))
            *waiting_since(m, i) = 1;
    world_turn(w, core, &input);
    for (uint32_t i = 0; i < model.cores * MODEL_LANES; i++)
        if (waiting_since(m, i))
            *waiting_since(m, i) = 0;
}

void world_apply(struct world *w, struct transition t)
{
    struct packet packet;
    struct input input = {0};
    switch (t.kind) {
    case TAKE:
        packet = take(w, find(w, t));
        input.kind = packet.is_reply ? INPUT_REPLY : INPUT_MESSAGE;
        input.from = packet.from;
        input.token = packet.token;
        input.message = &packet.message;
        world_turn(w, t.b, &input);
        break;
    case DRAIN:
        w->packet[find(w, t)].in_channel = 1;
        break;
    case CONTINUE:
        /* The driver does this before it takes anything else; here it may come at any time
         * later. */
        input.kind = INPUT_CONTINUE;
        input.operation = t.b;
        world_turn(w, t.a, &input);
        break;
    case TICK:
        tick(w, t.a, t.b);
        break;
    default:
        thread_run(w, t.a);
        break;
    }
    world_canonicalise(w);
}

/* --- Names --- */

static const char *const kind_names[] = {"?",     "PREPARE", "APPLY", "COMMIT",
                                         "ABORT", "RELEASE", "ASK",   "ANSWER"};
static const char *const phase_names[] = {"idle",       "queued",    "preparing", "prepared",
                                          "committing", "committed", "aborting",  "aborted",
                                          "refused",    "applying",  "applied",   "asked"};
static const char *const action_names[] = {"stop",    "map",       "unmap",   "protect", "pin",
                                           "unpin",   "read",      "write",   "await",   "free",
                                           "install", "copy",      "move",    "retype",  "revoke",
                                           "delete",  "map frame", "reclaim", "create"};

void transition_name(struct world *w, struct transition t, char *text, size_t size)
{
    const struct packet *p;
    const struct step *step;
    switch (t.kind) {
    case TAKE:
    case DRAIN:
        p = &w->packet[find(w, t)];
        snprintf(text, size,
                 "core %u %s %s %u: %s of %s, slot %u.%u, by core %u (attempt %u.%u) %s",
                 t.kind == TAKE ? t.b : t.a, t.kind == TAKE ? "takes, from" : "sends, to", "core",
                 t.kind == TAKE ? t.a : t.b,
                 p->is_reply ? "reply" : kind_names[message_kind(&p->message) % AGREEMENT_KINDS],
                 operation_names[message_operation(&p->message) % OPERATIONS],
                 (uint32_t)p->message.word[2], (uint32_t)(p->message.word[2] >> 32),
                 (uint32_t)(p->message.word[1] >> 48), (uint32_t)(p->message.word[1] % MODEL_LANES),
                 (uint32_t)(p->message.word[1] & 0xffff) / MODEL_LANES,
                 p->is_reply || message_kind(&p->message) == KIND_ANSWER
                     ? verdict_name(message_verdict(&p->message))
                     : "");
        break;
    case CONTINUE:
        snprintf(text, size, "core %u does its own part of core %u's operation (%s, slot %u)", t.a,
                 t.b / MODEL_LANES,
                 phase_names[monitor_agreement(world_monitor(w, t.a), t.b)->phase % 12],
                 monitor_agreement(world_monitor(w, t.a), t.b)->slot);
        break;
    case TICK:
        snprintf(text, size, "core %u: tick, for core %u's operation", t.a, t.b / MODEL_LANES);
        break;
    default:
        step = thread_step(w, t.a);
        snprintf(text, size, "core %u, thread %u: %s %u", model.scenario->thread[t.a].core, t.a,
                 action_names[step->action], step->page);
        break;
    }
}
