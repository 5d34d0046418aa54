/* Cores of a replicated object are stopped, whatever they are doing, and then one goes on alone, which
 * the log has gone past meanwhile:
 *
 *     object_overtaken SEED TYPE SHAPE LOG ROUNDS FORM
 *
 * In a round a core is stopped; the others go round the log several times and are stopped too, at any
 * moment or, every other round, the one in the middle of a change of its replica, the other in the
 * middle of a snapshot. The first has to go round the log without them; then all go on. Every operation
 * adds, and its result comes once. Core 0 stops the others, and does nothing else.
 *
 * FORM: the replicated one; or combined, of a node a core: there the core is stopped between two of its
 * operations, and the others only have to go on without it.
 *
 * Built with atomic_steps.h, so that a process can stop at a store. */
#include "object_client.h"

enum { STOPPED_ONES = 3, LAPS = 4 };
enum where { NOWHERE, BETWEEN_OPERATIONS, IN_ITS_REPLICA, IN_A_SNAPSHOT, ANYWHERE };

static struct shared_part {
    struct {
        _Alignas(PAD_BYTES) _Atomic uint64_t done;
        _Atomic uint64_t stops; /* where it is to stop next */
        uint64_t sum, squares;
    } core[1 + STOPPED_ONES];
    _Alignas(PAD_BYTES) _Atomic uint64_t stop;
} *all;
static uint32_t own;
static uint64_t seed_of_run, rounds, form;
static struct object object;

static void stop_if(enum where where)
{
    if (all && atomic_load(&all->core[own].stops) == where) {
        atomic_store(&all->core[own].stops, NOWHERE);
        raise(SIGSTOP);
    }
}

static bool lies_in(const void *at, const void *first, uint64_t bytes)
{
    return (uintptr_t)at - (uintptr_t)first < bytes;
}

/* --- Atomic operations --- */

#define AS(bytes, DO)        \
    switch (bytes) {         \
    case 4:                  \
        return DO(uint32_t); \
    default:                 \
        return DO(uint64_t); \
    }

uint64_t step_load(void *at, size_t bytes){
#define LOAD(type) __atomic_load_n((type *)at, __ATOMIC_SEQ_CST)
    AS(bytes, LOAD)}

uint64_t step_exchange(void *at, size_t bytes, uint64_t value)
{
#define EXCHANGE(type) __atomic_exchange_n((type *)at, (type)value, __ATOMIC_SEQ_CST)
    AS(bytes, EXCHANGE)
}

void step_store(void *at, size_t bytes, uint64_t value)
{
    const uint64_t each = object.replica_bytes;
    if (lies_in(at, object.replica, each))
        stop_if(IN_ITS_REPLICA);
    if (lies_in(at, (char *)object.snapshots + own * each, each))
        stop_if(IN_A_SNAPSHOT);
    step_exchange(at, bytes, value);
}

uint64_t step_add(void *at, size_t bytes, uint64_t value){
#define ADD(type) __atomic_fetch_add((type *)at, (type)value, __ATOMIC_SEQ_CST)
    AS(bytes, ADD)}

uint64_t step_bits(void *at, size_t bytes, uint64_t and_, uint64_t or_)
{
#define BITS(type)                                                   \
    or_ ? __atomic_fetch_or((type *)at, (type)or_, __ATOMIC_SEQ_CST) \
        : __atomic_fetch_and((type *)at, (type)and_, __ATOMIC_SEQ_CST)
    AS(bytes, BITS)
}

bool step_compare(void *at, size_t bytes, void *expected, uint64_t value)
{
#define COMPARE(type)                                                             \
    __atomic_compare_exchange_n((type *)at, (type *)expected, (type)value, false, \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
    AS(bytes, COMPARE)
}

/* --- Cores --- */

static void add_all_the_time(uint32_t me)
{
    static uint64_t waits;
    const struct operation add = geometry.type == TYPE_MAP
                                     ? (struct operation){MAP_ADD, 1, {1}}
                                     : (struct operation){COUNTERS_ADD, 0, {geometry.shape}};
    const uint64_t each = geometry.type == TYPE_MAP ? 1 : geometry.shape;
    own = me;
    open_end(&object, me, &waits);
    while (!atomic_load(&all->stop)) {
        struct result result;
        object_apply(&object, &add, &result);
        CHECK(result.value % each == 0, "torn: %llu", (unsigned long long)result.value);
        const uint64_t before = result.value / each;
        all->core[me].sum += before;
        all->core[me].squares += before * before;
        if (atomic_fetch_add(&all->core[me].done, 1) % 4096 == 0)
            progress();
        stop_if(BETWEEN_OPERATIONS);
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

static void stop_core(uint32_t core, enum where where)
{
    int status;
    if (where == ANYWHERE)
        kill(processes[core], SIGSTOP);
    else
        atomic_store(&all->core[core].stops, where);
    progress();
    CHECK(waitpid(processes[core], &status, WUNTRACED) > 0 && WIFSTOPPED(status), "core %u: %x",
          core, (unsigned)status);
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
    stop_core(one, form == FORM_COMBINED ? BETWEEN_OPERATIONS : inside ? IN_ITS_REPLICA : ANYWHERE);
    for (uint32_t i = 0; i < others; i++)
        wait_for(other[i], LAPS * geometry.log);
    usleep(random_next(seed) % 200);
    for (uint32_t i = 0; i < others && form == FORM_REPLICATED; i++) {
        stop_core(other[i], !inside ? ANYWHERE : i ? IN_A_SNAPSHOT : IN_ITS_REPLICA);
        if (inside && !i) /* then the newest snapshot is the next one's own */
            wait_for(other[1], LAPS * geometry.log);
    }
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
