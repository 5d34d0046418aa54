#include "object/chooser.h"

#include <string.h>

enum { NEAREST = 5, ENOUGH = 3 };
/* A turn goes on for as many of its spans at most; what follows a change of form counts after a part
 * of a turn's work; how much longer turns become, and may be. */
enum { LONGER = 8, SETTLED = 4, STRETCH = 4, STRETCH_MOST = 16 };
/* Rows farther than that say nothing; within the other one is enough. */
static const double FAR = 0.5, SAME = 0.1;

struct chooser_rules chooser_rules(uint64_t cycles_per_us, uint32_t cores)
{
    /* Closing a window reads a line of each core. That a turn is long enough for many cores its work
     * says: longer ones would cost more than they tell. */
    const uint64_t more = cores > 8 ? cores / 8 : 1, turns = more < 4 ? more : 4;
    return (struct chooser_rules){.window = 1000 * cycles_per_us * more,
                                  .trial = 60 * cycles_per_us * turns,
                                  .settle = 15 * cycles_per_us * turns,
                                  .pause = 50000 * cycles_per_us,
                                  .work = 64 * cores,
                                  .rounds = 7,
                                  .alarm = 25,
                                  .moved = 6,
                                  .hysteresis = 4,
                                  .budget = 10,
                                  .drop = 15};
}

static double rate_of(const struct chooser_window *w)
{
    return w->cycles ? 1000.0 * (double)w->done / (double)w->cycles : 0;
}

static double share_of(uint64_t part, uint64_t done)
{
    return done ? (double)part / (double)done : 0;
}

static double distance(double a, double b)
{
    return a > b ? a - b : b - a;
}

/* Of a few numbers, which it puts in order. */
static double median_of(double *numbers, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = i; j && numbers[j] < numbers[j - 1]; j--) {
            const double other = numbers[j];
            numbers[j] = numbers[j - 1];
            numbers[j - 1] = other;
        }
    return count ? (numbers[(count - 1) / 2] + numbers[count / 2]) / 2 : 0;
}

static double raced_at(const struct chooser *c, uint32_t form)
{
    double numbers[CHOOSER_ROUNDS_MOST];
    memcpy(numbers, c->raced[form], sizeof numbers);
    return median_of(numbers, c->round);
}

static bool in_race(const struct chooser *c, uint32_t form)
{
    return c->candidates >> form & 1;
}

static void set_form(struct chooser *c, uint32_t form)
{
    c->changes += form != c->form;
    c->settling = form != c->form;
    c->form = form;
}

/* --- The table --- */

/* How far a row's workload is from one. What a logarithm is needed for is a ratio, within which
 * (a - b) / (a + b) does as well. */
static double ratio_apart(double a, double b)
{
    return a + b > 0 ? distance(a, b) / (a + b) : 0;
}

static double apart(const struct chooser *c, const struct chooser_row *row,
                    const struct chooser_window *seen)
{
    const double rate = row->rate[c->form];
    double far = 3 * distance(row->reads, share_of(seen->reads, seen->done)) +
                 distance(row->owners, share_of(seen->owners, seen->done)) +
                 ratio_apart(row->lines, c->lines);
    /* The rate tells what else the cores do beside. */
    if (rate > 0)
        far += 3 * ratio_apart(rate, rate_of(seen));
    return far;
}

static double best_of(const struct chooser *c, const struct chooser_row *row)
{
    double best = 0;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        if (c->suits >> form & 1 && row->rate[form] > best)
            best = row->rate[form];
    return best;
}

/* The most that any of the nearest rows says of each form, as a share of the best of that row: where
 * forms overtake one another, rows on both sides count. What was measured nowhere near may be the
 * best; all may, where few rows are near. */
static void foresee(const struct chooser *c, const struct chooser_window *seen,
                    double foreseen[OBJECT_FORMS])
{
    double far[NEAREST];
    const struct chooser_row *nearest[NEAREST];
    uint32_t found = 0;
    for (uint32_t i = 0; i < c->row_count; i++) {
        const double its = apart(c, &c->rows[i], seen);
        if (its > FAR || (found == NEAREST && its >= far[found - 1]))
            continue;
        uint32_t at = found < NEAREST ? found++ : NEAREST - 1;
        for (; at && far[at - 1] > its; at--) {
            far[at] = far[at - 1];
            nearest[at] = nearest[at - 1];
        }
        far[at] = its;
        nearest[at] = &c->rows[i];
    }
    const bool knows = found >= ENOUGH || (found && far[0] <= SAME);
    for (uint32_t form = 0; form < OBJECT_FORMS; form++) {
        double most = 0;
        bool measured = false;
        for (uint32_t i = 0; i < found; i++) {
            const double best = best_of(c, nearest[i]), its = nearest[i]->rate[form];
            measured |= its > 0;
            most = best > 0 && its / best > most ? its / best : most;
        }
        foreseen[form] = knows && measured ? most : 1;
    }
}

/* --- A race --- */

static void begin_turn(struct chooser *c)
{
    c->turn = (struct chooser_window){0};
}

/* Adds to the turn. Whether it goes on. */
static bool turn_goes_on(struct chooser *c, const struct chooser_window *w)
{
    const uint64_t span = c->stretch * (c->settling ? c->rules.settle : c->rules.trial);
    const uint64_t work = c->stretch * (uint64_t)c->rules.work / (c->settling ? SETTLED : 1);
    c->turn.cycles += w->cycles;
    c->turn.done += w->done;
    if (c->turn.cycles < span)
        return true;
    /* What loses anyway need not be known well. */
    const double least = c->best_turn * (1 - 3 * c->rules.drop / 100.0);
    return c->turn.done < work && c->turn.cycles < LONGER * span &&
           (c->settling || rate_of(&c->turn) >= least);
}

/* The first candidate from that one on. */
static uint32_t candidate_from(const struct chooser *c, uint32_t form)
{
    while (form < OBJECT_FORMS && !in_race(c, form))
        form++;
    return form;
}

/* seen: by the table those are left out that lose; NULL: all race. */
static void begin_race(struct chooser *c, const struct chooser_window *seen)
{
    double foreseen[OBJECT_FORMS];
    c->candidates = c->suits;
    if (seen && c->row_count) {
        foresee(c, seen, foreseen);
        for (uint32_t form = 0; form < OBJECT_FORMS; form++)
            if (form != c->form && foreseen[form] < 1 - 2 * c->rules.drop / 100.0)
                c->candidates &= ~(1u << form);
    }
    c->state = CHOOSER_RACING;
    c->races++;
    c->round = 0;
    c->incumbent = c->form;
    c->best_turn = c->yielded = 0;
    memset(c->raced_cycles, 0, sizeof c->raced_cycles);
    set_form(c, candidate_from(c, 0));
}

/* What it is dropped by. In the first rounds the best it has shown: what went before may have held up
 * one turn of two. */
static double shown_by(const struct chooser *c, uint32_t form)
{
    const double *raced = c->raced[form];
    return c->round == 2 ? (raced[0] > raced[1] ? raced[0] : raced[1]) : raced_at(c, form);
}

static double best_so_far(const struct chooser *c)
{
    double best = 0;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++) {
        const double its = in_race(c, form) ? raced_at(c, form) : 0;
        best = its > best ? its : best;
    }
    return best;
}

/* What trying it has cost. */
static void charge(struct chooser *c, uint32_t form, double best)
{
    const double its = raced_at(c, form);
    if (its < best)
        c->lost += (double)c->raced_cycles[form] * (1 - its / best);
}

static void yields(struct chooser *c, uint32_t form)
{
    const double its = raced_at(c, form);
    c->yielded = its > c->yielded ? its : c->yielded;
}

static void drop_the_slow(struct chooser *c)
{
    const double share = (c->round == 1 ? 3 : 1) * c->rules.drop / 100.0, best = best_so_far(c);
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        if (in_race(c, form) && shown_by(c, form) < best * (1 - share)) {
            charge(c, form, best);
            yields(c, form);
            c->candidates &= ~(1u << form);
        }
}

static void end_race(struct chooser *c)
{
    const double best = best_so_far(c);
    const double enough = best * (1 - c->rules.hysteresis / 100.0);
    uint32_t winner = c->incumbent;
    if (!in_race(c, winner) || raced_at(c, winner) < enough)
        for (uint32_t form = 0; form < OBJECT_FORMS; form++)
            if (in_race(c, form) && raced_at(c, form) >= best)
                winner = form;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        if (in_race(c, form)) {
            charge(c, form, best);
            if (form != winner)
                yields(c, form);
        }
    /* One that is slightly better may be an equal one, next to which the old one will be the better
     * the next time. */
    c->pause = in_race(c, c->incumbent) ? 2 * c->pause : c->rules.pause;
    c->won = raced_at(c, winner);
    c->state = CHOOSER_STEADY;
    c->windows = 0;
    c->known = false;
    c->since = c->cycles;
    set_form(c, winner);
}

static void next_turn(struct chooser *c)
{
    const double rate = rate_of(&c->turn);
    c->raced[c->form][c->round] = rate;
    c->raced_cycles[c->form] += c->turn.cycles + c->settled;
    c->best_turn = rate > c->best_turn ? rate : c->best_turn;
    c->settled = 0;
    uint32_t next = candidate_from(c, c->form + 1);
    if (next == OBJECT_FORMS) {
        c->round++;
        drop_the_slow(c);
        next = candidate_from(c, 0);
        if (c->round == c->rules.rounds || !(c->candidates & (c->candidates - 1))) {
            end_race(c);
            return;
        }
    }
    set_form(c, next);
}

/* --- In between --- */

/* Of the last windows. */
static void middle(const struct chooser *c, double *rate, double *reads, double *owners)
{
    double rates[CHOOSER_MEDIAN], read[CHOOSER_MEDIAN], owned[CHOOSER_MEDIAN];
    for (uint32_t i = 0; i < CHOOSER_MEDIAN; i++) {
        rates[i] = rate_of(&c->last[i]);
        read[i] = share_of(c->last[i].reads, c->last[i].done);
        owned[i] = share_of(c->last[i].owners, c->last[i].done);
    }
    *rate = median_of(rates, CHOOSER_MEDIAN);
    *reads = median_of(read, CHOOSER_MEDIAN);
    *owners = median_of(owned, CHOOSER_MEDIAN);
}

/* The winner's turns were too short to show what it does for long, and another form may do more. */
static bool was_deceived(struct chooser *c)
{
    if (c->rate >= c->won * (1 - c->rules.alarm / 100.0) || c->stretch >= STRETCH_MOST ||
        c->rate * (1 + c->rules.hysteresis / 100.0) >= c->yielded)
        return false;
    c->stretch *= STRETCH;
    return true;
}

static bool has_moved(struct chooser *c)
{
    double rate, reads, owners;
    middle(c, &rate, &reads, &owners);
    if (!c->known) {
        c->known = true;
        c->rate = rate;
        c->reads = reads;
        c->owners = owners;
        return was_deceived(c);
    }
    const double points = c->rules.moved / 100.0;
    const bool moved = distance(rate, c->rate) > c->rate * c->rules.alarm / 100.0 ||
                       distance(reads, c->reads) > points ||
                       distance(owners, c->owners) > 2 * points;
    c->stretch = moved ? 1 : c->stretch;
    return moved;
}

static void look(struct chooser *c, const struct chooser_window *w)
{
    c->last[c->windows++ % CHOOSER_MEDIAN] = *w;
    if (c->windows < CHOOSER_MEDIAN)
        return;
    if (has_moved(c)) {
        c->alarms++;
        c->pause = c->rules.pause;
        begin_race(c, w);
        return;
    }
    if (c->cycles - c->since < c->pause)
        return;
    if (c->lost * 1000 <= (double)c->cycles * c->rules.budget)
        begin_race(c, NULL); /* whatever the table says */
    else
        c->since = c->cycles;
}

uint32_t chooser_next(struct chooser *c, const struct chooser_window *window)
{
    c->cycles += window->cycles;
    const bool turns = c->settling || c->state == CHOOSER_RACING;
    if (!turns || !turn_goes_on(c, window)) {
        if (c->settling) {
            c->settling = false;
            c->settled = c->turn.cycles;
        } else if (c->state == CHOOSER_LOOKING) {
            begin_race(c, window);
        } else if (c->state == CHOOSER_RACING) {
            next_turn(c);
        } else {
            look(c, window);
        }
        begin_turn(c);
    }
    c->span = c->settling                  ? c->stretch * c->rules.settle
              : c->state == CHOOSER_STEADY ? c->rules.window
                                           : c->stretch * c->rules.trial;
    return c->form;
}

void chooser_begin(struct chooser *c, const struct chooser_rules *rules, uint32_t suits,
                   uint32_t form, double lines, const struct chooser_row *rows, uint32_t row_count)
{
    *c = (struct chooser){.rules = *rules,
                          .rows = rows,
                          .row_count = row_count,
                          .suits = suits,
                          .lines = lines,
                          .state = CHOOSER_LOOKING,
                          .form = form,
                          .settling = true,
                          .stretch = 1,
                          .span = rules->settle,
                          .pause = rules->pause};
    if (c->rules.rounds > CHOOSER_ROUNDS_MOST)
        c->rules.rounds = CHOOSER_ROUNDS_MOST;
}
