/* One step of a digest: takes a value into a hash (Fibonacci hashing). The order of values
 * counts. */
#pragma once

#include <stdint.h>

static inline uint64_t hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}
