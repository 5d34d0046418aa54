/* Cores operate on one object whose form changes all the time, and know afterwards whether an
 * operation was lost, done twice, or done in part:
 *
 *   counters  each add takes all of them, so that every result is a multiple, and each comes once
 *   map       keys that all add to, each old value of which comes once; and keys of a core's own,
 *             which it knows the values of
 *   queue     the values of each core come out in order, each once
 *   mappings  Frames in slots of a core's own, which it knows of; and one slot that all fill and
 *             empty, by turns
 *
 *     object_client SEED TYPE SHAPE CORES LOG FORMS SWITCHES EACH READS ONE_CPU FLIGHT LAZY STOPS
 *
 * FORMS is a mask; 1 in EACH of the owner's operations is followed by a switch, at random. READS: a
 * hundredth. FLIGHT: operations are sent, in flight. LAZY: cores pause at times. STOPS:
 * 1 in so many times the owner stops the process of another core, and goes on: this is for forms in
 * which nobody waits for a core that does not run. With THREADS the state is plain memory, so that
 * ThreadSanitizer sees whatever is not in order. */
#include "object_client.h"

#include "capability/capability.h"

enum { COMMON = 8, OWN = 24, OWN_FIRST = 100, MAPPINGS_OWN = 4 };

struct tally {
    _Alignas(PAD_BYTES) _Atomic uint64_t done;
    uint64_t operations;
    uint64_t count[COMMON], sum[COMMON], squares[COMMON]; /* of the results of writes */
    uint64_t put, put_sum, taken, taken_sum;
};
static struct shared_part {
    _Alignas(PAD_BYTES) _Atomic uint64_t stop;
    _Alignas(PAD_BYTES) _Atomic uint64_t begun;
    _Alignas(PAD_BYTES) _Atomic uint64_t ended, left;
    struct tally tally[CORES_MOST];
} *all;
static uint64_t seed_of_run, forms, switches, each, reads, flight, lazy;

struct core {
    struct object object;
    uint64_t seed, waits, me;
    struct tally *tally;
    uint64_t least[COMMON];
    uint64_t own[OWN]; /* + 1 */
    uint64_t number, last[CORES_MOST];
    struct operation sent[FLIGHTS_MOST];
    uint64_t sends, takes;
};

static void draw(struct core *c, struct operation *o)
{
    const bool only_reads = random_next(&c->seed) % 100 < reads;
    *o = (struct operation){0};
    if (geometry.type == TYPE_COUNTERS) {
        o->kind = only_reads ? COUNTERS_SUM : COUNTERS_ADD;
        o->value[0] = geometry.shape;
    } else if (geometry.type == TYPE_MAP && random_next(&c->seed) % 2) {
        o->kind = only_reads ? MAP_GET : MAP_ADD;
        o->key = 1 + random_next(&c->seed) % COMMON;
        o->value[0] = 1;
    } else if (geometry.type == TYPE_MAP) {
        o->kind = only_reads ? MAP_GET : random_next(&c->seed) % 2 ? MAP_PUT : MAP_REMOVE;
        o->key = OWN_FIRST * (1 + c->me) + random_next(&c->seed) % OWN;
        o->value[0] = (uint64_t)random_next(&c->seed)
                      << random_next(&c->seed) % 16; /* some are long */
    } else if (geometry.type == TYPE_MAPPINGS) {
        const bool own = random_next(&c->seed) % 4;
        o->key = own ? 2 + c->me * MAPPINGS_OWN + random_next(&c->seed) % MAPPINGS_OWN : 1;
        o->kind = random_next(&c->seed) % 2 ? MAPPINGS_INSERT : MAPPINGS_REMOVE;
        o->value[0] = o->key * PAGE_BYTES;
        o->value[1] = PAGE_BYTES;
        o->value[2] = CAP_FRAME;
        if (only_reads && own)
            *o = (struct operation){MAPPINGS_FIND, o->value[0], {0}};
    } else if (only_reads) {
        o->kind = QUEUE_FRONT;
    } else if (random_next(&c->seed) % 2) {
        o->kind = QUEUE_PUT;
        o->value[0] = c->me << 28 | (c->number & 0xfffffff);
    } else {
        o->kind = QUEUE_TAKE;
    }
}

/* Old values only grow: at least what this core knows of. */
static void grown(struct core *c, uint32_t key, uint64_t result, bool writes)
{
    CHECK(result >= c->least[key], "core %llu: %llu, not at least %llu", (unsigned long long)c->me,
          (unsigned long long)result, (unsigned long long)c->least[key]);
    c->least[key] = result + writes;
    if (!writes)
        return;
    c->tally->count[key]++;
    c->tally->sum[key] += result;
    c->tally->squares[key] += result * result;
}

static void judge_own(struct core *c, const struct operation *o, const struct result *r)
{
    uint64_t *own = &c->own[o->key - OWN_FIRST * (1 + c->me)];
    CHECK(r->status == (*own ? RESULT_OK : RESULT_ABSENT), "key %llu kind %llu: status %llu",
          (unsigned long long)o->key, (unsigned long long)o->kind, (unsigned long long)r->status);
    CHECK(!*own || r->value == *own - 1, "key %llu: %llu, not %llu", (unsigned long long)o->key,
          (unsigned long long)r->value, (unsigned long long)*own - 1);
    if (o->kind == MAP_PUT)
        *own = o->value[0] + 1;
    else if (o->kind == MAP_REMOVE)
        *own = 0;
}

static void judge_mappings(struct core *c, const struct operation *o, const struct result *r)
{
    const uint64_t slot = o->kind == MAPPINGS_FIND ? o->key / PAGE_BYTES : o->key;
    if (slot == 1) {
        c->tally->put += o->kind == MAPPINGS_INSERT && r->status == RESULT_OK;
        c->tally->taken += o->kind == MAPPINGS_REMOVE && r->status == RESULT_OK;
        return;
    }
    uint64_t *own = &c->own[slot - 2 - c->me * MAPPINGS_OWN];
    if (o->kind == MAPPINGS_INSERT)
        CHECK(*own ? r->status == RESULT_REFUSED && r->value == CAP_SLOT_IN_USE
                   : r->status == RESULT_OK,
              "slot %llu: status %llu, %llu", (unsigned long long)slot,
              (unsigned long long)r->status, (unsigned long long)r->value);
    else
        CHECK(r->status == (*own ? RESULT_OK : RESULT_ABSENT) &&
                  r->value == (!*own                      ? 0
                               : o->kind == MAPPINGS_FIND ? slot
                                                          : slot * PAGE_BYTES),
              "slot %llu kind %llu: status %llu, %llu", (unsigned long long)slot,
              (unsigned long long)o->kind, (unsigned long long)r->status,
              (unsigned long long)r->value);
    if (o->kind != MAPPINGS_FIND)
        *own = o->kind == MAPPINGS_INSERT;
}

static void judge_taken(struct core *c, uint64_t value)
{
    const uint64_t from = value >> 28, number = value & 0xfffffff;
    CHECK(from < geometry.cores && number > c->last[from], "%llu of core %llu after %llu",
          (unsigned long long)number, (unsigned long long)from, (unsigned long long)c->last[from]);
    c->last[from] = number;
    c->tally->taken++;
    c->tally->taken_sum += value;
}

static void judge(struct core *c, const struct operation *o, const struct result *r)
{
    c->tally->operations++;
    if (geometry.type == TYPE_COUNTERS) {
        CHECK(r->status == RESULT_OK && r->value % geometry.shape == 0, "torn: %llu",
              (unsigned long long)r->value);
        const uint64_t count = r->value / geometry.shape;
        grown(c, 0, count, o->kind == COUNTERS_ADD);
    } else if (geometry.type == TYPE_MAP && o->key < OWN_FIRST) {
        CHECK(r->status == RESULT_OK || (r->status == RESULT_ABSENT && !r->value), "status %llu",
              (unsigned long long)r->status);
        grown(c, (uint32_t)o->key - 1, r->value, o->kind == MAP_ADD);
    } else if (geometry.type == TYPE_MAP) {
        judge_own(c, o, r);
    } else if (geometry.type == TYPE_MAPPINGS) {
        judge_mappings(c, o, r);
    } else if (o->kind == QUEUE_TAKE && r->status == RESULT_OK) {
        judge_taken(c, r->value);
    } else if (o->kind == QUEUE_PUT && r->status == RESULT_OK) {
        c->tally->put++;
        c->tally->put_sum += o->value[0];
    }
}

static void take_all(struct core *c)
{
    struct result result;
    while (object_take(&c->object, &result))
        judge(c, &c->sent[c->takes++ % FLIGHTS_MOST], &result);
}

static void operate(struct core *c)
{
    struct operation operation;
    struct result result;
    draw(c, &operation);
    if (operation.kind == QUEUE_PUT && geometry.type == TYPE_QUEUE)
        operation.value[0] = c->me << 28 | (++c->number & 0xfffffff);
    if (!flight) {
        object_apply(&c->object, &operation, &result);
        judge(c, &operation, &result);
        return;
    }
    while (!object_send(&c->object, &operation)) {
        take_all(c);
        object_poll(&c->object);
        give_way(&c->waits);
    }
    c->sent[c->sends++ % FLIGHTS_MOST] = operation;
    take_all(c);
}

static void rest(struct core *c)
{
    if (random_next(&c->seed) % 4096)
        return;
    const uint64_t until = arch_cycles() + random_next(&c->seed) % 200000;
    while (arch_cycles() < until)
        arch_relax();
}

/* What is done meanwhile goes several times around the log. */
static void go_on_without(struct core *c)
{
    for (uint32_t i = 0; i < 8 * geometry.log; i++)
        operate(c);
    kill(stopped, SIGCONT);
    stopped = 0;
}

#ifdef THREADS
struct plain {
    uint64_t count;
    struct {
        _Alignas(LINE_BYTES) uint64_t value;
    } counter[];
};
static void plain_apply(void *state, const struct operation *o, struct result *result)
{
    struct plain *plain = state;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < o->value[0]; i++) {
        sum += plain->counter[i].value;
        if (!operation_reads(o))
            plain->counter[i].value++;
    }
    *result = (struct result){RESULT_OK, sum};
}
static bool plain_check(const void *state, const struct operation *o)
{
    return ((const struct plain *)state)->count && !operation_reads(o);
}
static void plain_undo(void *state, const struct operation *o, const struct result *result)
{
    struct plain *plain = state;
    for (uint64_t i = 0; i < o->value[0] && result->status == RESULT_OK; i++)
        plain->counter[i].value--;
}
static const struct object_type plain_counters = {
    .name = "plain", .apply = plain_apply, .check = plain_check, .undo = plain_undo, .plain = true};
#endif

/* Until all have come there. */
static void meet(struct core *c, _Atomic uint64_t *arrived)
{
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < geometry.cores) {
        object_poll(&c->object);
        give_way(&c->waits);
    }
}

/* Those kinds mean something to forms, and nothing where an operation is asked for. */
static void ask_for_what_is_no_operation(struct core *c)
{
#ifndef THREADS
    for (uint64_t kind = KIND_CLOSE; kind <= (KIND_CLOSE | KIND_JOIN); kind += KIND_CLOSE) {
        const struct operation none = {.kind = kind};
        struct result result;
        object_apply(&c->object, &none, &result);
        CHECK(result.status == RESULT_BAD, "kind %llu was done", (unsigned long long)kind);
    }
#endif
    (void)c;
}

static void work(uint32_t me)
{
    static _Thread_local struct core core;
    struct core *c = &core;
    *c = (struct core){.seed = seed_of_run * 64 + me, .me = me, .tally = &all->tally[me]};
    open_end(&c->object, me, &c->waits);
#ifdef THREADS
    c->object.type = &plain_counters;
#endif
    meet(c, &all->begun);
    ask_for_what_is_no_operation(c);
    if (me == geometry.owner)
        stopper = true;
    uint64_t switched = 0;
    for (uint64_t i = 1;; i++) {
        operate(c);
        if (i % 4096 == 0)
            progress();
        if (lazy)
            rest(c);
        if (me == geometry.owner) {
            if (stops && !stopped && random_next(&c->seed) % stops == 0)
                stop_one();
            if (stopped)
                go_on_without(c);
            if (random_next(&c->seed) % each == 0) {
                const enum object_verdict verdict =
                    object_switch(&c->object, (enum object_form)one_of(forms, &c->seed));
                CHECK(verdict == OBJECT_OK, "%s", object_verdict_says(verdict));
                switched++;
            }
            if (switched >= switches)
                atomic_store(&all->stop, 1);
        }
        if (atomic_load_explicit(&all->stop, memory_order_relaxed))
            break;
    }
    if (stops && me == geometry.owner)
        stops = 0;
    if (stopped && me == geometry.owner)
        go_on_without(c);
    object_flush(&c->object);
    while (c->takes < c->sends) {
        take_all(c);
        object_poll(&c->object);
        give_way(&c->waits);
    }
    meet(c, &all->ended);
    if (me == geometry.owner && geometry.type == TYPE_MAPPINGS) {
        const struct operation remove = {.kind = MAPPINGS_REMOVE, .key = 1};
        struct result result;
        object_apply(&c->object, &remove, &result);
        judge_mappings(c, &remove, &result);
    }
    if (me == geometry.owner && geometry.type == TYPE_QUEUE) {
        struct operation take = {.kind = QUEUE_TAKE};
        struct result result;
        for (;;) {
            object_apply(&c->object, &take, &result);
            if (result.status != RESULT_OK)
                break;
            judge_taken(c, result.value);
        }
    }
    meet(c, &all->left);
}

/* Each of 0 … n - 1 once: their sum and the sum of their squares say so. */
static void each_once(void)
{
    for (uint32_t key = 0; key < COMMON; key++) {
        uint64_t n = 0, sum = 0, squares = 0, expected = 0, expected_squares = 0;
        for (uint32_t core = 0; core < geometry.cores; core++) {
            n += all->tally[core].count[key];
            sum += all->tally[core].sum[key];
            squares += all->tally[core].squares[key];
        }
        for (uint64_t i = 0; i < n; i++) {
            expected += i;
            expected_squares += i * i;
        }
        CHECK(sum == expected && squares == expected_squares, "key %u: %llu operations", key,
              (unsigned long long)n);
    }
}

int main(int argc, char **argv)
{
    seed_of_run = argument(argc, argv, 1, 1);
    geometry = (struct object_geometry){.type = (uint32_t)argument(argc, argv, 2, 0),
                                        .shape = (uint32_t)argument(argc, argv, 3, 4),
                                        .cores = (uint32_t)argument(argc, argv, 4, 2),
                                        .log = (uint32_t)argument(argc, argv, 5, 256),
                                        .lock = (uint32_t)(seed_of_run % 3)};
    geometry.nodes = (uint32_t)(seed_of_run % geometry.cores) + 1;
    forms = argument(argc, argv, 6, 31);
    switches = argument(argc, argv, 7, 10000);
    each = argument(argc, argv, 8, 20);
    reads = argument(argc, argv, 9, 50);
    one_cpu = argument(argc, argv, 10, 0);
    flight = argument(argc, argv, 11, 0);
    lazy = argument(argc, argv, 12, 0);
    stops = argument(argc, argv, 13, 0);
    uint64_t seed = seed_of_run, puts = 0, takes = 0;
    progress();
    make_object((enum object_form)one_of(forms, &seed));
    all = shared(sizeof *all);
    run_all(work);
    each_once();
    for (uint32_t core = 0; core < geometry.cores; core++) {
        puts += all->tally[core].put;
        takes += all->tally[core].taken;
    }
    uint64_t put_sum = 0, taken_sum = 0;
    for (uint32_t core = 0; core < geometry.cores; core++) {
        put_sum += all->tally[core].put_sum;
        taken_sum += all->tally[core].taken_sum;
    }
    CHECK(puts == takes && put_sum == taken_sum, "%llu put, %llu taken", (unsigned long long)puts,
          (unsigned long long)takes);
    for (uint32_t core = 0; core < geometry.cores; core++)
        printf("%llu ", (unsigned long long)all->tally[core].operations);
    printf("\n");
    return 0;
}
