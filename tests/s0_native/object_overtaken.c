/* Cores of a replicated object are stopped, whatever they are doing, and then one goes on alone, which
 * the log has gone past meanwhile:
 *
 *     object_overtaken SEED TYPE SHAPE LOG ROUNDS FORM
 *
 * In a round a core is stopped; the others go round the log several times and are stopped too, at any
 * moment or, every other round, in the middle of a change of their replicas. The first has to go round
 * the log without them; then all go on. Every operation adds, and its result comes once. Core 0 stops
 * the others, and does nothing else.
 *
 * FORM: the replicated one; or combined, of a node a core: there the core is stopped between two of its
 * operations, and the others only have to go on without it. */
#include "object_client.h"

enum { STOPPED_ONES = 3, LAPS = 4 };

static struct shared_part {
    struct {
        _Alignas(PAD_BYTES) _Atomic uint64_t done;
        _Atomic uint64_t stops; /* in its next change of a replica */
        uint64_t sum, squares;
    } core[1 + STOPPED_ONES];
    _Alignas(PAD_BYTES) _Atomic uint64_t stop;
} *all;
static uint32_t own;
static uint64_t seed_of_run, rounds, form;
static struct object_type stopping;

static void stop_here(void)
{
    if (atomic_exchange(&all->core[own].stops, 0))
        raise(SIGSTOP);
}

static void apply(void *state, const struct operation *operation, struct result *result)
{
    if (form == FORM_REPLICATED)
        stop_here();
    object_types[geometry.type]->apply(state, operation, result);
}

static void add_all_the_time(uint32_t me)
{
    static struct object object;
    static uint64_t waits;
    const struct operation add = geometry.type == TYPE_MAP
                                     ? (struct operation){MAP_ADD, 1, {1}}
                                     : (struct operation){COUNTERS_ADD, 0, {geometry.shape}};
    const uint64_t each = geometry.type == TYPE_MAP ? 1 : geometry.shape;
    own = me;
    open_end(&object, me, &waits);
    stopping = *object.type;
    stopping.apply = apply;
    object.type = &stopping;
    while (!atomic_load(&all->stop)) {
        struct result result;
        object_apply(&object, &add, &result);
        CHECK(result.value % each == 0, "torn: %llu", (unsigned long long)result.value);
        const uint64_t before = result.value / each;
        all->core[me].sum += before;
        all->core[me].squares += before * before;
        if (atomic_fetch_add(&all->core[me].done, 1) % 4096 == 0)
            progress();
        if (form == FORM_COMBINED)
            stop_here();
    }
}

static void wait_for(uint32_t core, uint64_t operations)
{
    const uint64_t until = atomic_load(&all->core[core].done) + operations;
    progress();
    while (atomic_load(&all->core[core].done) < until) {
        CHECK(!waitpid(processes[core], NULL, WNOHANG), "core %u has ended", core);
        usleep(20);
    }
}

static void stop_core(uint32_t core, bool inside)
{
    int status;
    if (inside)
        atomic_store(&all->core[core].stops, 1);
    else
        kill(processes[core], SIGSTOP);
    progress();
    CHECK(waitpid(processes[core], &status, WUNTRACED) > 0 && WIFSTOPPED(status), "core %u: %x",
          core, (unsigned)status);
    atomic_store(&all->core[core].stops, 0);
}

static void play(uint64_t round, uint64_t *seed)
{
    const uint32_t one = 1 + one_of((1 << STOPPED_ONES) - 1, seed);
    const bool inside = round % 2;
    uint32_t other[STOPPED_ONES - 1], others = 0;
    for (uint32_t core = 1; core <= STOPPED_ONES; core++)
        if (core != one)
            other[others++] = core;
    usleep(random_next(seed) % 200);
    stop_core(one, form == FORM_COMBINED || random_next(seed) % 2);
    for (uint32_t i = 0; i < others; i++)
        wait_for(other[i], LAPS * geometry.log);
    usleep(random_next(seed) % 200);
    for (uint32_t i = 0; i < others && form == FORM_REPLICATED; i++)
        stop_core(other[i], inside);
    kill(processes[one], SIGCONT);
    wait_for(one, LAPS * geometry.log);
    for (uint32_t i = 0; i < others; i++)
        kill(processes[other[i]], SIGCONT);
    for (uint32_t i = 0; i < others; i++)
        wait_for(other[i], 1);
}

static void work(uint32_t me)
{
    uint64_t seed = seed_of_run;
    if (me) {
        add_all_the_time(me);
        return;
    }
    for (uint32_t core = 1; core <= STOPPED_ONES; core++)
        wait_for(core, 1);
    for (uint64_t round = 0; round < rounds; round++)
        play(round, &seed);
    atomic_store(&all->stop, 1);
}

int main(int argc, char **argv)
{
    uint64_t n = 0, sum = 0, squares = 0;
    seed_of_run = argument(argc, argv, 1, 1);
    geometry = (struct object_geometry){.type = (uint32_t)argument(argc, argv, 2, 0),
                                        .shape = (uint32_t)argument(argc, argv, 3, 4),
                                        .cores = 1 + STOPPED_ONES,
                                        .log = (uint32_t)argument(argc, argv, 4, 64),
                                        .nodes = 1 + STOPPED_ONES};
    rounds = argument(argc, argv, 5, 50);
    form = argument(argc, argv, 6, FORM_REPLICATED);
    make_object((enum object_form)form);
    all = shared(sizeof *all);
    progress();
    run_all(work);
    for (uint32_t core = 1; core <= STOPPED_ONES; core++) {
        n += atomic_load(&all->core[core].done);
        sum += all->core[core].sum;
        squares += all->core[core].squares;
    }
    for (uint64_t i = 0; i < n; i++) {
        sum -= i;
        squares -= i * i;
    }
    CHECK(!sum && !squares, "of %llu results some came twice", (unsigned long long)n);
    printf("%llu\n", (unsigned long long)n);
    return 0;
}
