/* Many operations on an object in one system call, by all its members at once. */
#include "driver/object_end_inside.h"

enum {
    LOOKS = 32,             /* operations between two looks at the driver's channels */
    AHEAD = 512,            /* operations that a core may be ahead of another */
    PATIENCE_US = 10000000, /* with the owner */
};

static uint64_t drawn(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static bool is_over(struct driver *d, const struct object_work *work)
{
    return arch_cycles() >= work->ends || driver_to_be_cancelled(d) || driver_stopped(d);
}

/* Of the member that has done least since then. */
static uint64_t least_done(const struct object *o, const uint64_t *before)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t core = 0; core < o->cores; core++) {
        const uint64_t its = object_counts(o, core).done - before[core];
        least = its < least ? its : least;
    }
    return least;
}

static void look_around(struct object_end *end)
{
    driver_poll(end->driver);
    object_poll(&end->object);
    object_end_note(end);
}

static void think(uint64_t cycles)
{
    for (const uint64_t from = arch_cycles(); arch_cycles() - from < cycles;)
        ;
}

bool object_end_work(struct object_end *end, const struct object_work *work,
                     struct object_worked *worked)
{
    struct driver *d = end->driver;
    struct object *o = &end->object;
    const enum object_form form = object_form(o);
    uint64_t seed = work->seed | 1, n = 0, reads = 0, writes = 0, before[OBJECT_CORES_MOST];
    while (arch_cycles() < work->begins && !is_over(d, work)) {
        driver_poll(d);
        if (d->crowded)
            sched_yield();
    }
    object_end_begin(end); /* up to the end: nobody closes it meanwhile */
    end->patience = PATIENCE_US * d->cycles_per_us;
    for (uint32_t core = 0; core < o->cores; core++)
        before[core] = object_counts(o, core).done;
    const uint64_t began = arch_cycles();
    for (;; n++) {
        if (n % LOOKS == 0) {
            look_around(end);
            for (uint32_t turn = 1; n > AHEAD + least_done(o, before); turn++) {
                object_poll(o); /* mostly it is this core that the others wait for */
                if (turn % LOOKS)
                    continue;
                look_around(end);
                if (is_over(d, work))
                    break;
                if (d->crowded)
                    sched_yield();
            }
            if (is_over(d, work))
                break;
        }
        const bool only_reads = (uint32_t)drawn(&seed) < work->reads;
        struct operation operation = work->operation[only_reads ? 2 : writes++ & 1];
        struct result result;
        if (work->keys)
            operation.key += (drawn(&seed) >> 32) % work->keys;
        end->moments = 0;
        end->gives_up_at = 0;
        if (!object_end_applied(end, &operation, &result))
            break;
        reads += only_reads;
        if (work->think)
            think(work->think);
    }
    *worked = (struct object_worked){n, reads, arch_cycles() - began};
    if (object_form(o) == form && worked->cycles > n * work->think)
        object_end_cost(end, form, n, worked->cycles - n * work->think);
    end->bounded = false;
    object_end_over(end);
    return !driver_to_be_cancelled(d);
}
