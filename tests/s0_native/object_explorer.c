/* Every order of events of a few cores at an object whose form changes: the object's own files
 * run, each core on a stack of its own, every atomic operation in them is a step (atomic_steps.h),
 * and all orders of steps are tried, state by state, each step seen by all at once.
 *
 * Held: from every state there is a way to the end in which all have what they asked for; and
 *
 *   counter  each add comes once; its result, and that of a sum, counts all adds that had returned, or
 *            had been counted by what had returned, when it began, and none that had not begun when
 *            it returned
 *   queue    (of two) each value comes out once, and was put in; who finds it full or empty could
 *            have, by what had begun and returned
 *
 *     object_explorer TYPE CORES FORM FORM…
 *
 * TYPE/NODES: so many nodes, of the combined form; else one.
 *
 * Each core adds once, and core 0 before the first change of form and behind the last. At a queue
 * core 0 puts, and behind the last change puts twice and takes; each other takes and puts. The form
 * goes from the first to the others in turn. In place of the number of cores may stand what they do:
 * axs,ss is two cores, of which the one adds, changes the form and sums, the other sums twice (p: it
 * puts, t: it takes).
 *
 * What no other core looks at is no step: an own replica, counts, positions, unless the log is full,
 * and words that another word hands over. Prints how many states there were. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object/object_inside.h"
#include "stacks.h"

enum { FORMS_MOST = 8, LOG = 16, BLOCK = 1 << 14, QUEUE = 2 };
static uint32_t type, cores, nodes, forms, form[FORMS_MOST];
static uint64_t block_bytes;

static struct state {
    _Alignas(PAD_BYTES) char block[BLOCK];
    struct object end[CORES];
    uint32_t begun, returned, through; /* adds, or puts */
    uint64_t seen;                     /* adds, by whoever has returned */
    uint32_t takes, taken;             /* begun; returned with a value */
    uint64_t results, put;             /* a bit each */
} s;

static bool exploring;

static void wrong(const char *what);

static bool lies_in(const void *at, const void *first, uint64_t bytes)
{
    return (uintptr_t)at - (uintptr_t)first < bytes;
}

/* A word of a line that the control word hands from one core to the other. */
static bool is_in_turn(const void *at, const struct slot *first, uint64_t slots)
{
    return lies_in(at, first, slots * sizeof *first) &&
           ((uintptr_t)at - (uintptr_t)first) % sizeof *first != offsetof(struct slot, control);
}

/* Of a node, and looked at under its lock alone. */
static bool is_limit(const struct object *o, const void *at)
{
    for (uint32_t node = 0; node < o->node_count; node++)
        if (at == (void *)&o->of_node[node].limit)
            return true;
    return false;
}

static void step(const void *at)
{
    const struct object *o = &s.end[me];
    if (!exploring || lies_in(at, o->replica, o->replica_bytes) ||
        lies_in(at, o->of_core, cores * sizeof *o->of_core) || at == o->state || at == o->free ||
        is_in_turn(at, o->lines, cores * cores * CALL_SLOTS) ||
        is_in_turn(at, o->calls, cores * CALL_SLOTS) ||
        is_in_turn(at, &o->posts->slot, cores * CALL_SLOTS) ||
        lies_in(at, o->operations, cores * 2 * LOG * sizeof *o->operations) || is_limit(o, at))
        return;
    until_chosen();
}

static uint64_t memory(const void *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

uint64_t step_load(void *at, size_t bytes)
{
    step(at);
    return memory(at, bytes);
}

void step_store(void *at, size_t bytes, uint64_t value)
{
    step(at);
    memcpy(at, &value, bytes);
}

static uint64_t changed_to(void *at, size_t bytes, uint64_t old, uint64_t value)
{
    memcpy(at, &value, bytes);
    return old;
}

uint64_t step_add(void *at, size_t bytes, uint64_t value)
{
    step(at);
    return changed_to(at, bytes, memory(at, bytes), memory(at, bytes) + value);
}

uint64_t step_exchange(void *at, size_t bytes, uint64_t value)
{
    step(at);
    return changed_to(at, bytes, memory(at, bytes), value);
}

bool step_compare(void *at, size_t bytes, void *expected, uint64_t value)
{
    step(at);
    const uint64_t old = memory(at, bytes);
    const bool same = old == memory(expected, bytes);
    memcpy(same ? at : expected, same ? &value : &old, bytes);
    return same;
}

uint64_t step_bits(void *at, size_t bytes, uint64_t and_, uint64_t or_)
{
    step(at);
    const uint64_t old = memory(at, bytes);
    return changed_to(at, bytes, old, (old & and_) | or_);
}

/* --- What the cores do --- */

static void count(uint64_t adds)
{
    s.seen = adds > s.seen ? adds : s.seen;
}

static void add(uint32_t core)
{
    const struct operation operation = {COUNTERS_ADD, 0, {1}};
    struct result result;
    const uint64_t before = s.seen;
    s.begun++;
    object_apply(&s.end[core], &operation, &result);
    if (result.status != RESULT_OK || result.value < before || result.value >= s.begun)
        wrong("a result that no order gives");
    if (s.results >> result.value & 1)
        wrong("two have one result");
    s.results |= 1ull << result.value;
    count(result.value + 1);
    s.returned++;
    count(s.returned);
}

static void sum(uint32_t core)
{
    const struct operation operation = {COUNTERS_SUM, 0, {1}};
    struct result result;
    const uint64_t before = s.seen;
    object_apply(&s.end[core], &operation, &result);
    if (result.status != RESULT_OK || result.value < before || result.value > s.begun)
        wrong("a sum that no order gives");
    count(result.value);
}

static void put(uint32_t core, uint32_t nth)
{
    const struct operation operation = {QUEUE_PUT, 0, {1 + core + CORES * nth}};
    struct result result;
    const uint32_t taken = s.taken;
    s.begun++;
    s.put |= 1ull << operation.value[0];
    object_apply(&s.end[core], &operation, &result);
    if (result.status == RESULT_OK)
        s.returned++;
    else if (result.status != RESULT_FULL || s.begun - 1 < taken + QUEUE)
        wrong("it was not full");
    else
        s.begun--;
}

static void take(uint32_t core)
{
    const struct operation operation = {QUEUE_TAKE, 0, {0}};
    struct result result;
    const uint32_t returned = s.returned;
    s.takes++;
    object_apply(&s.end[core], &operation, &result);
    if (result.status == RESULT_OK) {
        s.taken++;
        if (result.value > 63 || !(s.put & ~s.results & 1ull << result.value))
            wrong("a value that nobody put in, or that came out before");
        s.results |= 1ull << result.value;
    } else if (result.status != RESULT_EMPTY || returned > s.takes - 1) {
        wrong("it was not empty");
    } else {
        s.takes--;
    }
}

/* What each core does, a letter each. */
enum { PROGRAM_MOST = 32 };
static char program[CORES][PROGRAM_MOST];

static void without_programs(void)
{
    const bool queue = type == TYPE_QUEUE;
    for (uint32_t core = 1; core < cores; core++)
        strcpy(program[core], queue ? "tp" : "a");
    strcpy(program[0], queue ? "p" : "a");
    for (uint32_t i = 1; i < forms; i++)
        strcat(program[0], "x");
    strcat(program[0], queue ? "ppt" : "a");
}

static void with_programs(const char *all)
{
    cores = 0;
    for (uint32_t length = 0; *all; all++) {
        if (cores == CORES || length == PROGRAM_MOST - 1)
            exit(2);
        if (*all != ',')
            program[cores][length++] = *all;
        if (*all == ',' || !all[1]) {
            cores++;
            length = 0;
        }
    }
}

static bool right_at_the_end(void)
{
    uint32_t adds = 0;
    for (uint32_t core = 0; core < cores; core++)
        for (const char *at = program[core]; *at; at++)
            adds += *at == 'a';
    return type == TYPE_QUEUE ? s.taken <= s.returned : s.results == (1ull << adds) - 1;
}

static void run(void)
{
    const uint32_t core = me;
    for (uint32_t i = 0, puts = 0, changes = 0; program[core][i]; i++) {
        if (i)
            until_chosen(); /* others may end something before this begins */
        switch (program[core][i]) {
        case 'a':
            add(core);
            break;
        case 's':
            sum(core);
            break;
        case 'p':
            put(core, puts++);
            break;
        case 't':
            take(core);
            break;
        default:
            if (object_switch(&s.end[core], (enum object_form)form[++changes]) != OBJECT_OK)
                wrong("a switch was refused");
        }
    }
    s.through++;
    for (;;) {
        object_poll(&s.end[core]);
        until_chosen();
    }
}

/* --- All orders --- */

#include "orders.h"

static void wrong(const char *what)
{
    fprintf(stderr, "%s; the cores' steps, the last first:", what);
    for (struct snapshot *one = newest; one; one = one->before)
        fprintf(stderr, " %u", one->choice - 1);
    fprintf(stderr, "\n");
    exit(1);
}

static uint64_t hash_now(void)
{
    /* Counts that go on and on, and decide nothing: who waits does its duties each time, and who
     * operates serves with each operation. */
    for (uint32_t core = 0; core < cores; core++) {
        s.end[core].moments = 3;
        s.end[core].turn = s.end[core].agreed.turn = 7;
    }
    uint64_t hash = mixed(1, s.block, block_bytes);
    hash = mixed(hash, s.end, cores * sizeof *s.end);
    hash = mixed(hash, &s.begun, sizeof s - offsetof(struct state, begun));
    for (uint32_t core = 0; core < cores; core++) {
        const uint32_t used = stack_used(core);
        hash = mixed(hash, context[core].uc_mcontext.gregs, sizeof context[core].uc_mcontext.gregs);
        hash = mixed(hash, &stack[core][STACK - used], used);
    }
    return hash;
}

static void open_all(void)
{
    const struct object_geometry geometry = {.type = type,
                                             .shape = type == TYPE_QUEUE ? QUEUE : 1,
                                             .cores = cores,
                                             .log = LOG,
                                             .nodes = nodes};
    enum object_verdict verdict;
    block_bytes = object_bytes(&geometry, &verdict);
    if (!block_bytes || block_bytes > BLOCK ||
        object_init(s.block, &geometry, (enum object_form)form[0]) != OBJECT_OK)
        exit(2);
    for (uint32_t core = 0; core < cores; core++) {
        if (object_open(&s.end[core], s.block, block_bytes, core, NULL, NULL) != OBJECT_OK)
            exit(2);
        s.end[core].pauses = 0;
    }
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 3 + FORMS_MOST)
        return 2;
    type = (uint32_t)atoi(argv[1]);
    nodes = strchr(argv[1], '/') ? (uint32_t)atoi(strchr(argv[1], '/') + 1) : 1;
    cores = (uint32_t)atoi(argv[2]);
    forms = (uint32_t)argc - 3;
    for (uint32_t i = 0; i < forms; i++)
        form[i] = (uint32_t)atoi(argv[3 + i]);
    if (cores > CORES || (type != TYPE_COUNTERS && type != TYPE_QUEUE))
        return 2;
    if (cores)
        without_programs();
    else
        with_programs(argv[2]);
    open_all();
    exploring = true;
    for (uint32_t core = 0; core < cores; core++)
        start(core, run);
    bool new;
    goes_on(number_of(hash_now(), &new));
    while (newest) {
        struct snapshot *one = newest;
        if (one->choice == cores) {
            is_done();
            continue;
        }
        restore(one);
        me = one->choice++;
        swapcontext(&explorer, &context[me]);
        const uint32_t number = number_of(hash_now(), &new);
        if (!new)
            leads_to(one, number);
        else if (s.through < cores)
            goes_on(number);
        else if (right_at_the_end())
            is_an_end(one, number);
        else
            wrong("an operation is lost");
    }
    printf("%u\n", states);
    return 0;
}
