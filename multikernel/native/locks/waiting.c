#include "locks/waiting.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/wait.h"

enum { SLEEP_NS = 1000000, SERVING_SLEEP_NS = 50000 };

bool lock_prepare(void)
{
    return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

uint32_t lock_own_cpu(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) || CPU_COUNT(&set) != 1)
        return 0;
    uint32_t cpu = 0;
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    return cpu + 1;
}

void parking_fence(void)
{
    /* Every running thread of a process that has prepared its locks passes a fence; one that does
     * not run has passed one. Pairs with parking_look. */
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    atomic_thread_fence(memory_order_seq_cst);
}

bool parking_sleep(_Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   const struct lock_waiter *waiter)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += waiter->while_waiting ? SERVING_SLEEP_NS : SLEEP_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return !syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, &until, NULL, bits) ||
           errno != ETIMEDOUT;
}

void parking_wake(_Atomic uint32_t *word, uint32_t bits, int32_t count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET, count, NULL, NULL, bits);
}

uint64_t lock_clock(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}
