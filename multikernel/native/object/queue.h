/* The state of a queue. Positions are given out for ever, one after the other; position p lies in
 * slot p mod slots, in its lap p / slots. A slot says which position it is at, and whether that is
 * filled: so it says by itself what may be done to it next, and the same state serves cores that
 * exclude each other and cores that do not (lockfree.c). */
#pragma once

#include "object/type.h"

struct queue {
    _Alignas(LINE_BYTES) state_word slots;
    _Alignas(PAD_BYTES) state_word head; /* the position that is taken next */
    _Alignas(PAD_BYTES) state_word tail; /* the position that is filled next */
    _Alignas(PAD_BYTES) state_word slot[];
};

/* A slot: its value, whether it is filled, whether it is closed, its lap. */
enum { QUEUE_VALUE_BITS = 32 };
#define QUEUE_FILLED (1ull << 32)
#define QUEUE_CLOSED (1ull << 33)
#define QUEUE_LAP    34

/* As the slot is before and after the position is filled, and once it is taken. */
static inline uint64_t queue_free(uint64_t slots, uint64_t position)
{
    return (position / slots) << QUEUE_LAP;
}
static inline uint64_t queue_filled(uint64_t slots, uint64_t position, uint64_t value)
{
    return queue_free(slots, position) | QUEUE_FILLED | value;
}
static inline uint64_t queue_taken(uint64_t slots, uint64_t position)
{
    return queue_free(slots, position + slots);
}
/* How far a slot is beyond one of these: 0, it is there; less, it has not come there yet. */
static inline int64_t queue_beyond(uint64_t slot, uint64_t there)
{
    return (int64_t)((slot & ~QUEUE_CLOSED) >> QUEUE_VALUE_BITS << QUEUE_VALUE_BITS) -
           (int64_t)there;
}
static inline uint64_t queue_value(uint64_t slot)
{
    return slot & ((1ull << QUEUE_VALUE_BITS) - 1);
}
