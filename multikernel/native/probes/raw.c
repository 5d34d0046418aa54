#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "probes.h"

enum {
    SCRATCH_CALL = 64, /* one line: the raw call line, in the answering core's region */
    SCRATCH_RING = 80, /* 32 slots = 16 padded lines: the raw ring towards the region's owner */
    SCRATCH_STOP = SCRATCH_LINES - 1,
    SCRATCH_TURNS = SCRATCH_LINES - 2,
    THINK_SPINS = 16,
};

static _Atomic uint64_t *scratch(struct driver *d, uint32_t core, uint32_t line)
{
    return (_Atomic uint64_t *)(void *)(segment_scratch(d->segment, &d->region, core) + (size_t)line * PAD_BYTES);
}

/* A raw loop polls nothing else; on a crowded machine the other side needs the CPU. */
static inline void spin(struct driver *d)
{
    if (d->crowded)
        sched_yield();
    else
        arch_relax();
    if (__builtin_expect(atomic_load_explicit(&d->segment->stop, memory_order_relaxed) != 0, 0))
        _exit(0);
}

static inline void think(uint32_t batch)
{
    if (batch == 1)
        for (int i = 0; i < THINK_SPINS; i++)
            arch_relax();
}

/* Runs `count` operations in batches, timing each batch. */
#define TIMED(count, batch, histogram, operation)                                                                      \
    for (uint64_t done_ = 0; done_ < (count); done_ += (batch)) {                                                      \
        uint64_t start_ = arch_cycles();                                                                               \
        for (uint32_t i_ = 0; i_ < (batch); i_++) {                                                                    \
            operation;                                                                                                 \
        }                                                                                                              \
        histogram_add(histogram, (arch_cycles() - start_) / (batch));                                                  \
        think(batch);                                                                                                  \
    }

void probe_floor(struct driver *d, uint32_t b, int role, uint32_t line, uint64_t base, uint64_t count, uint32_t batch,
                 struct histogram *histogram)
{
    _Atomic uint64_t *word = scratch(d, b, line);
    if (role == 1) {
        for (uint64_t i = 0; i < count; i++) {
            while (atomic_load_explicit(word, memory_order_acquire) != base + 2 * i + 1)
                spin(d);
            atomic_store_explicit(word, base + 2 * i + 2, memory_order_release);
        }
        return;
    }
    uint64_t next = base + 1;
    TIMED(count, batch, histogram, {
        atomic_store_explicit(word, next, memory_order_release);
        while (atomic_load_explicit(word, memory_order_acquire) != next + 1)
            spin(d);
        next += 2;
    })
}

/* Ends are created once: their positions go on from one call to the next. */
struct raw_ends {
    bool open;
    struct call_sender caller;
    struct call_receiver answerer;
    struct ring_end ring;
};

static struct raw_ends *raw_ends(struct driver *d, uint32_t peer)
{
    static struct raw_ends *all;
    if (!all && !(all = calloc(d->cores, sizeof *all)))
        abort();
    struct raw_ends *ends = &all[peer];
    if (!ends->open) {
        /* The lower-numbered core calls; its line lies with the other. */
        call_open_sender(&ends->caller, (struct slot *)(void *)scratch(d, peer, SCRATCH_CALL), 1);
        call_open_receiver(&ends->answerer, (struct slot *)(void *)scratch(d, d->me, SCRATCH_CALL), 1);
        ring_open(&ends->ring, (struct slot *)(void *)scratch(d, peer, SCRATCH_RING),
                  (struct slot *)(void *)scratch(d, d->me, SCRATCH_RING), RING_SLOTS);
        ends->open = true;
    }
    return ends;
}

void probe_call_line(struct driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch, struct histogram *histogram)
{
    struct raw_ends *ends = raw_ends(d, peer);
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    int line;
    if (role == 1) {
        for (uint64_t i = 0; i < count; i++) {
            while ((line = call_try_receive(&ends->answerer, &message)) < 0)
                spin(d);
            call_reply(&ends->answerer, (uint32_t)line, &message);
        }
        return;
    }
    TIMED(count, batch, histogram, {
        while ((line = call_try_send(&ends->caller, &message)) < 0)
            spin(d);
        while (!call_try_take(&ends->caller, (uint32_t)line, &message))
            spin(d);
    })
}

void probe_ring(struct driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch, struct histogram *histogram)
{
    struct ring_end *ring = &raw_ends(d, peer)->ring;
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    if (role == 1) {
        for (uint64_t i = 0; i < count; i++) {
            while (!ring_try_receive(ring, &message))
                spin(d);
            while (!ring_try_send(ring, &message))
                spin(d);
        }
        return;
    }
    TIMED(count, batch, histogram, {
        while (!ring_try_send(ring, &message))
            spin(d);
        while (!ring_try_receive(ring, &message))
            spin(d);
    })
}

uint64_t probe_compute(struct driver *d, uint64_t *cycles)
{
    _Atomic uint64_t *stop = scratch(d, d->me, SCRATCH_STOP), *published = scratch(d, d->me, SCRATCH_TURNS);
    volatile uint64_t value = 1;
    uint64_t turns = 0, start = arch_cycles();
    while (!atomic_load_explicit(stop, memory_order_relaxed)) {
        for (int i = 0; i < 64; i++)
            value = value * 6364136223846793005ull + 1442695040888963407ull;
        turns++;
        atomic_store_explicit(published, turns, memory_order_relaxed);
        if (atomic_load_explicit(&d->segment->stop, memory_order_relaxed))
            _exit(0);
    }
    *cycles = arch_cycles() - start;
    atomic_store_explicit(published, 0, memory_order_relaxed);
    atomic_store_explicit(stop, 0, memory_order_relaxed);
    return turns;
}

uint64_t probe_turns(struct driver *d, uint32_t core)
{
    return atomic_load_explicit(scratch(d, core, SCRATCH_TURNS), memory_order_relaxed);
}
