/* What an object does in each of its forms: millions of operations a second of two cores together,
 * each a process pinned to a CPU of its own. The mix is enforced: a core that is AHEAD operations
 * ahead of the other waits, and does its duties; else forms would be compared that do different
 * work.
 *
 *     objects TYPE SHAPE READS MILLISECONDS ROUNDS SOLO THINK NODES
 *
 * Prints the round trip of a line, in cycles; then a line for each form, contract and dispatch: the
 * median and the best of ROUNDS runs, which are interleaved, in millions of operations a second; and
 * in the best, cycles of a core for one.
 * Contracts: `waits` (an operation at a time), `flight` (several). Dispatch: `pinned` (the object,
 * which stays in that form), `alone` (the form without the others). SOLO: core 0 alone operates, and
 * the other core is not there. THINK: about so many cycles before each operation. NODES: of the
 * combined form. */
#include <stdio.h>

#include "probes/locks.h"
#include "two_cores.h"

enum { AHEAD = 256, LOOK = 32 };

struct configuration {
    enum object_form form;
    bool flight, alone;
};

static uint64_t cycles, solo, think;
static struct configuration now;

static uint64_t cores(void)
{
    return solo ? 1 : CORES;
}

static inline __attribute__((always_inline)) void work(uint32_t me, struct configuration c)
{
    struct result result;
    struct operation operation = {0};
    uint64_t seed = 77 + me, mine = 0;
    const uint64_t until = arch_cycles() + cycles;
    for (;;) {
        for (uint32_t i = 0; i < LOOK; i++) {
            lock_think((uint32_t)think);
            draw(&seed, &operation);
            if (c.flight) {
                while (!object_send(&object, &operation))
                    while (!object_take(&object, &result))
                        object_poll(&object);
                if (me != geometry.owner)
                    object_take(&object, &result);
                else
                    while (object_take(&object, &result))
                        ;
            } else if (c.alone) {
                object_apply_alone(&object, c.form, &operation, &result);
            } else {
                object_apply(&object, &operation, &result);
            }
        }
        mine += LOOK;
        if (!keep_step(me, mine, solo ? mine : AHEAD))
            break;
        if (me == 0 && arch_cycles() > until)
            end();
    }
    if (c.flight)
        object_flush(&object);
}

static void theirs(void)
{
    work(1, now);
}

static void ours(void)
{
    work(0, now);
}

static double run(struct configuration c)
{
    now = c;
    make_object(c.form);
    if (solo)
        ours();
    else
        on_both(theirs, ours);
    return (double)(common->core[0].done + common->core[1].done) / (double)cycles;
}

int main(int argc, char **argv)
{
    geometry.type = (uint32_t)number(argc, argv, 1, TYPE_COUNTERS);
    geometry.shape = (uint32_t)number(argc, argv, 2, 8);
    reads = number(argc, argv, 3, 50);
    const double per_us = cycles_per_us();
    cycles = (uint64_t)((double)number(argc, argv, 4, 5) * 1000 * per_us);
    const uint64_t rounds = number(argc, argv, 5, 5);
    solo = number(argc, argv, 6, 0);
    think = number(argc, argv, 7, 0);
    geometry.nodes = (uint32_t)number(argc, argv, 8, 1);
    check(rounds && rounds <= ROUNDS_MOST, "1 to 64 rounds");
    two_cores_begin();
    printf("round trip,%.0f\n", round_trip());
    struct configuration all[2 * OBJECT_FORMS + 1];
    uint32_t count = 0;
    make_object(FORM_LOCKED);
    for (uint32_t form = 0; form < OBJECT_FORMS; form++) {
        if (object_suits(&object, (enum object_form)form) != OBJECT_OK)
            continue;
        all[count++] = (struct configuration){(enum object_form)form, false, false};
        all[count++] = (struct configuration){(enum object_form)form, false, true};
        if (form == FORM_DELEGATED)
            all[count++] = (struct configuration){(enum object_form)form, true, false};
    }
    static double rate[2 * OBJECT_FORMS + 1][ROUNDS_MOST];
    for (uint64_t round = 0; round < rounds; round++)
        for (uint32_t i = 0; i < count; i++)
            rate[i][round] = run(all[i]);
    for (uint32_t i = 0; i < count; i++) {
        const double middle = median(rate[i], rounds), best = rate[i][rounds - 1];
        printf("%s,%u,%llu,%s,%s,%s,%.2f,%.2f,%.1f\n", object_types[geometry.type]->name,
               geometry.shape, (unsigned long long)reads, object_form_name[all[i].form],
               all[i].flight ? "flight" : "waits", all[i].alone ? "alone" : "pinned",
               middle * per_us, best * per_us, (double)cores() / best);
    }
    return 0;
}
