#include "object/lockfree.h"

#include "object/counters.h"
#include "object/queue.h"

/* --- One counter: fetch and add --- */

#define COUNTER_CLOSED (1ull << 63)

static bool one(uint32_t shape)
{
    return shape == 1;
}

static bool counters_apply(void *free, const struct operation *o, struct result *result)
{
    struct counters *counters = free;
    state_word *word = &counters->counter[0].value;
    uint64_t before;
    if (!counters_there(counters, o) || (o->kind != COUNTERS_ADD && o->kind != COUNTERS_SUM)) {
        *result = (struct result){RESULT_BAD, 0};
        return true;
    }
    /* Both pair with the release in counters_open, and order nothing else: the word is all. Added to
     * a closed word it is added to nothing: what was in it has been read. */
    if (o->kind == COUNTERS_ADD)
        before = atomic_fetch_add_explicit(word, 1 + o->value[1], memory_order_acq_rel);
    else
        before = atomic_load_explicit(word, memory_order_acquire);
    *result = (struct result){RESULT_OK, before};
    return !(before & COUNTER_CLOSED);
}

static void counters_open(void *free, const void *state)
{
    const struct counters *from = state;
    struct counters *to = free;
    state_set(&to->count, 1);
    /* Pairs with the acquire of who operates on it. */
    atomic_store_explicit(&to->counter[0].value, state_get(&from->counter[0].value),
                          memory_order_release);
}

static void counters_close(void *free, void *state)
{
    struct counters *from = free, *to = state;
    /* The one that closes it reads what it was: every add is before, or finds it closed. */
    const uint64_t value =
        atomic_fetch_or_explicit(&from->counter[0].value, COUNTER_CLOSED, memory_order_acq_rel);
    state_set(&to->counter[0].value, value & ~COUNTER_CLOSED);
}

const struct lockfree lockfree_counters = {one, counters_apply, counters_open, counters_close};

/* --- The queue (after Shann, Huang and Chen, A practical nonblocking queue algorithm using
 * compare-and-swap, ICPADS'00, whose slots count too): a compare-and-swap of the slot decides, and
 * whoever finds head or tail behind its slot moves it on. No position comes twice, so that a slot's
 * word never does. --- */

static bool any(uint32_t shape)
{
    (void)shape;
    return true;
}

static void move_on(state_word *word, uint64_t from)
{
    /* Acquire and release: who sees the position sees that the slot before it was decided. */
    atomic_compare_exchange_strong_explicit(word, &from, from + 1, memory_order_acq_rel,
                                            memory_order_relaxed);
}

static bool decide(state_word *slot, uint64_t expected, uint64_t desired)
{
    /* Pairs with the acquires of the slot below. */
    return atomic_compare_exchange_strong_explicit(slot, &expected, desired, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* Acquire: pairs with move_on, with decide, with queue_open. */
static uint64_t look(const state_word *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static bool put(struct queue *queue, uint64_t slots, uint64_t value, struct result *result)
{
    for (;;) {
        const uint64_t tail = look(&queue->tail);
        state_word *at = &queue->slot[tail & (slots - 1)];
        const uint64_t slot = look(at);
        if (slot & QUEUE_CLOSED)
            return false;
        const int64_t beyond = queue_beyond(slot, queue_free(slots, tail));
        if (!beyond) {
            if (decide(at, slot, queue_filled(slots, tail, value))) {
                move_on(&queue->tail, tail);
                *result = (struct result){RESULT_OK, 0};
                return true;
            }
        } else if (beyond > 0) {
            /* Filled by a core that has not come to move the tail; taken since, perhaps. */
            move_on(&queue->tail, tail);
        } else if (look(&queue->tail) == tail) {
            /* Of the lap before, and not taken, while the tail was here. */
            *result = (struct result){RESULT_FULL, 0};
            return true;
        }
    }
}

static bool take(struct queue *queue, uint64_t slots, bool front, struct result *result)
{
    for (;;) {
        const uint64_t head = look(&queue->head);
        state_word *at = &queue->slot[head & (slots - 1)];
        const uint64_t slot = look(at);
        if (slot & QUEUE_CLOSED)
            return false;
        const int64_t beyond = queue_beyond(slot, queue_filled(slots, head, 0));
        if (!beyond) {
            /* Filled, and not taken: all before it have been. */
            if (front || decide(at, slot, queue_taken(slots, head))) {
                if (!front)
                    move_on(&queue->head, head);
                *result = (struct result){RESULT_OK, queue_value(slot)};
                return true;
            }
        } else if (beyond > 0) {
            /* Taken by a core that has not come to move the head; filled anew, perhaps. */
            move_on(&queue->head, head);
        } else if (look(&queue->head) == head) {
            *result = (struct result){RESULT_EMPTY, 0};
            return true;
        }
    }
}

static bool queue_apply(void *free, const struct operation *o, struct result *result)
{
    struct queue *queue = free;
    const uint64_t slots = state_get(&queue->slots);
    switch (o->kind) {
    case QUEUE_PUT:
        if (!(o->value[0] >> QUEUE_VALUE_BITS))
            return put(queue, slots, o->value[0], result);
        break;
    case QUEUE_TAKE:
    case QUEUE_FRONT:
        return take(queue, slots, o->kind == QUEUE_FRONT, result);
    default:
        break;
    }
    *result = (struct result){RESULT_BAD, 0};
    return true;
}

/* Positions go on where they were, so that what comes late from before never fits. */
static void queue_open(void *free, const void *state)
{
    const struct queue *from = state;
    struct queue *to = free;
    const uint64_t slots = state_get(&from->slots);
    state_set(&to->slots, slots);
    state_set(&to->head, state_get(&from->head));
    state_set(&to->tail, state_get(&from->tail));
    /* Pairs with the acquire in look(): who finds a slot open finds head and tail. */
    for (uint64_t i = 0; i < slots; i++)
        atomic_store_explicit(&to->slot[i], state_get(&from->slot[i]), memory_order_release);
}

static void queue_close(void *free, void *state)
{
    struct queue *from = free, *to = state;
    const uint64_t slots = state_get(&to->slots);
    for (uint64_t i = 0; i < slots; i++)
        state_set(&to->slot[i],
                  atomic_fetch_or_explicit(&from->slot[i], QUEUE_CLOSED, memory_order_acq_rel));
    /* Head and tail may be behind what the slots say. */
    uint64_t head = look(&from->head), tail = look(&from->tail);
    while (queue_beyond(state_get(&to->slot[tail & (slots - 1)]), queue_free(slots, tail)) > 0)
        tail++;
    while (queue_beyond(state_get(&to->slot[head & (slots - 1)]), queue_filled(slots, head, 0)) > 0)
        head++;
    state_set(&to->head, head);
    state_set(&to->tail, tail);
}

const struct lockfree lockfree_queue = {any, queue_apply, queue_open, queue_close};
