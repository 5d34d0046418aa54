/* Capabilities in the model: what programs ask, what must have become of it, and what monitors may
 * say to each other about it.
 *
 * A step names a capability by its slot; the program looks up the reference when it asks. Slots 0
 * to 7 are the root CNode's (0 is the root's own), 8 to 15 those of a second CNode where there is
 * one. Scenarios use every slot for one capability alone, so a slot tells what became of a step. */
#include <string.h>

#include "capability/cspace_going.h"
#include "explorer.h"

static bool makes(const struct step *s)
{
    return s->action == CAP_COPY || s->action == CAP_MOVE || s->action == CAP_RETYPE ||
           s->action == CAP_MAP;
}

/* Where what the step makes goes. */
static uint32_t made_on(uint32_t core, const struct step *s)
{
    return s->action == CAP_RETYPE || s->action == CAP_MAP ? core : s->argument >> 4 & 3;
}

static uint32_t made_in(const struct step *s)
{
    return s->argument & 15;
}

/* What goes with it: what a CNode and those in it hold, or what is made of RAM. Without Mappings:
 * they go with their pages, which others may unmap. */
static uint8_t contents_of(struct world *w, uint32_t core, uint32_t slot)
{
    const struct capability *c = capability_in(w, core, slot);
    const struct cspace *cs = cspace_of(w, core);
    uint32_t count = 0;
    for (uint32_t i = 0; c && c->type == CAP_RAM && i < cspace_slots(cs); i++) {
        const struct capability *d = capability_in(w, core, i);
        if (d && d->type != CAP_MAPPING && i != slot && cspace_nests(c, d))
            count += 1u + (d->type == CAP_CNODE ? contents_of(w, core, i) : 0u);
    }
    for (uint32_t i = 0; c && c->type == CAP_CNODE && i < 1u << MODEL_SLOT_BITS; i++) {
        const uint32_t inside = ((uint32_t)c->about << MODEL_SLOT_BITS) + i;
        const struct capability *d = capability_in(w, core, inside);
        if (d && d->type != CAP_MAPPING)
            count += 1u + contents_of(w, core, inside);
    }
    return (uint8_t)count;
}

/* --- Asking --- */

static struct cspace_place place_of(struct world *w, uint32_t core, uint32_t slot)
{
    const struct cspace *cs = cspace_of(w, core);
    uint32_t cnode = slot >> MODEL_SLOT_BITS;
    struct cspace_place place = {.cnode = CSPACE_ROOT,
                                 .index = slot & ((1u << MODEL_SLOT_BITS) - 1)};
    if (cnode) /* one that was revoked is named by a reference that leads nowhere */
        place.cnode = cspace_cnodes(cs)[cnode].state == CNODE_FREE
                          ? UINT32_MAX
                          : cspace_reference(cs, cspace_cnodes(cs)[cnode].capability);
    return place;
}

struct page *capability_page(struct world *w, const struct step *s)
{
    return &w->page[s->argument >> 8 & (MODEL_PAGES - 1)];
}

void capability_ask(struct world *w, uint32_t core, uint32_t thread, const struct step *s)
{
    struct page *page = capability_page(w, s);
    struct request request;
    struct capability_task task, *t = &task;
    const struct cspace *cs = cspace_of(w, core);
    memset(&request, 0, sizeof request);
    memset(&task, 0, sizeof task);
    request.task = &task;
    request.ticket = thread;
    t->source = cspace_reference(cs, s->page);
    if (cspace_slot(cs, s->page)->type == CAP_NULL)
        t->source = UINT32_MAX;
    if (makes(s))
        t->place = place_of(w, made_on(core, s), made_in(s));
    switch (s->action) {
    case CAP_COPY:
    case CAP_MOVE:
        request.operation = OPERATION_COPY;
        t->to = made_on(core, s);
        t->rights = cspace_slot(cs, s->page)->rights;
        t->move = s->action == CAP_MOVE;
        break;
    case CAP_RETYPE:
        request.operation = OPERATION_RETYPE;
        t->type = s->argument >> 4 & 7;
        t->offset = (s->argument >> 7 & 7) * (uint64_t)PAGE_BYTES;
        t->size = (s->argument >> 10 & 7) * (uint64_t)PAGE_BYTES;
        t->count = 1;
        break;
    case CAP_REVOKE:
        request.operation = OPERATION_REVOKE;
        break;
    case CAP_RECLAIM:
        request.operation = OPERATION_RECLAIM;
        request.frame = MODEL_RAM + (s->argument >> 4) * (uint64_t)PAGE_BYTES;
        request.length = (s->argument & 15) * (uint64_t)PAGE_BYTES;
        break;
    case CAP_MAP:
        request.operation = OPERATION_MAP_FRAME;
        request.rights = page->rights;
        request.holders = s->argument >> 4 & ((1u << model.cores) - 1);
        page->holders = (uint8_t)request.holders;
        page->state = PAGE_MAPPING;
        page->of_frame = 1;
        break;
    default:
        request.operation = OPERATION_DELETE;
        break;
    }
    w->thread[thread].waiting = 1;
    w->thread[thread].pins = 0;
    w->thread[thread].contents =
        s->action == CAP_DELETE || s->action == CAP_REVOKE ? contents_of(w, core, s->page) : 0;
    for (uint32_t i = 0; i < MODEL_PAGES; i++)
        for (uint32_t other = 0; other < model.cores; other++)
            w->thread[thread].pins |= (uint8_t)((w->page[i].pinned[other] != 0) << other);
    struct input input = {.kind = INPUT_REQUEST, .request = &request};
    world_turn(w, core, &input);
    if (s->action == CAP_MAP)
        page_begun(w, core, thread, page);
}

void capability_create(struct world *w, uint32_t core, const struct step *s)
{
    const struct creation creation = {.address =
                                          MODEL_RAM + (s->argument >> 4) * (uint64_t)PAGE_BYTES,
                                      .size = (s->argument & 15) * (uint64_t)PAGE_BYTES,
                                      .to = place_of(w, core, s->page)};
    struct input input = {.kind = INPUT_CREATE, .creation = &creation};
    if (world_turn(w, core, &input) != VERDICT_OK)
        violate("core %u: no RAM to begin with", core);
}

/* --- Outcomes --- */

/* Does a step elsewhere in the scenario make, or take away, what is in that slot? */
static bool others_touch(uint32_t thread, uint32_t at, uint32_t core, uint32_t slot, bool making)
{
    for (uint32_t i = 0; i < MODEL_THREADS; i++) {
        const struct script *script = &model.scenario->thread[i];
        for (uint32_t k = 0; script->step[k].action != STOP; k++) {
            const struct step *s = &script->step[k];
            if (i == thread && k == at)
                continue;
            if (making ? makes(s) && made_on(script->core, s) == core && made_in(s) == slot
                       : (s->action == CAP_DELETE || s->action == CAP_MOVE) &&
                             script->core == core && s->page == slot)
                return true;
        }
    }
    return false;
}

/* The home's record of the page is gone, and with it the page. */
static void pages_gone(struct world *w)
{
    for (struct page *page = w->page; page < w->page + MODEL_PAGES; page++) {
        if (!page->of_frame || page->state != PAGE_MAPPED)
            continue;
        struct monitor *home = world_monitor(w, monitor_home(world_monitor(w, 0), page->slot));
        const struct mapping *mapping = monitor_mapping(home, page->slot);
        if (mapping->generation != page->generation || !mapping->recorded)
            page->state = PAGE_UNMAPPED;
    }
}

/* Whoever knows all cores sees nothing that was derived, no other copy, and no page. */
static void check_revoked(struct world *w, uint32_t core, uint32_t slot)
{
    const struct capability *kept = capability_in(w, core, slot);
    if (!kept)
        return;
    for (uint32_t other = 0; other < model.cores; other++)
        for (uint32_t i = 0; i < cspace_slots(cspace_of(w, other)); i++) {
            const struct capability *c = capability_in(w, other, i);
            if (c && c != kept && c->address < capability_end(kept) &&
                kept->address < capability_end(c) && cspace_nests(kept, c))
                violate("core %u revoked slot %u, and core %u still has slot %u", core, slot, other,
                        i);
        }
    for (uint32_t other = 0; other < model.cores; other++)
        for (uint32_t i = 0; i < monitor_slots(world_monitor(w, other)); i++) {
            const struct translation *t = &w->mmu[other][i];
            uint64_t address = MODEL_RAM + (t->frame & (FRAME_OF_RAM - 1)) * (uint64_t)PAGE_BYTES;
            if (t->frame >= FRAME_OF_RAM && t->rights != RIGHTS_NONE && kept->address <= address &&
                address < capability_end(kept))
                violate("core %u revoked slot %u, and core %u still reaches page slot %u", core,
                        slot, other, i);
        }
}

/* A deletion or revocation that was refused for a page has begun nowhere. */
static void check_untouched(struct world *w, uint32_t thread, uint32_t core,
                            const struct step *step)
{
    const struct cspace *cs = cspace_of(w, core);
    const struct capability *c = capability_in(w, core, step->page);
    bool alone = true; /* in taking something away */
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        for (const struct step *s = model.scenario->thread[i].step; s->action != STOP; s++)
            alone &= i == thread ||
                     (s->action != CAP_REVOKE && s->action != CAP_DELETE && s->action != CAP_MOVE);
    if (!c || (step->action == CAP_REVOKE && !alone))
        return;
    if (cspace_find(cs, cspace_reference(cs, step->page)) == NO_CAPABILITY)
        violate("core %u was refused to take slot %u away, which cannot be used any more", core,
                step->page);
    for (uint32_t i = 0; i < cs->cnodes && alone; i++)
        if (cspace_cnodes(cs)[i].state > CNODE_LIVE)
            violate("core %u was refused to take slot %u away, and CNode %u is not open", core,
                    step->page, i);
    if (alone && contents_of(w, core, step->page) < w->thread[thread].contents)
        violate("core %u was refused to take slot %u away, and something of it is gone", core,
                step->page);
}

/* Refused because of a page, by what is in its way there: a pin only by a core that had one
 * meanwhile. */
static bool refused_for_a_page(const struct world *w, uint32_t thread, const struct step *s,
                               const struct message *message)
{
    uint32_t verdict = message_verdict(message), mapped = VERDICT_CAPABILITY + CAP_MAPPED;
    if (verdict == VERDICT_PINNED)
        return (s->action == CAP_REVOKE || s->action == CAP_DELETE) &&
               w->thread[thread].pins >> message_core(message) & 1;
    if (verdict == VERDICT_HOST)
        return model.scenario->failing_protects;
    return verdict == mapped && (s->action == CAP_REVOKE || s->action == CAP_MOVE);
}

/* Nobody has any of it, so it is anybody's. */
static void reclaimed(struct world *w, uint32_t core, const struct step *s)
{
    const uint64_t address = MODEL_RAM + (s->argument >> 4) * (uint64_t)PAGE_BYTES;
    for (uint32_t other = 0; other < model.cores; other++) {
        if (!cspace_is_clear(cspace_of(w, other), address,
                             address + (s->argument & 15) * (uint64_t)PAGE_BYTES))
            violate("core %u takes back memory of which core %u has a capability", core, other);
        for (uint32_t i = 0; i < monitor_slots(world_monitor(w, other)); i++)
            if (w->mmu[other][i].rights != RIGHTS_NONE && w->mmu[other][i].frame >= FRAME_OF_RAM)
                violate("core %u takes back memory of which core %u has a page", core, other);
    }
    capability_create(w, core, s);
}

void capability_done(struct world *w, uint32_t thread, uint32_t core, const struct step *s,
                     uint32_t at, const struct message *message)
{
    enum verdict verdict = message_verdict(message);
    uint32_t allowed[] = {CAP_STALE, CAP_RETYPE_CONFLICT, CAP_SLOT_IN_USE};
    bool known = verdict == VERDICT_OK;
    for (uint32_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        known |= (uint32_t)verdict == VERDICT_CAPABILITY + allowed[i];
    if (at >= MODEL_STEPS) {
        if (verdict != VERDICT_OK)
            violate("what was to be there to begin with was refused with %u", (unsigned)verdict);
        for (struct page *page = w->page; page < w->page + MODEL_PAGES; page++)
            if (page->state == PAGE_MAPPING)
                map_done(w, &w->thread[thread], core, page, message);
        return;
    }
    if (s->action == CAP_MAP && (verdict == VERDICT_OK || !known))
        map_done(w, &w->thread[thread], core, capability_page(w, s), message);
    else if (s->action == CAP_MAP)
        capability_page(w, s)->state = PAGE_FAILED;
    else if (!known && !refused_for_a_page(w, thread, s, message))
        violate("thread %u: the operation returned %s", thread, verdict_name(verdict));
    if (s->action != CAP_MAP && verdict == VERDICT_OK)
        pages_gone(w); /* what is refused has taken none */
    if ((s->action == CAP_DELETE || s->action == CAP_REVOKE) && verdict != VERDICT_OK && !known)
        check_untouched(w, thread, core, s);
    bool carried_away = model.scenario->cnodes > 1; /* by a CNode that is revoked */
    if (verdict == VERDICT_OK)
        w->thread[thread].succeeded |= (uint8_t)(1u << at);
    if ((uint32_t)verdict == VERDICT_CAPABILITY + CAP_RETYPE_CONFLICT && s->action != CAP_RECLAIM)
        w->thread[thread].conflicts |= (uint8_t)(1u << at);
    if (makes(s) && !others_touch(thread, at, made_on(core, s), made_in(s), true)) {
        const struct capability *c = capability_in(w, made_on(core, s), made_in(s));
        if (verdict != VERDICT_OK && c)
            violate("thread %u: the operation was refused, but core %u has what it makes", thread,
                    made_on(core, s));
        if (verdict == VERDICT_OK && !c && !carried_away && s->action != CAP_MAP &&
            !others_touch(thread, at, made_on(core, s), made_in(s), false))
            violate("thread %u: the operation succeeded, but core %u has nothing", thread,
                    made_on(core, s));
        if (verdict == VERDICT_OK && c &&
            message->word[s->action == CAP_MAP ? 4 : 2] !=
                cspace_reference(cspace_of(w, made_on(core, s)), made_in(s)))
            violate("thread %u: the operation succeeded, but is not told what it has made", thread);
    }
    bool gone = s->action == CAP_MOVE || s->action == CAP_DELETE;
    if (gone && verdict == VERDICT_OK && capability_in(w, core, s->page) &&
        !others_touch(thread, at, core, s->page, true))
        violate("thread %u: slot %u is to be empty, and is not", thread, s->page);
    if (s->action == CAP_RECLAIM && verdict == VERDICT_OK)
        reclaimed(w, core, s);
    if (s->action == CAP_REVOKE && verdict == VERDICT_OK)
        check_revoked(w, core, s->page);
}

/* Nobody else drives an operation on what has an owner, and who vouches that two are enough is
 * one. */
static void check_root(struct world *w, uint32_t core, const struct message *message)
{
    const uint64_t *word = message->word;
    bool retype = message_operation(message) == OPERATION_RETYPE;
    uint64_t address = retype ? word[4] : word[2], size = retype ? word[5] : word[3];
    uint32_t type = retype ? (uint32_t)CAP_RAM : word[4] & 0xff, owner = model.cores;
    uint32_t slot = cspace_find_object(cspace_of(w, core), address, size, type);
    if (slot != NO_CAPABILITY)
        owner = cspace_slot(cspace_of(w, core), slot)->owner;
    if (retype && word[6] == 1 && owner != core)
        violate("core %u vouches for what core %u owns", core, owner);
    if (owner == core || owner >= model.cores || cspace_of(w, owner)->locks)
        return;
    slot = cspace_find_object(cspace_of(w, owner), address, size, type);
    if (slot != NO_CAPABILITY && cspace_slot(cspace_of(w, owner), slot)->owner == owner)
        violate("core %u drives an operation on what core %u owns", core, owner);
}

void capability_check_message(struct world *w, uint32_t core, uint32_t to,
                              const struct message *message)
{
    if (model.owner && message_kind(message) == KIND_PREPARE && message_core(message) == core)
        check_root(w, core, message);
    if (model.peaceful && message_kind(message) == KIND_ABORT &&
        message_verdict(message) == VERDICT_BUSY)
        violate("core %u aborts an operation for another", core);
    uint32_t how = message->word[4] >> 16 & 15, destination = (uint32_t)(message->word[4] >> 48);
    uint32_t initiator = (uint32_t)(message->word[1] >> 48);
    /* by the owner */
    bool driven = model.owner && (message_kind(message) >= KIND_ASK || to == initiator);
    if (message_operation(message) == OPERATION_COPY && !(how & 4) && to != destination && !driven)
        violate("core %u sends core %u a copy that is for core %u", core, to, destination);
}
