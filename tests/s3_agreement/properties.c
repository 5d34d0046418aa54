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

/* A message goes to a core that takes part in what it is about. */
static void check_sent(struct world *w, uint32_t core, uint32_t to, const struct message *message)
{
    if (to == core || to >= model.cores)
        violate("core %u sends to core %u", core, to);
    uint32_t operation = message_operation(message);
    bool mapping = operation < OPERATION_TREE || operation == OPERATION_MAP_FRAME ||
                   operation == OPERATION_UNMAP_GOING;
    if (!mapping && operation != OPERATION_TREE)
        capability_check_message(w, core, to, message);
    if (!mapping || (operation == OPERATION_UNMAP_GOING && !(message->word[2] >> 32)))
        return; /* all cores take part */
    uint32_t slot = (uint32_t)message->word[2], generation = (uint32_t)(message->word[2] >> 32);
    struct page *page = page_of(w, slot, generation);
    uint32_t holders = page ? page->holders : 0;
    if (model.scenario->keeper)
        holders |= 1u << (model.scenario->keeper - 1);
    if (!page && (operation == OPERATION_MAP || operation == OPERATION_MAP_FRAME))
        for (uint32_t p = 0; p < MODEL_PAGES; p++)
            if (w->page[p].state == PAGE_MAPPING)
                holders |= w->page[p].holders;
    const bool released = message_kind(message) == KIND_RELEASE && !model.tight;
    const uint32_t home = monitor_home(world_monitor(w, core), slot);
    if (released && to != home)
        violate("core %u releases slot %u to core %u, which is not its home", core, slot, to);
    else if (!released && !(holders >> to & 1) && to != home)
        violate("core %u is sent a message about slot %u, which it does not hold", to, slot);
}

void check_output(struct world *w, uint32_t core, const struct output *output)
{
    for (uint32_t i = 0; i < output->count; i++) {
        const struct output_entry *entry = &output->entry[i];
        if (entry->kind == OUTPUT_REPLY)
            check_reply(w, core, entry);
        else if (entry->kind != OUTPUT_DONE)
            for (uint32_t n = 0; n < output_receivers(output, entry); n++)
                check_sent(w, core, output_receiver(output, entry, n), &entry->message);
    }
}

/* --- Outcomes --- */

void free_done(struct world *w, uint32_t number, struct page *page, enum verdict verdict)
{
    if (verdict == VERDICT_BUSY)
        return; /* tried again */
    w->thread[number].at++;
    if (verdict == VERDICT_OK && !page->freed) {
        page->freed = 1;
    } else if (verdict == VERDICT_FRAME_IN_USE) {
        if (page->freed || page->state == PAGE_NONE || page->state == PAGE_UNMAPPED ||
            page->state == PAGE_FAILED)
            violate("thread %u: a frame is in use that no page has", number);
    } else if (verdict != VERDICT_NOT_A_FRAME || !page->freed) {
        violate("thread %u: a free returned %s", number, verdict_name(verdict));
    }
}

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
        uint32_t taken = 0;
        for (uint32_t i = 0; i < MODEL_PAGES; i++)
            taken += w->page[i].state == PAGE_MAPPED || w->page[i].state == PAGE_MAPPING;
        if (taken < model.scenario->slots_per_core)
            violate("core %u: the table is full, though no more than %u pages are mapped", core,
                    taken);
    } else {
        page->state = PAGE_FAILED;
        if (verdict == VERDICT_NOT_A_FRAME && page->freed)
            return;
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

static bool slot_is_undecided(const struct monitor *m)
{
    for (uint32_t i = 0; i < m->slots_per_core; i++) {
        const struct mapping *mapping = monitor_mapping(m, m->me * m->slots_per_core + i);
        if (mapping->state == MAPPING_GONE || mapping->lock)
            return true;
    }
    return false;
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
    if (verdict ==
        VERDICT_BUSY) { /* every lane is taken, or every slot and one is about to be free:
                                    * the driver asks again */
        struct monitor *m = world_monitor(w, script->core);
        const bool slots = step->action == MAP && slot_is_undecided(m);
        for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
            if (!slots && monitor_workflow(m, lane)->state == WORKFLOW_FREE)
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
            for (uint32_t i = 0; i < MODEL_PAGES && t->rights != RIGHTS_NONE; i++)
                if (w->page[i].freed && t->frame == i + 1)
                    violate("the frame of page %u is freed, but core %u's MMU allows it", i, core);
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
