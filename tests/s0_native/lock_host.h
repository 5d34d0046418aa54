/* What locks ask of the host, for clients that are one file. GenMC has no host: there nobody
 * parks. */
#pragma once

#ifdef GENMC
#define sched_yield() ((void)0)
#include "locks/waiting.h"

void parking_fence(void)
{
}
bool parking_sleep(_Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   const struct lock_waiter *waiter)
{
    (void)word, (void)value, (void)bits, (void)waiter;
    return true;
}
void parking_wake(_Atomic uint32_t *word, uint32_t bits, int32_t count)
{
    (void)word, (void)bits, (void)count;
}
uint64_t lock_clock(void)
{
    return 0;
}
#else
#include "locks/waiting.c"
#endif
