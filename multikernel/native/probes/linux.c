/* What the host's Linux does: threads of one address space, one page of a shared segment that is a
 * mapping of its own, all rights taken from it by one mprotect, which returns when no thread can
 * use the page any more. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/probes.h"

enum { QUIET_US = 150 };

struct team;

struct member {
    struct team *team;
    uint32_t number;
    pthread_t thread;
    uint64_t cycles;
    char pad[PAD_BYTES];
};

struct team {
    int memory;
    const uint32_t *cpus;
    uint32_t threads;
    bool idle;
    struct member *members;
    char *page;
    uint32_t pages, rounds;
    _Alignas(PAD_BYTES) _Atomic uint32_t turn; /* touch once for every turn; UINT32_MAX: leave */
    _Alignas(PAD_BYTES) _Atomic uint32_t touched;
    _Alignas(PAD_BYTES) pthread_barrier_t barrier;
};

static int pin(uint32_t cpu)
{
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    if (!set)
        return ENOMEM;
    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    int error = sched_setaffinity(0, size, set) ? errno : 0;
    CPU_FREE(set);
    return error;
}

static void *hold_page(void *argument)
{
    struct member *member = argument;
    struct team *team = member->team;
    volatile uint64_t work = member->number;
    pin(team->cpus[member->number]);
    for (uint32_t seen = 0;;) {
        uint32_t turn = atomic_load_explicit(&team->turn, memory_order_acquire);
        if (turn == UINT32_MAX)
            return NULL;
        if (turn != seen) {
            seen = turn;
            (void)*(volatile char *)team->page;
            atomic_fetch_add_explicit(&team->touched, 1, memory_order_release);
        } else if (team->idle) {
            syscall(SYS_futex, &team->turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        } else {
            for (int i = 0; i < 64; i++)
                work = work * 6364136223846793005ull + 1442695040888963407ull;
        }
    }
}

static void next_turn(struct team *team, uint32_t turn)
{
    atomic_store_explicit(&team->touched, 0, memory_order_relaxed);
    atomic_store_explicit(&team->turn, turn, memory_order_release);
    if (team->idle)
        syscall(SYS_futex, &team->turn, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void wait_us(uint64_t us)
{
    for (uint64_t until = clock_ns(CLOCK_MONOTONIC) + us * 1000; clock_ns(CLOCK_MONOTONIC) < until;)
        ;
}

static int start_team(struct team *team, void *(*body)(void *))
{
    uint32_t threads = team->threads;
    team->members = calloc(threads, sizeof *team->members);
    if (!team->members)
        return ENOMEM;
    for (uint32_t i = 1; i < threads; i++) {
        team->members[i].team = team;
        team->members[i].number = i;
        int error = pthread_create(&team->members[i].thread, NULL, body, &team->members[i]);
        if (error)
            return error; /* the process ends with the error: no use in unwinding threads */
    }
    team->members[0].team = team;
    return pin(team->cpus[0]);
}

static void join_team(struct team *team)
{
    for (uint32_t i = 1; i < team->threads; i++)
        pthread_join(team->members[i].thread, NULL);
}

/* A fresh mapping for every operation, walking through a reserved range as the kernels' maps do:
 * one that is only given its rights back keeps the host's tables warm, and would be cheaper to take
 * away again than what it is compared with. */
int probe_linux_unmap(int memory, const uint32_t *cpus, uint32_t threads, uint32_t count, bool idle,
                      struct histogram *histogram)
{
    enum { PLACES = 64, STEP = 2 * PAGE_BYTES };
    struct team team = {.memory = memory, .cpus = cpus, .threads = threads, .idle = idle};
    char *range =
        mmap(NULL, PLACES * STEP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        return errno;
    int error = start_team(&team, hold_page);
    for (uint32_t i = 1; i <= count && !error; i++) {
        char *page = range + i % PLACES * STEP;
        if (mmap(page, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0) !=
            page) {
            error = errno;
            break;
        }
        team.page = page;
        *(volatile char *)page = 1;
        next_turn(&team, i);
        while (atomic_load_explicit(&team.touched, memory_order_acquire) != threads - 1)
            sched_yield();
        wait_us(idle ? QUIET_US : 2); /* idle: until they sleep */
        uint64_t start = arch_cycles();
        int failed = mprotect(page, PAGE_BYTES, PROT_NONE);
        histogram_add(histogram, arch_cycles_behind() - start);
        if (failed || mmap(page, PAGE_BYTES, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != page)
            error = errno;
    }
    next_turn(&team, UINT32_MAX);
    join_team(&team);
    free(team.members);
    munmap(range, PLACES * STEP);
    return error;
}

static void own_pages(struct member *member)
{
    struct team *team = member->team;
    size_t step = 2 * PAGE_BYTES; /* a hole between neighbours keeps each a mapping of its own */
    char *range = mmap(NULL, team->pages * step, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        abort();
    for (uint32_t round = 0; round < team->rounds; round++) {
        for (uint32_t i = 0; i < team->pages; i++) {
            off_t offset = (off_t)((size_t)member->number * team->pages + i) * PAGE_BYTES;
            char *page = range + i * step;
            if (mmap(page, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, team->memory,
                     offset) != page)
                abort();
            *(volatile char *)page = 1;
        }
        pthread_barrier_wait(&team->barrier);
        uint64_t start = arch_cycles();
        for (uint32_t i = 0; i < team->pages; i++)
            if (mprotect(range + i * step, PAGE_BYTES, PROT_NONE))
                abort();
        member->cycles += arch_cycles_behind() - start;
        pthread_barrier_wait(&team->barrier);
    }
    munmap(range, team->pages * step);
}

static void *own_pages_thread(void *argument)
{
    struct member *member = argument;
    pin(member->team->cpus[member->number]);
    own_pages(member);
    return NULL;
}

int probe_linux_own_pages(int memory, const uint32_t *cpus, uint32_t threads, uint32_t pages,
                          uint32_t rounds, uint64_t *cycles)
{
    struct team team = {
        .memory = memory, .cpus = cpus, .threads = threads, .pages = pages, .rounds = rounds};
    int error = pthread_barrier_init(&team.barrier, NULL, threads);
    if (!error)
        error = start_team(&team, own_pages_thread);
    if (error)
        return error;
    own_pages(&team.members[0]);
    *cycles = 0;
    join_team(&team);
    for (uint32_t i = 0; i < threads; i++)
        *cycles = team.members[i].cycles > *cycles ? team.members[i].cycles : *cycles;
    free(team.members);
    pthread_barrier_destroy(&team.barrier);
    return 0;
}
