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

/* The core runs that, up to its first step. */
static void start(uint32_t core, void (*program)(void))
{
    getcontext(&context[core]);
    context[core].uc_stack.ss_sp = stack[core];
    context[core].uc_stack.ss_size = STACK;
    makecontext(&context[core], program, 0);
    me = core;
    swapcontext(&explorer, &context[core]);
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

/* Several words at a time: what one of them costs is the time of a multiplication. */
static uint64_t mixed(uint64_t hash, const void *bytes, size_t length)
{
    enum { LANES = 4 };
    const uint8_t *at = bytes;
    uint64_t lane[LANES] = {hash, 1, 2, 3};
    for (; length >= 8 * LANES; at += 8 * LANES, length -= 8 * LANES)
        for (int i = 0; i < LANES; i++) {
            uint64_t word;
            memcpy(&word, at + 8 * i, 8);
            lane[i] = (lane[i] ^ word) * 0x9e3779b97f4a7c15ull;
            lane[i] ^= lane[i] >> 29;
        }
    for (int i = 0; i < LANES; i++)
        hash = ((hash ^ lane[i]) * 0x9e3779b97f4a7c15ull) ^ lane[i] >> 31;
    for (; length; at++, length--)
        hash = (hash ^ *at) * 0x100000001b3ull;
    return hash ^ hash >> 29;
}
