/* What the host's Linux does: threads of one address space, one page of a shared segment that is a
 * mapping of its own, all rights taken from it by one mprotect, which returns when no thread can
 * use the page any more. Who calls has started and pinned the threads. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/probes.h"

enum { QUIET_US = 150, LEAVE = UINT32_MAX };
/* A hole between neighbours keeps each page a mapping of its own. */
enum { STEP = 2 * PAGE_BYTES, PLACES = 64 };

static struct {
    int memory;
    uint32_t threads;
    bool idle;
    char *range, *page;
    pthread_barrier_t *barrier;                /* children have it too */
    _Alignas(PAD_BYTES) _Atomic uint32_t turn; /* touch once for every turn, until LEAVE */
    _Alignas(PAD_BYTES) _Atomic uint32_t touched;
} team;

int probe_linux_team(int memory, uint32_t threads, bool idle)
{
    pthread_barrierattr_t shared;
    /* Not destroyed: that would wait for one who was killed while it waited. */
    if (team.threads)
        munmap(team.barrier, sizeof *team.barrier);
    team.threads = 0;
    team.range = NULL;
    team.barrier =
        mmap(NULL, sizeof *team.barrier, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (team.barrier == MAP_FAILED)
        return errno;
    team.memory = memory;
    team.threads = threads;
    team.idle = idle;
    atomic_store_explicit(&team.turn, 0, memory_order_relaxed);
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    return pthread_barrier_init(team.barrier, &shared, threads);
}

void probe_linux_hold(void)
{
    volatile uint64_t work = 1;
    for (uint32_t seen = 0;;) {
        uint32_t turn = atomic_load_explicit(&team.turn, memory_order_acquire);
        if (turn == LEAVE)
            return;
        if (turn != seen) {
            seen = turn;
            (void)*(volatile char *)team.page;
            atomic_fetch_add_explicit(&team.touched, 1, memory_order_release);
        } else if (team.idle) {
            syscall(SYS_futex, &team.turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        } else {
            for (int i = 0; i < 64; i++)
                work = work * 6364136223846793005ull + 1442695040888963407ull;
        }
    }
}

static void next_turn(uint32_t turn)
{
    atomic_store_explicit(&team.touched, 0, memory_order_relaxed);
    atomic_store_explicit(&team.turn, turn, memory_order_release);
    if (team.idle)
        syscall(SYS_futex, &team.turn, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void wait_us(uint64_t us)
{
    for (uint64_t until = clock_ns(CLOCK_MONOTONIC) + us * 1000; clock_ns(CLOCK_MONOTONIC) < until;)
        ;
}

/* Addresses without memory, from there on or anywhere. */
static char *reserve(char *at, size_t bytes)
{
    return mmap(at, bytes, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

/* That page of the memory, there, and used. */
static int map(char *at, uint64_t page)
{
    if (mmap(at, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, team.memory,
             (off_t)(page * PAGE_BYTES)) != at)
        return errno;
    *(volatile char *)at = 1;
    return 0;
}

/* A fresh mapping for every operation, walking through a reserved range as the kernels' maps do:
 * one that is only given its rights back keeps the host's tables warm, and would be cheaper to take
 * away again than what it is compared with. */
static int map_next(uint32_t number)
{
    if (!team.range && (team.range = reserve(NULL, PLACES * STEP)) == MAP_FAILED) {
        team.range = NULL;
        return errno;
    }
    team.page = team.range + number % PLACES * STEP;
    return map(team.page, 0);
}

static void touch_all(uint32_t number)
{
    next_turn(number);
    while (atomic_load_explicit(&team.touched, memory_order_acquire) != team.threads - 1)
        sched_yield();
}

static int take(void)
{
    return mprotect(team.page, PAGE_BYTES, PROT_NONE) ? errno : 0;
}

static int remove_page(void)
{
    return reserve(team.page, PAGE_BYTES) == team.page ? 0 : errno;
}

void probe_linux_leave(void)
{
    next_turn(LEAVE);
    if (team.range)
        munmap(team.range, PLACES * STEP);
    team.range = NULL;
}

int probe_linux_step(uint32_t number, enum linux_step what)
{
    int error;
    switch (what) {
    case LINUX_PREPARE:
        if ((error = map_next(number)))
            return error;
        touch_all(number);
        wait_us(team.idle ? QUIET_US : 2); /* idle: until they sleep */
        return 0;
    case LINUX_TAKE:
        return take();
    default:
        return remove_page();
    }
}

int probe_linux_unmap(uint32_t first, uint32_t count, struct histogram *const *times)
{
    int error = 0;
    for (uint32_t i = first; i < first + count && !error; i++) {
        uint64_t start = arch_cycles();
        error = map_next(i);
        histogram_add(times[1], arch_cycles_behind() - start);
        if (error)
            break;
        start = arch_cycles();
        touch_all(i);
        histogram_add(times[2], arch_cycles_behind() - start);
        wait_us(team.idle ? QUIET_US : 2);
        start = arch_cycles();
        error = take();
        histogram_add(times[0], arch_cycles_behind() - start);
        start = arch_cycles();
        error = error ? error : remove_page();
        histogram_add(times[3], arch_cycles_behind() - start);
    }
    return error;
}

static int live(char *at, bool fresh, bool reused)
{
    if (fresh) {
        const int error = map(at, 0);
        if (error)
            return error;
    } else if (mprotect(at, PAGE_BYTES, PROT_READ | PROT_WRITE)) {
        return errno;
    }
    *(volatile char *)at = 1;
    if (mprotect(at, PAGE_BYTES, PROT_NONE) || (!reused && reserve(at, PAGE_BYTES) != at))
        return errno;
    return 0;
}

/* One touch is all threads': they share the page table. */
int probe_linux_life(uint32_t count, uint32_t batch, bool reused, struct histogram *histogram)
{
    char *range = reserve(NULL, PLACES * STEP);
    int error = range == MAP_FAILED ? errno : 0;
    for (uint32_t i = 0; i < count && !error;) {
        const uint64_t start = arch_cycles();
        for (const uint32_t end = i + batch; i < end && !error; i++)
            error = live(range + (reused ? 0 : i % PLACES * STEP), !reused || i == 0, reused);
        histogram_add(histogram, (arch_cycles_behind() - start) / batch);
    }
    next_turn(LEAVE);
    munmap(range, PLACES * STEP);
    return error;
}

int probe_linux_own_pages(uint32_t number, uint32_t pages, uint32_t rounds, uint64_t *cycles)
{
    char *range = reserve(NULL, pages * (size_t)STEP);
    int error = range == MAP_FAILED ? errno : 0;
    *cycles = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < pages && !error; i++)
            error = map(range + i * (size_t)STEP, (uint64_t)number * pages + i);
        /* Even one that failed meets the others, or they would wait for ever. */
        pthread_barrier_wait(team.barrier);
        uint64_t start = arch_cycles();
        for (uint32_t i = 0; i < pages && !error; i++)
            error = mprotect(range + i * (size_t)STEP, PAGE_BYTES, PROT_NONE) ? errno : 0;
        *cycles += arch_cycles_behind() - start;
        pthread_barrier_wait(team.barrier);
    }
    munmap(range, pages * (size_t)STEP);
    return error;
}
