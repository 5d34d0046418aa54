/* What a lock costs, and whom it serves: loops for processes that share a `struct lock_bench`, no
 * cores at all. Each kind of lock has both loops; LOCK_LOOPS makes them of any other, so that all
 * are measured alike (bench/native/locks.c). Times are TSC cycles. */
#pragma once

#include "locks/waiting.h"

enum { LOCK_BENCH_CORES = 8, LOCK_BENCH_LINES = 8 };

/* One process's part, which others read when it has ended. */
struct lock_side {
    _Alignas(PAD_BYTES) uint64_t operations;
    uint64_t row;     /* most operations of it with none of another in between */
    uint64_t longest; /* wait; where waits are timed */
    uint64_t cpu_ns;  /* that its CPU gave it meanwhile */
    uint64_t sleeps;  /* how often it gave its CPU away by itself */
    _Atomic uint32_t ready;
};

struct lock_bench {
    struct lock lock;
    struct lock_node nodes[LOCK_BENCH_CORES];
    _Alignas(PAD_BYTES) uint64_t other[8]; /* of another library: its lock */
    _Alignas(PAD_BYTES) _Atomic uint32_t go, stop;
    /* Under the lock. */
    _Alignas(PAD_BYTES) uint32_t had_by; /* who came last, + 1 */
    uint64_t row;
    struct {
        _Alignas(LINE_BYTES) uint64_t count;
    } line[LOCK_BENCH_LINES];
    struct lock_side side[LOCK_BENCH_CORES];
};

struct lock_loops {
    const char *name; /* NULL: the table ends */
    bool fifo;
    /* Cycles of so many acquires and releases by one process; `bare`: of the atomic operations that
     * they need. */
    uint64_t (*alone)(struct lock_bench *b, uint64_t count);
    uint64_t (*bare)(struct lock_bench *b, uint64_t count);
    /* Up to `stop`: acquires, adds to so many lines, releases, and thinks about so many
     * cycles. timed: the longest wait is kept, which costs two looks at the clock. */
    void (*contend)(struct lock_bench *b, uint32_t me, uint32_t lines, uint32_t think, bool timed);
};

extern const struct lock_loops lock_loops[];

static inline void lock_think(uint32_t cycles)
{
    /* A multiplication takes three, each waits for the one before. */
    for (uint64_t i = cycles / 3, x = cycles; i; i--) {
        x *= 0x9e3779b97f4a7c15; /* no shift and sum */
        __asm__ volatile("" : "+r"(x));
    }
}

/* One operation under the lock. */
static inline void lock_work(struct lock_bench *b, struct lock_side *side, uint32_t me,
                             uint32_t lines)
{
    b->row = b->had_by == me + 1 ? b->row + 1 : 1;
    b->had_by = me + 1;
    if (b->row > side->row)
        side->row = b->row;
    for (uint32_t i = 0; i < lines; i++) {
        uint64_t count = b->line[i].count + 1;
        __asm__ volatile("" : "+r"(count)); /* a load, an addition and a store each */
        b->line[i].count = count;
    }
}

/* ACQUIRE and RELEASE are statements in which `b` and `me` mean what they do above. */
#define LOCK_LOOPS(kind, ACQUIRE, RELEASE, BARE)                                                   \
    static uint64_t kind##_alone(struct lock_bench *b, uint64_t count)                             \
    {                                                                                              \
        const uint32_t me = 0;                                                                     \
        (void)me;                                                                                  \
        const uint64_t start = arch_cycles();                                                      \
        for (uint64_t i = 0; i < count; i++) {                                                     \
            ACQUIRE;                                                                               \
            __asm__ volatile("" ::: "memory");                                                     \
            RELEASE;                                                                               \
        }                                                                                          \
        return arch_cycles_behind() - start;                                                       \
    }                                                                                              \
    static uint64_t kind##_bare(struct lock_bench *b, uint64_t count)                              \
    {                                                                                              \
        const uint64_t start = arch_cycles();                                                      \
        for (uint64_t i = 0; i < count; i++) {                                                     \
            BARE;                                                                                  \
            __asm__ volatile("" ::: "memory");                                                     \
        }                                                                                          \
        (void)b;                                                                                   \
        return arch_cycles_behind() - start;                                                       \
    }                                                                                              \
    __attribute__((unused)) static void kind##_contend(struct lock_bench *b, uint32_t me,          \
                                                       uint32_t lines, uint32_t think, bool timed) \
    {                                                                                              \
        struct lock_side *side = &b->side[me];                                                     \
        while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) {                            \
            const uint64_t start = timed ? arch_cycles() : 0;                                      \
            ACQUIRE;                                                                               \
            if (timed) {                                                                           \
                const uint64_t waited = arch_cycles() - start;                                     \
                side->longest = waited > side->longest ? waited : side->longest;                   \
            }                                                                                      \
            lock_work(b, side, me, lines);                                                         \
            RELEASE;                                                                               \
            side->operations++;                                                                    \
            lock_think(think);                                                                     \
        }                                                                                          \
    }

#define LOCK_LOOPS_ROW(kind, fifo) {#kind, fifo, kind##_alone, kind##_bare, kind##_contend}
