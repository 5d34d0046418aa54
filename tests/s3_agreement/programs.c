/* What the programs on the cores do: every thread walks through its script, one step after the
 * other. A request to the monitor is waited for; what the monitor answers at once with BUSY (a
 * prepared page, a full table) is tried again. */
#include <string.h>

#include "explorer.h"

const struct step *thread_step(const struct world *w, uint32_t thread)
{
    return &model.scenario->thread[thread].step[w->thread[thread].at];
}

uint32_t shape_edge(uint32_t shape, uint32_t root, uint32_t number)
{
    uint32_t n = model.cores, rank = number + 1;
    switch (shape) {
    case CHAIN:
        return tree_edge((root + rank - 1) % n, (root + rank) % n);
    case BACKWARDS:
        return tree_edge((root + n + 1 - rank) % n, (root + n - rank) % n);
    case STAR:
        return tree_edge(root, (root + rank) % n);
    default:
        /* from a core that is not in the tree, to one that is */
        return tree_edge((root + 1) % n, (root + 1) % n);
    }
}

static void ask_for_tree(struct world *w, uint32_t core, uint32_t thread, const struct step *step)
{
    struct request request;
    memset(&request, 0, sizeof request);
    request.ticket = thread;
    request.operation = OPERATION_TREE;
    request.slot = step->page;
    w->thread[thread].waiting = 1;
    struct input input = {.kind = INPUT_REQUEST, .request = &request};
    world_turn(w, core, &input);
}

void page_begun(struct world *w, uint32_t core, uint32_t thread, struct page *page)
{
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++) {
        const struct workflow *flow = monitor_workflow(world_monitor(w, core), lane);
        const struct agreement *a = monitor_own(world_monitor(w, core), lane);
        if (page->state == PAGE_MAPPING && flow->state != WORKFLOW_FREE && flow->ticket == thread &&
            (flow->operation == OPERATION_MAP || flow->operation == OPERATION_MAP_FRAME)) {
            page->slot = a->slot;
            page->generation = a->generation;
        }
    }
}

void thread_ask(struct world *w, uint32_t core, uint32_t thread, const struct step *step)
{
    struct page *page = &w->page[step->page];
    uint64_t set = 0;
    struct request request;
    memset(&request, 0, sizeof request);
    request.ticket = thread;
    if (step->action == MAP) {
        request.operation = OPERATION_MAP;
        request.keeper = model.scenario->keeper;
        request.generation = request.keeper ? 1 : 0xdeadbeef; /* not to be looked at */
        request.frame = (step->page + 1u) * (uint64_t)PAGE_BYTES;
        request.length = PAGE_BYTES;
        request.rights = page->rights;
        page->holders = (uint8_t)(step->argument & ((1u << model.cores) - 1));
        set = page->holders;
        request.holders = page->holders;
        if (model.scenario->wide) {
            request.holders = (uint64_t)CORES_KEPT << 60;
            request.kept = &set;
        }
        page->state = PAGE_MAPPING;
    } else {
        request.operation = step->action == UNMAP ? OPERATION_UNMAP : OPERATION_PROTECT;
        request.protocol = step->action == UNMAP ? step->argument : (uint32_t)TWO_PHASE;
        request.rights = step->action == PROTECT ? step->argument : 0u;
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
    world_turn(w, core, &input);
    if (step->action != MAP || page->state != PAGE_MAPPING)
        return;
    page_begun(w, core, thread, page);
}

static void access(struct world *w, uint32_t core, struct thread *thread, const struct step *step)
{
    struct page *page = &w->page[step->page];
    const struct translation *t = &w->mmu[core][page->slot];
    uint32_t wanted = step->action == WRITE ? RIGHTS_WRITE : RIGHTS_READ;
    if (t->generation == (uint8_t)page->generation && (t->rights & wanted) == wanted) {
        if (page->state == PAGE_UNMAPPED)
            violate("core %u read page %u after its unmap had returned", core, step->page);
        thread->at++;
        return;
    }
    switch (monitor_fault(world_monitor(w, core), page->slot, page->generation,
                          step->action == WRITE)) {
    case VERDICT_BUSY:
        break; /* waits for the outcome */
    case VERDICT_OK:
        violate("core %u: page %u may be read, says the monitor, but the MMU refuses", core,
                step->page);
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
    struct input input = {.kind = INPUT_PIN, .slot = page->slot, .generation = page->generation};
    enum verdict verdict = world_turn(w, core, &input);
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
            if (w->thread[i].waiting &&
                (thread_step(w, i)->page == step->page || thread_step(w, i)->action >= CAP_COPY))
                w->thread[i].pins |= (uint8_t)(1u << core);
    }
}

static void free_frame(struct world *w, uint32_t core, uint32_t index, const struct step *step)
{
    struct frames_request frame = {.action = FRAMES_FREE,
                                   .offset = (step->page + 1u) * (uint64_t)PAGE_BYTES,
                                   .length = PAGE_BYTES,
                                   .generation = 1};
    struct input input = {.kind = INPUT_FRAMES, .frames = &frame};
    free_done(w, index, &w->page[step->page], world_turn(w, core, &input));
}

static void unpin(struct world *w, uint32_t core, struct thread *thread, const struct step *step)
{
    struct page *page = &w->page[step->page];
    thread->at++;
    if (!page->pinned[core])
        return; /* the pin was refused */
    page->pinned[core]--;
    struct input input = {.kind = INPUT_UNPIN, .slot = page->slot, .generation = page->generation};
    enum verdict verdict = world_turn(w, core, &input);
    if (verdict != VERDICT_OK)
        violate("core %u: unpinning page %u, which it had pinned, returned %s", core, step->page,
                verdict_name(verdict));
}

void thread_run(struct world *w, uint32_t index)
{
    struct thread *thread = &w->thread[index];
    const struct step *step = thread_step(w, index);
    uint32_t core = model.scenario->thread[index].core;
    if (step->action == INSTALL) {
        ask_for_tree(w, core, index, step);
        return;
    }
    if (step->action >= CAP_COPY) {
        capability_ask(w, core, index, step);
        return;
    }
    if (step->action == FREE) {
        free_frame(w, core, index, step);
        return;
    }
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
        thread_ask(w, core, index, step);
        break;
    }
}

bool thread_may_run(const struct world *w, uint32_t index)
{
    const struct step *step = thread_step(w, index);
    if (w->thread[index].waiting || step->action == STOP)
        return 0;
    if (step->action == FREE)
        return 1;
    if (step->action >= INSTALL)
        return world_has_room(w, model.scenario->thread[index].core);
    const struct page *page = &w->page[step->page];
    if (step->action == AWAIT && page->state != PAGE_UNMAPPED)
        return 0;
    if (step->action != MAP && (page->state == PAGE_NONE || page->state == PAGE_MAPPING))
        return 0; /* nobody has a handle yet */
    int asks = step->action == MAP || step->action == UNMAP || step->action == PROTECT;
    return !asks || world_has_room(w, model.scenario->thread[index].core);
}
