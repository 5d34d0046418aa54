/* Every order of events of a few cores at one lock: the headers themselves run, each core on a stack
 * of its own, and every atomic operation in them is a step of this explorer, which tries all orders,
 * state by state. Stores wait in a core's store buffer, as on x86, and reach memory at any later
 * moment; a read-modify-write, a system call and, of everybody's, parking_fence empty it. (What
 * weaker orders allow is ThreadSanitizer's part: lock_client.c.)
 *
 * Held: never two in the lock, nor a reader beside a writer; in a FIFO lock cores come in as they
 * joined the queue; and whenever nobody can run, all are through: no wake-up is lost, and nobody
 * waits for ever. Sleeping ends by a wake-up alone, or, where time-outs are asked for, any time.
 *
 *     lock_explorer KIND CORES ROUNDS CPUS TIMEOUTS
 *
 * KIND as in lock_client.c. CPUS: core c is pinned to CPU c % CPUS; 0: to none; 4: nor does anybody
 * park, as in the shared kernel. Prints how many states there were. */
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

/* --- In place of the processor and the host --- */

static uint64_t step_load(void *at, size_t bytes);
static void step_store(void *at, size_t bytes, uint64_t value);
static uint64_t step_add(void *at, size_t bytes, uint64_t value);
static uint64_t step_exchange(void *at, size_t bytes, uint64_t value);
static bool step_compare(void *at, size_t bytes, void *expected, uint64_t value);
static uint64_t step_bits(void *at, size_t bytes, uint64_t and_, uint64_t or_);
static void step_nothing(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_signal_fence
#undef atomic_thread_fence
#define AT(p)                                                  ((void *)(uintptr_t)(p)), sizeof *(p)
#define atomic_load_explicit(p, order)                         step_load(AT(p))
#define atomic_store_explicit(p, v, order)                     step_store(AT(p), v)
#define atomic_fetch_add_explicit(p, v, o)                     step_add(AT(p), v)
#define atomic_fetch_sub_explicit(p, v, o)                     step_add(AT(p), -(uint64_t)(v))
#define atomic_fetch_or_explicit(p, v, o)                      step_bits(AT(p), UINT64_MAX, v)
#define atomic_fetch_and_explicit(p, v, o)                     step_bits(AT(p), v, 0)
#define atomic_exchange_explicit(p, v, o)                      step_exchange(AT(p), v)
#define atomic_signal_fence(order)                             ((void)0)
#define atomic_thread_fence(order)                             ((void)0)
#define sched_yield()                                          step_nothing()
#define atomic_compare_exchange_strong_explicit(p, e, v, o, f) step_compare(AT(p), e, v)
#define atomic_compare_exchange_weak_explicit(p, e, v, o, f)   step_compare(AT(p), e, v)

#define LOCK_SPINS LOCK_SPINS
enum { LOCK_SPINS = 1, DOOR_VISITS = 1, LINK_SPINS = 1 };

#include "locks/hapax.h"
#include "locks/mcs.h"
#include "locks/readers.h"
#include "locks/ticket.h"
#include "locks/ttas.h"

enum { CORES = 3, BUFFERED = 6, STACK = 1 << 14 };
enum { NOBODY_PARKS = 4 };
enum kind { TTAS, TICKET, MCS, HAPAX, READERS };
static uint32_t kind, cores, rounds, cpus, timeouts;

/* --- What a state is --- */

struct buffered {
    void *at;
    uint64_t bytes, value;
};

static struct state {
    struct lock lock;
    struct lock_node nodes[CORES];
    _Atomic uint64_t counter;
    uint32_t inside, reading;      /* who is in the lock, + 1; how many read */
    uint32_t queue[CORES], queued; /* as they joined */
    struct core {
        enum { RUNS, SLEEPS, THROUGH } is;
        bool woken;
        uint32_t since, bits, stored; /* since: who sleeps longest is woken first */
        void *word;
        struct buffered buffer[BUFFERED];
    } core[CORES];
} s;

static ucontext_t context[CORES], explorer;
static _Alignas(64) char stack[CORES][STACK];
static uint32_t me;

static void wrong(const char *what);

static void until_chosen(void)
{
    const uint32_t core = me;
    swapcontext(&context[core], &explorer);
}

static uint64_t memory(const void *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

static void flush_one(uint32_t core)
{
    struct core *c = &s.core[core];
    memcpy(c->buffer[0].at, &c->buffer[0].value, c->buffer[0].bytes);
    c->stored--;
    memmove(c->buffer, c->buffer + 1, sizeof(struct buffered) * c->stored);
    memset(&c->buffer[c->stored], 0, sizeof *c->buffer);
}

static void flush(uint32_t core)
{
    while (s.core[core].stored)
        flush_one(core);
}

static uint64_t step_load(void *at, size_t bytes)
{
    until_chosen();
    const struct core *c = &s.core[me];
    for (uint32_t i = c->stored; i--;)
        if (c->buffer[i].at == at)
            return c->buffer[i].value;
    return memory(at, bytes);
}

static void step_store(void *at, size_t bytes, uint64_t value)
{
    until_chosen();
    struct core *c = &s.core[me];
    if (c->stored == BUFFERED)
        flush_one(me);
    c->buffer[c->stored++] = (struct buffered){at, bytes, value};
}

static uint64_t *arrivals(void *at)
{
    return (kind == TICKET && at == (void *)&s.lock.next) ||
                   (kind == MCS && at == (void *)&s.lock.tail) ||
                   (kind == HAPAX && at == (void *)&s.lock.arrived)
               ? at
               : NULL;
}

static void joins(void *at)
{
    if (arrivals(at))
        s.queue[s.queued++] = me;
}

static uint64_t modify(void *at, size_t bytes, uint64_t (*how)(uint64_t, uint64_t), uint64_t value)
{
    until_chosen();
    flush(me);
    const uint64_t old = memory(at, bytes), new = how(old, value);
    memcpy(at, &new, bytes);
    return old;
}

static uint64_t added(uint64_t old, uint64_t value)
{
    return old + value;
}
static uint64_t exchanged(uint64_t old, uint64_t value)
{
    (void)old;
    return value;
}

static uint64_t step_add(void *at, size_t bytes, uint64_t value)
{
    const uint64_t old = modify(at, bytes, added, value);
    joins(at);
    return old;
}

static uint64_t step_exchange(void *at, size_t bytes, uint64_t value)
{
    const uint64_t old = modify(at, bytes, exchanged, value);
    joins(at);
    return old;
}

static bool step_compare(void *at, size_t bytes, void *expected, uint64_t value)
{
    until_chosen();
    flush(me);
    const uint64_t old = memory(at, bytes);
    if (old != memory(expected, bytes)) {
        memcpy(expected, &old, bytes);
        return false;
    }
    memcpy(at, &value, bytes);
    if (kind == MCS && value)
        joins(at);
    else if (kind != MCS && arrivals(at) && s.queue[--s.queued] != me)
        wrong("another's place is given back");
    return true;
}

static uint64_t step_bits(void *at, size_t bytes, uint64_t and_, uint64_t or_)
{
    until_chosen();
    flush(me);
    const uint64_t old = memory(at, bytes), new = (old & and_) | or_;
    memcpy(at, &new, bytes);
    return old;
}

static void step_nothing(void)
{
    until_chosen();
}

void parking_fence(void)
{
    until_chosen();
#ifndef NO_FENCE
    for (uint32_t core = 0; core < cores; core++)
        flush(core);
#endif
}

bool parking_sleep(_Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   const struct lock_waiter *waiter)
{
    (void)waiter;
    until_chosen();
    flush(me);
    struct core *c = &s.core[me];
    if (memory((void *)(uintptr_t)word, 4) != value)
        return true;
    for (uint32_t core = 0; core < cores; core++)
        c->since = s.core[core].since >= c->since ? s.core[core].since + 1 : c->since;
    c->bits = bits;
    c->word = (void *)(uintptr_t)word;
    c->is = SLEEPS;
    until_chosen();
    return s.core[me].woken;
}

static void wake(struct core *c, bool woken)
{
    c->is = RUNS;
    c->woken = woken;
    c->since = c->bits = 0;
    c->word = NULL;
}

void parking_wake(_Atomic uint32_t *word, uint32_t bits, int32_t count)
{
    until_chosen();
    flush(me);
    while (count--) {
        struct core *first = NULL;
        for (uint32_t core = 0; core < cores; core++) {
            struct core *c = &s.core[core];
            if (c->is == SLEEPS && c->word == (void *)(uintptr_t)word && c->bits & bits &&
                (!first || c->since < first->since))
                first = c;
        }
        if (!first)
            return;
        wake(first, true);
    }
}

uint64_t lock_clock(void)
{
    return 0;
}

/* --- What the cores do --- */

static void comes_in(bool reads)
{
    if (s.inside || (s.reading && !reads))
        wrong("two are in the lock at once");
    if (reads)
        s.reading++;
    else
        s.inside = me + 1;
    if (kind != TICKET && kind != MCS && kind != HAPAX)
        return;
    if (s.queue[0] != me)
        wrong("one came in before another that had joined earlier");
    s.queued--;
    memmove(s.queue, s.queue + 1, sizeof *s.queue * s.queued);
    s.queue[s.queued] = 0;
}

static void goes_out(bool reads)
{
    if (reads)
        s.reading--;
    else
        s.inside = 0;
}

#define CASE(KIND, kind_)                                           \
    case KIND:                                                      \
        outcome = kind_##_acquire(&s.lock, s.nodes, core, &waiter); \
        break

static enum lock_outcome acquire(uint32_t core, bool reads)
{
    const struct lock_waiter waiter = {.parks = cpus != NOBODY_PARKS};
    enum lock_outcome outcome = LOCK_GIVEN_UP;
    if (reads)
        return readers_read(&s.lock, s.nodes, core, &waiter);
    switch ((enum kind)kind) {
        CASE(TTAS, ttas);
        CASE(TICKET, ticket);
        CASE(MCS, mcs);
        CASE(HAPAX, hapax);
        CASE(READERS, readers);
    }
    return outcome;
}

static void release(uint32_t core, bool reads)
{
    if (reads) {
        readers_read_release(&s.lock, s.nodes, core);
        return;
    }
    switch ((enum kind)kind) {
    case TTAS:
        ttas_release(&s.lock, s.nodes, core);
        break;
    case TICKET:
        ticket_release(&s.lock, s.nodes, core);
        break;
    case MCS:
        mcs_release(&s.lock, s.nodes, core);
        break;
    case HAPAX:
        hapax_release(&s.lock, s.nodes, core);
        break;
    case READERS:
        readers_release(&s.lock, s.nodes, core);
        break;
    }
}

static void run(void)
{
    const uint32_t core = me;
    for (uint32_t i = 0; i < rounds; i++) {
        const bool reads = kind == READERS && core;
        if (acquire(core, reads) != LOCK_TAKEN)
            wrong("gave up");
        comes_in(reads);
        if (reads)
            step_nothing();
        else
            step_store((void *)&s.counter, 8, step_load((void *)&s.counter, 8) + 1);
        goes_out(reads);
        release(core, reads);
    }
    s.core[core].is = THROUGH;
    until_chosen();
}

/* --- All orders --- */

struct snapshot {
    struct snapshot *before;
    uint32_t choice; /* the next one to be tried */
    struct state state;
    ucontext_t context[CORES];
    uint32_t used[CORES]; /* of each stack, from its end */
    char stacks[];
};
static struct snapshot *newest;
static uint64_t *seen, states, room = 1 << 22;

static void wrong(const char *what)
{
    fprintf(stderr,
            "%s, after (core * 3 + 0: a step, 1: a store gets through, 2: a time-out):", what);
    char line[4096] = "";
    uint32_t length = 0;
    for (struct snapshot *one = newest; one && length < sizeof line - 8; one = one->before)
        length += (uint32_t)sprintf(line + length, " %u", one->choice - 1);
    fprintf(stderr, "%s (the last first)\n", line);
    exit(1);
}

static uint32_t stack_used(uint32_t core)
{
#if defined(__x86_64__)
    const uint64_t top = (uint64_t)context[core].uc_mcontext.gregs[REG_RSP];
#else
    const uint64_t top = context[core].uc_mcontext.sp;
#endif
    return (uint32_t)((uint64_t)&stack[core][STACK] - top);
}

static uint64_t mixed(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    for (; length; at++, length--)
        hash = (hash ^ *at) * 0x100000001b3ull;
    return hash;
}

/* True: it is new. */
static bool new_state(void)
{
    uint64_t hash = mixed(1, (const void *)&s, sizeof s);
    for (uint32_t core = 0; core < cores; core++) {
        const uint32_t used = stack_used(core);
        hash = mixed(hash, &context[core].uc_mcontext, sizeof context[core].uc_mcontext);
        if (s.core[core].is != THROUGH)
            hash = mixed(hash, &stack[core][STACK - used], used);
    }
    hash += !hash;
    if (states * 2 >= room) {
        uint64_t *old = seen, had = room;
        room *= 4;
        seen = calloc(room, sizeof *seen);
        if (!seen)
            exit(3);
        for (uint64_t i = 0; i < had; i++)
            if (old[i]) {
                uint64_t at = old[i] % room;
                while (seen[at])
                    at = (at + 1) % room;
                seen[at] = old[i];
            }
        free(old);
    }
    uint64_t at = hash % room;
    for (; seen[at]; at = (at + 1) % room)
        if (seen[at] == hash)
            return false;
    seen[at] = hash;
    states++;
    return true;
}

static void keep(void)
{
    uint32_t used[CORES] = {0}, sum = 0;
    for (uint32_t core = 0; core < cores; core++)
        sum += used[core] = stack_used(core);
    struct snapshot *one = malloc(sizeof *one + sum);
    if (!one)
        exit(3);
    one->before = newest;
    one->choice = 0;
    memcpy((void *)&one->state, (void *)&s, sizeof s);
    memcpy(one->context, context, sizeof context);
    memcpy(one->used, used, sizeof used);
    for (uint32_t core = 0, at = 0; core < cores; at += used[core++])
        memcpy(one->stacks + at, &stack[core][STACK - used[core]], used[core]);
    newest = one;
}

static void restore(const struct snapshot *one)
{
    memcpy((void *)&s, (const void *)&one->state, sizeof s);
    memcpy(context, one->context, sizeof context);
    for (uint32_t core = 0, at = 0; core < cores; at += one->used[core++])
        memcpy(&stack[core][STACK - one->used[core]], one->stacks + at, one->used[core]);
}

/* Makes it, if it can be made. */
static bool make(uint32_t choice)
{
    const uint32_t core = choice / 3;
    struct core *c = &s.core[core];
    switch (choice % 3) {
    case 0:
        if (c->is != RUNS)
            return false;
        me = core;
        swapcontext(&explorer, &context[core]);
        return true;
    case 1:
        if (!c->stored)
            return false;
        flush_one(core);
        return true;
    default:
        if (!timeouts || c->is != SLEEPS)
            return false;
        wake(c, false);
        return true;
    }
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    kind = (uint32_t)atoi(argv[1]), cores = (uint32_t)atoi(argv[2]);
    rounds = (uint32_t)atoi(argv[3]), cpus = (uint32_t)atoi(argv[4]);
    timeouts = (uint32_t)atoi(argv[5]);
    if (kind > READERS || cores > CORES)
        return 2;
    seen = calloc(room, sizeof *seen);
    for (uint32_t core = 0; core < cores; core++) {
        s.nodes[core].cpu = cpus % NOBODY_PARKS ? core % cpus + 1 : 0;
        getcontext(&context[core]);
        context[core].uc_stack.ss_sp = stack[core];
        context[core].uc_stack.ss_size = STACK;
        makecontext(&context[core], run, 0);
        me = core;
        swapcontext(&explorer, &context[core]); /* up to its first step */
    }
    new_state();
    keep();
    while (newest) {
        struct snapshot *one = newest;
        restore(one);
        bool any = false, made = false;
        while (!made && one->choice < 3 * cores)
            made = make(one->choice++);
        if (made) {
            if (!new_state())
                continue;
            bool all = true;
            for (uint32_t core = 0; core < cores; core++) {
                all &= s.core[core].is == THROUGH && !s.core[core].stored;
                any |= s.core[core].is == RUNS || s.core[core].stored ||
                       (timeouts && s.core[core].is == SLEEPS);
            }
            if (all && kind != READERS && memory((void *)&s.counter, 8) != cores * rounds)
                wrong("an operation under the lock is lost");
            if (!all && !any)
                wrong("somebody sleeps whom nobody will wake");
            if (!all)
                keep();
            continue;
        }
        newest = one->before;
        free(one);
    }
    printf("%llu\n", (unsigned long long)states);
    return 0;
}
