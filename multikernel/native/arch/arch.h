/* What the processor gives us, and nothing else: a cycle counter, a relax hint, a prefetch for
 * writing, and the one instruction sequence that may fault on a page of the system (the accessor).
 * One header an architecture; every other file is portable C11. x86-64 is run and measured; aarch64
 * is compiled only, and nothing is claimed for it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include "arch/x86_64.h"
#elif defined(__aarch64__)
#include "arch/aarch64.h"
#else
#error "multikernel knows x86-64 and aarch64; add a header of this processor"
#endif

static inline void arch_prefetch_read(const void *line)
{
    __builtin_prefetch(line, 0, 3);
}

/* Copies length bytes; returns 0, or 1 when a load or store in it faulted and the fault handler
 * took the landing pad. The three labels are the accessor's first byte, its end, and the landing
 * pad: a fault is ours only when its PC lies between the first two (fault.c). */
extern int mk_access_copy(void *destination, const void *source, size_t length);
extern const char mk_access_begin[], mk_access_end[], mk_access_landing[];
