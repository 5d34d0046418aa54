/* x86-64. Total store order: release stores and acquire loads are plain moves; only a store
 * followed by a load of another line (doorbell.h) needs a real fence. */
#pragma once

#include <stdint.h>
#include <ucontext.h>

#define ARCH_NAME "x86-64"

/* TSC cycles: constant rate, not core cycles. Not serialising: where a loop's end is predicted well
 * it may be read before the load that ends the loop has its value, as long before as that takes
 * (measured: 430 cycles of 1 055). Begins what is timed. */
static inline uint64_t arch_cycles(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return ((uint64_t)high << 32) | low;
}

/* The same, once everything before it is done: loads have their values, fences are through. Ends
 * what is timed. */
static inline uint64_t arch_cycles_behind(void)
{
    __asm__ volatile("lfence" ::: "memory");
    return arch_cycles();
}

/* Lets the other hardware thread and the memory system breathe in a spin; without it a bounced line
 * costs up to twice. */
static inline void arch_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/* The instruction by name: without -mprfchw a compiler makes a read of it. Where a processor has
 * none it does nothing. */
static inline void arch_prefetch_write(const void *line)
{
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)line));
}

/* Out of all caches, on every core. `clflush`: every x86-64 has it, which `clflushopt` is not true
 * of; loads may pass it, so a fence follows the last one. */
static inline void arch_evict(const void *line)
{
    __asm__ volatile("clflush %0" ::"m"(*(const char *)line) : "memory");
}

static inline void arch_evicted(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

static inline uintptr_t arch_fault_pc(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

static inline void arch_set_pc(ucontext_t *context, uintptr_t pc)
{
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
}

/* The accessor, System V convention. `rep movsb` may stop in the middle at a fault; the landing pad
 * forgets the rest. It keeps no frame, so jumping to the landing pad from any instruction of it
 * returns to its caller. */
#define ARCH_ACCESSOR                                                                     \
    __asm__(".text\n"                                                                     \
            ".globl mk_access_copy, mk_access_begin, mk_access_end, mk_access_landing\n"  \
            ".hidden mk_access_copy, mk_access_begin, mk_access_end, mk_access_landing\n" \
            ".type mk_access_copy, @function\n"                                           \
            "mk_access_begin:\n"                                                          \
            "mk_access_copy:\n"                                                           \
            "    movq %rdx, %rcx\n"                                                       \
            "    rep movsb\n"                                                             \
            "    xorl %eax, %eax\n"                                                       \
            "    ret\n"                                                                   \
            "mk_access_end:\n"                                                            \
            "mk_access_landing:\n"                                                        \
            "    movl $1, %eax\n"                                                         \
            "    ret\n")
