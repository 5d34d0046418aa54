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

/* Nobody reads it again: a COMMIT or ABORT for it is answered as for an operation never heard of,
 * and the next operation of the lane writes it anew. */
static int is_dead(struct world *w, uint32_t core, uint32_t index, const struct operation *op)
{
    if (index / MODEL_LANES == core)
        return op->phase == PHASE_IDLE;
    if (op->phase == PHASE_IDLE || op->phase == PHASE_REFUSED || op->phase == PHASE_COMMITTED ||
        op->phase == PHASE_ABORTED)
        return 1;
    if (op->phase != PHASE_APPLIED)
        return 0;
    /* Applied by one phase, and its initiator has gone on: alive only while somebody could still
     * abort it. */
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

void world_canonicalise(struct world *w)
{
    struct ids table[MODEL_CORES * MODEL_LANES];
    uint32_t records = model.cores * MODEL_LANES;
    if (!model.lazy)
        world_drain(w);
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
        for (uint32_t root = 0; root < model.cores; root++)
            note(table, monitor_tree(m, root)->lock);
        for (uint32_t i = 0; m->cspace_offset && i < monitor_cspace(m)->locks; i++)
            note(table, cspace_locks(monitor_cspace(m))[i].operation);
    }
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        note(table, p->message.word[1]);
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        m->sequence = 0;
        for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
            if (table[core * MODEL_LANES + lane].count > m->sequence)
                m->sequence = table[core * MODEL_LANES + lane].count;
        for (uint32_t i = 0; i < records; i++)
            rename_id(table, &monitor_operation(m, i)->id);
        for (uint32_t slot = 0; slot < monitor_slots(m); slot++)
            rename_id(table, &monitor_mapping(m, slot)->lock);
        for (uint32_t root = 0; root < model.cores; root++)
            rename_id(table, &monitor_tree(m, root)->lock);
        for (uint32_t i = 0; m->cspace_offset && i < monitor_cspace(m)->locks; i++)
            rename_id(table, &cspace_locks(monitor_cspace(m))[i].operation);
    }
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        rename_id(table, &p->message.word[1]);
    if (model.scenario->cnodes)
        capability_canonicalise(w);
}
