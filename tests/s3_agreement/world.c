#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explorer.h"

struct model model;

static const struct step *step_of(const struct world *w, uint32_t thread)
{
    return &model.scenario->thread[thread].step[w->thread[thread].at];
}

/* --- The model MMU ------------------------------------------------------------------------------------------------------------- */

struct mmu_context {
    struct translation *translation;
    uint8_t *failing_inserts;
    uint8_t *failing_protects;
    bool fails;
};

static bool fails(uint8_t *left, const struct mmu_context *c)
{
    if (!c->fails || !*left)
        return false;
    --*left;
    return true;
}

static enum verdict mmu_insert(void *context, uint32_t slot, uint64_t address, uint64_t frame, uint64_t length,
                               uint32_t rights)
{
    struct mmu_context *c = context;
    struct translation *t = &c->translation[slot];
    if (t->state == TRANSLATION_PRESENT)
        violate("slot %u is inserted over a translation that was not retired", slot);
    if (!address || !length)
        violate("slot %u is inserted without address or length", slot);
    if (fails(c->failing_inserts, c))
        return VERDICT_HOST;
    *t = (struct translation){TRANSLATION_PRESENT, (uint8_t)rights, (uint8_t)frame, 0};
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

/* --- Channels and outboxes ----------------------------------------------------------------------------------------------------- */

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

static int has_room(const struct world *w, uint32_t core)
{
    uint32_t waiting = 0;
    for (const struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        waiting += p->from == core && !p->in_channel;
    return model.outbox >= waiting + monitor_output_entries(model.cores);
}

/* Moves what fits from outboxes to channels. To do this at once loses nothing: the move takes away no other transition, and
 * commutes with all of them. (model.lazy makes it a transition, to see that for oneself.) */
static void drain(struct world *w)
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

/* --- A step of a monitor -------------------------------------------------------------------------------------------------------- */

enum { ENTRIES_MAX = MODEL_CORES + 4 + 8 };

union output_buffer {
    struct output output;
    uint8_t bytes[sizeof(struct output) + ENTRIES_MAX * sizeof(struct output_entry)];
};

static const struct output *run(struct world *w, uint32_t core, struct monitor *monitor,
                                struct translation *translation, const struct input *input,
                                union output_buffer *buffer, int poison)
{
    uint8_t inserts = w->failing_inserts, protects = w->failing_protects;
    struct mmu_context context = {translation, &inserts, &protects, core == model.scenario->failing_core};
    struct mmu mmu = {&context, mmu_insert, mmu_protect, mmu_retire};
    struct environment environment = {&mmu, model.routed ? &model.route : NULL, 0, 0};
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
    if (a->count != b->count || a->local != b->local)
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

/* A request's token is made from the request, so that a reply can be checked and no state is added. */
static uint64_t token_of(uint32_t from, const struct message *message)
{
    return 1ull << 63 | (uint64_t)from << 32 | (uint64_t)message_kind(message) << 24 |
           (message->word[1] >> 48) << 8 | message->word[1] % LANES;
}

static void turn(struct world *w, uint32_t core, const struct input *input)
{
    static uint64_t twin[MODEL_MONITOR_WORDS];
    static union output_buffer first, second;
    struct translation translation[MODEL_SLOTS];
    struct monitor *monitor = world_monitor(w, core);
    size_t size = monitor->size;

    memcpy(twin, monitor, size);
    memcpy(translation, w->mmu[core], sizeof translation);
    const struct output *expected = run(w, core, (void *)twin, translation, input, &first, 0x5a);
    const struct output *output = run(w, core, monitor, w->mmu[core], input, &second, 0);
    if (memcmp(twin, monitor, size) != 0 || !same_output(expected, output))
        violate("core %u: the same input on the same state gave two results", core);
    if (output->count > monitor_output_entries(model.cores)) {
        violate("core %u: a step put out %u entries, more than %u", core, output->count,
                monitor_output_entries(model.cores));
        return;
    }
    check_output(w, core, output);
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
}

/* --- Canonical form ------------------------------------------------------------------------------------------------------------ */

/* Attempts are numbered upwards for ever, and a record keeps its operation after the end, so the worlds as they are would be
 * without number. The protocol only ever asks whether two ids of one lane are equal; so ids may be renamed, keeping what is equal
 * equal, and a record that no rule reads any more may be cleared. Each is an equivalence: what can happen next is the same. */
struct ids {
    uint64_t id[16];
    uint32_t count;
};

static uint64_t *lane_of(struct ids *table, uint64_t id, uint32_t **count)
{
    struct ids *ids = &table[(id >> 48) * LANES + id % LANES];
    *count = &ids->count;
    return ids->id;
}

static void note(struct ids *table, uint64_t id)
{
    uint32_t *count, i;
    if (!id)
        return;
    uint64_t *ids = lane_of(table, id, &count);
    for (i = *count; i > 0 && ids[i - 1] > id; i--)
        ;
    if (i > 0 && ids[i - 1] == id)
        return;
    if (*count == 16)
        abort(); /* more attempts of one lane remembered than there are records */
    memmove(&ids[i + 1], &ids[i], (*count - i) * sizeof *ids);
    ids[i] = id;
    ++*count;
}

static void rename_id(struct ids *table, uint64_t *id)
{
    uint32_t *count, i = 0;
    if (!*id)
        return;
    uint64_t *ids = lane_of(table, *id, &count);
    while (ids[i] != *id)
        i++;
    *id = *id >> 48 << 48 | ((uint64_t)(i + 1) * LANES + *id % LANES);
}

/* Nobody reads it again: a COMMIT or ABORT for it is answered as for an operation never heard of, and the next operation of
 * the lane writes it anew. */
static int is_dead(struct world *w, uint32_t core, uint32_t index, const struct operation *op)
{
    if (index / LANES == core)
        return op->phase == PHASE_IDLE;
    if (op->phase == PHASE_REFUSED || op->phase == PHASE_COMMITTED || op->phase == PHASE_ABORTED)
        return 1;
    if (op->phase != PHASE_APPLIED)
        return 0;
    /* Applied by one phase, and its initiator has gone on: alive only while somebody could still abort it. */
    for (const struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        if (p->message.word[1] == op->id)
            return 0;
    for (uint32_t other = 0; other < model.cores; other++) {
        const struct operation *its = monitor_operation(world_monitor(w, other), index);
        if (its->id == op->id && its->phase != PHASE_APPLIED && its->phase != PHASE_IDLE)
            return 0;
    }
    return 1;
}

static void canonicalise(struct world *w)
{
    struct ids table[MODEL_CORES * LANES];
    uint32_t records = model.cores * LANES;
    if (!model.lazy)
        drain(w);
    for (uint32_t i = 0; i < records; i++)
        table[i].count = 0;
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        for (uint32_t i = 0; i < records; i++) {
            struct operation *op = monitor_operation(m, i);
            if (is_dead(w, core, i, op))
                memset(op, 0, sizeof *op);
            op->attempts = 0; /* lengthens the wait and nothing else */
            note(table, op->id);
        }
        for (uint32_t slot = 0; slot < monitor_slots(m); slot++)
            note(table, monitor_mapping(m, slot)->lock);
    }
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        note(table, p->message.word[1]);
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        m->sequence = 0;
        for (uint32_t lane = 0; lane < LANES; lane++)
            if (table[core * LANES + lane].count > m->sequence)
                m->sequence = table[core * LANES + lane].count;
        for (uint32_t i = 0; i < records; i++)
            rename_id(table, &monitor_operation(m, i)->id);
        for (uint32_t slot = 0; slot < monitor_slots(m); slot++)
            rename_id(table, &monitor_mapping(m, slot)->lock);
    }
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        rename_id(table, &p->message.word[1]);
}

/* --- What programs do ---------------------------------------------------------------------------------------------------------- */

static void ask(struct world *w, uint32_t core, uint32_t thread, const struct step *step)
{
    struct page *page = &w->page[step->page];
    struct request request;
    memset(&request, 0, sizeof request);
    request.ticket = thread;
    if (step->action == MAP) {
        request.row = ROW_MAP;
        request.slot = request.generation = 0xdeadbeef; /* not to be looked at */
        request.frame = step->page + 1u;
        request.length = 4096;
        request.rights = page->rights;
        page->holders = (uint8_t)(step->argument & ((1u << model.cores) - 1));
        request.holders[0] = page->holders;
        page->state = PAGE_MAPPING;
    } else {
        request.row = step->action == UNMAP ? ROW_UNMAP : ROW_PROTECT;
        request.protocol = step->action == UNMAP ? step->argument : TWO_PHASE;
        request.rights = step->action == PROTECT ? step->argument : 0;
        request.slot = page->slot;
        request.generation = page->generation;
    }
    struct thread *t = &w->thread[thread];
    t->waiting = 1;
    t->late = page->state == PAGE_UNMAPPED;
    t->pins = 0;
    for (uint32_t other = 0; other < model.cores; other++)
        t->pins |= (uint8_t)((page->pinned[other] != 0) << other);
    struct input input = {.kind = INPUT_REQUEST, .request = &request};
    turn(w, core, &input);
    if (step->action != MAP || page->state != PAGE_MAPPING)
        return;
    for (uint32_t lane = 0; lane < LANES; lane++) { /* under way: which slot is it? */
        const struct operation *op = monitor_operation(world_monitor(w, core), core * LANES + lane);
        if (op->phase != PHASE_IDLE && op->ticket == thread && op->row == ROW_MAP) {
            page->slot = op->slot;
            page->generation = op->generation;
        }
    }
}

static void access(struct world *w, uint32_t core, struct thread *thread, const struct step *step)
{
    struct page *page = &w->page[step->page];
    const struct translation *t = &w->mmu[core][page->slot];
    uint32_t wanted = step->action == WRITE ? RIGHTS_WRITE : RIGHTS_READ;
    if (t->frame == step->page + 1 && (t->rights & wanted) == wanted) {
        if (page->state == PAGE_UNMAPPED)
            violate("core %u read page %u after its unmap had returned", core, step->page);
        thread->at++;
        return;
    }
    switch (monitor_fault(world_monitor(w, core), page->slot, page->generation, step->action == WRITE)) {
    case VERDICT_BUSY:
        break; /* waits for the outcome */
    case VERDICT_OK:
        violate("core %u: page %u may be read, says the monitor, but the MMU refuses", core, step->page);
        break;
    default:
        if (step->action == READ)
            page->missed = 1;
        thread->at++;
        break;
    }
}

static void pin(struct world *w, uint32_t core, struct thread *thread, const struct step *step)
{
    struct page *page = &w->page[step->page];
    enum verdict verdict = monitor_pin(world_monitor(w, core), page->slot, page->generation);
    if (verdict == VERDICT_BUSY)
        return;
    thread->at++;
    if (verdict == VERDICT_NOT_MAPPED) {
        page->missed = 1;
    } else if (verdict != VERDICT_OK || page->state != PAGE_MAPPED) {
        violate("core %u: a pin on page %u returned %s", core, step->page, verdict_name(verdict));
    } else {
        page->pinned[core]++;
        for (uint32_t i = 0; i < MODEL_THREADS; i++)
            if (w->thread[i].waiting && step_of(w, i)->page == step->page)
                w->thread[i].pins |= (uint8_t)(1u << core);
    }
}

static void unpin(struct world *w, uint32_t core, struct thread *thread, const struct step *step)
{
    struct page *page = &w->page[step->page];
    thread->at++;
    if (!page->pinned[core])
        return; /* the pin was refused */
    page->pinned[core]--;
    enum verdict verdict = monitor_unpin(world_monitor(w, core), page->slot, page->generation);
    if (verdict != VERDICT_OK)
        violate("core %u: unpinning page %u, which it had pinned, returned %s", core, step->page, verdict_name(verdict));
}

static void script(struct world *w, uint32_t index)
{
    struct thread *thread = &w->thread[index];
    const struct step *step = step_of(w, index);
    uint32_t core = model.scenario->thread[index].core;
    if (step->action != MAP && w->page[step->page].state == PAGE_FAILED) {
        thread->at++; /* there is no handle to do it with */
        return;
    }
    switch (step->action) {
    case READ:
    case WRITE:
        access(w, core, thread, step);
        break;
    case PIN:
        pin(w, core, thread, step);
        break;
    case UNPIN:
        unpin(w, core, thread, step);
        break;
    case AWAIT:
        thread->at++;
        break;
    default:
        ask(w, core, index, step);
        break;
    }
}

static int may_run(const struct world *w, uint32_t index)
{
    const struct step *step = step_of(w, index);
    const struct page *page = &w->page[step->page];
    if (w->thread[index].waiting || step->action == STOP)
        return 0;
    if (step->action == AWAIT && page->state != PAGE_UNMAPPED)
        return 0;
    if (step->action != MAP && (page->state == PAGE_NONE || page->state == PAGE_MAPPING))
        return 0; /* nobody has a handle yet */
    int asks = step->action == MAP || step->action == UNMAP || step->action == PROTECT;
    return !asks || has_room(w, model.scenario->thread[index].core);
}

/* --- Transitions --------------------------------------------------------------------------------------------------------------- */

uint32_t world_transitions(struct world *w, struct transition *list)
{
    uint32_t count = 0, key = UINT32_MAX, place = 0, inside = 0;
    int room[MODEL_CORES];
    for (uint32_t core = 0; core < model.cores; core++)
        room[core] = has_room(w, core);
    for (const struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++) {
        if (packet_key(p) != key) {
            key = packet_key(p);
            place = inside = 0;
        }
        inside += p->in_channel;
        if (p->in_channel && room[p->to] && (place == 0 || (model.any_order && p->reply)))
            list[count++] = (struct transition){TAKE, p->from, p->to, (uint8_t)(p->reply * 64 + place)};
        if (!p->in_channel && inside == place && inside < model.capacity)
            list[count++] = (struct transition){DRAIN, p->from, p->to, p->reply};
        place++;
    }
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        if (!room[core])
            continue;
        for (uint32_t i = 0; i < model.cores * LANES; i++)
            if (monitor_operation(m, i)->local)
                list[count++] = (struct transition){CONTINUE, (uint8_t)core, (uint8_t)i, 0};
        if (m->waiting)
            list[count++] = (struct transition){TICK, (uint8_t)core, 0, 0};
    }
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        if (may_run(w, i))
            list[count++] = (struct transition){SCRIPT, (uint8_t)i, 0, 0};
    return count;
}

static uint32_t find(const struct world *w, struct transition t)
{
    uint32_t index = 0;
    while (index < MODEL_PACKETS && !same_fifo(&w->packet[index], t.a, t.b, t.kind == TAKE ? t.c / 64 : t.c))
        index++;
    if (t.kind == TAKE)
        return index + t.c % 64;
    while (w->packet[index].in_channel)
        index++;
    return index;
}

void world_apply(struct world *w, struct transition t)
{
    struct packet packet;
    struct input input = {.kind = INPUT_TICK};
    switch (t.kind) {
    case TAKE:
        packet = take(w, find(w, t));
        input.kind = packet.is_reply ? INPUT_REPLY : INPUT_MESSAGE;
        input.from = packet.from;
        input.token = packet.token;
        input.message = &packet.message;
        turn(w, t.b, &input);
        break;
    case DRAIN:
        w->packet[find(w, t)].in_channel = 1;
        break;
    case CONTINUE:
        /* The driver does this before it takes anything else; here it may come at any time later. */
        input.kind = INPUT_CONTINUE;
        input.operation = t.b;
        turn(w, t.a, &input);
        break;
    case TICK:
        turn(w, t.a, &input);
        break;
    default:
        script(w, t.a);
        break;
    }
    canonicalise(w);
}

/* --- Beginning --------------------------------------------------------------------------------------------------------------- */

void world_init(struct world *w)
{
    const struct scenario *scenario = model.scenario;
    memset(w, 0, sizeof *w);
    uint32_t slots = model.cores * scenario->slots_per_core, wide = scenario->wide ? 1 : 0;
    model.monitor_words = (uint32_t)(monitor_size(model.cores, scenario->slots_per_core) / 8) + slots * wide;
    model.words = (uint32_t)(offsetof(struct world, monitors) / 8) + model.cores * model.monitor_words;
    model.words = (model.words + 7) & ~7u;
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        monitor_init(m, core, model.cores, scenario->slots_per_core, 0x10000, 0x100000);
        m->set_words += wide;
        m->mapping_stride += wide * 8;
        m->size += (size_t)slots * wide * 8;
    }
    for (uint32_t i = 0; i < MODEL_THREADS; i++) /* quiet, while pages are mapped */
        w->thread[i].at = MODEL_STEPS;
    for (uint32_t i = 0; i < MODEL_PAGES; i++)
        w->page[i].rights = scenario->page[i].rights ? scenario->page[i].rights : RIGHTS_WRITE;
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        struct step map = {MAP, (uint8_t)i, scenario->page[i].holders};
        struct transition list[TRANSITIONS_MAX];
        if (!map.argument)
            continue;
        ask(w, scenario->page[i].home, 0, &map);
        canonicalise(w);
        while (world_transitions(w, list))
            world_apply(w, list[0]);
        if (w->page[i].state != PAGE_MAPPED)
            violate("page %u could not be mapped to begin with", i);
    }
    memset(w->thread, 0, sizeof w->thread);
    w->failing_inserts = scenario->failing_inserts;
    w->failing_protects = scenario->failing_protects;
}

/* --- Names --------------------------------------------------------------------------------------------------------------------- */

static const char *const kind_names[] = {"?", "PREPARE", "APPLY", "COMMIT", "ABORT", "SET", "RELEASE"};
static const char *const phase_names[] = {"idle",      "backoff",  "preparing", "prepared", "committing", "committed",
                                          "aborting", "aborted", "refused",   "applying", "applied"};
static const char *const action_names[] = {"stop", "map", "unmap", "protect", "pin", "unpin", "read", "write", "await"};

void transition_name(struct world *w, struct transition t, char *text, size_t size)
{
    const struct packet *p;
    const struct step *step;
    switch (t.kind) {
    case TAKE:
    case DRAIN:
        p = &w->packet[find(w, t)];
        snprintf(text, size, "core %u %s %s %u: %s of %s, slot %u.%u, by core %u (attempt %u.%u) %s", t.kind == TAKE ? t.b : t.a,
                 t.kind == TAKE ? "takes, from" : "sends, to", "core", t.kind == TAKE ? t.a : t.b,
                 p->is_reply ? "reply" : kind_names[message_kind(&p->message) % 7], monitor_rows[message_row(&p->message) % ROWS].name,
                 (uint32_t)p->message.word[2], (uint32_t)(p->message.word[2] >> 32), (uint32_t)(p->message.word[1] >> 48),
                 (uint32_t)(p->message.word[1] % LANES), (uint32_t)(p->message.word[1] & 0xffff) / LANES,
                 p->is_reply ? verdict_name(message_verdict(&p->message)) : "");
        break;
    case CONTINUE:
        snprintf(text, size, "core %u does its own part of core %u's operation (%s, slot %u)", t.a, t.b / LANES,
                 phase_names[monitor_operation(world_monitor(w, t.a), t.b)->phase % 11],
                 monitor_operation(world_monitor(w, t.a), t.b)->slot);
        break;
    case TICK:
        snprintf(text, size, "core %u: tick", t.a);
        break;
    default:
        step = step_of(w, t.a);
        snprintf(text, size, "core %u, thread %u: %s page %u", model.scenario->thread[t.a].core, t.a, action_names[step->action],
                 step->page);
        break;
    }
}
