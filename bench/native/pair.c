/* Boots the two, and has core 1 do what it is told: pair.h. */
#include "pair.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/open.h"
#include "shared/kernel.h"

enum { CHANNELS = 10, ADDRESS_BITS = 36, PATIENCE_US = 100000, CNODES = 16 };

struct pair pair;
static pid_t other;
static uint32_t serial;

void pair_check(bool so, const char *what, long long value)
{
    if (so)
        return;
    fprintf(stderr, "%s: %lld\n", what, value);
    exit(1);
}

static uint32_t slots(void)
{
    return pair.cores > 2 ? 64 : 4096;
}

/* By the host's clock: good to a part in a thousand, and it is used for patience alone. */
static uint64_t cycles_per_us(void)
{
    const uint64_t from = clock_ns(CLOCK_MONOTONIC), start = arch_cycles();
    while (clock_ns(CLOCK_MONOTONIC) - from < 2000000)
        ;
    return (arch_cycles() - start) / 2000;
}

static void boot(uint32_t me)
{
    cpu_set_t cpu;
    CPU_ZERO(&cpu);
    CPU_SET(me, &cpu);
    pair_check(!sched_setaffinity(0, sizeof cpu, &cpu), "no such CPU", me);
    const uint64_t cycles = cycles_per_us();
    const struct driver_options options = {
        .me = me,
        .shared_kernel = pair.shared,
        .slots_per_core = slots(),
        .cnodes = CNODES,
        .address_base = VSPACE_BASE,
        .address_size = (1ull << ADDRESS_BITS) / pair.cores / PAGE_BYTES * PAGE_BYTES,
        .memory_bytes = PAIR_MEMORY,
        .cycles_per_us = cycles,
        .spin_cycles = cycles * PATIENCE_US,
        .cancel_signal = SIGINT,
    };
    const char *refused;
    pair.driver = driver_open(pair.segment, pair.memory, &options, &refused);
    pair_check(pair.driver, refused, 0);
}

static void work_as_core_1(void)
{
    struct control *c = pair.control;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    boot(1);
    /* Each pairs with an acquire of core 0's, and its command with ours. */
    atomic_store_explicit(&c->begun, 1, memory_order_release);
    for (uint32_t seen = 0;;) {
        const uint32_t command = atomic_load_explicit(&c->command, memory_order_acquire);
        if (command == seen) {
            arch_relax();
            continue;
        }
        seen = command;
        if (!c->part)
            _exit(0);
        atomic_store_explicit(&c->begun, command, memory_order_release);
        c->part(pair.driver, &c->probe);
        atomic_store_explicit(&c->ended, command, memory_order_release);
    }
}

static void *shared_memory(uint64_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    pair_check(memory != MAP_FAILED, "no memory", (long long)bytes);
    return memory;
}

void pair_boot(const char *kernel, uint32_t cores)
{
    pair = (struct pair){.cores = cores, .shared = !strcmp(kernel, "shared")};
    pair.memory = memfd_create("memory", MFD_CLOEXEC);
    pair_check(pair.memory >= 0 && !ftruncate(pair.memory, PAIR_MEMORY), "no memory", PAIR_MEMORY);
    const struct geometry geometry = {
        .cores = cores,
        .window = 32,
        .user_channels = CHANNELS,
        .ring_slots = cores <= 64 ? 32 : 0,
        .shared_bytes =
            pair.shared ? shared_kernel_bytes(cores, slots(), CNODES, 0, PAIR_MEMORY) : 0};
    pair.segment = shared_memory(segment_bytes(&geometry));
    segment_init(pair.segment, &geometry);
    pair.control = shared_memory(sizeof *pair.control);
    if (pair.shared)
        boot(0); /* it writes the state, before anybody reads it */
    other = fork();
    if (!other)
        work_as_core_1();
    if (!pair.shared)
        boot(0);
    while (!atomic_load_explicit(&pair.control->begun, memory_order_acquire))
        arch_relax();
    pair_loop();
}

void pair_begin(pair_part *part)
{
    memset(pair.control->times, 0, sizeof pair.control->times);
    pair.control->part = part;
    atomic_store_explicit(&pair.control->command, ++serial, memory_order_release);
    while (part && atomic_load_explicit(&pair.control->begun, memory_order_acquire) != serial)
        arch_relax();
}

void pair_join(void)
{
    while (atomic_load_explicit(&pair.control->ended, memory_order_acquire) != serial)
        arch_relax();
}

static void run(struct driver *d, struct probe *p)
{
    (void)p;
    driver_run(d);
}

void pair_loop(void)
{
    pair_begin(run);
}

void pair_leave_loop(void)
{
    atomic_store_explicit(&pair.segment->stop, 1, memory_order_release);
    pair_join();
    atomic_store_explicit(&pair.segment->stop, 0, memory_order_release);
}

void pair_end(void)
{
    pair_leave_loop();
    pair_begin(NULL);
    waitpid(other, NULL, 0);
}

struct message pair_ask(uint32_t core, struct message request)
{
    struct message reply;
    driver_enter(pair.driver);
    const enum verdict verdict = ask(pair.driver, core, &request, &reply);
    driver_leave(pair.driver);
    pair_check(verdict == VERDICT_OK, "a request was refused", message_kind(&request));
    return reply;
}

uint64_t pair_median(const struct histogram *h)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (h->n && (seen += h->count[i]) * 2 >= h->n) {
            const uint32_t octave = i >> HISTOGRAM_SUB_BITS, low = i & 127;
            return octave ? (uint64_t)(low + 128) << (octave - 1) : low;
        }
    return 0;
}
