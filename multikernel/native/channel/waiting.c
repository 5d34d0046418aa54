/* Waiting on a channel: bounded, with an end for every reason there is to wait no longer. Spin with
 * relax for what a message takes to come from a core that is awake; then yield, because the other
 * side may need this very CPU; then sleep, longer and longer up to a millisecond (in shared memory,
 * where nobody wakes anybody), or until the host says there is something (where it carries).
 *
 * A side that was killed closes nothing. A wait that has come to sleeping asks after the other
 * side's process, by a descriptor of it and not by its number, which the host may give to another
 * one. */
#include "channel/channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    HOST_SLICE_MS = 20, /* a sleep that the host ends earlier when there is a reason */
    ASK_EVERY = 16,
};

/* Cycles: some ten microseconds. Where the host carries, nobody needs to yield: it runs the process
 * that is waited for. */
static const struct patience in_memory = {40000, 64}, by_host = {40000, 0};

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

bool channel_wait(struct channel *channel, enum channel_awaited awaited, struct wait *wait)
{
    const bool memory = channel->form->shares_memory;
    if (!wait_step(wait, memory ? &in_memory : &by_host))
        return true;
    if (!memory) {
        bool sending = awaited == AWAIT_ROOM;
        struct pollfd descriptor = {.fd = channel_descriptor(channel, sending),
                                    .events = sending ? POLLOUT : POLLIN};
        poll(&descriptor, 1, HOST_SLICE_MS);
        return true;
    }
    if (wait->slept % ASK_EVERY == 0 && other_process_is_gone(channel))
        return false;
    wait_sleep(wait);
    return true;
}
