/* What a change of form costs the core that changes it, while the other core operates or polls:
 *
 *     object_switches [ROUNDS [CHANGES [READS]]]
 *
 * Prints the round trip of a line before and after each round, in cycles, and what the clock itself
 * takes, which is in all figures; then a line for each change, object and load: in nanoseconds,
 * medians over the rounds of a round's median and p99, the worst p99, and the worst of all; and the
 * time of two copies of the state by the owner, whose cache they are in. */
#include <stdio.h>
#include <stdlib.h>

#include "two_cores.h"

enum { CHANGES_MOST = 20000, BETWEEN = 20, WARM = 200, COPIES = 50 };

struct pair {
    uint32_t type, shape;
    enum object_form form[2]; /* from one to the other and back */
};

static const struct pair pairs[] = {
    {TYPE_COUNTERS, 1, {FORM_LOCKED, FORM_DELEGATED}},
    {TYPE_COUNTERS, 8, {FORM_LOCKED, FORM_DELEGATED}},
    {TYPE_MAP, 1024, {FORM_LOCKED, FORM_DELEGATED}},
    {TYPE_COUNTERS, 1, {FORM_OPTIMISTIC, FORM_DELEGATED}},
    {TYPE_COUNTERS, 8, {FORM_OPTIMISTIC, FORM_DELEGATED}},
    {TYPE_MAP, 1024, {FORM_OPTIMISTIC, FORM_DELEGATED}},
    {TYPE_COUNTERS, 1, {FORM_LOCKED, FORM_REPLICATED}},
    {TYPE_COUNTERS, 8, {FORM_LOCKED, FORM_REPLICATED}},
    {TYPE_MAP, 1024, {FORM_LOCKED, FORM_REPLICATED}},
    {TYPE_COUNTERS, 8, {FORM_OPTIMISTIC, FORM_REPLICATED}},
    {TYPE_MAP, 1024, {FORM_OPTIMISTIC, FORM_REPLICATED}},
    {TYPE_COUNTERS, 8, {FORM_DELEGATED, FORM_REPLICATED}},
    {TYPE_COUNTERS, 8, {FORM_LOCKED, FORM_COMBINED}},
    {TYPE_MAP, 1024, {FORM_LOCKED, FORM_COMBINED}},
    {TYPE_COUNTERS, 1, {FORM_LOCKFREE, FORM_LOCKED}},
    {TYPE_QUEUE, 64, {FORM_LOCKFREE, FORM_LOCKED}},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

static const char *const load_name[] = {"operates", "polls"};
static uint64_t load, changes;
static const struct pair *now;
static uint32_t took[2][CHANGES_MOST];

static void theirs(void)
{
    struct operation operation = {0};
    struct result result;
    uint64_t seed = 78;
    while (!has_ended()) {
        if (load) {
            object_poll(&object);
            continue;
        }
        draw(&seed, &operation);
        object_apply(&object, &operation, &result);
    }
}

static void ours(void)
{
    struct operation operation = {0};
    struct result result;
    uint64_t seed = 77;
    for (uint64_t i = 0; i < WARM + changes; i++)
        for (uint32_t to = 0; to < 2; to++) {
            for (uint32_t one = 0; one < BETWEEN; one++) {
                draw(&seed, &operation);
                object_apply(&object, &operation, &result);
            }
            const uint64_t from = arch_cycles();
            object_switch(&object, now->form[!to]);
            const uint64_t cycles = arch_cycles() - from;
            if (i >= WARM)
                took[to][i - WARM] = cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX;
        }
    end();
}

static int by_size(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Word by word, as a form copies it. */
static double two_copies(void)
{
    const uint64_t words = object.state_bytes / sizeof(state_word);
    state_word *to = malloc(object.state_bytes), *from = object.state;
    double each[COPIES];
    check(to, "no memory");
    for (uint32_t copy = 0; copy < COPIES; copy++) {
        const uint64_t began = arch_cycles();
        for (uint64_t i = 0; i < words; i++)
            state_set(to + i, state_get(from + i));
        each[copy] = (double)(arch_cycles() - began);
    }
    free(to);
    return 2 * median(each, COPIES);
}

static double clock_alone(void)
{
    double each[COPIES];
    for (uint32_t i = 0; i < COPIES; i++) {
        const uint64_t began = arch_cycles();
        each[i] = (double)(arch_cycles() - began);
    }
    return median(each, COPIES);
}

int main(int argc, char **argv)
{
    const uint64_t rounds = number(argc, argv, 1, 5);
    changes = number(argc, argv, 2, 2000);
    reads = number(argc, argv, 3, 50);
    check(rounds && rounds <= ROUNDS_MOST, "1 to 64 rounds");
    check(changes && changes <= CHANGES_MOST, "1 to 20000 changes there and back a round");
    two_cores_begin();
    const double per_ns = cycles_per_us() / 1000;
    static double middle[PAIRS][2][2][ROUNDS_MOST], late[PAIRS][2][2][ROUNDS_MOST];
    static double worst[PAIRS][2][2], copies[PAIRS][ROUNDS_MOST];
    for (uint64_t round = 0; round < rounds; round++) {
        geometry.type = TYPE_COUNTERS;
        geometry.shape = 1;
        printf("round trip,%.0f\n", round_trip());
        for (uint32_t i = 0; i < PAIRS; i++)
            for (load = 0; load < 2; load++) {
                now = &pairs[i];
                geometry.type = now->type;
                geometry.shape = now->shape;
                make_object(now->form[0]);
                copies[i][round] = two_copies() / per_ns;
                on_both(theirs, ours);
                for (uint32_t to = 0; to < 2; to++) {
                    qsort(took[to], changes, sizeof **took, by_size);
                    middle[i][load][to][round] = took[to][changes / 2] / per_ns;
                    late[i][load][to][round] = took[to][changes * 99 / 100] / per_ns;
                    const double most = took[to][changes - 1] / per_ns;
                    if (most > worst[i][load][to])
                        worst[i][load][to] = most;
                }
            }
    }
    printf("round trip,%.0f\nclock,%.0f\n", round_trip(), clock_alone() / per_ns);
    for (uint32_t i = 0; i < PAIRS; i++)
        for (load = 0; load < 2; load++)
            for (uint32_t to = 0; to < 2; to++) {
                const double p50 = median(middle[i][load][to], rounds);
                const double p99 = median(late[i][load][to], rounds);
                printf("%s,%u,%s,%s,%s,%.0f,%.0f,%.0f,%.0f,%.0f\n",
                       object_types[pairs[i].type]->name, pairs[i].shape,
                       object_form_name[pairs[i].form[to]], object_form_name[pairs[i].form[!to]],
                       load_name[load], p50, p99, late[i][load][to][rounds - 1], worst[i][load][to],
                       median(copies[i], rounds));
            }
    return 0;
}
