/* A process is killed at its nth atomic operation in a lock, for every n, every place that it may
 * have there, and others that wait or come later: they all get on. What they wait for may never
 * come, but each wait, of an acquire or a release, ends: with the lock, or given up. And whoever
 * gets the lock is alone in it.
 *
 *     lock_kill_client KIND
 *
 * KIND as in lock_client.c, but the robust one, whose operations are the C library's. Prints how
 * often the lock was taken after a death, and how often given up. */
#include "atomic_steps.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lock_host.h"
#include "locks/hapax.h"
#include "locks/mcs.h"
#include "locks/readers.h"
#include "locks/ticket.h"
#include "locks/ttas.h"

#include "clients.h"

enum { CORES = 3, SURVIVOR = 0, VICTIM, THIRD, STEPS = 120, PATIENCE_NS = 2000000, READERS = 4 };
enum place {
    WAITS_ALONE,  /* behind the holder; the third comes when it is dead */
    WAITS_BEHIND, /* the third waits before it */
    LEAVES,       /* it is the holder, and the third waits behind it */
    PLACES
};

static const struct lock_algorithm kinds[] = {
    {.acquire = ttas_acquire, .release = ttas_release},
    {.acquire = ticket_acquire, .release = ticket_release},
    {.acquire = mcs_acquire, .release = mcs_release},
    {.acquire = hapax_acquire, .release = hapax_release},
    {.acquire = readers_acquire, .release = readers_release},
};

static struct shared {
    struct lock lock;
    struct lock_node nodes[CORES];
    volatile uint32_t inside, holds, comes, taken, given_up;
} *s;

static const struct lock_algorithm *kind;
static struct lock_waiter waiter;
static uint64_t left = UINT64_MAX; /* operations, up to this process's death */

/* --- Atomic operations: of the strongest order, and each may be the last --- */

static void step(void)
{
    if (!left--)
        raise(SIGKILL);
}

#define STEP(bytes, at, CALL)          \
    do {                               \
        step();                        \
        if ((bytes) == 8) {            \
            uint64_t *const word = at; \
            return CALL;               \
        }                              \
        uint32_t *const word = at;     \
        return CALL;                   \
    } while (0)

uint64_t step_load(void *at, size_t bytes)
{
    STEP(bytes, at, __atomic_load_n(word, __ATOMIC_SEQ_CST));
}

void step_store(void *at, size_t bytes, uint64_t value)
{
    (void)step_exchange(at, bytes, value);
}

uint64_t step_add(void *at, size_t bytes, uint64_t value)
{
    STEP(bytes, at, __atomic_fetch_add(word, (__typeof__(*word))value, __ATOMIC_SEQ_CST));
}

uint64_t step_exchange(void *at, size_t bytes, uint64_t value)
{
    STEP(bytes, at, __atomic_exchange_n(word, (__typeof__(*word))value, __ATOMIC_SEQ_CST));
}

bool step_compare(void *at, size_t bytes, void *expected, uint64_t value)
{
    STEP(bytes, at,
         __atomic_compare_exchange_n(word, (__typeof__(word))expected, (__typeof__(*word))value,
                                     false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

uint64_t step_bits(void *at, size_t bytes, uint64_t and_, uint64_t or_)
{
    if (and_ != UINT64_MAX)
        STEP(bytes, at, __atomic_fetch_and(word, (__typeof__(*word))and_, __ATOMIC_SEQ_CST));
    STEP(bytes, at, __atomic_fetch_or(word, (__typeof__(*word))or_, __ATOMIC_SEQ_CST));
}

/* --- Processes --- */

static void come_in(uint32_t me)
{
    const uint32_t other = __atomic_exchange_n(&s->inside, me + 1, __ATOMIC_SEQ_CST);
    CHECK(!other, "core %u is in the lock, and core %u", me, other - 1);
}

static bool acquire(uint32_t me)
{
    if (kind->acquire(&s->lock, s->nodes, me, &waiter) == LOCK_GIVEN_UP) {
        __atomic_fetch_add(&s->given_up, 1, __ATOMIC_SEQ_CST);
        return false;
    }
    come_in(me);
    return true;
}

static void release(uint32_t me)
{
    s->inside = 0;
    kind->release(&s->lock, s->nodes, me);
}

static bool through(uint32_t me)
{
    if (!acquire(me))
        return false;
    release(me);
    __atomic_fetch_add(&s->taken, 1, __ATOMIC_SEQ_CST);
    return true;
}

static void until(volatile uint32_t *word)
{
    while (!*word)
        usleep(20);
}

static void victim(enum place place, bool reads, uint64_t steps)
{
    waiter.patience_ns = 0;
    if (reads) {
        left = place == LEAVES ? UINT64_MAX : steps;
        readers_read(&s->lock, s->nodes, VICTIM, &waiter);
    } else if (place == LEAVES) {
        acquire(VICTIM);
    } else {
        left = steps;
        acquire(VICTIM);
    }
    if (place == LEAVES) {
        s->holds = 1;
        until(&s->comes);
        usleep(200);
        left = steps;
    }
    if (reads)
        readers_read_release(&s->lock, s->nodes, VICTIM);
    else
        release(VICTIM);
    raise(SIGKILL);
}

static void third(void)
{
    s->comes = 1;
    through(THIRD);
    _exit(0);
}

static pid_t begun(void)
{
    const pid_t child = fork();
    CHECK(child >= 0, "no process");
    if (!child)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static void ended(pid_t child, bool killed)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child, "no child");
    CHECK(killed ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                 : WIFEXITED(status) && !WEXITSTATUS(status),
          "%x", (unsigned)status);
}

static void one_death(enum place place, bool reads, bool parks, uint64_t steps)
{
    memset((void *)s, 0, offsetof(struct shared, taken));
    waiter = (struct lock_waiter){.parks = parks, .patience_ns = PATIENCE_NS};
    pid_t waits = 0;
    progress();
    if (place != LEAVES)
        CHECK(acquire(SURVIVOR), "a lock that is free");
    if (place == WAITS_BEHIND && !(waits = begun()))
        third();
    if (place == WAITS_BEHIND) {
        until(&s->comes);
        usleep(200);
    }
    const pid_t dies = begun();
    if (!dies)
        victim(place, reads, steps);
    if (place == LEAVES) {
        until(&s->holds);
        if (!(waits = begun()))
            third();
    }
    ended(dies, true);
    if (place == WAITS_ALONE && !(waits = begun()))
        third();
    if (place != LEAVES)
        release(SURVIVOR);
    /* Twice: what the first release has left behind, the second acquire may meet. */
    if (through(SURVIVOR))
        through(SURVIVOR);
    ended(waits, false);
}

int main(int argc, char **argv)
{
    const uint64_t number = argument(argc, argv, 1, READERS + 1);
    if (number > READERS)
        return 2;
    kind = &kinds[number];
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED, "no memory");
    lock_prepare();
    for (uint32_t place = 0; place < PLACES; place++)
        for (uint32_t reads = 0; reads <= (number == READERS); reads++)
            for (uint64_t steps = 0; steps < (place == LEAVES ? STEPS / 4 : STEPS); steps++)
                one_death(place, reads, steps % 2, steps / 2);
    printf("%u %u\n", s->taken, s->given_up);
    return 0;
}
