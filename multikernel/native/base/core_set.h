/* A set of cores: as many 64-bit words as the system needs. And the same in one word, as it travels
 * in messages and as records keep it: all sets that come up often fit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CORES_MAX = 4096, CORE_SET_WORDS_MAX = CORES_MAX / 64, CORE_BITS = 12 };

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

static inline void core_set_remove(uint64_t *set, uint32_t core)
{
    set[core / 64] &= ~(1ull << (core % 64));
}

static inline bool core_set_is_empty(const uint64_t *set, uint32_t cores)
{
    for (uint32_t word = 0; word < core_set_words(cores); word++)
        if (set[word])
            return false;
    return true;
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

/* --- In a word --- */

enum core_form {
    CORES_BITS = 0, /* none but cores 0 to 59, a bit each */
    CORES_ALL_BUT,  /* up to four; how many: bits 56-59, and which, of twelve bits each */
    CORES_RANGES,   /* up to two, first and last, of twelve bits each */
    CORES_KEPT,     /* none of these: kept elsewhere; bits 0-31 may say where */
};

enum { CORES_IN_BITS = 60, CORES_EXCEPTED = 4 };
#define CORES_ALL ((uint64_t)CORES_ALL_BUT << 60)

static inline enum core_form cores_form(uint64_t word)
{
    return (enum core_form)(word >> 60);
}

static inline uint32_t cores_part(uint64_t word, uint32_t i)
{
    return word >> (CORE_BITS * i) & ((1u << CORE_BITS) - 1);
}

/* Is the core in it? kept: the set, where its form is CORES_KEPT. Any word may be asked about: one
 * that cores_word has not made names some cores, or none. */
static inline bool cores_has(uint64_t word, uint32_t core, const uint64_t *kept)
{
    switch (cores_form(word)) {
    case CORES_BITS:
        return core < CORES_IN_BITS && word >> core & 1;
    case CORES_ALL_BUT:
        for (uint32_t i = 0; i < CORES_EXCEPTED && i < (word >> 56 & 0xf); i++)
            if (cores_part(word, i) == core)
                return false;
        return true;
    case CORES_RANGES:
        return (cores_part(word, 0) <= core && core <= cores_part(word, 1)) ||
               (cores_part(word, 2) <= core && core <= cores_part(word, 3));
    default:
        return kept && core_set_has(kept, core);
    }
}

/* That set in a word; CORES_KEPT, with nothing said of where, if it does not fit. */
static inline uint64_t cores_word(const uint64_t *set, uint32_t cores)
{
    const uint32_t count = core_set_count(set, cores);
    uint64_t word = CORES_ALL, runs = 0;
    uint32_t parts = 0;
    if (count == (uint32_t)__builtin_popcountll(set[0] & ((1ull << CORES_IN_BITS) - 1)))
        return set[0];
    if (cores - count <= CORES_EXCEPTED) {
        for (uint32_t core = 0; core < cores; core++)
            if (!core_set_has(set, core))
                word |= (uint64_t)core << (CORE_BITS * parts++);
        return word | (uint64_t)parts << 56;
    }
    for (uint32_t core = core_set_next(set, cores, 0), last; core < cores;
         core = core_set_next(set, cores, last + 1)) {
        for (last = core; last + 1 < cores && core_set_has(set, last + 1); last++)
            ;
        if (parts == 4)
            return (uint64_t)CORES_KEPT << 60;
        runs |= (uint64_t)core << (CORE_BITS * parts) | (uint64_t)last << (CORE_BITS * (parts + 1));
        parts += 2;
    }
    if (parts == 2) /* one range is given twice; the empty set does not travel */
        runs |= runs << 2 * CORE_BITS;
    return (uint64_t)CORES_RANGES << 60 | runs;
}

/* The set that a word stands for, in the buffer (of CORE_SET_WORDS_MAX) or where it is kept. NULL:
 * all cores are in it. */
static inline const uint64_t *cores_set(uint64_t word, uint32_t cores, const uint64_t *kept,
                                        uint64_t *buffer)
{
    if (word == CORES_ALL)
        return NULL;
    if (cores_form(word) == CORES_KEPT)
        return kept;
    buffer[0] = cores_form(word) == CORES_BITS ? word : 0;
    for (uint32_t i = 1; i < core_set_words(cores); i++)
        buffer[i] = 0;
    if (cores_form(word) == CORES_BITS)
        return buffer;
    for (uint32_t core = 0; core < cores; core++)
        if (cores_has(word, core, NULL))
            core_set_add(buffer, core);
    return buffer;
}
