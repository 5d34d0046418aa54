/* What the processor counts of the calling thread. A virtual machine often has no counters, and a
 * kernel often gives them to its administrator only: then there is an errno and no number.
 *
 * Context switches are counted by the host's kernel itself, wherever it counts anything. */
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/probes.h"

enum { READS = PERF_COUNT_HW_CACHE_OP_READ << 8, MISSES = PERF_COUNT_HW_CACHE_RESULT_MISS << 16 };

static const struct {
    uint32_t type;
    uint64_t config;
} events[] = {
    [COUNTER_L1D_READS] = {PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1D | READS},
    [COUNTER_L1D_MISSES] = {PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1D | READS | MISSES},
    [COUNTER_L1I_MISSES] = {PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1I | READS | MISSES},
    [COUNTER_CONTEXT_SWITCHES] = {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
};

int counter_open(enum counter_event event, bool kernel)
{
    struct perf_event_attr attributes = {
        .size = sizeof attributes,
        .type = events[event].type,
        .config = events[event].config,
        .exclude_kernel = !kernel,
        .exclude_hv = 1,
    };
    long descriptor = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return descriptor < 0 ? -errno : (int)descriptor;
}
