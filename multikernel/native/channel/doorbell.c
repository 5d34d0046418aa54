#include "channel/doorbell.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void doorbell_ring_slowly(struct doorbell *doorbell, uint32_t mode)
{
    int saved = errno;
    if (mode == MODE_PARKED) {
        /* Release pairs with the acquire in doorbell_bell. */
        atomic_fetch_add_explicit(&doorbell->bell, 1, memory_order_release);
        syscall(SYS_futex, &doorbell->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
    } else if (mode == MODE_USER || mode == MODE_LISTENING) {
        /* SIGURG: ignored by default, so one that arrives before a core has its handler, or after
         * it has ended, harms nobody; it does not queue, so callers that ring at once interrupt
         * once. Go's runtime interrupts its goroutines by it for these reasons.
         *
         * The pid cannot have been reused: the supervisor reaps no core before the whole system
         * ends. */
        syscall(SYS_tgkill, doorbell->pid, doorbell->tid, SIGURG);
    }
    errno = saved;
}

void doorbell_park(struct doorbell *doorbell, uint32_t seen, uint32_t slice_us)
{
    struct timespec slice = {.tv_sec = slice_us / 1000000,
                             .tv_nsec = (long)(slice_us % 1000000) * 1000};
    syscall(SYS_futex, &doorbell->bell, FUTEX_WAIT, seen, &slice, NULL, 0);
}
