/* All orders of an explorer's steps: each state is gone on from once, and from each an end can be
 * reached. Where none can, cores wait for each other, or spin, for ever.
 *
 * States that lead to each other and no further are found as Tarjan's strongly connected components
 * (SIAM J. Comput. 1972), while the orders are tried. Included behind struct state. */
#pragma once

#include "snapshots.h"

/* States by their hash, numbered as they were found. */
static struct place {
    uint64_t hash;
    uint32_t number;
} *places;
static uint64_t room;
static uint32_t states;

/* Of those numbers: whose component is known, and reaches an end; and the others. */
static bool *closed;
static uint32_t *opened, opened_count, numbers_room;

static void wrong(const char *what);

static void enter_place(uint64_t hash, uint32_t number)
{
    uint64_t at = hash % room;
    while (places[at].hash)
        at = (at + 1) % room;
    places[at] = (struct place){hash, number};
}

static void more_room(void)
{
    struct place *old = places;
    const uint64_t had = room;
    room = had ? 4 * had : 1 << 20;
    places = calloc(room, sizeof *places);
    if (!places)
        exit(3);
    for (uint64_t i = 0; i < had; i++)
        if (old[i].hash)
            enter_place(old[i].hash, old[i].number);
    free(old);
}

/* The number of the state of that hash; new: as many as there are now, less one. */
static uint32_t number_of(uint64_t hash, bool *new)
{
    hash += !hash;
    if ((uint64_t)states * 2 >= room)
        more_room();
    for (uint64_t at = hash % room; places[at].hash; at = (at + 1) % room)
        if (places[at].hash == hash) {
            *new = false;
            return places[at].number;
        }
    enter_place(hash, states);
    if (states == numbers_room) {
        numbers_room = numbers_room ? 2 * numbers_room : 1 << 20;
        closed = more(closed, numbers_room * sizeof *closed);
        opened = more(opened, numbers_room * sizeof *opened);
    }
    closed[states] = false;
    *new = true;
    return states++;
}

/* A new one, which is no end, is gone on from next. */
static void goes_on(uint32_t number)
{
    keep(number);
    newest->low = number;
    newest->ends = false;
    opened[opened_count++] = number;
}

/* A new one is an end. */
static void is_an_end(struct snapshot *from, uint32_t number)
{
    closed[number] = true;
    from->ends = true;
}

/* A step led to one that was known. */
static void leads_to(struct snapshot *from, uint32_t number)
{
    if (closed[number])
        from->ends = true;
    else if (number < from->low)
        from->low = number;
}

/* All steps of the newest were tried. */
static void is_done(void)
{
    struct snapshot *one = newest, *from = one->before;
    if (one->low == one->number) { /* a component: its first */
        if (!one->ends)
            wrong("cores wait for each other, or spin, for ever");
        do
            closed[opened[--opened_count]] = true;
        while (opened[opened_count] != one->number);
        if (from)
            from->ends = true;
    } else {
        from->ends |= one->ends;
        if (one->low < from->low)
            from->low = one->low;
    }
    newest = from;
    free(one);
}
