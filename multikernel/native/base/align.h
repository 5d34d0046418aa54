/* The unit in which memory is handed out and mapped, and sizes in whole units. */
#pragma once

#include <stdint.h>

enum { PAGE_BYTES = 4096 };

/* The smallest multiple of `to` that is not below the value. */
static inline uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}
