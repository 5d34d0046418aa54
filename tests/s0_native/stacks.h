/* Cores of an explorer, on stacks of their own: which one runs, how much of its stack is a part of
 * the state, and the hash of it. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { CORES = 3, STACK = 1 << 14 };

static ucontext_t context[CORES], explorer;
static _Alignas(64) char stack[CORES][STACK];
static uint32_t me;

static void until_chosen(void)
{
    const uint32_t core = me;
    swapcontext(&context[core], &explorer);
}

static uint32_t stack_used(uint32_t core)
{
#if defined(__x86_64__)
    const uint64_t top = (uint64_t)context[core].uc_mcontext.gregs[REG_RSP];
#else
    const uint64_t top = context[core].uc_mcontext.sp;
#endif
    return (uint32_t)((uint64_t)&stack[core][STACK] - top);
}

static uint64_t mixed(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    for (; length; at++, length--)
        hash = (hash ^ *at) * 0x100000001b3ull;
    return hash;
}
