/* A chooser in a world whose rates are known: what it does of an oracle's work, and what it loses by
 * which of the three terms that object/chooser.h names.
 *
 *     chooser SEED PHASES PHASE_MS NOISE FEATURES ROWS [BUDGET [MISLEADS]]
 *
 * In each phase every form has another rate. NOISE: thousandths by which a window errs, either way.
 * FEATURES 1: what is read changes with the phase, so that it shows; 0: only the rates do. ROWS 1:
 * a table of the phases is there. MISLEADS: for so many microseconds after a change each form goes at
 * another one's rate. Prints a line a phase: the rate of the form at its end and of the
 * best, in operations a million cycles; then cycles, lost cycles (by the true rates), races, changes
 * of form, alarms, and the cycles that the chooser thinks races have lost. */
#include <stdio.h>
#include <stdlib.h>

#include "clients.h"
#include "object/chooser.h"

enum { PER_US = 2000, PHASES_MOST = 64, LINES = 4, FORMS = 6 };

static double rate[PHASES_MOST][OBJECT_FORMS], reads[PHASES_MOST];
static struct chooser_row rows[PHASES_MOST];

static double uniform(uint64_t *seed)
{
    return (double)(random_next(seed) % 1000000) / 1000000;
}

static double best_of(uint64_t phase)
{
    double best = 0;
    for (uint32_t form = 0; form < FORMS; form++)
        best = rate[phase][form] > best ? rate[phase][form] : best;
    return best;
}

int main(int argc, char **argv)
{
    CHECK(argc >= 7, "six numbers");
    uint64_t seed = strtoull(argv[1], NULL, 10);
    const uint64_t phases = strtoull(argv[2], NULL, 10);
    const uint64_t span = strtoull(argv[3], NULL, 10) * 1000 * PER_US;
    const double noise = (double)strtoull(argv[4], NULL, 10) / 1000;
    const bool features = argv[5][0] == '1', table = argv[6][0] == '1';
    CHECK(phases && phases <= PHASES_MOST, "1 to 64 phases");
    for (uint64_t phase = 0; phase < phases; phase++) {
        reads[phase] = features ? (double)(phase * 37 % 101) / 100 : 0.5;
        rows[phase] = (struct chooser_row){reads[phase], 0.5, LINES, {0}};
        for (uint32_t form = 0; form < FORMS; form++)
            rows[phase].rate[form] = rate[phase][form] = 5 + 45 * uniform(&seed);
    }
    struct chooser_rules rules = chooser_rules(PER_US, 2);
    rules.budget = (uint32_t)argument(argc, argv, 7, rules.budget);
    struct chooser chooser;
    chooser_begin(&chooser, &rules, (1u << FORMS) - 1, 0, LINES, rows,
                  table ? (uint32_t)phases : 0);
    const uint64_t misleads = argument(argc, argv, 8, 0) * PER_US;
    uint64_t now = 0, changed = 0;
    double lost = 0;
    for (uint64_t phase = 0; phase < phases; phase++) {
        const double best = best_of(phase);
        while (now < (phase + 1) * span) {
            const uint64_t cycles = chooser.span;
            const uint32_t form = chooser.form;
            const double its = rate[phase][now < changed + misleads ? (form + 1) % FORMS : form];
            const double errs = 1 + noise * (2 * uniform(&seed) - 1);
            const uint64_t done = (uint64_t)(its * errs * (double)cycles / 1000);
            const struct chooser_window window = {
                cycles, done, (uint64_t)(reads[phase] * (double)done), done / 2};
            CHECK(chooser.form < FORMS && cycles, "no form, or no window");
            lost += (double)cycles * (1 - its / best);
            now += cycles;
            changed = chooser_next(&chooser, &window) != form ? now : changed;
        }
        printf("%.0f %.0f\n", 1000 * rate[phase][chooser.form], 1000 * best);
    }
    printf("%llu %.0f %llu %llu %llu %.0f\n", (unsigned long long)now, lost,
           (unsigned long long)chooser.races, (unsigned long long)chooser.changes,
           (unsigned long long)chooser.alarms, chooser.lost);
    printf("%llu %llu %llu %u %u %u\n", (unsigned long long)rules.window,
           (unsigned long long)rules.trial, (unsigned long long)rules.settle, rules.rounds,
           rules.hysteresis, rules.budget);
    return 0;
}
