/* Counters, each on a line of its own: what an operation costs is how many lines it touches. */
#include "object/counters.h"

#include "object/lockfree.h"

static uint64_t bytes(uint32_t shape)
{
    return shape && shape <= COUNTERS_MOST
               ? sizeof(struct counters) + shape * sizeof(struct counter)
               : 0;
}

static void init(void *state, uint32_t shape)
{
    struct counters *counters = state;
    state_set(&counters->count, shape);
    for (uint32_t i = 0; i < shape; i++)
        state_set(&counters->counter[i].value, 0);
}

static void apply(void *state, const struct operation *o, struct result *result)
{
    struct counters *counters = state;
    const uint64_t to = o->key + o->value[0];
    uint64_t sum = 0;
    if (!counters_there(counters, o)) {
        *result = (struct result){RESULT_BAD, 0};
        return;
    }
    switch (o->kind) {
    case COUNTERS_ADD:
        for (uint64_t i = o->key; i < to; i++) {
            const uint64_t value = state_get(&counters->counter[i].value);
            state_set(&counters->counter[i].value, value + 1 + o->value[1]);
            sum += value;
        }
        break;
    case COUNTERS_SUM:
        for (uint64_t i = o->key; i < to; i++)
            sum += state_get(&counters->counter[i].value);
        break;
    default:
        *result = (struct result){RESULT_BAD, 0};
        return;
    }
    *result = (struct result){RESULT_OK, sum};
}

static bool check(const void *state, const struct operation *o)
{
    return o->kind == COUNTERS_ADD && counters_there(state, o);
}

static void undo(void *state, const struct operation *o, const struct result *result)
{
    struct counters *counters = state;
    if (o->kind != COUNTERS_ADD || result->status != RESULT_OK)
        return;
    for (uint64_t i = o->key; i < o->key + o->value[0]; i++)
        state_set(&counters->counter[i].value,
                  state_get(&counters->counter[i].value) - 1 - o->value[1]);
}

const struct object_type object_counters = {.name = "counters",
                                            .bytes = bytes,
                                            .init = init,
                                            .apply = apply,
                                            .check = check,
                                            .undo = undo,
                                            .lockfree = &lockfree_counters};
