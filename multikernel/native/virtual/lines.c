#include "virtual/lines.h"

#include <stdlib.h>

static inline uint32_t pair(const struct machine *m, uint32_t a, uint32_t b)
{
    return a * m->places + b;
}

/* From the home by whoever is the farthest of all that it asks to the requester. */
static uint32_t farthest(const struct machine *m, uint32_t requester, uint32_t home)
{
    uint32_t most = 0;
    for (uint32_t other = 0; other < m->places; other++) {
        const uint32_t way =
            (uint32_t)m->hops[pair(m, home, other)] + m->hops[pair(m, other, requester)];
        most = way > most ? way : most;
    }
    return most;
}

bool lines_open(struct lines *lines, const struct machine *m)
{
    *lines = (struct lines){.machine = m};
    lines->probe = calloc((size_t)m->places * m->places, sizeof *lines->probe);
    lines->home_free = calloc(m->homes, sizeof *lines->home_free);
    lines->link_free = calloc(m->links + 1, sizeof *lines->link_free);
    lines->link_passed = calloc(m->links + 1, sizeof *lines->link_passed);
    if (!lines->probe || !lines->home_free || !lines->link_free || !lines->link_passed)
        return false;
    for (uint32_t requester = 0; m->probes_all && requester < m->places; requester++)
        for (uint32_t home = 0; home < m->places; home++)
            lines->probe[pair(m, requester, home)] = farthest(m, requester, home);
    return true;
}

void lines_close(struct lines *lines)
{
    free(lines->probe);
    free(lines->home_free);
    free(lines->link_free);
    free(lines->link_passed);
}

/* Not before that server has nothing to do; it has, from then on. */
static inline uint64_t serve(uint64_t start, uint64_t *server_free, double interval)
{
    if (start < *server_free)
        start = *server_free;
    *server_free = start + (uint64_t)interval;
    return start;
}

static uint64_t pass(struct lines *lines, uint64_t start, uint32_t from, uint32_t to)
{
    const struct machine *m = lines->machine;
    const uint32_t i = pair(m, from, to);
    for (uint32_t at = m->route[i]; at < m->route[i + 1]; at++) {
        start = serve(start, &lines->link_free[m->link[at]], m->link_interval);
        lines->link_passed[m->link[at]]++;
    }
    return start;
}

/* What it takes behind the way to the home. */
static double beyond(const struct lines *lines, enum access access, uint32_t requester,
                     uint32_t holder, uint32_t home)
{
    const struct machine *m = lines->machine;
    const struct distance *cost = &m->costs[m->distance[pair(m, requester, holder)]];
    const double base = access == OWN ? cost->own : cost->fetch;
    if (m->probes_all)
        return base + m->hop * lines->probe[pair(m, requester, home)];
    return base + m->hop * (m->hops[pair(m, home, holder)] + m->hops[pair(m, holder, requester)]);
}

static uint64_t way_home(const struct machine *m, uint32_t requester, uint32_t home)
{
    return (uint64_t)(m->hop * m->hops[pair(m, requester, home)]);
}

/* Within a place whose cores share a cache no home is asked. */
static bool stays(const struct machine *m, uint32_t requester, uint32_t holder)
{
    return requester == holder && !m->probes_all;
}

uint64_t line_alone(const struct lines *lines, uint64_t now, enum access access, uint32_t requester,
                    uint32_t holder, uint32_t home)
{
    const struct machine *m = lines->machine;
    if (stays(m, requester, holder))
        home = holder;
    return now + way_home(m, requester, home) +
           (uint64_t)beyond(lines, access, requester, holder, home);
}

uint64_t line_move(struct lines *lines, uint64_t now, enum access access, uint32_t requester,
                   uint32_t holder, uint32_t home, uint64_t *line_free)
{
    const struct machine *m = lines->machine;
    uint64_t start = now;
    if (stays(m, requester, holder)) {
        home = holder;
    } else {
        start = serve(start + way_home(m, requester, home), &lines->home_free[m->home[home]],
                      m->home_interval);
        start = pass(lines, start, holder, requester);
    }
    if (line_free && start < *line_free)
        start = *line_free;
    const uint64_t end = start + (uint64_t)beyond(lines, access, requester, holder, home);
    if (line_free)
        *line_free = m->line_interval > 0 ? start + (uint64_t)m->line_interval : end;
    return end;
}
