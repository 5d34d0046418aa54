/* Which worlds are the same. Attempts are numbered upwards for ever, and a record keeps its
 * operation after the end, so the worlds as they are would be without number. The protocol only
 * ever asks whether two ids of one lane are equal; so ids may be renamed, keeping equal what is
 * equal, and a record that no rule reads any more may be cleared. Neither changes what can happen
 * next. */
#include <stdlib.h>
#include <string.h>

#include "explorer.h"

struct ids {
    uint64_t id[16];
    uint32_t count;
};

static uint64_t *lane_of(struct ids *table, uint64_t id, uint32_t **count)
{
    struct ids *ids = &table[(id >> 48) * MODEL_LANES + id % MODEL_LANES];
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
    *id = *id >> 48 << 48 | ((uint64_t)(i + 1) * MODEL_LANES + *id % MODEL_LANES);
}

/* Nobody reads it again: a COMMIT or ABORT for it is answered as for an agreement never heard of, and
 * the next one of the lane makes it anew. Applied by one phase, and its initiator has gone on: alive
 * only while somebody could still take it back, or has to pass on that it is final. */
static bool is_dead(struct world *w, uint32_t core, const struct agreement *a)
{
    if (a->number / MODEL_LANES == core || a->phase != PHASE_APPLIED)
        return false;
    for (const struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        if (p->message.word[1] == a->id)
            return false;
    for (uint32_t other = 0; other < model.cores; other++) {
        const struct agreement *its = monitor_agreement(world_monitor(w, other), a->number);
        if (its->id == a->id && its->phase != PHASE_APPLIED && its->phase != PHASE_IDLE)
            return false;
    }
    return true;
}

/* Records in the order of their numbers: where each lies tells its history and nothing else. */
static void compact(struct sparse *s)
{
    static _Alignas(64) char copy[MODEL_MONITOR_WORDS * 8];
    const uint32_t first = 1 + s->own_count;
    uint32_t count = 0;
    for (uint32_t number = 0; number < s->numbers; number++)
        if (number - s->own >= s->own_count && sparse_find(s, number)) {
            memcpy(copy + (size_t)count * s->stride, sparse_at(s, number), s->stride);
            sparse_index(s)[number] = first + count++;
        }
    memcpy(sparse_record(s, first), copy, (size_t)count * s->stride);
    memset(sparse_record(s, first + count), 0, (size_t)(s->fresh - first - count) * s->stride);
    s->fresh = first + count;
    s->free = 0;
}

static void requeue(struct monitor *m)
{
    uint32_t last = 0;
    m->queue_first = 0;
    for (uint32_t number = 0; number < model.cores * MODEL_LANES; number++) {
        struct agreement *a = monitor_agreement(m, number);
        if (a->phase != PHASE_QUEUED)
            continue;
        const uint32_t record = sparse_find(&m->agreements, number);
        a->next = 0;
        if (last)
            ((struct agreement *)(void *)sparse_record(&m->agreements, last))->next = record;
        else
            m->queue_first = record;
        last = record;
    }
    m->queue_last = last;
}

/* What no rule reads any more, and what lengthens a wait and nothing else. */
static void clear(struct world *w, uint32_t core)
{
    struct monitor *m = world_monitor(w, core);
    for (uint32_t number = 0; number < model.cores * MODEL_LANES; number++) {
        struct agreement *a = monitor_agreement(m, number);
        if (!sparse_find(&m->agreements, number))
            continue;
        a->opponent = 0;
        if (is_dead(w, core, a))
            sparse_drop(&m->agreements, number, m->agreements.stride);
    }
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++) {
        struct workflow *flow = monitor_workflow(m, lane);
        if (flow->attempts > m->strength_max) /* lengthens the wait and nothing else */
            flow->attempts = m->strength_max;
        if (flow->state == WORKFLOW_FREE) {
            memset(flow, 0, sizeof *flow);
            memset(monitor_own(m, lane), 0, sizeof(struct agreement));
        }
    }
}

typedef void each_id(struct ids *table, uint64_t *id);

static void visit(struct world *w, uint32_t core, struct ids *table, each_id *each)
{
    struct monitor *m = world_monitor(w, core);
    for (uint32_t i = 1; i < m->agreements.fresh; i++)
        each(table, &((struct agreement *)(void *)sparse_record(&m->agreements, i))->id);
    for (uint32_t i = 1; i < monitor_mapping_records(m); i++)
        each(table, &monitor_mapping_record(m, i)->lock);
    for (uint32_t root = 0; root < model.cores; root++)
        each(table, &monitor_tree(m, root)->lock);
    for (uint32_t i = 0; m->cspace_offset && i < monitor_cspace(m)->locks; i++)
        each(table, &cspace_locks(monitor_cspace(m))[i].operation);
}

static void note_id(struct ids *table, uint64_t *id)
{
    note(table, *id);
}

void world_canonicalise(struct world *w)
{
    struct ids table[MODEL_CORES * MODEL_LANES];
    if (!model.lazy)
        world_drain(w);
    for (uint32_t i = 0; i < MODEL_CORES * MODEL_LANES; i++)
        table[i].count = 0;
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++) {
        if (p->is_reply && message_verdict(&p->message) == VERDICT_BUSY)
            p->message.word[3] = 0; /* whom it met */
        note(table, p->message.word[1]);
    }
    for (uint32_t core = 0; core < model.cores; core++)
        clear(w, core);
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        compact(&m->agreements);
        compact(&m->mappings);
        requeue(m);
        visit(w, core, table, note_id);
    }
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        m->sequence = 0;
        for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
            if (table[core * MODEL_LANES + lane].count > m->sequence)
                m->sequence = table[core * MODEL_LANES + lane].count;
        visit(w, core, table, rename_id);
    }
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        rename_id(table, &p->message.word[1]);
    if (model.scenario->cnodes)
        capability_canonicalise(w);
}
