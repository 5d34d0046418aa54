/* The choice of a form, from what an object did in windows of time. It has no clock, no memory but its
 * own and no object: it is given windows and answers with a form and the length of the next window.
 * So the same object file chooses on real cores and in virtual time.
 *
 * Two sources, after a first try on 300 workloads in which each had been tried alone:
 *
 *   windows  how many operations the group got done, in each form. It is the only measure that sees
 *            what one core's waiting costs another. One operation's time, sampled, ranks wrongly.
 *   table    rows of known workloads with the rate of each form, measured before. The nearest rows
 *            say which forms are worth a trial, so that the bad ones are not tried.
 *
 * A choice is a race: the candidates take turns in short windows, the slow ones drop out, and the
 * best median wins. A turn is over when the group has done some work: of many cores it takes long
 * until those that the last form has held up go on. Where the winner does not keep up in long windows
 * what it showed in its turns, and another might be better, these were too short: the race is run
 * again with longer ones. Then windows are long, and the race is run again where the median of the
 * last windows has moved, where the workload has (what is read, and who operates), or after a pause
 * that doubles each time nothing much better was found.
 *
 * What it loses against an oracle has three terms. Switching: each race has at most
 * rounds x candidates + 1 changes of form. Exploration: a race after a pause is begun only while the
 * excess of all races so far is within `budget` of all cycles. Detection: a change of workload costs
 * the difference for MEDIAN windows, half of which have to show it; and so does a winner that its turns
 * flattered, twice a workload at most. The 3-competitive rule (Borodin,
 * Linial and Saks, JACM 1992; reactive locks: Lim and Agarwal, ASPLOS'94) bounds the first alone: it
 * takes the other forms' costs as known. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "object/form.h"

enum { CHOOSER_MEDIAN = 5, CHOOSER_ROUNDS_MOST = 16 };

struct chooser_rules {
    uint64_t window; /* cycles, where nothing is tried: 1 ms or more, shorter ones cry wolf */
    uint64_t trial;  /* cycles of one turn in a race */
    uint64_t settle; /* cycles of a turn that do not count: the lines go where they are needed */
    uint64_t pause;  /* cycles from a race to the next, at first */
    uint32_t work;   /* operations of all in a turn: with fewer it goes on, some trials long */
    uint32_t rounds; /* of a race */
    uint32_t alarm;  /* percent of the rate: a change that is looked into */
    uint32_t moved;  /* points of a hundred of a share: likewise */
    uint32_t hysteresis; /* percent: no better than that is no reason to change */
    uint32_t budget;     /* of a thousand cycles, what races after a pause may lose */
    uint32_t drop; /* percent below the best: out of the race; thrice as many in its first round */
};
/* What suits a processor of that clock, and an object of so many cores. */
struct chooser_rules chooser_rules(uint64_t cycles_per_us, uint32_t cores);

struct chooser_window {
    uint64_t cycles, done, reads; /* of all cores, */
    uint64_t owners;              /* and of `done` those of the owner */
};

/* A workload that was measured. Rates in operations a thousand cycles; 0: not measured in it. */
struct chooser_row {
    double reads, owners; /* shares, 0 to 1 */
    double lines;         /* that an operation touches */
    double rate[OBJECT_FORMS];
};

enum chooser_state { CHOOSER_LOOKING, CHOOSER_RACING, CHOOSER_STEADY };

struct chooser {
    struct chooser_rules rules;
    const struct chooser_row *rows; /* its caller's, for as long as it chooses */
    uint32_t row_count;
    uint32_t suits; /* forms that may be chosen, as bits */
    double lines;

    enum chooser_state state;
    uint32_t form; /* to be in */
    uint64_t span; /* cycles of the next window */
    bool settling; /* that window does not count */

    /* A race. turn: what was done in it so far; settled: cycles of it that did not count. */
    uint32_t candidates, round, incumbent;
    struct chooser_window turn;
    uint64_t settled;
    double best_turn;
    uint32_t stretch;    /* how many times as long as the rules say its turns are */
    double won, yielded; /* rates, in the last race: of its winner, and the best of the others */
    double raced[OBJECT_FORMS][CHOOSER_ROUNDS_MOST];
    uint64_t raced_cycles[OBJECT_FORMS];
    /* Steady: the last windows, and what was so when the form was chosen. */
    struct chooser_window last[CHOOSER_MEDIAN];
    uint32_t windows;
    double rate, reads, owners;
    bool known; /* those three */
    uint64_t pause, since;
    /* What it has done. */
    uint64_t cycles, races, changes, alarms;
    double lost; /* cycles, by the rates found, in races */
};

/* suits: at least one form; form: the one that the object is in. rows: may be none. */
void chooser_begin(struct chooser *c, const struct chooser_rules *rules, uint32_t suits,
                   uint32_t form, double lines, const struct chooser_row *rows, uint32_t row_count);
/* What was done in the window that has ended, in the form and of about the length that were answered
 * last. Sets form and span; returns the form. */
uint32_t chooser_next(struct chooser *c, const struct chooser_window *window);

/* How many operations, or polls, of the owner go from one look at the clock to the next, after that
 * many took so long: a window of that span is to end in time, and looking is to cost nothing. A power
 * of two. */
enum { CHOOSER_LOOKS_LEAST = 8, CHOOSER_LOOKS_MOST = 128 };
static inline uint32_t chooser_pace(uint32_t each, uint64_t took, uint64_t span)
{
    if (took > span / 4 && each > CHOOSER_LOOKS_LEAST)
        return each / 2;
    return took < span / 32 && each < CHOOSER_LOOKS_MOST ? 2 * each : each;
}
