/* What must hold. Three kinds: of every world, of every world in which nothing more can happen, and
 * of what a step puts out. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explorer.h"

const char *violation;

void violate(const char *format, ...)
{
    static char text[256];
    if (violation)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    violation = text;
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
        "OK",        "BUSY",        "NOT_MAPPED", "PINNED",  "STALE_VIEW",   "NO_SLOT",
        "HOST",      "BAD_REQUEST", "NO_MEMORY",  "FAULT",   "FRAME_IN_USE", "NOT_A_FRAME",
        "CORE_BUSY", "OVERTAKEN",   "LATER",      "PENDING", "ALONE",        "NOT_OWNER"};
    static const char *const capability_names[CAP_VERDICTS] = {
        [CAP_STALE] = "stale",
        [CAP_NOT_A_CNODE] = "not a CNode",
        [CAP_SLOT_IN_USE] = "slot in use",
        [CAP_NO_SLOTS] = "no slots",
        [CAP_NO_CNODES] = "no CNodes",
        [CAP_WRONG_TYPE] = "wrong type",
        [CAP_NOT_COPYABLE] = "not copyable",
        [CAP_BAD_SIZE] = "bad size",
        [CAP_RETYPE_CONFLICT] = "retype conflict",
        [CAP_RIGHTS_EXCEEDED] = "rights exceeded",
        [CAP_CNODE_CYCLE] = "CNode cycle",
        [CAP_PERMANENT] = "permanent",
        [CAP_MAPPED] = "mapped",
    };
    if (verdict > VERDICT_CAPABILITY && verdict < (unsigned)VERDICT_CAPABILITY + CAP_VERDICTS)
        return capability_names[verdict - VERDICT_CAPABILITY];
    return (unsigned)verdict < sizeof names / sizeof *names ? names[verdict] : "?";
}

struct page *page_of(struct world *w, uint32_t slot, uint32_t generation)
{
    for (uint32_t i = 0; i < MODEL_PAGES; i++)
        if (w->page[i].generation == generation && w->page[i].slot == slot && generation)
            return &w->page[i];
    return NULL;
}

/* --- Outputs --- */

/* A reply goes to the core that asked, with the token that its request came with. */
static void check_reply(struct world *w, uint32_t core, const struct output_entry *entry)
{
    static const uint8_t asked[] = {
        [PHASE_PREPARED] = KIND_PREPARE,
        [PHASE_COMMITTED] = KIND_COMMIT,
        [PHASE_ABORTED] = KIND_ABORT,
        [PHASE_APPLIED] = KIND_APPLY,
    };
    uint64_t id = entry->message.word[1];
    uint32_t index = (uint32_t)((id >> 48) * MODEL_LANES + id % MODEL_LANES),
             kind = entry->token >> 24 & 0xff;
    const struct agreement *op = monitor_agreement(world_monitor(w, core), index);
    if (!(entry->token >> 63) || (entry->token >> 32 & 0xff) != entry->to ||
        (entry->token >> 8 & 0xffff) != id >> 48 || (entry->token & 0xff) != id % MODEL_LANES)
        violate("core %u answers core %u with a token that is not its request's", core, entry->to);
    else if (op->id == id && op->phase < sizeof asked && asked[op->phase] &&
             asked[op->phase] != kind)
        violate("core %u answers core %u with the token of an earlier round", core, entry->to);
}

void check_output(struct world *w, uint32_t core, const struct output *output)
{
    for (uint32_t i = 0; i < output->count; i++) {
        const struct output_entry *entry = &output->entry[i];
        if (entry->kind == OUTPUT_REPLY) {
            check_reply(w, core, entry);
        } else if (entry->kind != OUTPUT_DONE) {
            const struct message *message = &entry->message;
            if (entry->to == core || entry->to >= model.cores)
                violate("core %u sends to core %u", core, entry->to);
            uint32_t operation = message_operation(message);
            bool mapping = operation < OPERATION_TREE || operation == OPERATION_MAP_FRAME ||
                           operation == OPERATION_UNMAP_GOING;
            if (!mapping && operation != OPERATION_TREE)
                capability_check_message(w, core, entry->to, message);
            if (!mapping || (operation == OPERATION_UNMAP_GOING && !(message->word[2] >> 32)))
                continue; /* all cores take part */
            uint32_t slot = (uint32_t)message->word[2],
                     generation = (uint32_t)(message->word[2] >> 32);
            struct page *page = page_of(w, slot, generation);
            uint32_t holders = page ? page->holders : 0;
            if (!page && (operation == OPERATION_MAP || operation == OPERATION_MAP_FRAME))
                for (uint32_t p = 0; p < MODEL_PAGES; p++)
                    if (w->page[p].state == PAGE_MAPPING)
                        holders |= w->page[p].holders;
            const bool released = message_kind(message) == KIND_RELEASE && !model.tight;
            if (released && entry->to != monitor_home(world_monitor(w, core), slot))
                violate("core %u releases slot %u to core %u, which is not its home", core, slot,
                        entry->to);
            else if (!released && !(holders >> entry->to & 1) &&
                     !(message_kind(message) == KIND_RELEASE &&
                       entry->to == monitor_home(world_monitor(w, core), slot)))
                violate("core %u is sent a message about slot %u, which it does not hold",
                        entry->to, slot);
        }
    }
}

/* --- Outcomes --- */

void map_done(struct world *w, struct thread *thread, uint32_t core, struct page *page,
              const struct message *message)
{
    enum verdict verdict = message_verdict(message);
    page->slot = (uint32_t)message->word[2];
    page->generation = (uint32_t)(message->word[2] >> 32);
    if (verdict == VERDICT_OK) {
        page->state = PAGE_MAPPED;
    } else if (verdict == VERDICT_NO_SLOT) {
        page->state = PAGE_NONE; /* the table is full: until another unmap is known at home */
        page->slot = page->generation = 0;
        thread->at--;
        bool unmapped = false;
        for (uint32_t i = 0; i < MODEL_PAGES; i++)
            unmapped |= w->page[i].state != PAGE_NONE;
        if (!unmapped)
            violate("core %u: an empty table is full", core);
    } else {
        page->state = PAGE_FAILED;
        if (verdict != VERDICT_HOST || !model.scenario->failing_inserts)
            violate("core %u: map returned %s", core, verdict_name(verdict));
    }
}

static void refused(struct thread *thread, uint32_t number, struct page *page,
                    const struct step *step, const struct message *message)
{
    enum verdict verdict = message_verdict(message);
    if (verdict == VERDICT_NOT_MAPPED) {
        page->missed = 1;
    } else if (verdict == VERDICT_PINNED) {
        page->price |= step->action == UNMAP && step->argument == ONE_PHASE;
        if (!(thread->pins >> message_core(message) & 1))
            violate("thread %u: PINNED names core %u, which held no pin meanwhile", number,
                    message_core(message));
    } else if (verdict == VERDICT_HOST && model.scenario->failing_protects) {
        page->price |= step->action == UNMAP && step->argument == ONE_PHASE;
    } else {
        violate("thread %u: the operation returned %s", number, verdict_name(verdict));
    }
}

static void tree_done(struct world *w, uint32_t number, const struct step *step,
                      enum verdict verdict)
{
    if (verdict == VERDICT_OK && step->argument == NONSENSE)
        violate("thread %u: a tree that is none was installed", number);
    else if (verdict == VERDICT_OK)
        w->installed[step->page] = (uint8_t)(1 + step->argument);
    else if (verdict != VERDICT_BAD_REQUEST || step->argument != NONSENSE)
        violate("thread %u: the installation returned %s", number, verdict_name(verdict));
}

void thread_done(struct world *w, uint32_t number, const struct message *message)
{
    if (number >= MODEL_THREADS) {
        violate("something is done that nobody asked for (ticket %u)", number);
        return;
    }
    struct thread *thread = &w->thread[number];
    const struct script *script = &model.scenario->thread[number];
    const struct step *step = &script->step[thread->at];
    static const struct step setup = {MAP, 0, 0};
    enum verdict verdict = message_verdict(message);
    if (!thread->waiting)
        violate("thread %u is told twice what became of its operation", number);
    thread->waiting = 0;
    uint32_t index = step->page;
    if (thread->at >= MODEL_STEPS && model.scenario->cnodes) {
        capability_done(w, number, script->core, step, thread->at, message);
        return;
    }
    if (thread->at >= MODEL_STEPS) { /* mapping the pages to begin with */
        step = &setup;
        for (index = 0; w->page[index].state != PAGE_MAPPING; index++)
            ;
    }
    if (step->action >= CAP_COPY && verdict != VERDICT_BUSY) {
        uint32_t at = thread->at;
        if (at < MODEL_STEPS)
            thread->at++;
        capability_done(w, number, script->core, step, at, message);
        return;
    }
    struct page *page = &w->page[index < MODEL_PAGES ? index : 0];
    if (step->action == CAP_MAP) { /* BUSY: its memory is about to be taken away, or given back */
        capability_page(w, step)->state = PAGE_NONE;
        return;
    }
    if (verdict == VERDICT_BUSY) { /* every lane is taken: the driver asks again */
        struct monitor *m = world_monitor(w, script->core);
        for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
            if (monitor_workflow(m, lane)->state == WORKFLOW_FREE)
                violate("thread %u is told BUSY though a lane is free", number);
        if (step->action == MAP)
            page->state = PAGE_NONE;
        return;
    }
    if (thread->at < MODEL_STEPS)
        thread->at++;
    if (step->action == INSTALL) {
        tree_done(w, number, step, verdict);
        return;
    }
    if (step->action == MAP) {
        map_done(w, thread, script->core, page, message);
        return;
    }
    if (verdict != VERDICT_OK) {
        refused(thread, number, page, step, message);
        return;
    }
    if (thread->late)
        violate(
            "thread %u: the operation began after the unmap of page %u had returned, and succeeded",
            number, index);
    if (step->action == UNMAP) {
        /* a revoke does not say whose unmap it came after */
        if (page->state == PAGE_UNMAPPED && !page->of_frame)
            violate("two unmaps of page %u returned OK", index);
        page->state = PAGE_UNMAPPED;
    } else {
        page->rights = (uint8_t)step->argument;
    }
}

/* --- Every world --- */

static void check_entry(struct world *w, uint32_t core, uint32_t slot)
{
    struct monitor *m = world_monitor(w, core);
    const struct mapping *mapping = monitor_mapping(m, slot);
    const struct translation *t = &w->mmu[core][slot];
    int held = mapping->state == MAPPING_MAPPED && mapping->held;
    if (mapping->pins && (!held || t->rights != mapping->rights))
        violate("core %u lost slot %u while it is pinned there", core, slot);
    if (mapping->lock)
        return; /* an operation is at it */
    if (held && (t->state != TRANSLATION_PRESENT || t->rights != mapping->rights ||
                 t->frame != frame_number(mapping->frame)))
        violate("core %u: slot %u is mapped, but its MMU has rights %u where the replica has %u",
                core, slot, t->rights, mapping->rights);
    if (!held && t->rights != RIGHTS_NONE)
        violate("core %u: slot %u is not mapped, but its MMU allows it", core, slot);
    if (!held && t->state == TRANSLATION_PRESENT)
        violate("core %u: slot %u is not mapped, but never retired", core, slot);
}

void check_state(struct world *w)
{
    if (model.scenario->cnodes)
        capability_check_state(w);
    for (uint32_t core = 0; core < model.cores; core++) {
        uint32_t slots = monitor_slots(world_monitor(w, core));
        for (uint32_t slot = 0; slot < slots; slot++) {
            const struct translation *t = &w->mmu[core][slot];
            for (uint32_t i = 0; i < MODEL_PAGES && t->frame && t->rights != RIGHTS_NONE; i++)
                if (w->page[i].state == PAGE_UNMAPPED && w->page[i].slot == slot &&
                    (uint8_t)w->page[i].generation == t->generation)
                    violate("the unmap of page %u has returned, but core %u's MMU allows it", i,
                            core);
            check_entry(w, core, slot);
        }
    }
    for (uint32_t i = 0; i < MODEL_PAGES; i++)
        for (uint32_t core = 0; core < model.cores; core++)
            if (w->page[i].pinned[core] &&
                (w->page[i].state != PAGE_MAPPED ||
                 w->mmu[core][w->page[i].slot].generation != (uint8_t)w->page[i].generation ||
                 w->mmu[core][w->page[i].slot].rights == RIGHTS_NONE))
                violate("core %u lost page %u, which a program there has pinned", core, i);
}

/* --- At rest --- */

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
