/* Cores that share an object: processes, each pinned to a CPU; or, for ThreadSanitizer, threads. */
#pragma once

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients.h"
#include "object/object_inside.h"

enum { CORES_MOST = 8 };

static struct object_geometry geometry;
static void *block;
static uint64_t block_bytes, one_cpu;

static void *shared(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "no memory");
    return memory;
}

static void make_object(enum object_form form)
{
    enum object_verdict verdict;
    block_bytes = object_bytes(&geometry, &verdict);
    CHECK(block_bytes, "%s", object_verdict_says(verdict));
    block = shared(block_bytes);
    verdict = object_init(block, &geometry, form);
    CHECK(verdict == OBJECT_OK, "%s", object_verdict_says(verdict));
}

static uint64_t stops, stop_seed;
static bool stopper; /* this is the process that stops others */
static pid_t processes[CORES_MOST], stopped;

/* A process other than the first. */
static void stop_one(void)
{
    stopped = processes[1 + random_next(&stop_seed) % (geometry.cores - 1)];
    CHECK(stopped > 0 && !kill(stopped, SIGSTOP), "not stopped");
}

/* Called while an operation waits: where all are on one CPU the others have to get it. */
static void give_way(void *waits)
{
    if (stops && stopper && !stopped && random_next(&stop_seed) % 256 == 0)
        stop_one();
    if (one_cpu || ++*(uint64_t *)waits % 64 == 0)
        sched_yield();
    else
        arch_relax();
}

static void open_end(struct object *object, uint32_t me, uint64_t *waits)
{
    const enum object_verdict verdict =
        object_open(object, block, block_bytes, me, give_way, waits);
    CHECK(verdict == OBJECT_OK, "%s", object_verdict_says(verdict));
}

static void (*part)(uint32_t me);

#ifdef THREADS
static void *begin(void *me)
{
    part((uint32_t)(uintptr_t)me);
    return NULL;
}
static void run_all(void (*what)(uint32_t me))
{
    pthread_t threads[CORES_MOST];
    part = what;
    for (uint32_t core = 1; core < geometry.cores; core++)
        CHECK(!pthread_create(&threads[core], NULL, begin, (void *)(uintptr_t)core), "no thread");
    what(0);
    for (uint32_t core = 1; core < geometry.cores; core++)
        CHECK(!pthread_join(threads[core], NULL), "no end");
}
#else
static void pin(uint32_t core)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all))
        return;
    uint32_t nth = one_cpu ? 0 : core % (uint32_t)CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && !nth--) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
}

static void run_all(void (*what)(uint32_t me))
{
    const pid_t parent = getpid();
    part = what;
    for (uint32_t core = 1; core < geometry.cores; core++) {
        const pid_t process = fork();
        CHECK(process >= 0, "no process");
        processes[core] = process;
        if (!process) {
            if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
                _exit(1);
            pin(core);
            stops = 0;
            progress();
            part(core);
            _exit(0);
        }
    }
    pin(0);
    part(0);
    for (uint32_t core = 1; core < geometry.cores; core++) {
        int status;
        CHECK(wait(&status) > 0 && WIFEXITED(status) && !WEXITSTATUS(status), "a core failed: %x",
              (unsigned)status);
    }
}
#endif

/* The numbers of a mask's bits, at random one. */
static uint32_t one_of(uint64_t mask, uint64_t *seed)
{
    uint32_t nth = random_next(seed) % (uint32_t)__builtin_popcountll(mask);
    for (uint32_t i = 0;; i++)
        if (mask >> i & 1 && !nth--)
            return i;
}
