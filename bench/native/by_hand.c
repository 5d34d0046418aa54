/* Two processes that do by hand what the kernels do: by_hand.h. */
#include "by_hand.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "probes/meeting.h"

enum { PLACES = 64, STEP = 2 * PAGE_BYTES, THINK_US = 2 };
enum { MAP, TAKE, REMOVE, LEAVE }; /* what core 0 says, and core 1 does too */

static struct slot *line;
static bool interrupts, is_fresh;
static uint64_t turns; /* both count them: the control word is even when it is core 1's turn */
static char *range;

static char *place(uint64_t number)
{
    return range + number % PLACES * STEP;
}

static void reserve(char *at, uint64_t bytes)
{
    const int fixed = at ? MAP_FIXED : 0;
    range = mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    pair_check(range != MAP_FAILED, "mmap", (long long)bytes);
}

static void map(uint64_t number)
{
    char *at = place(number);
    if (is_fresh || number < PLACES)
        pair_check(mmap(at, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, pair.memory,
                        0) == at,
                   "mmap", (long long)number);
    else
        pair_check(!mprotect(at, PAGE_BYTES, PROT_READ | PROT_WRITE), "mprotect",
                   (long long)number);
    *(volatile char *)at = 1;
}

static void take(uint64_t number)
{
    pair_check(!mprotect(place(number), PAGE_BYTES, PROT_NONE), "mprotect", (long long)number);
}

static void drop(uint64_t number)
{
    char *whole = range;
    if (is_fresh)
        reserve(place(number), PAGE_BYTES);
    range = whole;
}

static void act(uint64_t what, uint64_t number)
{
    if (what == MAP)
        map(number);
    else if (what == TAKE)
        take(number);
    else if (what == REMOVE)
        drop(number);
}

/* --- Core 1 --- */

/* True once it is told to leave. */
static bool serve(void)
{
    /* Pairs with the release in say. */
    if (atomic_load_explicit(&line->control, memory_order_acquire) != 2 * turns + 1)
        return false;
    const uint64_t what = atomic_load_explicit(&line->word[0], memory_order_relaxed);
    act(what, atomic_load_explicit(&line->word[1], memory_order_relaxed));
    turns++;
    /* Pairs with the acquire in hear. */
    atomic_store_explicit(&line->control, 2 * turns, memory_order_release);
    return what == LEAVE;
}

static _Atomic bool left;

static void on_signal(int number)
{
    (void)number;
    if (serve())
        atomic_store_explicit(&left, true, memory_order_relaxed);
}

static void open_line(const struct probe *p)
{
    line = &pair.control->line;
    interrupts = p->form;
    is_fresh = p->role;
    turns = 0;
}

static void follow(struct driver *d, struct probe *p)
{
    volatile uint64_t work = 1;
    (void)d;
    open_line(p);
    reserve(NULL, PLACES * STEP);
    atomic_store_explicit(&left, false, memory_order_relaxed);
    if (interrupts) {
        struct sigaction before, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigaction(SIGURG, &action, &before);
        pair.control->results[0] = (uint64_t)syscall(SYS_gettid);
        atomic_store_explicit(&line->control, 0, memory_order_release);
        while (!atomic_load_explicit(&left, memory_order_relaxed))
            work = work * 6364136223846793005ull + 1442695040888963407ull;
        sigaction(SIGURG, &before, NULL);
    } else {
        atomic_store_explicit(&line->control, 0, memory_order_release);
        while (!serve())
            arch_relax();
    }
    munmap(range, PLACES * STEP);
}

/* --- Core 0 --- */

static void say(uint64_t what, uint64_t number)
{
    atomic_store_explicit(&line->word[0], what, memory_order_relaxed);
    atomic_store_explicit(&line->word[1], number, memory_order_relaxed);
    /* Pairs with the acquire in serve. */
    atomic_store_explicit(&line->control, 2 * turns++ + 1, memory_order_release);
    if (interrupts)
        syscall(SYS_tgkill, pair.control->results[0], pair.control->results[0], SIGURG);
}

static void hear(void)
{
    /* Pairs with the release in serve. */
    while (atomic_load_explicit(&line->control, memory_order_acquire) != 2 * turns)
        arch_relax();
}

static void both(uint64_t what, uint64_t number)
{
    say(what, number);
    act(what, number);
    hear();
}

static void open_both(bool signals, bool fresh)
{
    pair.control->probe = (struct probe){.form = signals, .role = fresh};
    open_line(&pair.control->probe);
    atomic_store_explicit(&line->control, UINT64_MAX, memory_order_relaxed);
    pair_begin(follow);
    reserve(NULL, PLACES * STEP);
    hear();
}

static void close_both(void)
{
    both(LEAVE, 0);
    munmap(range, PLACES * STEP);
    pair_join();
}

void by_hand_unmap(uint64_t count, bool signals, struct histogram *times)
{
    open_both(signals, true);
    for (uint64_t i = 0; i < PLACES + count; i++) {
        both(MAP, i);
        for (uint64_t until = arch_cycles() + THINK_US * pair.driver->cycles_per_us;
             arch_cycles() < until;)
            arch_relax();
        const uint64_t start = arch_cycles();
        both(TAKE, i);
        if (i >= PLACES)
            histogram_add(times, arch_cycles_behind() - start);
        both(REMOVE, i);
    }
    close_both();
}

uint64_t by_hand_life(uint64_t count, bool fresh)
{
    uint64_t start = 0;
    open_both(false, fresh);
    for (uint64_t i = 0; i < PLACES + count; i++) {
        if (i == PLACES)
            start = arch_cycles();
        both(MAP, i);
        both(TAKE, i);
        both(REMOVE, i);
    }
    const uint64_t took = arch_cycles_behind() - start;
    close_both();
    return took / count;
}

/* --- Each for itself --- */

static void take_own(struct driver *d, struct probe *p)
{
    uint64_t took = 0;
    is_fresh = true;
    reserve(NULL, PLACES * STEP);
    for (uint64_t round = 0; round < p->count; round++) {
        for (uint64_t i = 0; i < PLACES; i++)
            map(i);
        meet(d, p->base + (2 * round + 1) * 2);
        const uint64_t start = arch_cycles();
        for (uint64_t i = 0; i < PLACES; i++)
            take(i);
        took += arch_cycles_behind() - start;
        meet(d, p->base + (2 * round + 2) * 2);
        for (uint64_t i = 0; i < PLACES; i++)
            drop(i);
    }
    munmap(range, PLACES * STEP);
    p->results[0] = took / p->count / PLACES;
}

uint64_t by_hand_own_pages(uint64_t base, uint64_t rounds)
{
    uint64_t own[2];
    struct probe here = {.count = rounds, .base = base, .results = own};
    pair.control->probe = here;
    pair.control->probe.results = pair.control->results;
    pair_begin(take_own);
    take_own(pair.driver, &here);
    pair_join();
    return (own[0] + pair.control->results[0]) / 2;
}
