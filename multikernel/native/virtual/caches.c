#include "virtual/caches.h"

#include <stdlib.h>

bool caches_open(struct caches *c, const struct machine *machine, uint32_t count)
{
    *c = (struct caches){.count = count, .cores = machine->cores};
    c->line = calloc(count, sizeof *c->line);
    c->cached = calloc((size_t)count * c->cores, sizeof *c->cached);
    if (!lines_open(&c->lines, machine) || !c->line || !c->cached)
        return false;
    for (uint32_t line = 0; line < count; line++) {
        c->line[line].of = c->cached + (size_t)line * c->cores;
        caches_place(c, line, 0);
    }
    return true;
}

void caches_close(struct caches *c)
{
    lines_close(&c->lines);
    free(c->line);
    free(c->cached);
}

void caches_place(struct caches *c, uint32_t line, uint32_t core)
{
    struct cache_line *l = &c->line[line];
    l->of[l->holder] = (struct cached){0};
    l->holder = core;
    l->home = c->lines.machine->place[core];
    l->of[core] = (struct cached){0, UINT64_MAX, 0, UINT64_MAX};
}

static void loses(struct caches *c, uint32_t core, uint32_t line, uint64_t when)
{
    struct cached *its = &c->line[line].of[core];
    if (when >= its->until)
        return;
    its->until = when;
    its->alone_until = its->alone_until < when ? its->alone_until : when;
    if (c->lost)
        c->lost(c->context, core, line, when);
}

static void all_others_lose(struct caches *c, uint32_t core, uint32_t line, uint64_t when)
{
    if (!c->line[line].shared) {
        if (c->line[line].holder != core)
            loses(c, c->line[line].holder, line, when);
        return;
    }
    for (uint32_t other = 0; other < c->cores; other++)
        if (other != core)
            loses(c, other, line, when);
}

uint64_t caches_ask(struct caches *c, enum access access, uint32_t core, uint32_t line,
                    uint64_t now)
{
    struct cache_line *l = &c->line[line];
    struct cached *mine = &l->of[core];
    const uint64_t from_then = access == OWN ? mine->alone_from : mine->from;
    if (now < (access == OWN ? mine->alone_until : mine->until))
        return from_then > now ? from_then : now; /* it has it, or it is on its way */
    const uint32_t place = c->lines.machine->place[core];
    const uint32_t from = c->lines.machine->place[l->holder];
    const uint64_t takes = line_alone(&c->lines, now, access, place, from, l->home) - now;
    const uint64_t there = line_move(&c->lines, now, access, place, from, l->home, &l->free);
    const uint64_t leaves = there - takes / 2;
    c->moved++;
    if (access == OWN || (c->migrates && l->changed && !l->shared)) {
        all_others_lose(c, core, line, leaves);
        /* What it had it has meanwhile. */
        const bool had = mine->from <= now && now < mine->until;
        *mine = (struct cached){had ? now : there, UINT64_MAX, there, UINT64_MAX};
        l->shared = false;
    } else {
        if (!l->shared) {
            struct cached *its = &l->of[l->holder];
            its->alone_until = its->alone_until < leaves ? its->alone_until : leaves;
        }
        *mine = (struct cached){there, UINT64_MAX, 0, 0};
        l->shared = true;
    }
    l->holder = core;
    l->changed = false;
    return there;
}
