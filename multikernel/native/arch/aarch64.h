/* aarch64. Weakly ordered: every pairing comment in this tree matters here. Compiled, never run by
 * us. */
#pragma once

#include <stdint.h>
#include <ucontext.h>

#define ARCH_NAME "aarch64"

/* The generic timer: constant rate, usually far coarser than core cycles. */
static inline uint64_t arch_cycles(void)
{
    uint64_t value;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
}

/* The same, once everything before it is done: loads have their values, fences are through. */
static inline uint64_t arch_cycles_behind(void)
{
    __asm__ volatile("dmb ishld" ::: "memory");
    return arch_cycles();
}

/* `isb` stalls for tens of cycles as x86's pause does; `yield` is a no-op on most
 * implementations. */
static inline void arch_relax(void)
{
    __asm__ volatile("isb" ::: "memory");
}

static inline void arch_prefetch_write(const void *line)
{
    __builtin_prefetch(line, 1, 3);
}

/* Out of all caches, to the point of coherency; through once `arch_evicted` is. */
static inline void arch_evict(const void *line)
{
    __asm__ volatile("dc civac, %0" ::"r"(line) : "memory");
}

static inline void arch_evicted(void)
{
    __asm__ volatile("dsb ish" ::: "memory");
}

static inline uintptr_t arch_fault_pc(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.pc;
}

static inline void arch_set_pc(ucontext_t *context, uintptr_t pc)
{
    context->uc_mcontext.pc = pc;
}

#define ARCH_ACCESSOR                                                                     \
    __asm__(".text\n"                                                                     \
            ".globl mk_access_copy, mk_access_begin, mk_access_end, mk_access_landing\n"  \
            ".hidden mk_access_copy, mk_access_begin, mk_access_end, mk_access_landing\n" \
            ".type mk_access_copy, %function\n"                                           \
            "mk_access_begin:\n"                                                          \
            "mk_access_copy:\n"                                                           \
            "    cbz x2, 2f\n"                                                            \
            "1:  ldrb w3, [x1], #1\n"                                                     \
            "    strb w3, [x0], #1\n"                                                     \
            "    subs x2, x2, #1\n"                                                       \
            "    b.ne 1b\n"                                                               \
            "2:  mov w0, #0\n"                                                            \
            "    ret\n"                                                                   \
            "mk_access_end:\n"                                                            \
            "mk_access_landing:\n"                                                        \
            "    mov w0, #1\n"                                                            \
            "    ret\n")
