/* A set of cores: as many 64-bit words as the system needs, never one machine word. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CORES_MAX = 1024, CORE_SET_WORDS_MAX = CORES_MAX / 64 };

static inline uint32_t core_set_words(uint32_t cores)
{
    return (cores + 63) / 64;
}

static inline bool core_set_has(const uint64_t *set, uint32_t core)
{
    return set[core / 64] >> (core % 64) & 1;
}

static inline void core_set_add(uint64_t *set, uint32_t core)
{
    set[core / 64] |= 1ull << (core % 64);
}

static inline uint32_t core_set_count(const uint64_t *set, uint32_t cores)
{
    uint32_t count = 0;
    for (uint32_t word = 0; word < core_set_words(cores); word++)
        count += (uint32_t)__builtin_popcountll(set[word]);
    return count;
}

/* The first member at or after core, or cores when there is none. */
static inline uint32_t core_set_next(const uint64_t *set, uint32_t cores, uint32_t core)
{
    while (core < cores) {
        uint64_t rest = set[core / 64] >> (core % 64);
        if (rest) {
            core += (uint32_t)__builtin_ctzll(rest);
            return core < cores ? core : cores;
        }
        core = (core / 64 + 1) * 64;
    }
    return cores;
}
