/* Two cores that use one object: see two_cores.h. */
#include "two_cores.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOG = 256 };

struct common *common;
struct object_geometry geometry = {.cores = CORES, .log = LOG};
struct object object;
uint64_t reads;
static void *block;
static uint64_t block_bytes;

void check(bool so, const char *what)
{
    if (so)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

uint64_t number(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

double cycles_per_us(void)
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

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *numbers, uint64_t count)
{
    qsort(numbers, count, sizeof *numbers, by_size);
    return numbers[count / 2];
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

void two_cores_begin(void)
{
    common = shared(sizeof *common);
}

static void open_end(uint32_t me)
{
    pin((int)me);
    check(object_open(&object, block, block_bytes, me, NULL, NULL) == OBJECT_OK, "no end");
}

void make_object(enum object_form form)
{
    enum object_verdict verdict;
    const uint64_t bytes = object_bytes(&geometry, &verdict);
    check(bytes, object_verdict_says(verdict));
    if (bytes > block_bytes)
        block = shared(block_bytes = bytes);
    verdict = object_init(block, &geometry, form);
    check(verdict == OBJECT_OK, object_verdict_says(verdict));
    memset(common, 0, sizeof *common);
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
}

void meet(void)
{
    const uint64_t until = (atomic_fetch_add(&common->ready, 1) / CORES + 1) * CORES;
    while (atomic_load(&common->ready) < until)
        object_poll(&object);
}

bool has_ended(void)
{
    return atomic_load_explicit(&common->ended, memory_order_relaxed);
}

void end(void)
{
    atomic_store_explicit(&common->ended, 1, memory_order_relaxed);
}

bool keep_step(uint32_t me, uint64_t done, uint64_t ahead)
{
    atomic_store_explicit(&common->core[me].done, done, memory_order_relaxed);
    for (uint32_t core = 0; core < CORES; core++)
        while (!has_ended() &&
               atomic_load_explicit(&common->core[core].done, memory_order_relaxed) + ahead < done)
            object_poll(&object);
    return !has_ended();
}

void on_both(void (*theirs)(void), void (*ours)(void))
{
    const pid_t other = fork();
    check(other >= 0, "no process");
    if (!other) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_end(1);
        meet();
        theirs();
        meet();
        _exit(0);
    }
    meet();
    ours();
    meet();
    int status;
    waitpid(other, &status, 0);
    check(!status, "the other core failed");
}

static _Atomic uint64_t *line;
enum { BATCHES = 20, TRIPS = 500 };
static double least;

static void send_back(void)
{
    for (uint64_t i = 0; i < BATCHES * TRIPS; i++) {
        while (atomic_load_explicit(line, memory_order_acquire) != 2 * i + 1)
            ;
        atomic_store_explicit(line, 2 * i + 2, memory_order_release);
    }
}

static void send_there(void)
{
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
}

double round_trip(void)
{
    line = &common->core[0].done;
    least = 1e9;
    make_object(FORM_LOCKED);
    on_both(send_back, send_there);
    return least;
}
