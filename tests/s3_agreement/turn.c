/* A step of a monitor, and what it calls: the model MMU, and the trees' tables. */
#include <stdio.h>
#include <string.h>

#include "explorer.h"
#include "foreseen.h"

/* --- The model MMU --- */

struct mmu_context {
    struct translation *translation;
    uint8_t *failing_inserts;
    uint8_t *failing_protects;
    bool fails;
    struct monitor *monitor;
    struct asked asked;
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
    const bool refused =
        rights == RIGHTS_NONE && t->state == TRANSLATION_PRESENT && fails(c->failing_protects, c);
    asked_to_protect(&c->asked, slot, rights, refused);
    if (refused)
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

/* --- A step of a monitor --- */

union output_buffer {
    struct output output;
    uint8_t bytes[sizeof(struct output) + MODEL_CORES * sizeof(uint16_t)];
};

static const struct output *run(struct world *w, uint32_t core, struct monitor *monitor,
                                struct translation *translation,
                                struct tree_link (*table)[TREE_PLACES][MODEL_CORES],
                                uint64_t (*kept)[MODEL_LANES], const struct input *input,
                                union output_buffer *buffer, int poison)
{
    uint8_t inserts = w->failing_inserts, protects = w->failing_protects;
    struct mmu_context context = {
        translation, &inserts, &protects, core == model.scenario->failing_core, monitor, {0}};
    struct mmu mmu = {&context, mmu_insert, mmu_protect, mmu_retire};
    struct tables tables = {w, table, kept, core};
    struct routing routing = {&tables, tables_links, tables_publish, tables_set, tables_keep};
    struct environment environment = {
        .operations = &monitor_operations, .mmu = &mmu, .routing = &routing};
    memset(buffer->bytes, poison, sizeof buffer->bytes);
    struct foresight foresight;
    const bool foreseen = input->kind == INPUT_MESSAGE &&
                          monitor_foresees(monitor, &environment, input->message, &foresight);
    monitor_step(monitor, &environment, input, &buffer->output);
    const char *wrong =
        foreseen ? foreseen_wrongly(&foresight, input, &context.asked, &buffer->output) : NULL;
    if (wrong)
        violate("core %u foresaw otherwise %s", core, wrong);
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
            output_receivers(a, x) != output_receivers(b, y) ||
            memcmp(&x->message, &y->message, sizeof x->message) != 0)
            return 0;
        for (uint32_t n = 0; n < output_receivers(a, x); n++)
            if (output_receiver(a, x, n) != output_receiver(b, y, n))
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
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++) {
        const bool taken = monitor_workflow(m, lane)->state != WORKFLOW_FREE;
        waiting += monitor_workflow(m, lane)->state == WORKFLOW_WAITING;
        if ((m->lanes_taken >> lane & 1) != taken)
            violate("core %u: lane %u is %s", m->me, lane, taken ? "taken" : "free");
    }
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
    uint32_t messages = 0;
    for (uint32_t i = 0; i < output->count; i++)
        if (output->entry[i].kind != OUTPUT_DONE)
            messages += output_receivers(output, &output->entry[i]);
    if (messages > model.messages) {
        violate("core %u: a step put out %u messages, more than %u", core, messages,
                model.messages);
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
        struct packet packet = {.present = 1, .from = (uint8_t)core};
        packet.is_reply = entry->kind == OUTPUT_REPLY;
        packet.reply = packet.is_reply && !model.one_fifo;
        packet.token = entry->kind == OUTPUT_REQUEST ? token_of(core, &entry->message) : 0;
        packet.message = entry->message;
        for (uint32_t n = 0; n < output_receivers(output, entry); n++) {
            packet.to = (uint8_t)output_receiver(output, entry, n);
            world_send(w, &packet);
        }
    }
    return output->verdict;
}
