/* Threads add to a plain counter under a lock of one kind. A release or acquire that is missing is
 * a race on it; two at once lose a count; a wake-up that is lost ends in a time-out of
 * milliseconds, which the explorer sees (lock_explorer.c), not this. Where some park, cores may all
 * seem to be pinned to one CPU, so that every way of waiting is used.
 *
 *     lock_client SEED THREADS ROUNDS KIND */
#include "clients.h"
#include "lock_host.h"
#include "locks/hapax.h"
#include "locks/mcs.h"
#include "locks/readers.h"
#include "locks/robust.h"
#include "locks/ticket.h"
#include "locks/ttas.h"

#ifdef GENMC
enum { THREADS_MOST = 3, ROUNDS = 1 };
#else
enum { THREADS_MOST = 16 };
#endif

#ifndef KIND
#define KIND 2
#endif
static const struct lock_algorithm kinds[] = {
    {.acquire = ttas_acquire, .release = ttas_release},
    {.acquire = ticket_acquire, .release = ticket_release},
    {.acquire = mcs_acquire, .release = mcs_release},
    {.acquire = hapax_acquire, .release = hapax_release},
    {.acquire = readers_acquire, .release = readers_release},
    {.acquire = robust_acquire, .release = robust_release},
};
enum { READERS = 4, ROBUST };

static struct lock the_lock;
static struct lock_node nodes[THREADS_MOST];
static uint64_t counter, rounds, kind, parking;
static uint64_t seeds[THREADS_MOST], added[THREADS_MOST];

static void give_way(void *waits)
{
    ++*(uint64_t *)waits;
    GIVE_WAY();
}

#ifndef GENMC
static void act(void *times)
{
    ++*(_Atomic uint32_t *)times;
}
#endif

static void *run(void *argument)
{
    uint64_t *seed = argument, waits = 0;
    const uint32_t me = (uint32_t)(seed - seeds);
    struct lock_waiter waiter = {.while_waiting = give_way, .context = &waits};
    if (parking && random_next(seed) % 4)
        waiter.parks = true;
    if (parking && random_next(seed) % 2)
        waiter.while_waiting = NULL;
    for (uint64_t i = 0; i < rounds; i++) {
        const bool reads = kind == READERS && random_next(seed) % 4;
        if (reads)
            readers_read(&the_lock, nodes, me, &waiter);
        else
            kinds[kind].acquire(&the_lock, nodes, me, &waiter);
        const uint64_t seen = counter;
        if (random_next(seed) % 64 == 0) {
            progress();
            GIVE_WAY();
        }
        CHECK(counter == seen, "somebody else was here");
        if (reads) {
            readers_read_release(&the_lock, nodes, me);
            continue;
        }
        counter = seen + 1;
        added[me]++;
        kinds[kind].release(&the_lock, nodes, me);
    }
    return NULL;
}

#ifndef GENMC
/* The first of two waits, holding the lock, for the other to act on something, which it does while
 * it waits for the lock: asleep or not. */
static void *acts(void *times)
{
    const struct lock_waiter waiter = {.while_waiting = act, .context = times, .parks = parking};
    kinds[kind].acquire(&the_lock, nodes, 1, &waiter);
    kinds[kind].release(&the_lock, nodes, 1);
    return NULL;
}

static void acts_while_it_waits(void)
{
    static const struct lock_waiter waiter;
    static _Atomic uint32_t times;
    pthread_t thread;
    kinds[kind].acquire(&the_lock, nodes, 0, &waiter);
    CHECK(!pthread_create(&thread, NULL, acts, &times), "no thread");
    while (times < 2 * LOCK_SPINS)
        GIVE_WAY();
    kinds[kind].release(&the_lock, nodes, 0);
    CHECK(!pthread_join(thread, NULL), "no end");
}
#endif

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1), total = 0;
    kind = argument(argc, argv, 4, KIND);
#ifdef GENMC
    uint32_t count = THREADS_MOST;
    rounds = ROUNDS;
#else
    uint32_t count = (uint32_t)argument(argc, argv, 2, 4);
    rounds = argument(argc, argv, 3, 10000);
    parking = seed % 3; /* 0: nobody parks; 1: some do; 2: and all seem to share a CPU */
    CHECK(lock_prepare() || !parking, "no membarrier");
#endif
    if (kind == ROBUST)
        CHECK(!robust_init(&the_lock), "no mutex");
    pthread_t threads[THREADS_MOST];
    progress();
    for (uint32_t i = 0; i < count; i++) {
        seeds[i] = seed + i;
        nodes[i].cpu = parking == 2;
        CHECK(!pthread_create(&threads[i], NULL, run, &seeds[i]), "no thread");
    }
    for (uint32_t i = 0; i < count; i++) {
        CHECK(!pthread_join(threads[i], NULL), "no end");
        total += added[i];
    }
    CHECK(counter == total, "%llu", (unsigned long long)counter);
#ifndef GENMC
    progress();
    acts_while_it_waits();
#endif
    return 0;
}
