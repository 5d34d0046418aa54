/* Every order of events of a few cores at one lock: the headers themselves run, each core on a
 * stack of its own, and every atomic operation in them is a step of this explorer, which tries all
 * orders, state by state. Stores wait in a core's store buffer, as on x86, and reach memory at any
 * later moment; a read-modify-write, a system call and, of everybody's, parking_fence empty it.
 * (What weaker orders allow is ThreadSanitizer's part: lock_client.c.)
 *
 * Held: never two in the lock, nor a reader beside a writer; in a FIFO lock cores come in as they
 * joined the queue; and whenever nobody can run, all are through: no wake-up is lost, and nobody
 * waits for ever. Sleeping ends by a wake-up alone, or, where time-outs are asked for, any time.
 *
 *     lock_explorer KIND CORES ROUNDS CPUS TIMEOUTS
 *
 * KIND as in lock_client.c. ROUNDS: of each core, such as 211; the last of them holds for the rest.
 * CPUS: core c is pinned to CPU c % CPUS; 0: to none; 4: nor does anybody
 * park, as in the shared kernel. Prints how many states there were. */
#include "lock_steps.h"
#include "orders.h"

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
    for (uint32_t i = 0; i < rounds[core]; i++) {
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

static uint64_t hash_now(void)
{
    uint64_t hash = mixed(1, (const void *)&s, sizeof s);
    for (uint32_t core = 0; core < cores; core++) {
        const uint32_t used = stack_used(core);
        hash = mixed(hash, &context[core].uc_mcontext, sizeof context[core].uc_mcontext);
        if (s.core[core].is != THROUGH)
            hash = mixed(hash, &stack[core][STACK - used], used);
    }
    return hash;
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

static void begin(uint32_t core, const char *text)
{
    const size_t last = strlen(text) - 1;
    all_rounds += rounds[core] = (uint32_t)(text[core < last ? core : last] - '0');
    s.nodes[core].cpu = cpus % NOBODY_PARKS ? core % cpus + 1 : 0;
    start(core, run);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    kind = (uint32_t)atoi(argv[1]), cores = (uint32_t)atoi(argv[2]);
    cpus = (uint32_t)atoi(argv[4]), timeouts = (uint32_t)atoi(argv[5]);
    if (kind > READERS || cores > CORES)
        return 2;
    for (uint32_t core = 0; core < cores; core++)
        begin(core, argv[3]);
    bool new;
    goes_on(number_of(hash_now(), &new));
    while (newest) {
        struct snapshot *one = newest;
        restore(one);
        bool any = false, all = true, made = false;
        while (!made && one->choice < 3 * cores)
            made = make(one->choice++);
        if (!made) {
            is_done();
            continue;
        }
        const uint32_t number = number_of(hash_now(), &new);
        if (!new) {
            leads_to(one, number);
            continue;
        }
        for (uint32_t core = 0; core < cores; core++) {
            all &= s.core[core].is == THROUGH && !s.core[core].stored;
            any |= s.core[core].is == RUNS || s.core[core].stored ||
                   (timeouts && s.core[core].is == SLEEPS);
        }
        if (all && kind != READERS && memory((void *)&s.counter, 8) != all_rounds)
            wrong("an operation under the lock is lost");
        if (all)
            is_an_end(one, number);
        else if (any)
            goes_on(number);
        else
            wrong("somebody sleeps whom nobody will wake");
    }
    printf("%u\n", states);
    return 0;
}
