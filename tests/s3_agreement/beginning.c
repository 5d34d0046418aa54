/* Where explorations begin: a scenario by its name, and its first world. */
#include <stdio.h>
#include <string.h>

#include "explorer.h"

/* --- Scenarios --- */

static const struct {
    const struct scenario *scenario;
    const unsigned *count;
} scenarios[] = {{page_scenarios, &page_scenario_count},
                 {capability_scenarios, &capability_scenario_count},
                 {frame_scenarios, &frame_scenario_count}};

enum { LISTS = sizeof scenarios / sizeof *scenarios };

const struct scenario *scenario_named(const char *name)
{
    for (unsigned list = 0; list < LISTS; list++)
        for (unsigned i = 0; i < *scenarios[list].count; i++)
            if (strcmp(scenarios[list].scenario[i].name, name) == 0)
                return &scenarios[list].scenario[i];
    return NULL;
}

void scenarios_print(void)
{
    for (unsigned list = 0; list < LISTS; list++)
        for (unsigned i = 0; i < *scenarios[list].count; i++) {
            const struct scenario *scenario = &scenarios[list].scenario[i];
            printf("%-18s %u cores  %s\n", scenario->name, scenario->cores, scenario->about);
        }
}

/* --- The first world --- */

/* Every root counts the cores from itself on, and the tree is over those ranks: rank's parent is
 * (rank - 1) / fan. */
static void plant_complete(struct world *w, uint32_t root)
{
    uint32_t n = model.cores, edges[MODEL_CORES];
    for (uint32_t rank = 1; rank < n; rank++)
        edges[rank - 1] = tree_edge((root + (rank - 1) / model.fan) % n, (root + rank) % n);
    if (!tree_make(w->table[root][0], model.cores, root, edges))
        violate("the tree of core %u is none", root);
}

/* The labelled tree of four cores with that number: its Prüfer code, two digits to the base of
 * four; rooted anywhere. */
static void plant_numbered(struct world *w, uint32_t root, uint32_t number)
{
    uint32_t code[2] = {number / 4, number % 4}, degree[4] = {1, 1, 1, 1}, edges[3];
    bool linked[4][4] = {{false}}, inside[4] = {false};
    degree[code[0]]++;
    degree[code[1]]++;
    for (int i = 0; i < 2; i++)
        for (uint32_t leaf = 0;; leaf++)
            if (degree[leaf] == 1) {
                linked[leaf][code[i]] = linked[code[i]][leaf] = true;
                degree[leaf]--;
                degree[code[i]]--;
                break;
            }
    for (uint32_t a = 0; a < 4; a++)
        for (uint32_t b = a + 1; b < 4; b++)
            if (degree[a] == 1 && degree[b] == 1)
                linked[a][b] = linked[b][a] = true;
    inside[root] = true;
    for (uint32_t count = 0; count < 3;)
        for (uint32_t a = 0; a < 4; a++)
            for (uint32_t b = 0; b < 4; b++)
                if (inside[a] && !inside[b] && linked[a][b]) {
                    inside[b] = true;
                    edges[count++] = tree_edge(a, b);
                }
    if (!tree_make(w->table[root][0], model.cores, root, edges))
        violate("the tree of core %u is none", root);
}

static void plant(struct world *w)
{
    for (uint32_t root = 0; root < model.cores && (model.numbered || model.fan); root++) {
        if (model.numbered)
            plant_numbered(w, root, model.number[root > 0]);
        else
            plant_complete(w, root);
        for (uint32_t core = 0; core < model.cores; core++)
            monitor_planted(world_monitor(w, core), root);
    }
}

/* One page a piece, so that two are agreed about in several; one capability a step, so that what is
 * half done is seen. */
static struct monitor_shape world_shape(void)
{
    struct monitor_shape shape =
        monitor_shape_whole(model.cores, MODEL_LANES, model.scenario->slots_per_core);
    shape.cnodes = model.scenario->cnodes;
    shape.slot_bits = MODEL_SLOT_BITS;
    shape.capability_protocol = model.owner ? CAPABILITIES_OWNER : CAPABILITIES_TWO_PHASE;
    shape.capability_work = shape.piece_slots = 1;
    shape.strength_max = MODEL_STRENGTH;
    shape.sets = model.scenario->wide ? 2 : 0;
    if (model.tight)
        shape.agreements = 1;
    if (model.remember)
        shape.remembered = 2;
    shape.pages = model.scenario->keeper ? MODEL_PAGES + 1 : 0;
    return shape;
}

size_t world_monitor_size(void)
{
    const struct monitor_shape shape = world_shape();
    return monitor_size(&shape);
}

/* Capabilities to begin with, one step after the other. */
static void prepare_capabilities(struct world *w)
{
    struct transition list[TRANSITIONS_MAX];
    for (uint32_t i = 0; i < MODEL_BEFORE && model.scenario->before[i].step.action != STOP; i++) {
        const struct step *step = &model.scenario->before[i].step;
        uint32_t core = model.scenario->before[i].core;
        if (step->action == CAP_CREATE)
            capability_create(w, core, step);
        else
            capability_ask(w, core, 0, step);
        world_canonicalise(w);
        while (world_transitions(w, list))
            world_apply(w, list[0]);
        if (w->thread[0].waiting)
            violate("step %u to begin with does not end", i);
    }
}

static void frames(struct world *w, uint32_t core, enum frames_action action, uint64_t pages)
{
    struct frames_request request = {.action = action, .length = pages * PAGE_BYTES};
    const struct input input = {.kind = INPUT_FRAMES, .frames = &request};
    if (world_turn(w, core, &input) != VERDICT_OK)
        violate("there are no frames to begin with");
}

/* Page i has the frame i + 1. */
static void hand_out_frames(struct world *w)
{
    const uint32_t keeper = model.scenario->keeper - 1u;
    if (!model.scenario->keeper)
        return;
    if (keeper != 0) {
        frames(w, 0, FRAMES_OFFER, MODEL_PAGES + 1);
        frames(w, keeper, FRAMES_BORROW, MODEL_PAGES + 1);
        frames(w, 0, FRAMES_LEND, MODEL_PAGES + 1);
    }
    for (uint32_t i = 0; i <= MODEL_PAGES; i++)
        frames(w, keeper, FRAMES_ALLOCATE, 1);
}

void world_init(struct world *w)
{
    const struct scenario *scenario = model.scenario;
    memset(w, 0, sizeof *w);
    const struct monitor_shape shape = world_shape();
    model.monitor_words = ((uint32_t)(monitor_size(&shape) / 8) + 7) & ~7u;
    model.words =
        (uint32_t)(offsetof(struct world, monitors) / 8) + model.cores * model.monitor_words;
    model.words = (model.words + 7) & ~7u;
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        monitor_init(m, core, &shape, 0x10000, 0x100000);
    }
    plant(w);
    hand_out_frames(w);
    for (uint32_t i = 0; i < MODEL_THREADS; i++) /* quiet, while pages are mapped */
        w->thread[i].at = MODEL_STEPS;
    for (uint32_t i = 0; i < MODEL_PAGES; i++)
        w->page[i].rights = scenario->page[i].rights ? scenario->page[i].rights : RIGHTS_WRITE;
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        struct step map = {MAP, (uint8_t)i, scenario->page[i].holders};
        struct transition list[TRANSITIONS_MAX];
        if (!map.argument)
            continue;
        thread_ask(w, scenario->page[i].home, 0, &map);
        world_canonicalise(w);
        while (world_transitions(w, list))
            world_apply(w, list[0]);
        if (w->page[i].state != PAGE_MAPPED)
            violate("page %u could not be mapped to begin with", i);
    }
    prepare_capabilities(w);
    memset(w->thread, 0, sizeof w->thread);
    w->failing_inserts = scenario->failing_inserts;
    w->failing_protects = scenario->failing_protects;
}
