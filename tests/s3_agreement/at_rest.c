/* What must hold of a world in which nothing can happen any more. */
#include "explorer.h"

bool world_finished(const struct world *w)
{
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        if (w->thread[i].waiting || model.scenario->thread[i].step[w->thread[i].at].action != STOP)
            return false;
    return true;
}

/* Another core's entry has a record while it is in use, and a set its place. */
static void check_room(const struct monitor *m, uint32_t core)
{
    const uint64_t *users = (const void *)((const char *)m + m->sets_offset);
    uint32_t others = 0, sets = 0;
    for (uint32_t slot = 0; slot < monitor_slots(m); slot++) {
        const struct mapping *mapping = monitor_mapping(m, slot);
        others += monitor_home(m, slot) != core && mapping->state != MAPPING_FREE;
        sets += cores_form(mapping->holders) == CORES_KEPT;
    }
    for (uint32_t i = 0; i < m->sets; i++)
        sets -= (uint32_t)users[i * (1 + m->set_words)];
    if (others != m->mappings.others)
        violate("core %u: at rest, it has %u records of other cores' entries, for %u", core,
                m->mappings.others, others);
    if (sets)
        violate("core %u: at rest, places of sets are not used as often as they seem", core);
}

static void check_rest(struct world *w, uint32_t core)
{
    struct monitor *m = world_monitor(w, core);
    for (uint32_t number = 0; number < model.cores * MODEL_LANES; number++) {
        const struct agreement *a = monitor_agreement(m, number);
        /* the other ends are forgotten by then */
        if (a->phase != PHASE_IDLE && a->phase != PHASE_APPLIED)
            violate("core %u: at rest, core %u's agreement is in phase %u", core,
                    number / MODEL_LANES, a->phase);
        if (m->notifies_all && a->phase == PHASE_APPLIED)
            violate("core %u: at rest, what core %u did by one phase is not known to be final",
                    core, number / MODEL_LANES);
    }
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
        if (monitor_workflow(m, lane)->state != WORKFLOW_FREE)
            violate("core %u: at rest, a workflow is not over", core);
    if (m->aborting || m->queue_first)
        violate("core %u: at rest, something is aborted or queued", core);
    if (m->waiting || m->engaged)
        violate("core %u: at rest, %u operations wait, and outcomes of %u are awaited", core,
                m->waiting, m->engaged);
    for (uint32_t slot = 0; slot < monitor_slots(m); slot++) {
        const struct mapping *mapping = monitor_mapping(m, slot);
        if (mapping->lock || mapping->released)
            violate("core %u: at rest, slot %u is locked", core, slot);
        if (mapping->state == MAPPING_RESERVED ||
            (mapping->state == MAPPING_GONE && monitor_home(m, slot) == core))
            violate("core %u: at rest, slot %u is neither mapped nor free", core, slot);
    }
    check_room(m, core);
}

static bool same_holders(const struct monitor *m, const struct mapping *a, const struct monitor *n,
                         const struct mapping *b)
{
    bool same = true;
    for (uint32_t core = 0; core < model.cores; core++)
        same &= monitor_holds(m, a, core) == monitor_holds(n, b, core);
    return same;
}

static int same_entry(const struct monitor *m, const struct mapping *a, const struct monitor *n,
                      const struct mapping *b, int directory)
{
    return a->generation == b->generation && a->state == b->state &&
           (directory || a->rights == b->rights) && a->address == b->address &&
           a->frame == b->frame && a->length == b->length && same_holders(m, a, n, b);
}

/* Whole, the same on every core, and what an installation that returned said; rivals may have
 * returned in any order. */
static void check_tree(struct world *w, uint32_t root)
{
    struct monitor *first = world_monitor(w, 0);
    const struct tree *tree = monitor_tree(first, root);
    const struct tree_link *link = world_links(w, root);
    struct tree_link expected[MODEL_CORES];
    uint32_t installations = 0;
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        for (const struct step *s = model.scenario->thread[i].step; s->action != STOP; s++)
            installations += s->action == INSTALL && s->page == root;
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        if (monitor_tree(m, root)->lock)
            violate("core %u: at rest, the tree of core %u is locked", core, root);
        if (monitor_tree(m, root)->version != tree->version)
            violate("cores 0 and %u differ about the tree of core %u at rest", core, root);
    }
    for (uint32_t core = 0; link && core < model.cores; core++) {
        uint32_t at = core;
        for (uint32_t steps = 0; at != root && at < model.cores && steps < model.cores; steps++)
            at = link[at].parent;
        if (at != root)
            violate("core %u does not lead to core %u in its tree", core, root);
    }
    if (installations != 1 || !w->installed[root])
        return;
    tree_clear(expected, model.cores);
    for (uint32_t i = 0; i + 1 < model.cores; i++)
        tree_add(expected, shape_edge(w->installed[root] - 1u, root, i));
    if (!link || memcmp(expected, link, model.cores * sizeof *link) != 0)
        violate("the tree of core %u is not the one that was installed", root);
}

static void check_page(struct world *w, uint32_t index)
{
    const struct page *page = &w->page[index];
    uint32_t first = 0, home;
    if (page->state == PAGE_NONE)
        return;
    if (page->state == PAGE_MAPPING)
        violate("at rest, page %u is being mapped", index);
    if (page->missed && page->state == PAGE_MAPPED && !page->price)
        violate("page %u is mapped at rest, but somebody was told that it is not", index);
    home = monitor_home(world_monitor(w, 0), page->slot);
    while (!(page->holders >> first & 1))
        first++;
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        const struct mapping *mapping = monitor_mapping(m, page->slot);
        int here = mapping->state == MAPPING_MAPPED && mapping->generation == page->generation;
        if (page->state != PAGE_MAPPED) {
            if (here)
                violate("core %u has page %u mapped at rest, though it is not", core, index);
        } else if ((page->holders >> core & 1) || core == home) {
            const struct mapping *other = monitor_mapping(world_monitor(w, first), page->slot);
            if (!here)
                violate("core %u lost page %u, which nobody unmapped", core, index);
            else if (!same_entry(m, mapping, world_monitor(w, first), other,
                                 core == home && !(page->holders >> core & 1)))
                violate("cores %u and %u differ about page %u at rest", core, first, index);
        }
    }
}

/* After a single protect the rights are known; of several at once any may have been the last. */
static void check_rights(struct world *w, uint32_t index)
{
    uint32_t protects = 0;
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        for (const struct step *s = model.scenario->thread[i].step; s->action != STOP; s++)
            protects += s->action == PROTECT && s->page == index;
    const struct page *page = &w->page[index];
    if (protects > 1 || page->state != PAGE_MAPPED)
        return;
    for (uint32_t core = 0; core < model.cores; core++)
        if ((page->holders >> core & 1) &&
            monitor_mapping(world_monitor(w, core), page->slot)->rights != page->rights)
            violate("core %u: page %u has other rights at rest than were agreed", core, index);
}

void check_terminal(struct world *w)
{
    if (model.scenario->cnodes)
        capability_check_terminal(w);
    for (uint32_t core = 0; core < model.cores; core++) {
        check_rest(w, core);
        check_tree(w, core);
    }
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        check_page(w, i);
        check_rights(w, i);
    }
    for (uint32_t a = 0; a < model.cores; a++)
        for (uint32_t b = a + 1; b < model.cores; b++) {
            if (monitor_digest(world_monitor(w, a), a, b) !=
                monitor_digest(world_monitor(w, b), a, b))
                violate("the digests of cores %u and %u differ at rest", a, b);
        }
}
