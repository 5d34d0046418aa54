/* The state of counters: a line that nobody writes, then a line each. */
#pragma once

#include "object/type.h"

struct counter {
    _Alignas(LINE_BYTES) state_word value;
};

struct counters {
    _Alignas(LINE_BYTES) state_word count;
    struct counter counter[];
};

/* Those that an operation takes are there. */
static inline bool counters_there(const struct counters *counters, const struct operation *o)
{
    const uint64_t count = state_get(&counters->count);
    return o->value[0] - 1 < count && o->key <= count - o->value[0];
}
