/* What an object does in each of its forms: millions of operations a second of two cores together,
 * each a process pinned to a CPU of its own. The mix is enforced: a core that is AHEAD operations
 * ahead of the other waits, and does its duties; else forms would be compared that do different
 * work.
 *
 *     objects TYPE SHAPE READS MILLISECONDS ROUNDS SOLO
 *
 * Prints the round trip of a line, in cycles; then a line for each form, contract and dispatch: the
 * median and the best of ROUNDS runs, which are interleaved, in millions of operations a second; and
 * in the best, cycles of a core for one.
 * Contracts: `waits` (an operation at a time), `flight` (several). Dispatch: `pinned` (the object,
 * which stays in that form), `alone` (the form without the others). SOLO: core 0 alone operates, and
 * the other core is not there. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "capability/capability.h"
#include "object/object.h"

enum { CORES = 2, AHEAD = 256, LOOK = 32, LOG = 256, ROUNDS_MOST = 64, KEYS = 512 };

struct common {
    _Alignas(PAD_BYTES) _Atomic uint64_t ready;
    _Alignas(PAD_BYTES) _Atomic uint64_t ended;
    struct {
        _Alignas(PAD_BYTES) _Atomic uint64_t done;
    } core[CORES];
};

struct configuration {
    enum object_form form;
    bool flight, alone;
};

static struct object_geometry geometry = {.cores = CORES, .log = LOG};
static struct common *common;
static void *block;
static uint64_t block_bytes, reads, cycles, solo;

static void check(bool so, const char *what)
{
    if (so)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void *shared(uint64_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    check(memory != MAP_FAILED, "no memory");
    return memory;
}

static void pin(int core)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    check(!sched_setaffinity(0, sizeof one, &one), "no such CPU");
}

static inline void draw(uint64_t *seed, struct operation *o)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    const uint64_t chosen = *seed >> 33;
    const bool only_reads = (chosen & 1023) < reads * 1024 / 100;
    switch (geometry.type) {
    case TYPE_COUNTERS:
        o->kind = only_reads ? COUNTERS_SUM : COUNTERS_ADD;
        o->value[0] = geometry.shape;
        return;
    case TYPE_MAP:
        o->kind = only_reads ? MAP_GET : MAP_ADD;
        o->key = 1 + (chosen >> 10) % KEYS;
        o->value[0] = 1;
        return;
    case TYPE_MAPPINGS:
        o->key = 1 + (chosen >> 11) % (geometry.shape - 1);
        o->kind = only_reads ? MAPPINGS_FIND : chosen & 1024 ? MAPPINGS_INSERT : MAPPINGS_REMOVE;
        o->value[0] = o->key * PAGE_BYTES;
        o->value[1] = PAGE_BYTES;
        o->value[2] = CAP_FRAME;
        if (only_reads)
            o->key *= PAGE_BYTES;
        return;
    default:
        o->kind = only_reads ? QUEUE_FRONT : chosen & 1024 ? QUEUE_PUT : QUEUE_TAKE;
        o->value[0] = 7;
    }
}

static struct object object;
static uint64_t mine;

static uint64_t cores(void)
{
    return solo ? 1 : CORES;
}

static void wait_for_others(void)
{
    for (uint32_t core = 0; core < CORES; core++)
        while (atomic_load_explicit(&common->core[core].done, memory_order_relaxed) + AHEAD <
                   mine &&
               !atomic_load_explicit(&common->ended, memory_order_relaxed))
            object_poll(&object);
}

static inline __attribute__((always_inline)) void work(uint32_t me, struct configuration c)
{
    struct result result;
    struct operation operation = {0};
    uint64_t seed = 77 + me, until = 0;
    atomic_fetch_add(&common->ready, 1);
    while (atomic_load(&common->ready) < cores())
        arch_relax();
    until = arch_cycles() + cycles;
    for (;;) {
        for (uint32_t i = 0; i < LOOK; i++) {
            draw(&seed, &operation);
            if (c.flight) {
                while (!object_send(&object, &operation))
                    while (!object_take(&object, &result))
                        object_poll(&object);
                if (me != geometry.owner)
                    object_take(&object, &result);
                else
                    while (object_take(&object, &result))
                        ;
            } else if (c.alone) {
                object_apply_alone(&object, c.form, &operation, &result);
            } else {
                object_apply(&object, &operation, &result);
            }
        }
        mine += LOOK;
        atomic_store_explicit(&common->core[me].done, mine, memory_order_relaxed);
        if (!solo)
            wait_for_others();
        if (atomic_load_explicit(&common->ended, memory_order_relaxed))
            break;
        if (me == 0 && arch_cycles() > until)
            atomic_store_explicit(&common->ended, 1, memory_order_relaxed);
    }
    if (c.flight)
        object_flush(&object);
    /* The other may wait for a reply. */
    atomic_fetch_add(&common->ready, 1);
    while (atomic_load(&common->ready) < 2 * cores()) {
        while (c.flight && object_take(&object, &result))
            ;
        object_poll(&object);
    }
}

static void open_end(uint32_t me)
{
    pin((int)me);
    check(object_open(&object, block, block_bytes, me, NULL, NULL) == OBJECT_OK, "no end");
    mine = 0;
}

static double run(struct configuration c)
{
    memset(common, 0, sizeof *common);
    const enum object_verdict verdict = object_init(block, &geometry, c.form);
    check(verdict == OBJECT_OK, object_verdict_says(verdict));
    open_end(0);
    struct operation operation = {.kind = geometry.type == TYPE_MAP ? MAP_PUT : QUEUE_PUT};
    struct result result;
    for (uint64_t key = 1; key <= KEYS && geometry.type == TYPE_MAP; key++) {
        operation.key = key;
        object_apply(&object, &operation, &result);
    }
    for (uint32_t i = 0; i < geometry.shape / 2 && geometry.type == TYPE_QUEUE; i++)
        object_apply(&object, &operation, &result);
    for (uint64_t slot = 1; slot < geometry.shape && geometry.type == TYPE_MAPPINGS; slot += 2) {
        operation =
            (struct operation){MAPPINGS_INSERT, slot, {slot * PAGE_BYTES, PAGE_BYTES, CAP_FRAME}};
        object_apply(&object, &operation, &result);
    }
    const pid_t other = solo ? 0 : fork();
    check(other >= 0, "no process");
    if (!other && !solo) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_end(1);
        work(1, c);
        _exit(0);
    }
    work(0, c);
    int status = 0;
    if (!solo)
        waitpid(other, &status, 0);
    check(!status, "the other core failed");
    return (double)(common->core[0].done + common->core[1].done) / (double)cycles;
}

/* The least of some batches: a line there and back, two processes. */
static double round_trip(void)
{
    enum { BATCHES = 20, TRIPS = 500 };
    _Atomic uint64_t *line = &common->core[0].done;
    double least = 1e9;
    memset(common, 0, sizeof *common);
    const pid_t other = fork();
    check(other >= 0, "no process");
    if (!other) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(1);
        for (uint64_t i = 0; i < BATCHES * TRIPS; i++) {
            while (atomic_load_explicit(line, memory_order_acquire) != 2 * i + 1)
                ;
            atomic_store_explicit(line, 2 * i + 2, memory_order_release);
        }
        _exit(0);
    }
    pin(0);
    for (uint64_t batch = 0, i = 0; batch < BATCHES; batch++) {
        const uint64_t from = arch_cycles();
        for (uint64_t trip = 0; trip < TRIPS; trip++, i++) {
            atomic_store_explicit(line, 2 * i + 1, memory_order_release);
            while (atomic_load_explicit(line, memory_order_acquire) != 2 * i + 2)
                ;
        }
        const double each = (double)(arch_cycles() - from) / TRIPS;
        least = each < least ? each : least;
    }
    waitpid(other, NULL, 0);
    return least;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t number(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

static double cycles_per_us(void)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    const uint64_t from = arch_cycles();
    double us;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        us =
            (double)(now.tv_sec - begin.tv_sec) * 1e6 + (double)(now.tv_nsec - begin.tv_nsec) / 1e3;
    } while (us < 5000);
    return (double)(arch_cycles() - from) / us;
}

int main(int argc, char **argv)
{
    geometry.type = (uint32_t)number(argc, argv, 1, TYPE_COUNTERS);
    geometry.shape = (uint32_t)number(argc, argv, 2, 8);
    reads = number(argc, argv, 3, 50);
    const double per_us = cycles_per_us();
    cycles = (uint64_t)((double)number(argc, argv, 4, 5) * 1000 * per_us);
    const uint64_t rounds = number(argc, argv, 5, 5);
    solo = number(argc, argv, 6, 0);
    check(rounds && rounds <= ROUNDS_MOST, "1 to 64 rounds");
    enum object_verdict verdict;
    block_bytes = object_bytes(&geometry, &verdict);
    check(block_bytes, object_verdict_says(verdict));
    block = shared(block_bytes);
    common = shared(sizeof *common);
    printf("round trip,%.0f\n", round_trip());
    struct configuration all[2 * OBJECT_FORMS + 1];
    uint32_t count = 0;
    check(object_init(block, &geometry, FORM_LOCKED) == OBJECT_OK, "no object");
    open_end(0);
    for (uint32_t form = 0; form < OBJECT_FORMS; form++) {
        if (object_suits(&object, (enum object_form)form) != OBJECT_OK)
            continue;
        all[count++] = (struct configuration){(enum object_form)form, false, false};
        all[count++] = (struct configuration){(enum object_form)form, false, true};
        if (form == FORM_DELEGATED)
            all[count++] = (struct configuration){(enum object_form)form, true, false};
    }
    static double rate[2 * OBJECT_FORMS + 1][ROUNDS_MOST];
    for (uint64_t round = 0; round < rounds; round++)
        for (uint32_t i = 0; i < count; i++)
            rate[i][round] = run(all[i]);
    for (uint32_t i = 0; i < count; i++) {
        qsort(rate[i], rounds, sizeof **rate, by_size);
        const double median = rate[i][rounds / 2], best = rate[i][rounds - 1];
        printf("%s,%u,%llu,%s,%s,%s,%.2f,%.2f,%.1f\n", object_types[geometry.type]->name,
               geometry.shape, (unsigned long long)reads, object_form_name[all[i].form],
               all[i].flight ? "flight" : "waits", all[i].alone ? "alone" : "pinned",
               median * per_us, best * per_us, (double)cores() / best);
    }
    return 0;
}
