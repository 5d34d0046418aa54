/* locks MODE [ROUNDS [MS]]: every kind of lock by turns, round by round; a line a measurement.
 *
 *     alone   NAME CYCLES BARE       an acquire and release uncontended, and its bare atomics
 *     both    NAME THINK MOPS BUSY SHARE SLEEPS ROW LONGEST
 *                                    two processes, each on a CPU of its own: million operations in
 *                                    a second of all these CPUs' time, how much of it they were
 *                                    given and used, the least share of operations of one process
 *                                    (1: as many as the others), how often in a million operations
 *                                    one went to sleep, most in a row by one, and, in a run of its
 *                                    own, the longest wait in cycles
 *     crowd   likewise               two processes on one CPU
 *     four    likewise               four processes on two CPUs
 *     six     likewise               six
 *
 * With Concurrency Kit (libck-dev) its locks are rows like ours, ck-NAME. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/wait.h"
#include "locks/robust.h"
#include "probes/locks.h"

#if __has_include(<ck_spinlock.h>)
#include <ck_spinlock.h>

struct ck_memory {
    union {
        ck_spinlock_fas_t fas;
        ck_spinlock_mcs_t mcs;
    };
};
static_assert(sizeof(struct ck_memory) <= sizeof((struct lock_bench *)0)->other, "room for it");
/* A node a process, where all have it mapped at one address: they are forked. */
#define CK_NODE ((ck_spinlock_mcs_context_t *)(void *)&b->nodes[me])
#define CK      ((struct ck_memory *)(void *)b->other)

LOCK_LOOPS(ck_fas, ck_spinlock_fas_lock(&CK->fas), ck_spinlock_fas_unlock(&CK->fas), )
LOCK_LOOPS(ck_mcs, ck_spinlock_mcs_lock(&CK->mcs, CK_NODE),
           ck_spinlock_mcs_unlock(&CK->mcs, CK_NODE), )
static const struct lock_loops others[] = {
    {"ck-fas", false, ck_fas_alone, ck_fas_bare, ck_fas_contend},
    {"ck-mcs", true, ck_mcs_alone, ck_mcs_bare, ck_mcs_contend},
};
#else
static const struct lock_loops others[] = {{0}};
#endif

enum { KINDS = 16, ALONE = 200000, LINES = 4 };
static const uint32_t thinks[] = {0, 100, 1000};

static struct lock_bench *bench;
static int cpus[2];

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) {
        perror("locks: cannot be pinned");
        exit(1);
    }
}

static void clear(void)
{
    memset((void *)bench, 0, sizeof *bench);
    if (robust_init(&bench->lock))
        exit(1);
}

/* robust alone needs its mutex: of all others the lock is of zeros. */
static void fresh(const struct lock_loops *kind)
{
    clear();
    if (strcmp(kind->name, "robust"))
        memset((void *)&bench->lock, 0, sizeof bench->lock);
}

static void alone(const struct lock_loops *kind)
{
    uint64_t least[2] = {UINT64_MAX, UINT64_MAX};
    for (int i = 0; i < 10; i++) {
        fresh(kind);
        const uint64_t cycles = (i % 2 ? kind->bare : kind->alone)(bench, ALONE);
        least[i % 2] = cycles < least[i % 2] ? cycles : least[i % 2];
    }
    printf("%s %.2f %.2f\n", kind->name, (double)least[0] / ALONE, (double)least[1] / ALONE);
}

static uint64_t switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_nvcsw;
}

static void run(const struct lock_loops *kind, uint32_t processes, uint32_t on, uint32_t think,
                bool timed, uint64_t ms)
{
    fresh(kind);
    pid_t children[LOCK_BENCH_CORES];
    for (uint32_t me = 0; me < processes; me++) {
        children[me] = fork();
        if (children[me])
            continue;
        pin(cpus[me % on]);
        lock_prepare();
        bench->nodes[me].cpu = lock_own_cpu();
        bench->side[me].ready = 1;
        while (!bench->go)
            usleep(50);
        const uint64_t switched = switches();
        const uint64_t had = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        kind->contend(bench, me, LINES, think, timed);
        bench->side[me].cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - had;
        bench->side[me].sleeps = switches() - switched;
        _exit(0);
    }
    for (uint32_t me = 0; me < processes; me++)
        while (!bench->side[me].ready)
            usleep(200);
    const uint64_t start = clock_ns(CLOCK_MONOTONIC);
    bench->go = 1;
    usleep((useconds_t)(ms * 1000));
    bench->stop = 1;
    const uint64_t ns = clock_ns(CLOCK_MONOTONIC) - start;
    for (int tries = 0, left = (int)processes; left; tries++) {
        if (waitpid(-1, NULL, WNOHANG) > 0)
            left--;
        else
            usleep(200);
        if (tries == 25000) { /* a spinning lock of others can hang so: all wait for one */
            for (uint32_t me = 0; me < processes; me++)
                kill(children[me], SIGKILL);
        }
    }
    uint64_t sum = 0, least = UINT64_MAX, row = 0, longest = 0, cpu = 0, sleeps = 0;
    for (uint32_t me = 0; me < processes; me++) {
        const struct lock_side *side = &bench->side[me];
        sum += side->operations;
        cpu += side->cpu_ns;
        sleeps += side->sleeps;
        least = side->operations < least ? side->operations : least;
        row = side->row > row ? side->row : row;
        longest = side->longest > longest ? side->longest : longest;
    }
    if (bench->line[0].count != sum && kind->contend) {
        fprintf(stderr, "locks: %s has lost count: %llu of %llu\n", kind->name,
                (unsigned long long)bench->line[0].count, (unsigned long long)sum);
        exit(1);
    }
    if (timed)
        printf(" %llu\n", (unsigned long long)longest);
    else
        printf("%s %u %.3f %.3f %.3f %.1f %llu", kind->name, think,
               (double)sum * 1000 * on / (double)(cpu ? cpu : 1), (double)cpu / (double)ns / on,
               (double)least * processes / (double)(sum ? sum : 1),
               (double)sleeps * 1e6 / (double)(sum ? sum : 1), (unsigned long long)row);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2 ||
        (strcmp(argv[1], "alone") && strcmp(argv[1], "both") && strcmp(argv[1], "crowd") &&
         strcmp(argv[1], "four") && strcmp(argv[1], "six"))) {
        fprintf(stderr, "locks alone|both|crowd|four|six [ROUNDS [MS]]\n");
        return 2;
    }
    const int rounds = argc > 2 ? atoi(argv[2]) : 1;
    const uint64_t ms = argc > 3 ? strtoull(argv[3], NULL, 10) : 20;
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    int found = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, &all))
            cpus[found++] = cpu;
    const bool crowd = !strcmp(argv[1], "crowd");
    if (found < 2 && !crowd && strcmp(argv[1], "alone")) {
        fprintf(stderr, "locks: two CPUs are needed, %d there\n", found);
        return 3;
    }
    bench = mmap(NULL, sizeof *bench, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bench == MAP_FAILED)
        return 1;
    lock_prepare();
    const struct lock_loops *kinds[KINDS];
    uint32_t count = 0;
    for (const struct lock_loops *kind = lock_loops; kind->name; kind++)
        kinds[count++] = kind;
    for (uint32_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].name)
            kinds[count++] = &others[i];
    if (!strcmp(argv[1], "alone"))
        pin(cpus[0]);
    for (int round = 0; round < rounds; round++) {
        printf("round %d\n", round);
        if (!strcmp(argv[1], "alone")) {
            for (uint32_t i = 0; i < count; i++)
                alone(kinds[i]);
            continue;
        }
        const uint32_t on = crowd ? 1 : 2;
        const uint32_t processes = !strcmp(argv[1], "six") ? 6 : !strcmp(argv[1], "four") ? 4 : 2;
        for (uint32_t t = 0; t < sizeof thinks / sizeof *thinks; t++)
            for (uint32_t i = 0; i < count; i++)
                if (kinds[i]->contend)
                    for (int timed = 0; timed < 2; timed++)
                        run(kinds[i], processes, on, thinks[t], timed, ms);
    }
    return 0;
}
