/* What the processor counts of the calling thread. A virtual machine often has no counters, and a
 * kernel often gives them to its administrator only: then there is an errno and no number.
 *
 * Context switches are counted by the host's kernel itself, wherever it counts anything. */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/probes.h"

static uint64_t cache(uint64_t which, uint64_t result)
{
    return which | (uint64_t)PERF_COUNT_HW_CACHE_OP_READ << 8 | result << 16;
}

int counter_open(enum counter_event event, bool kernel)
{
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_HW_CACHE;
    attributes.exclude_kernel = !kernel;
    attributes.exclude_hv = 1;
    switch (event) {
    case COUNTER_L1D_READS:
        attributes.config = cache(PERF_COUNT_HW_CACHE_L1D, PERF_COUNT_HW_CACHE_RESULT_ACCESS);
        break;
    case COUNTER_L1D_MISSES:
        attributes.config = cache(PERF_COUNT_HW_CACHE_L1D, PERF_COUNT_HW_CACHE_RESULT_MISS);
        break;
    case COUNTER_L1I_MISSES:
        attributes.config = cache(PERF_COUNT_HW_CACHE_L1I, PERF_COUNT_HW_CACHE_RESULT_MISS);
        break;
    case COUNTER_CONTEXT_SWITCHES:
        attributes.type = PERF_TYPE_SOFTWARE;
        attributes.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
        break;
    default:
        return -EINVAL;
    }
    long descriptor = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return descriptor < 0 ? -errno : (int)descriptor;
}
