/* What a chooser's windows cost: an object that looks at the clock and counts what was done, with a
 * chooser that knows one form only, beside the same object without, by turns.
 *
 *     object_windows [PAIRS [MILLISECONDS [SOLO]]]
 *
 * Prints the round trip of a line; then a line for each object, form and share of reads: cycles of an
 * operation without a chooser; the ratio of rates with one to without, the median and quartiles of
 * PAIRS; and the same of two turns without, which is what the host does meanwhile. Two cores operate
 * with equal parts; SOLO: core 0 alone. */
#include <stdio.h>

#include "two_cores.h"

enum { AHEAD = 256, LOOK = 32, TURNS = 3, PAIRS_MOST = 2000 };

struct kind {
    uint32_t type, shape, reads;
    enum object_form form;
};

static const struct kind kinds[] = {
    {TYPE_COUNTERS, 1, 0, FORM_LOCKED},     {TYPE_COUNTERS, 1, 0, FORM_LOCKFREE},
    {TYPE_COUNTERS, 8, 50, FORM_LOCKED},    {TYPE_COUNTERS, 8, 50, FORM_OPTIMISTIC},
    {TYPE_COUNTERS, 8, 50, FORM_DELEGATED}, {TYPE_COUNTERS, 8, 90, FORM_REPLICATED},
    {TYPE_MAP, 1024, 90, FORM_REPLICATED},  {TYPE_MAP, 1024, 90, FORM_OPTIMISTIC},
    {TYPE_MAP, 1024, 90, FORM_COMBINED},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *now;
static uint64_t pairs, cycles, solo;
static double rate[TURNS][PAIRS_MOST];
static struct chooser chooser;
static struct chooser_rules rules;

static uint64_t done_by_all(void)
{
    return object_counts(&object, 0).done + object_counts(&object, 1).done;
}

static void operate(uint32_t me, uint64_t *seed, uint64_t *done)
{
    struct operation operation = {0};
    struct result result;
    for (uint32_t i = 0; i < LOOK; i++) {
        draw(seed, &operation);
        object_apply(&object, &operation, &result);
    }
    *done += LOOK;
    keep_step(me, *done, solo ? *done : AHEAD);
}

static void theirs(void)
{
    uint64_t seed = 78, done = 0;
    while (!has_ended())
        operate(1, &seed, &done);
}

static void ours(void)
{
    uint64_t seed = 77, done = 0;
    chooser_begin(&chooser, &rules, 1u << now->form, now->form, 1, NULL, 0);
    for (uint64_t pair = 0; pair < pairs; pair++)
        for (uint64_t i = 0; i < TURNS; i++) {
            const uint64_t turn = (i + pair) % TURNS;
            object_adapt(&object, turn ? NULL : &chooser);
            const uint64_t from = arch_cycles(), before = done_by_all();
            uint64_t to;
            do
                operate(0, &seed, &done);
            while ((to = arch_cycles()) - from < cycles);
            rate[turn][pair] = (double)(done_by_all() - before) / (double)(to - from);
        }
    end();
}

static void print_ratio(const double *a, const double *b)
{
    static double ratio[PAIRS_MOST];
    for (uint64_t i = 0; i < pairs; i++)
        ratio[i] = a[i] / b[i];
    const double middle = median(ratio, pairs);
    printf(",%.4f,%.4f,%.4f", middle, ratio[pairs / 4], ratio[pairs * 3 / 4]);
}

int main(int argc, char **argv)
{
    pairs = number(argc, argv, 1, 100);
    const double per_us = cycles_per_us();
    cycles = (uint64_t)(number(argc, argv, 2, 5) * 1000 * per_us);
    solo = number(argc, argv, 3, 0);
    check(pairs && pairs <= PAIRS_MOST, "1 to 2000 pairs");
    rules = chooser_rules((uint64_t)per_us, CORES);
    two_cores_begin();
    geometry.shape = 1;
    printf("round trip,%.0f\n", round_trip());
    for (now = kinds; now < kinds + KINDS; now++) {
        geometry.type = now->type;
        geometry.shape = now->shape;
        reads = now->reads;
        make_object(now->form);
        if (solo)
            ours();
        else
            on_both(theirs, ours);
        printf("%s,%u,%u,%s", object_types[now->type]->name, now->shape, now->reads,
               object_form_name[now->form]);
        print_ratio(rate[0], rate[1]);
        print_ratio(rate[2], rate[1]);
        printf(",%.1f\n", (double)(solo ? 1 : CORES) / median(rate[1], pairs));
        fflush(stdout);
    }
    return 0;
}
