/* Waiting on a channel: bounded, with an end for every reason there is to wait no longer. Spin with
 * relax for what a message takes to come from a core that is awake; then yield, because the other
 * side may need this very CPU; then sleep, longer and longer up to a millisecond (in shared memory,
 * where nobody wakes anybody), or until the host says there is something (where it carries).
 *
 * A side that was killed closes nothing. Who has come to sleeping asks after the other side's
 * process, by a descriptor of it and not by its number, which the host may give to another one. */
#include "channel/channel.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"

enum {
    SPINS = 64, /* rounds of RELAXES: some ten microseconds */
    RELAXES = 16,
    YIELDS = 64,
    SLEEP_NS = 20000,   /* doubled each time, up to */
    SLEEP_MAX = 6,      /* this often */
    HOST_SLICE_MS = 20, /* a sleep that the host ends earlier when there is a reason */
    ASK_EVERY = 16,
};

uint64_t channel_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool other_process_is_gone(struct channel *channel)
{
    struct channel_header *header = channel->memory.header;
    uint32_t other = 1 - channel->memory.side;
    uint32_t pid = atomic_load_explicit(&header->side[other].pid, memory_order_relaxed);
    if (!pid || pid == (uint32_t)getpid())
        return false;
    if (channel->memory.other_process < 0) {
        int descriptor = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
        if (descriptor < 0)
            return errno == ESRCH;
        channel->memory.other_process = descriptor;
    }
    struct pollfd process = {.fd = channel->memory.other_process, .events = POLLIN};
    return poll(&process, 1, 0) > 0;
}

bool channel_wait(struct channel *channel, enum channel_awaited awaited, uint32_t *round)
{
    uint32_t now = (*round)++;
    if (now < SPINS) {
        for (int i = 0; i < RELAXES; i++)
            arch_relax();
        return true;
    }
    if (!channel->form->shares_memory) {
        bool sending = awaited == AWAIT_ROOM;
        struct pollfd descriptor = {.fd = channel->form->descriptor(channel, sending),
                                    .events = sending ? POLLOUT : POLLIN};
        poll(&descriptor, 1, HOST_SLICE_MS);
        return true;
    }
    if (now < SPINS + YIELDS) {
        sched_yield();
        return true;
    }
    uint32_t slept = now - SPINS - YIELDS;
    if (slept % ASK_EVERY == 0 && other_process_is_gone(channel))
        return false;
    struct timespec pause = {0, (long)SLEEP_NS << (slept < SLEEP_MAX ? slept : SLEEP_MAX)};
    nanosleep(&pause, NULL);
    return true;
}
