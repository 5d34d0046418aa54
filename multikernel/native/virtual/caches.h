/* Lines in the caches of modelled cores: which core has which, in what way, and until when.
 *
 * A transaction takes what lines.h says, and transactions of one line follow each other. Who
 * has the line works on with it until half of the way is over, and then has lost it: so a core
 * that does short operations on a line that another wants does several before it goes, as
 * measured.
 *
 * A line that its holder has changed moves to a reader for good where the machine `migrates`:
 * the reader may write it without asking, and the holder has to fetch it (migratory sharing:
 * Cox and Fowler, Stenström et al., both ISCA'93; measured on Intel's servers of 2023: a line
 * that was read after another core's write is written at once). Else, and where it has not been
 * changed, both share it from then on. */
#pragma once

#include "virtual/lines.h"

/* A core's copy: there within [from, until), and its own alone within [alone_from, alone_until). */
struct cached {
    uint64_t from, until, alone_from, alone_until;
};

struct cache_line {
    struct cached *of; /* by core */
    uint64_t free;     /* since when nobody has it under way */
    uint32_t home;     /* whose memory: a place */
    uint32_t holder;   /* the core that it came to last */
    bool shared;       /* others may have it too */
    bool changed;      /* by its holder, since it came */
};

struct caches {
    struct lines lines;
    struct cache_line *line;
    struct cached *cached;
    uint32_t count, cores;
    bool migrates;
    uint64_t moved; /* transactions */
    /* Called for each core that loses its copy, with when. */
    void (*lost)(void *context, uint32_t core, uint32_t line, uint64_t when);
    void *context;
};

/* Each line is at first core 0's, in whose memory it lies. False: no memory. */
bool caches_open(struct caches *caches, const struct machine *machine, uint32_t count);
void caches_close(struct caches *caches);
/* Before anything runs: in that core's memory, and its own. */
void caches_place(struct caches *caches, uint32_t line, uint32_t core);

static inline bool caches_have(const struct caches *c, uint32_t core, uint32_t line, uint64_t now)
{
    const struct cached *its = &c->line[line].of[core];
    return its->from <= now && now < its->until;
}
static inline bool caches_alone(const struct caches *c, uint32_t core, uint32_t line, uint64_t now)
{
    const struct cached *its = &c->line[line].of[core];
    return its->alone_from <= now && now < its->alone_until;
}

/* When the core has it, to read or (OWN) alone, if it asks now. In the order of time. */
uint64_t caches_ask(struct caches *caches, enum access access, uint32_t core, uint32_t line,
                    uint64_t now);
