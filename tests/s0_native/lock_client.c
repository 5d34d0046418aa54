/* Threads add to a plain counter under the lock. A release or acquire that is missing is a race on
 * it; two at once lose a count.
 *
 * lock_client SEED THREADS ROUNDS */
#include "clients.h"

#ifdef GENMC
#define sched_yield() ((void)0)
#endif
#include "locks/mcs.c"

#ifdef GENMC
enum { THREADS_MOST = 3, ROUNDS = 1 };
#else
enum { THREADS_MOST = 16 };
#endif

static struct lock the_lock;
static struct lock_node nodes[THREADS_MOST];
static uint64_t counter, rounds;
static uint64_t seeds[THREADS_MOST];

static void give_way(void *waits)
{
    ++*(uint64_t *)waits;
    GIVE_WAY();
}

static void *run(void *argument)
{
    uint64_t *seed = argument, waits = 0;
    uint32_t me = (uint32_t)(seed - seeds);
    struct lock_waiter waiter = {give_way, &waits};
    for (uint64_t i = 0; i < rounds; i++) {
        lock_mcs.acquire(&the_lock, nodes, me, &waiter);
        uint64_t seen = counter;
        if (random_next(seed) % 64 == 0)
            progress();
        counter = seen + 1;
        lock_mcs.release(&the_lock, nodes, me);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1);
#ifdef GENMC
    uint32_t count = THREADS_MOST;
    rounds = ROUNDS;
#else
    uint32_t count = (uint32_t)argument(argc, argv, 2, 4);
    rounds = argument(argc, argv, 3, 10000);
#endif
    pthread_t threads[THREADS_MOST];
    progress();
    for (uint32_t i = 0; i < count; i++) {
        seeds[i] = seed + i;
        CHECK(!pthread_create(&threads[i], NULL, run, &seeds[i]), "no thread");
    }
    for (uint32_t i = 0; i < count; i++)
        CHECK(!pthread_join(threads[i], NULL), "no end");
    CHECK(counter == count * rounds, "%llu", (unsigned long long)counter);
    return 0;
}
