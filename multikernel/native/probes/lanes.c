#include "probes/lanes.h"

#include <stdlib.h>

enum { LANES_AT = PAGE_BYTES };

static_assert(sizeof(struct lanes_page) <= LANES_AT, "a page");

/* Says it, and waits until the other goes on from there: by now it may have said more than the
 * answer, or have gone on to a third core. */
static void call(struct driver *d, const struct lanes *lanes, uint64_t step)
{
    /* Pairs with the acquire in answer(). */
    atomic_store_explicit(lanes->meeting, lanes->token + step, memory_order_release);
    /* Pairs with the release in answer(), or in a call() after it. */
    while (atomic_load_explicit(lanes->meeting, memory_order_acquire) == lanes->token + step)
        spin(d);
}

static void answer(struct driver *d, const struct lanes *lanes, uint64_t step)
{
    /* Pairs with the release in call(). */
    while (atomic_load_explicit(lanes->meeting, memory_order_acquire) != lanes->token + step)
        spin(d);
    /* Pairs with the acquire in call(). */
    atomic_store_explicit(lanes->meeting, lanes->token + step + 1, memory_order_release);
}

/* The answerer opens the meeting, on a line of its own region: a third core that wants to call it
 * next waits for that, and touches nothing of a pair at work. */
static void on_scratch_lines(struct driver *d, const struct probe *p, bool calls,
                             struct lanes *lanes)
{
    static uint32_t *uses; /* by peer; both sides count alike */
    if (!uses && !(uses = calloc(d->cores, sizeof *uses)))
        abort();
    const uint32_t line = calls ? SCRATCH_CALL : SCRATCH_RING;
    const uint32_t caller = p->role ? p->core : d->me, answerer = p->role ? d->me : p->core;
    lanes->slots = calls ? 1 : RING_SLOTS;
    lanes->outgoing = scratch_slot(d, p->core, line);
    lanes->incoming = scratch_slot(d, d->me, line);
    lanes->meeting = scratch(d, answerer, SCRATCH_MEET);
    lanes->token = ((uint64_t)++uses[p->core] << 24 | caller << 14 | answerer << 4) + 1;
}

static bool in_memory(const struct probe *p, bool calls, struct lanes *lanes)
{
    const uint64_t slots = lanes->slots = p->slots;
    if (slots < (calls ? 1 : RING_SLOTS_MIN) ||
        slots > (calls ? CALL_WINDOW_MAX : RING_SLOTS_MAX) || slots & (slots - 1) ||
        (uintptr_t)p->memory % PAD_BYTES || p->bytes < LANES_AT + 2 * slots * LINE_BYTES)
        return false;
    struct slot *lane = (struct slot *)(void *)((char *)p->memory + LANES_AT);
    lanes->page = p->memory;
    lanes->outgoing = p->role ? lane + slots : lane;
    lanes->incoming = p->role ? lane : lane + slots;
    lanes->meeting = &lanes->page->meeting;
    lanes->token = p->base * 8;
    atomic_store_explicit(p->role ? &lanes->page->acknowledged : &lanes->page->progress, 0,
                          memory_order_relaxed);
    return true;
}

bool lanes_begin(struct driver *d, const struct probe *p, uint32_t form, struct lanes *lanes)
{
    const bool calls = form == RINGS_CALLS;
    *lanes = (struct lanes){0};
    if (!p->memory)
        on_scratch_lines(d, p, calls, lanes);
    else if (!in_memory(p, calls, lanes))
        return false;
    for (uint32_t i = 0; i < lanes->slots; i++) {
        slot_put(&lanes->incoming[i], &(const struct message){0});
        atomic_store_explicit(&lanes->incoming[i].control, 0, memory_order_relaxed);
    }
    if (p->role)
        call(d, lanes, 0);
    else
        answer(d, lanes, 0);
    return true;
}

void lanes_finish(struct driver *d, const struct probe *p, const struct lanes *lanes)
{
    /* Or the next use would write over what the other has yet to read. */
    if (p->role)
        answer(d, lanes, 2);
    else
        call(d, lanes, 2);
}
