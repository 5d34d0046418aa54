#include "driver/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

enum { DOUBTED_AT_ONCE = 16 };

static struct place *places_of(const struct driver *d, uint32_t core)
{
    return &d->places[(size_t)core * d->places_each];
}

int watch_open(struct driver *d)
{
    d->places_each = PLACE_CHANNELS + d->segment->geometry.user_channels;
    d->places = calloc((size_t)d->cores * d->places_each + CLIENT_CHANNELS, sizeof *d->places);
    const size_t most = DOORBELL_WATCHED * (size_t)d->places_each + CLIENT_CHANNELS;
    const size_t looks = round_up(most, LOOKS_AT_ONCE) + LOOKS_AT_ONCE;
    d->looks = aligned_alloc(LINE_BYTES, round_up(looks * sizeof *d->looks, LINE_BYTES));
    d->looked_at = calloc(looks, sizeof *d->looked_at);
    d->awaited_max = d->cores * d->segment->geometry.window + d->channels + 1;
    d->awaited = d->awaited_block = calloc(2 * (size_t)d->awaited_max, sizeof *d->awaited);
    return d->places && d->looks && d->looked_at && d->awaited ? 0 : ENOMEM;
}

static struct place *add(struct place *place, receive_function *receive, uint32_t index,
                         uint32_t from)
{
    place->receive = receive;
    place->index = index;
    place->from = (uint16_t)from;
    return place;
}

struct place *watch_place(struct driver *d, uint32_t core, uint32_t place, bool transport,
                          receive_function *receive, uint32_t index)
{
    struct place *p = add(places_of(d, core) + place, receive, index, core);
    p->transport = transport;
    return p;
}

struct place *watch_launcher(struct driver *d, uint32_t channel, receive_function *receive,
                             uint32_t index)
{
    struct place *p = places_of(d, d->cores) + channel;
    p->used = true;
    return add(p, receive, index, TREE_NOBODY);
}

void watch_for(struct driver *d, struct place *place, _Atomic uint64_t *control, uint32_t expected,
               uint32_t mask)
{
    place->look = (struct look){control, expected, mask};
    if (place->at)
        d->looks[place->at - 1] = place->look;
}

/* --- The looks --- */

static void look_at(struct driver *d, struct place *place, uint32_t *count)
{
    d->looks[*count] = place->look;
    d->looked_at[*count] = place;
    place->at = ++*count;
}

/* Nothing ever arrives there. */
static void fill_up(struct driver *d, uint32_t *count)
{
    while (*count % LOOKS_AT_ONCE)
        d->looks[(*count)++] = (struct look){&d->never, 1, 1};
}

static void arrange(struct driver *d)
{
    uint32_t count = 0;
    for (int transport = 1; transport >= 0; transport--) {
        for (int i = 0; i < DOORBELL_WATCHED; i++)
            for (uint32_t k = 0; d->watched[i] < d->cores && k < d->places_each; k++) {
                struct place *place = places_of(d, d->watched[i]) + k;
                if (place->used && place->transport == transport)
                    look_at(d, place, &count);
            }
        for (uint32_t k = 0; !transport && k < CLIENT_CHANNELS; k++)
            look_at(d, places_of(d, d->cores) + k, &count);
        fill_up(d, &count);
        if (transport)
            d->transport_looks = count;
    }
    d->look_count = count;
    d->arranged++;
}

/* --- Who is watched --- */

static bool has_sent(const struct driver *d, uint32_t core)
{
    const struct place *place = places_of(d, core);
    for (uint32_t k = 0; k < d->places_each; k++, place++)
        if (place->receive && look_is_new(&place->look))
            return true;
    return false;
}

/* Of what that core has sent something to for the first time; true if there is such a place. */
static bool find_used(struct driver *d, uint32_t core)
{
    struct place *place = places_of(d, core);
    bool any = false;
    for (uint32_t k = 0; k < d->places_each; k++, place++)
        if (place->receive && !place->used && look_is_new(&place->look))
            any = place->used = true;
    return any;
}

static bool is_watched(const struct driver *d, uint32_t core)
{
    for (int i = 0; i < DOORBELL_WATCHED; i++)
        if (d->watched[i] == core)
            return true;
    return false;
}

/* In place of one that has been silent since it was last passed over. */
static void take_in(struct driver *d, uint32_t core)
{
    while (d->heard >> d->hand & 1) {
        d->heard &= ~(1u << d->hand);
        d->hand = (d->hand + 1) % DOORBELL_WATCHED;
    }
    const uint32_t left_out = d->watched[d->hand];
    if (left_out < d->cores)
        for (uint32_t k = 0; k < d->places_each; k++)
            places_of(d, left_out)[k].at = 0;
    d->watched[d->hand] = (uint16_t)core;
    d->heard |= 1u << d->hand;
    d->hand = (d->hand + 1) % DOORBELL_WATCHED;
    doorbell_watch(d->doorbell, d->watched);
    /* What it sent before it could see that it is watched no longer. */
    if (left_out < d->cores && has_sent(d, left_out)) {
        core_set_add(d->hinted, left_out);
        d->hints_left = true;
    }
}

void watch_hinted(struct driver *d)
{
    bool changed = false;
    if (hints_are_there(&d->doorbell->hints))
        hints_take(&d->doorbell->hints, d->cores, d->hinted);
    d->hints_left = false;
    for (uint32_t taken = 0, core; taken < DOORBELL_WATCHED; taken++) {
        core = core_set_next(d->hinted, d->cores, d->hint_next);
        if (core == d->cores)
            core = core_set_next(d->hinted, d->cores, 0);
        if (core == d->cores) {
            if (changed)
                arrange(d);
            return;
        }
        core_set_remove(d->hinted, core);
        d->hint_next = core + 1;
        if (core == d->me)
            continue;
        changed |= find_used(d, core);
        if (!is_watched(d, core)) {
            take_in(d, core);
            changed = true;
        }
    }
    d->hints_left = true; /* as far as is known */
    if (changed)
        arrange(d);
}

void watch_doubted(struct driver *d)
{
    for (uint32_t n = 0; n < DOUBTED_AT_ONCE && n < d->cores; n++) {
        d->doubt_next = (d->doubt_next + 1) % d->cores;
        if (d->doubt_next != d->me && has_sent(d, d->doubt_next)) {
            core_set_add(d->hinted, d->doubt_next);
            d->hints_left = true;
        }
    }
}

void watch_begin(struct driver *d)
{
    uint32_t core = 0;
    for (int i = 0; i < DOORBELL_WATCHED; i++, core++) {
        core += core == d->me;
        d->watched[i] = core < d->cores ? (uint16_t)core : DOORBELL_NOBODY;
    }
    doorbell_watch(d->doorbell, d->watched);
    arrange(d);
}

void watch_hand_over(struct driver *d, uint64_t waiter, uint64_t other)
{
    for (uint32_t i = 0; i < d->awaited_count; i++)
        if (d->awaited[i].waiter == waiter)
            d->awaited[i].waiter = other;
}

void watch_to_front(struct driver *d)
{
    memmove(d->awaited_block, d->awaited, d->awaited_count * sizeof *d->awaited);
    d->awaited = d->awaited_block;
}
