/* Probes of the native core, run on one core or on both: running.h. */
#include "running.h"

#include <string.h>

struct have have;
struct histogram times[3];
uint64_t results[16];

void run_kind(const char *name, struct driver *d, const struct probe *p)
{
    const struct probe_kind *kind = probe_kinds;
    while (kind->name && strcmp(kind->name, name))
        kind++;
    pair_check(kind->name, name, 0);
    const int64_t outcome = probe_run(d, kind, p);
    pair_check(outcome == 0, name, outcome);
}

uint64_t ask_alone(const char *name, struct probe p, int which)
{
    memset(times, 0, sizeof times);
    for (int i = 0; i < 3; i++)
        p.times[i] = &times[i];
    p.batch = p.batch ? p.batch : 1;
    run_kind(name, pair.driver, &p);
    return pair_median(&times[which]);
}

void run_theirs(struct driver *d, struct probe *p)
{
    run_kind(pair.control->kind, d, p);
}

uint64_t run_both(const char *name, struct probe p, uint32_t their_core, uint32_t timer)
{
    struct probe *theirs = &pair.control->probe;
    memset(times, 0, sizeof times);
    p.batch = p.batch ? p.batch : 1;
    pair_leave_loop();
    *theirs = p;
    for (int i = 0; i < 3; i++) {
        p.times[i] = &times[i];
        theirs->times[i] = &pair.control->times[i];
    }
    theirs->role = 1;
    theirs->core = their_core;
    theirs->results = pair.control->results;
    p.results = results;
    p.result_count = theirs->result_count = 16;
    pair.control->kind = name;
    pair_begin(run_theirs);
    run_kind(name, pair.driver, &p);
    pair_join();
    const uint64_t median = pair_median(timer ? pair.control->times : times);
    pair_loop();
    return median;
}
