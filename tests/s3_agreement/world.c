/* What surrounds the monitors, and what can happen in a world: a message is taken, a core does its
 * own part, a tick comes, a program goes on. */
#include <stdio.h>
#include <string.h>

#include "explorer.h"
#include "operation_names.h"

struct model model;

/* --- The model MMU --- */

struct mmu_context {
    struct translation *translation;
    uint8_t *failing_inserts;
    uint8_t *failing_protects;
    bool fails;
    struct monitor *monitor;
};

static bool fails(uint8_t *left, const struct mmu_context *c)
{
    if (!c->fails || !*left)
        return false;
    --*left;
    return true;
}

static enum verdict mmu_insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                               uint64_t length, uint32_t rights)
{
    struct mmu_context *c = context;
    struct translation *t = &c->translation[slot];
    if (t->state == TRANSLATION_PRESENT)
        violate("slot %u is inserted over a translation that was not retired", slot);
    if (!address || !length)
        violate("slot %u is inserted without address or length", slot);
    if (fails(c->failing_inserts, c))
        return VERDICT_HOST;
    *t = (struct translation){TRANSLATION_PRESENT, (uint8_t)rights, frame_number(frame),
                              (uint8_t)monitor_mapping(c->monitor, slot)->generation};
    return VERDICT_OK;
}

static enum verdict mmu_protect(void *context, uint32_t slot, uint32_t rights)
{
    struct mmu_context *c = context;
    struct translation *t = &c->translation[slot];
    if (rights == RIGHTS_NONE && t->state == TRANSLATION_PRESENT && fails(c->failing_protects, c))
        return VERDICT_HOST;
    if (rights != RIGHTS_NONE) {
        if (t->state == TRANSLATION_NONE)
            violate("slot %u is given rights but was never inserted", slot);
        t->state = TRANSLATION_PRESENT; /* after retire too: an abort restores it */
    }
    t->rights = (uint8_t)rights;
    return VERDICT_OK;
}

static void mmu_retire(void *context, uint32_t slot)
{
    struct translation *t = &((struct mmu_context *)context)->translation[slot];
    if (t->state == TRANSLATION_PRESENT)
        t->state = TRANSLATION_RETIRED;
}

/* --- The trees' tables --- */

struct tables {
    struct world *world;
    struct tree_link (*table)[TREE_PLACES][MODEL_CORES];
    uint64_t (*kept)[MODEL_LANES];
    uint32_t core;
};

static const struct tree_link *tables_links(void *context, uint32_t root, uint32_t place)
{
    const struct tables *t = context;
    return t->table[root][place - 1];
}

/* Whoever travels by that place would be led astray from now on. */
static bool tables_publish(void *context, uint32_t place, uint64_t ticket)
{
    const struct tables *t = context;
    const struct step *step = thread_step(t->world, (uint32_t)ticket);
    uint32_t edges[MODEL_CORES];
    for (uint32_t i = 0; i + 1 < model.cores; i++)
        edges[i] = shape_edge(step->argument, step->page, i);
    return tree_make(t->table[t->core][place - 1], model.cores, t->core, edges);
}

static const uint64_t *tables_set(void *context, uint32_t core, uint32_t lane)
{
    const struct tables *t = context;
    return &t->kept[core][lane];
}

static void tables_keep(void *context, uint32_t lane, const uint64_t *set)
{
    const struct tables *t = context;
    t->kept[t->core][lane] = *set;
}

const struct tree_link *world_links(struct world *w, uint32_t root)
{
    uint32_t place = tree_place(monitor_tree(world_monitor(w, 0), root)->version);
    return place == TREE_FLAT ? NULL : w->table[root][place - 1];
}

/* --- Channels and outboxes --- */

static int same_fifo(const struct packet *p, uint32_t from, uint32_t to, uint32_t reply)
{
    return p->present && p->from == from && p->to == to && p->reply == reply;
}

static uint32_t packet_key(const struct packet *p)
{
    return (uint32_t)p->from << 16 | (uint32_t)p->to << 8 | p->reply;
}

static void send(struct world *w, const struct packet *packet)
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
    return model.outbox >= waiting + model.entries;
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

/* --- A step of a monitor --- */

enum { ENTRIES_MAX = MODEL_CORES + 16 };

union output_buffer {
    struct output output;
    uint8_t bytes[sizeof(struct output) + ENTRIES_MAX * sizeof(struct output_entry)];
};

static const struct output *run(struct world *w, uint32_t core, struct monitor *monitor,
                                struct translation *translation,
                                struct tree_link (*table)[TREE_PLACES][MODEL_CORES],
                                uint64_t (*kept)[MODEL_LANES], const struct input *input,
                                union output_buffer *buffer, int poison)
{
    uint8_t inserts = w->failing_inserts, protects = w->failing_protects;
    struct mmu_context context = {translation, &inserts, &protects,
                                  core == model.scenario->failing_core, monitor};
    struct mmu mmu = {&context, mmu_insert, mmu_protect, mmu_retire};
    struct tables tables = {w, table, kept, core};
    struct routing routing = {&tables, tables_links, tables_publish, tables_set, tables_keep};
    struct environment environment = {
        .operations = &monitor_operations, .mmu = &mmu, .routing = &routing};
    memset(buffer->bytes, poison, sizeof buffer->bytes);
    monitor_step(monitor, &environment, input, &buffer->output);
    if (poison == 0) { /* the run that counts is the second one */
        w->failing_inserts = inserts;
        w->failing_protects = protects;
    }
    return &buffer->output;
}

static int same_output(const struct output *a, const struct output *b)
{
    if (a->count != b->count || a->local != b->local || a->verdict != b->verdict ||
        a->made != b->made || a->next_tick != b->next_tick)
        return 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct output_entry *x = &a->entry[i], *y = &b->entry[i];
        int tokens = x->kind == OUTPUT_REPLY || x->kind == OUTPUT_DONE;
        if (x->kind != y->kind || x->to != y->to || (tokens && x->token != y->token) ||
            memcmp(&x->message, &y->message, sizeof x->message) != 0)
            return 0;
    }
    return 1;
}

/* A request's token is made from the request, so that a reply can be checked and no state is
 * added. */
static uint64_t token_of(uint32_t from, const struct message *message)
{
    return 1ull << 63 | (uint64_t)from << 32 | (uint64_t)message_kind(message) << 24 |
           (message->word[1] >> 48) << 8 | message->word[1] % MODEL_LANES;
}

/* What waits is counted, and the queue leads through all that are queued: canonical worlds have it
 * made anew. */
static void check_waiting(const struct monitor *m)
{
    uint32_t queued = 0, waiting = 0, last = 0;
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
        waiting += monitor_workflow(m, lane)->state == WORKFLOW_WAITING;
    for (uint32_t i = 1; i < m->agreements.fresh; i++)
        queued +=
            ((struct agreement *)(void *)sparse_record(&m->agreements, i))->phase == PHASE_QUEUED;
    if (m->waiting != queued + waiting)
        violate("core %u: %u wait, but %u are counted", m->me, queued + waiting, m->waiting);
    for (uint32_t i = m->queue_first; i && queued < MODEL_CORES * MODEL_LANES; queued--) {
        const struct agreement *a = (const void *)sparse_record(&m->agreements, i);
        if (a->phase != PHASE_QUEUED)
            violate("core %u: the queue has record %u, which is not queued", m->me, i);
        last = i;
        i = a->next;
    }
    if (queued || m->queue_last != last)
        violate("core %u: the queue does not lead through all that are queued", m->me);
}

/* On copies of everything that it may change. */
static const struct output *rehearse(struct world *w, uint32_t core, struct monitor *copy,
                                     const struct input *input)
{
    static union output_buffer buffer;
    struct translation translation[MODEL_SLOTS];
    struct tree_link table[MODEL_CORES][TREE_PLACES][MODEL_CORES];
    uint64_t kept[MODEL_CORES][MODEL_LANES];
    memcpy(translation, w->mmu[core], sizeof translation);
    memcpy(table, w->table, sizeof table);
    memcpy(kept, w->kept, sizeof kept);
    return run(w, core, copy, translation, table, kept, input, &buffer, 0x5a);
}

/* Where no tick is wanted, nothing can be done at one. */
static void check_tick(struct world *w, uint32_t core, const struct output *output)
{
    static _Alignas(64) uint64_t twin[MODEL_MONITOR_WORDS];
    static const struct input input = {.kind = INPUT_TICK};
    struct monitor *m = world_monitor(w, core);
    if (!m->waiting || output->next_tick != NEVER)
        return;
    memcpy(twin, m, m->size);
    rehearse(w, core, (void *)twin, &input);
    if (memcmp(twin, m, m->size) != 0)
        violate("core %u wants no tick, but has something to do at one", core);
}

enum verdict world_turn(struct world *w, uint32_t core, const struct input *input)
{
    static _Alignas(64) uint64_t twin[MODEL_MONITOR_WORDS];
    static union output_buffer second;
    struct monitor *monitor = world_monitor(w, core);
    size_t size = monitor->size;

    memcpy(twin, monitor, size);
    const struct output *expected = rehearse(w, core, (void *)twin, input);
    const struct output *output =
        run(w, core, monitor, w->mmu[core], w->table, w->kept, input, &second, 0);
    if (memcmp(twin, monitor, size) != 0 || !same_output(expected, output))
        violate("core %u: the same input on the same state gave two results", core);
    if (output->count > model.entries) {
        violate("core %u: a step put out %u entries, more than %u", core, output->count,
                model.entries);
        return output->verdict;
    }
    check_output(w, core, output);
    check_waiting(monitor);
    check_tick(w, core, output);
    for (uint32_t i = 0; i < output->count; i++) {
        const struct output_entry *entry = &output->entry[i];
        if (entry->kind == OUTPUT_DONE) {
            thread_done(w, (uint32_t)entry->token, &entry->message);
            continue;
        }
        struct packet packet = {.present = 1, .from = (uint8_t)core, .to = (uint8_t)entry->to};
        packet.is_reply = entry->kind == OUTPUT_REPLY;
        packet.reply = packet.is_reply && !model.one_fifo;
        packet.token = entry->kind == OUTPUT_REQUEST ? token_of(core, &entry->message) : 0;
        packet.message = entry->message;
        send(w, &packet);
    }
    return output->verdict;
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
static const char *const action_names[] = {
    "stop",    "map",  "unmap", "protect", "pin",    "unpin",  "read",      "write",   "await",
    "install", "copy", "move",  "retype",  "revoke", "delete", "map frame", "reclaim", "create"};

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
