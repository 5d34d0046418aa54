/* A bounded FIFO queue. */
#include "object/queue.h"

#include "object/lockfree.h"

static uint64_t bytes(uint32_t shape)
{
    return shape >= 2 && shape <= QUEUE_SLOTS_MOST && !(shape & (shape - 1))
               ? sizeof(struct queue) + shape * sizeof(state_word)
               : 0;
}

static void init(void *state, uint32_t shape)
{
    struct queue *queue = state;
    state_set(&queue->slots, shape);
    state_set(&queue->head, 0);
    state_set(&queue->tail, 0);
    for (uint32_t i = 0; i < shape; i++)
        state_set(&queue->slot[i], 0);
}

static void apply(void *state, const struct operation *o, struct result *result)
{
    struct queue *queue = state;
    const uint64_t slots = state_get(&queue->slots), head = state_get(&queue->head),
                   tail = state_get(&queue->tail);
    *result = (struct result){RESULT_OK, 0};
    switch (o->kind) {
    case QUEUE_PUT:
        if (o->value[0] >> QUEUE_VALUE_BITS) {
            result->status = RESULT_BAD;
        } else if (tail - head == slots) {
            result->status = RESULT_FULL;
        } else {
            state_set(&queue->slot[tail & (slots - 1)], queue_filled(slots, tail, o->value[0]));
            state_set(&queue->tail, tail + 1);
        }
        return;
    case QUEUE_TAKE:
    case QUEUE_FRONT:
        if (tail == head) {
            result->status = RESULT_EMPTY;
            return;
        }
        result->value = queue_value(state_get(&queue->slot[head & (slots - 1)]));
        if (o->kind == QUEUE_TAKE) {
            state_set(&queue->slot[head & (slots - 1)], queue_taken(slots, head));
            state_set(&queue->head, head + 1);
        }
        return;
    default:
        result->status = RESULT_BAD;
    }
}

static bool check(const void *state, const struct operation *o)
{
    const struct queue *queue = state;
    const uint64_t used = state_get(&queue->tail) - state_get(&queue->head);
    switch (o->kind) {
    case QUEUE_PUT:
        return used < state_get(&queue->slots) && !(o->value[0] >> QUEUE_VALUE_BITS);
    case QUEUE_TAKE:
        return used;
    default:
        return false;
    }
}

static void undo(void *state, const struct operation *o, const struct result *result)
{
    struct queue *queue = state;
    const uint64_t slots = state_get(&queue->slots);
    if (result->status != RESULT_OK)
        return;
    if (o->kind == QUEUE_PUT) {
        const uint64_t tail = state_get(&queue->tail) - 1;
        state_set(&queue->slot[tail & (slots - 1)], queue_free(slots, tail));
        state_set(&queue->tail, tail);
    } else if (o->kind == QUEUE_TAKE) {
        const uint64_t head = state_get(&queue->head) - 1;
        state_set(&queue->slot[head & (slots - 1)], queue_filled(slots, head, result->value));
        state_set(&queue->head, head);
    }
}

const struct object_type object_queue = {.name = "queue",
                                         .bytes = bytes,
                                         .init = init,
                                         .apply = apply,
                                         .check = check,
                                         .undo = undo,
                                         .lockfree = &lockfree_queue};
