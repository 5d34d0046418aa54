/* Hints: whose lines a core is to look at, beyond those that it looks at all the time.
 *
 * A core looks at the lines of four others on every turn, and says which in its doorbell
 * (doorbell.h). Any other caller leaves a hint, one bit, behind its message; so a turn costs what is
 * active, however many cores there are. Beyond 64 cores there are two levels: a bit for each word of
 * the lower one.
 *
 * A bit that is set already need not be set again: the caller has fenced behind its message, and the
 * owner fences behind taking the bit and before it looks at the lines. So either the caller sees
 * the bit taken, or the owner sees the message (Dekker). */
#pragma once

#include "base/core_set.h"
#include "base/message.h"

struct hints {
    _Alignas(PAD_BYTES) _Atomic uint64_t first; /* of up to 64 cores the bits themselves */
    _Alignas(LINE_BYTES) _Atomic uint64_t core[CORE_SET_WORDS_MAX];
};

static inline bool hints_are_there(const struct hints *hints)
{
    /* Relaxed: hints_take looks again. */
    return atomic_load_explicit(&hints->first, memory_order_relaxed) != 0;
}

static inline void hints_set(_Atomic uint64_t *word, uint32_t bit)
{
    /* Sequentially consistent, both: of two levels the lower is set before the upper is looked at;
     * pairs with the order of hints_take. */
    if (!(atomic_load_explicit(word, memory_order_seq_cst) >> bit & 1))
        atomic_fetch_or_explicit(word, 1ull << bit, memory_order_seq_cst);
}

/* After a fence behind the message: that core has sent something. A fence follows. */
static inline void hints_give(struct hints *hints, uint32_t core, uint32_t cores)
{
    if (cores > 64) {
        hints_set(&hints->core[core / 64], core % 64);
        core /= 64;
    }
    hints_set(&hints->first, core);
    /* Our hint before the look at the owner's mode; pairs with the fence in doorbell_enter. */
    atomic_thread_fence(memory_order_seq_cst);
}

/* The owner adds the cores to that set; it looks at their lines afterwards. */
static inline void hints_take(struct hints *hints, uint32_t cores, uint64_t *set)
{
    uint64_t first = atomic_exchange_explicit(&hints->first, 0, memory_order_seq_cst);
    if (cores <= 64)
        set[0] |= first;
    for (; cores > 64 && first; first &= first - 1) {
        const uint32_t word = (uint32_t)__builtin_ctzll(first);
        set[word] |= atomic_exchange_explicit(&hints->core[word], 0, memory_order_seq_cst);
    }
    /* The hints taken before the lines are looked at; pairs with the caller's fence behind its
     * message. */
    atomic_thread_fence(memory_order_seq_cst);
}
