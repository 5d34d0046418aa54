/* What must hold of all cores' capabilities together: in every world, and at rest. */
#include "capability/cspace_going.h"
#include "explorer.h"

/* --- Every world --- */

/* May a program on that core use it? Not while an operation holds all of it. */
static bool reachable(struct world *w, uint32_t core, const struct capability *c)
{
    const struct cspace *cs = cspace_of(w, core);
    const struct cspace_lock *lock = cspace_locks(cs);
    for (uint32_t i = 0; i < cs->locks; i++)
        if (lock[i].address <= c->address && capability_end(c) <= lock[i].end)
            return false;
    return true;
}

/* What the owner has yet to hear of, it may not know as long as nothing can be done there with that
 * range. */
static void check_pair(struct world *w, uint32_t a, const struct capability *c, uint32_t b,
                       const struct capability *d)
{
    if (c->address >= capability_end(d) || d->address >= capability_end(c))
        return;
    if (!cspace_nests(c, d) && !cspace_nests(d, c)) {
        violate("cores %u and %u use the same memory as %s and as %s", a, b,
                capability_rules[c->type].name, capability_rules[d->type].name);
        return;
    }
    if (a == b)
        return;
    /* A Mapping is made of a copy, and goes with it. */
    uint32_t enough =
        CAP_REMOTE_DESCENDANTS | (d->type == CAP_MAPPING ? (uint32_t)CAP_REMOTE_COPIES : 0);
    if (capability_same(c, d)) {
        if (c->owner != d->owner)
            violate("core %u says that core %u owns it, core %u says core %u", a, c->owner, b,
                    d->owner);
        if (c->owner == a && !(c->flags & CAP_REMOTE_COPIES))
            violate("core %u owns what core %u has a copy of, and does not know", a, b);
    } else if (cspace_nests(c, d) && c->owner == a && !(c->flags & enough) && reachable(w, a, d)) {
        violate("core %u owns what core %u has a descendant of, and does not know", a, b);
    }
}

/* A Mapping, or a Frame that can be mapped: in scenarios those are a page each. */
static bool has(struct world *w, uint32_t core, uint32_t type, uint64_t address, uint64_t about)
{
    for (uint32_t i = 0; i < cspace_slots(cspace_of(w, core)); i++) {
        const struct capability *c = capability_in(w, core, i);
        if (c && c->type == type && c->address == address && c->size == PAGE_BYTES &&
            c->about == about)
            return true;
    }
    return false;
}

/* Whatever a core reaches, its home has a Mapping of, and the Frame; and entries at home stand for
 * Mappings, one for one. */
static void check_pages(struct world *w)
{
    for (uint32_t core = 0; core < model.cores; core++) {
        struct monitor *m = world_monitor(w, core);
        uint32_t recorded = 0, mappings = 0;
        for (uint32_t slot = 0; slot < monitor_slots(m); slot++) {
            const struct mapping *mapping = monitor_mapping(m, slot);
            const struct translation *t = &w->mmu[core][slot];
            uint32_t home = monitor_home(m, slot);
            recorded += mapping->recorded != 0;
            if (home == core && mapping->recorded) {
                mappings++;
                if (!has(w, home, CAP_MAPPING, mapping->frame, mapping->address))
                    violate("core %u has no Mapping for slot %u, which is mapped by capability",
                            core, slot);
            }
            uint64_t frame = MODEL_RAM + (t->frame & (FRAME_OF_RAM - 1)) * (uint64_t)PAGE_BYTES;
            if (t->frame < FRAME_OF_RAM || t->rights == RIGHTS_NONE)
                continue;
            if (!has(w, home, CAP_MAPPING, frame, mapping->address))
                violate("core %u reaches slot %u, for which core %u has no Mapping", core, slot,
                        home);
            if (!has(w, home, CAP_FRAME, frame, 0))
                violate("core %u reaches slot %u, of which core %u does not have the Frame", core,
                        slot, home);
        }
        for (uint32_t i = 0; i < cspace_slots(cspace_of(w, core)); i++) {
            const struct capability *c = capability_in(w, core, i);
            mappings -= c && c->type == CAP_MAPPING;
        }
        if (recorded != m->recorded)
            violate("core %u miscounts its pages mapped by capability", core);
        if (mappings)
            violate("core %u has a Mapping without a page", core);
    }
}

void capability_check_state(struct world *w)
{
    check_pages(w);
    const struct capability *usable[MODEL_CORES * 2 << MODEL_SLOT_BITS];
    uint8_t on[MODEL_CORES * 2 << MODEL_SLOT_BITS];
    uint32_t count = 0;
    for (uint32_t core = 0; core < model.cores; core++) {
        const char *wrong = mapping_database_check(cspace_database(cspace_of(w, core)));
        if (wrong)
            violate("core %u: the mapping database is wrong: %s", core, wrong);
        for (uint32_t i = 0; i < cspace_slots(cspace_of(w, core)); i++) {
            const struct capability *c = capability_in(w, core, i);
            if (c && reachable(w, core, c)) {
                on[count] = (uint8_t)core;
                usable[count++] = c;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < count; k++)
            if (i != k)
                check_pair(w, on[i], usable[i], on[k], usable[k]);
}

/* --- At rest --- */

static bool has_copy(struct world *w, uint32_t core, const struct capability *c)
{
    if (core >= model.cores)
        return false;
    for (uint32_t i = 0; i < cspace_slots(cspace_of(w, core)); i++) {
        const struct capability *d = capability_in(w, core, i);
        if (d && capability_same(c, d))
            return true;
    }
    return false;
}

/* Nobody has deleted anything, so of all memory there is to begin with somebody has at least one
 * capability. */
static void check_nothing_lost(struct world *w)
{
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        for (const struct step *s = model.scenario->thread[i].step; s->action != STOP; s++)
            if (s->action == CAP_DELETE)
                return;
    for (uint32_t i = 0; i < MODEL_BEFORE; i++) {
        const struct step *s = &model.scenario->before[i].step;
        const struct capability ram = {.type = CAP_RAM,
                                       .address =
                                           MODEL_RAM + (s->argument >> 4) * (uint64_t)PAGE_BYTES,
                                       .size = (s->argument & 15) * (uint64_t)PAGE_BYTES};
        /* a CNode takes along what is in it */
        bool found = s->action != CAP_CREATE || model.scenario->cnodes > 1;
        for (uint32_t core = 0; core < model.cores; core++)
            found |= has_copy(w, core, &ram);
        if (!found)
            violate("at rest, nobody has the memory that was there to begin with");
    }
}

void capability_check_terminal(struct world *w)
{
    check_nothing_lost(w);
    /* memory that is something else to begin with is as good as retyped */
    bool retyped = false, refused = false;
    for (uint32_t i = 0; i < MODEL_BEFORE; i++)
        retyped |= model.scenario->before[i].step.action == CAP_RETYPE;
    for (uint32_t core = 0; core < model.cores; core++) {
        const char *wrong = cspace_check(cspace_of(w, core));
        if (wrong)
            violate("core %u: its capabilities are wrong at rest: %s", core, wrong);
        if (cspace_of(w, core)->locks)
            violate("core %u: at rest, a range is locked", core);
        for (uint32_t i = 0; i < cspace_slots(cspace_of(w, core)); i++) {
            const struct capability *c = capability_in(w, core, i);
            if (c && model.scenario->cnodes == 1 && !has_copy(w, c->owner, c))
                violate("core %u has in slot %u what core %u owns, which has none", core, i,
                        c->owner);
            if (c && c->flags & CAP_DYING)
                violate("core %u: at rest, slot %u is being deleted", core, i);
            if (c && c->type == CAP_CNODE &&
                cspace_cnodes(cspace_of(w, core))[c->about].state != CNODE_LIVE)
                violate("core %u: at rest, the CNode in slot %u is not open", core, i);
        }
    }
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        for (uint32_t k = 0; model.scenario->thread[i].step[k].action != STOP; k++) {
            retyped |= model.scenario->thread[i].step[k].action == CAP_RETYPE &&
                       w->thread[i].succeeded >> k & 1;
            refused |= w->thread[i].conflicts >> k & 1;
        }
    if (refused && !retyped)
        violate("a retype was refused for another that was not done");
}
