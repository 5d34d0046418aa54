/* Threads notify one another of changes, each a random set of the others, one at a time under the
 * lock. A thread that is meant writes the change down in a plain place of its own, which the writer
 * of the change then reads: an ordering that is missing is a race on it, a change taken by one that
 * was not meant, or twice, shows in what is written there.
 *
 * change_line_client SEED THREADS ROUNDS */
#include "clients.h"
#include "lock_host.h"
#include "locks/mcs.h"
#include "shared/change_line.h"

#ifdef GENMC
enum { THREADS_MOST = 3, ROUNDS = 1 };
#else
enum { THREADS_MOST = 16 };
#endif

static struct lock the_lock;
static struct lock_node nodes[THREADS_MOST];
static struct change_line line;
static uint64_t said; /* what a change is about; written before it is notified */
static struct place {
    /* the last two under the lock */
    _Alignas(PAD_BYTES) uint64_t times, last, want_times, want_last;
} places[THREADS_MOST];
static uint64_t seeds[THREADS_MOST], rounds;
static uint32_t count;

struct core {
    uint32_t me;
    uint64_t seen;
};

/* Every core can lose its CPU between two reads of the line. */
static void lose_the_cpu(uint64_t *seed)
{
#ifndef GENMC
    if (random_next(seed) % 4 == 0)
        sched_yield();
#else
    (void)seed;
#endif
}

static int serve(struct core *core)
{
    uint64_t sequence = change_look(&line, &core->seen);
    if (!sequence)
        return 0;
    lose_the_cpu(&seeds[core->me]);
    uint32_t slot = change_slot(&line);
    if (!(change_targets(&line) >> core->me & 1) || !change_holds(&line, sequence))
        return 0;
    places[core->me].times++;
    places[core->me].last = said;
    CHECK(said == slot, "core %u was notified of %u and read %llu", core->me, slot,
          (unsigned long long)said);
    change_acknowledge(&line);
    return 1;
}

static void while_waiting(void *context)
{
    if (!serve(context))
        GIVE_WAY();
}

static void notify_others(struct core *core, uint64_t *seed)
{
    uint32_t meant = 0, slot = (uint32_t)random_next(seed) & 0xffff;
    uint64_t targets = random_next(seed) & ((1ull << count) - 1) & ~(1ull << core->me);
    for (uint32_t other = 0; other < count; other++)
        meant += targets >> other & 1;
    if (!meant)
        return;
    said = slot;
    struct change change = {.targets = targets, .slot = slot};
    _Atomic uint32_t *missing = change_write(&line, &change, meant, &core->seen);
    while (change_missing(missing))
        GIVE_WAY();
    for (uint32_t other = 0; other < count; other++)
        if (targets >> other & 1) {
            struct place *place = &places[other];
            place->want_times++;
            place->want_last = slot;
            CHECK(place->times == place->want_times, "core %u did it %llu times, not %llu", other,
                  (unsigned long long)place->times, (unsigned long long)place->want_times);
            CHECK(place->last == place->want_last, "core %u did another change", other);
        }
}

static _Atomic uint32_t ended;

static void *run(void *argument)
{
    uint64_t *seed = argument;
    struct core core = {.me = (uint32_t)(seed - seeds)};
    const struct lock_waiter waiter = {.while_waiting = while_waiting, .context = &core};
    for (uint64_t i = 0; i < rounds; i++) {
        mcs_acquire(&the_lock, nodes, core.me, &waiter);
        notify_others(&core, seed);
        if (random_next(seed) % 64 == 0)
            progress();
        mcs_release(&the_lock, nodes, core.me);
    }
    atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed);
    while (atomic_load_explicit(&ended, memory_order_relaxed) < count)
        while_waiting(&core);
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1);
#ifdef GENMC
    count = THREADS_MOST;
    rounds = ROUNDS;
#else
    count = (uint32_t)argument(argc, argv, 2, 4);
    rounds = argument(argc, argv, 3, 10000);
#endif
    pthread_t threads[THREADS_MOST];
    progress();
    for (uint32_t i = 0; i < count; i++) {
        seeds[i] = seed * THREADS_MOST + i + 1;
        CHECK(!pthread_create(&threads[i], NULL, run, &seeds[i]), "no thread");
    }
    for (uint32_t i = 0; i < count; i++)
        CHECK(!pthread_join(threads[i], NULL), "no end");
    for (uint32_t i = 0; i < count; i++)
        CHECK(places[i].times == places[i].want_times, "core %u in the end", i);
    return 0;
}
