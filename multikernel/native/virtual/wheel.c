#include "virtual/wheel.h"

#include <stdlib.h>

enum { ROOM = 1024 };

static uint32_t slot_of(uint64_t time)
{
    return (uint32_t)(time % WHEEL_SLOTS);
}

static bool grows(struct wheel *w)
{
    const uint32_t room = w->room ? 2 * w->room : ROOM;
    struct wheel_event *event = realloc(w->event, room * sizeof *event);
    if (!event)
        return false;
    w->event = event;
    w->room = room;
    return true;
}

static void into_slot(struct wheel *w, uint64_t time, uint32_t what)
{
    const uint32_t place = w->spare ? w->spare : ++w->used;
    const uint32_t slot = slot_of(time), word = slot / WHEEL_WORD;
    if (w->spare)
        w->spare = w->event[place - 1].next;
    w->event[place - 1] = (struct wheel_event){time, what, 0};
    if (w->slot[slot].first)
        w->event[w->slot[slot].last - 1].next = place;
    else
        w->slot[slot].first = place;
    w->slot[slot].last = place;
    w->word[word] |= 1ull << slot % WHEEL_WORD;
    w->words |= 1ull << word;
    w->near++;
}

bool wheel_push(struct wheel *w, uint64_t time, uint32_t what)
{
    time = time > w->now ? time : w->now;
    /* Room for those that are far away too: they come near where nothing can be refused. */
    if (w->count == w->room && !grows(w))
        return false;
    if (time - w->now < WHEEL_SLOTS)
        into_slot(w, time, what);
    else if (!schedule_push(&w->far, time, what))
        return false;
    if (!w->count || (w->soonest != UINT64_MAX && time < w->soonest))
        w->soonest = time;
    w->count++;
    return true;
}

uint64_t wheel_looks_up(struct wheel *w)
{
    const uint32_t from = slot_of(w->now), word = from / WHEEL_WORD;
    uint64_t bits = w->word[word] & ~0ull << from % WHEEL_WORD;
    uint32_t at = word;
    if (!w->near)
        return w->soonest = w->far.heap[0].time;
    if (!bits) {
        /* The words behind it, in a circle; that one's own first bits are the last. */
        const uint32_t turn = (word + 1) % WHEEL_WORDS;
        const uint64_t behind =
            turn ? w->words >> turn | w->words << (WHEEL_WORDS - turn) : w->words;
        at = (turn + (uint32_t)__builtin_ctzll(behind)) % WHEEL_WORDS;
        bits = w->word[at];
    }
    const uint32_t slot = at * WHEEL_WORD + (uint32_t)__builtin_ctzll(bits);
    return w->soonest = w->now + (slot - from) % WHEEL_SLOTS;
}

struct scheduled wheel_pop(struct wheel *w)
{
    w->now = wheel_soonest(w);
    /* Before anything can be said for the times that come near. */
    while (w->far.count && w->far.heap[0].time - w->now < WHEEL_SLOTS) {
        const struct scheduled next = schedule_pop(&w->far);
        into_slot(w, next.time, next.what);
    }
    const uint32_t slot = slot_of(w->now), word = slot / WHEEL_WORD, place = w->slot[slot].first;
    struct wheel_event *event = &w->event[place - 1];
    w->slot[slot].first = event->next;
    if (!event->next) {
        w->word[word] &= ~(1ull << slot % WHEEL_WORD);
        w->words &= ~((uint64_t)!w->word[word] << word);
        w->soonest = UINT64_MAX;
    }
    event->next = w->spare;
    w->spare = place;
    w->near--;
    w->count--;
    return (struct scheduled){w->now, 0, event->what};
}

void wheel_free(struct wheel *w)
{
    schedule_free(&w->far);
    free(w->event);
    *w = (struct wheel){0};
}
