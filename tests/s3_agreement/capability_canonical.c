/* Which replicas of capabilities are the same.
 *
 * Generations count upwards for ever, by one for everything that was made in a slot and taken away
 * again. What matters is which references name what is in the slot now, and that the next one will
 * be another: they are renumbered, from 1 on. */
#include <string.h>

#include "explorer.h"

typedef void each_reference(uint64_t *reference, uint32_t core, void *context);

static void visit_message(uint32_t operation, uint64_t *argument, each_reference *each,
                          void *context)
{
    uint32_t destination = (uint32_t)(argument[1] >> 48);
    if (operation != OPERATION_COPY || destination >= model.cores)
        return;
    each(&argument[2], destination, context);
    each(&argument[3], destination, context);
}

/* All references in the world, but for those that a CNode's own record has. */
static void visit(struct world *w, each_reference *each, void *context)
{
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        for (uint32_t i = 1; i < m->agreements.fresh; i++) {
            struct agreement *a = (void *)sparse_record(&m->agreements, i);
            visit_message(a->operation, a->argument, each, context);
        }
        for (uint32_t lane = 0; lane < MODEL_LANES; lane++) {
            struct capability_task *t = &monitor_workflow(m, lane)->task;
            uint32_t to = t->operation == OPERATION_COPY ? t->to : core;
            each(&t->source, core, context);
            each(&t->victim, core, context);
            each(&t->place.cnode, to, context);
            each(&t->made, to, context);
        }
    }
    for (struct packet *p = w->packet; p < w->packet + MODEL_PACKETS && p->present; p++)
        visit_message(message_operation(&p->message), &p->message.word[3], each, context);
}

struct generations {
    uint32_t core, slot, count;
    uint32_t number[32];
};

static bool about(const struct generations *g, uint64_t reference, uint32_t core)
{
    return core == g->core && (uint32_t)reference == g->slot && reference >> 32;
}

static void add(struct generations *g, uint32_t generation)
{
    uint32_t i = 0;
    while (i < g->count && g->number[i] < generation)
        i++;
    if (i < g->count && g->number[i] == generation)
        return;
    if (g->count == 32) {
        violate("more references to a slot than the model can hold");
        return;
    }
    memmove(&g->number[i + 1], &g->number[i], (g->count - i) * sizeof *g->number);
    g->number[i] = generation;
    g->count++;
}

static uint32_t renumbered(const struct generations *g, uint32_t generation)
{
    uint32_t i = 0;
    while (g->number[i] != generation)
        i++;
    return i + 1;
}

static void add_reference(uint64_t *reference, uint32_t core, void *context)
{
    if (about(context, *reference, core))
        add(context, (uint32_t)(*reference >> 32));
}

static void rename_reference(uint64_t *reference, uint32_t core, void *context)
{
    if (about(context, *reference, core))
        *reference = (uint32_t)*reference |
                     (uint64_t)renumbered(context, (uint32_t)(*reference >> 32)) << 32;
}

static void order_locks(struct cspace *cs)
{
    struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = 1; i < cs->locks; i++)
        for (uint32_t k = i; k > 0 && lock[k - 1].address > lock[k].address; k--) {
            struct cspace_lock swapped = lock[k];
            lock[k] = lock[k - 1];
            lock[k - 1] = swapped;
        }
    cs->locked_from = cs->locks ? lock[0].address : 0;
    cs->locked_to = 0;
    for (uint32_t i = 0; i < cs->locks; i++)
        if (lock[i].end > cs->locked_to)
            cs->locked_to = lock[i].end;
}

/* The tree's shape tells its history and nothing else. */
static void rebuild(struct cspace *cs)
{
    struct mapping_database *db = cspace_database(cs);
    mapping_database_init(db, cspace_slots(cs), cspace_slot(cs, 0));
    for (uint32_t i = 0; i < cspace_slots(cs); i++)
        if (cspace_slot(cs, i)->type != CAP_NULL)
            mapping_database_insert(db, i, NO_CAPABILITY);
}

void capability_canonicalise(struct world *w)
{
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        for (uint32_t lane = 0; lane < MODEL_LANES; lane++) {
            struct capability_task *t = &monitor_workflow(m, lane)->task;
            const struct workflow *flow = monitor_workflow(m, lane);
            if (flow->state == WORKFLOW_WAITING && flow->operation != OPERATION_MAP_FRAME)
                t->made = t->victim = 0; /* found anew at the next attempt */
        }
        order_locks(cspace_of(w, core));
        rebuild(cspace_of(w, core));
    }
    for (uint32_t core = 0; core < model.cores; core++)
        for (uint32_t slot = 1; slot < cspace_slots(cspace_of(w, core)); slot++) {
            struct capability *c = cspace_slot(cspace_of(w, core), slot);
            struct generations g = {.core = core, .slot = slot};
            if (!c->generation)
                continue; /* never used */
            add(&g, c->generation);
            visit(w, add_reference, &g);
            visit(w, rename_reference, &g);
            c->generation = renumbered(&g, c->generation);
        }
}
