/* Waiting on a channel: bounded, with an end for every reason there is to wait no longer. Spin with
 * relax for what a message takes to come from a core that is awake; then yield, because the other
 * side may need this very CPU; then sleep, longer and longer up to a millisecond (in shared memory,
 * where nobody wakes anybody), or until the host says there is something (where it carries).
 *
 * A side that was killed closes nothing. A wait that has come to sleeping asks after the other
 * side's process, by a descriptor of it and not by its number, which the host may give to another
 * one: a pidfd, or where it gives none (a system-call filter, an old kernel) the stat in /proc. */
#include "channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    HOST_SLICE_MS = 20, /* a sleep that the host ends earlier when there is a reason */
    ASK_EVERY = 16,
};

/* Cycles: some ten microseconds. Where the host carries, nobody needs to yield: it runs the process
 * that is waited for. */
static const struct patience in_memory = {40000, 64}, by_host = {40000, 0};

static int stat_of(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Gone, or dead and not yet reaped: the letter behind the name, which may hold brackets. */
static bool stat_says_gone(int descriptor)
{
    char text[256];
    const ssize_t got = pread(descriptor, text, sizeof text - 1, 0);
    if (got <= 0)
        return got == 0 || errno == ESRCH;
    text[got] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] && strchr("ZX", name_end[2]) && name_end[2];
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
        if (descriptor < 0 && errno == ESRCH)
            return true;
        channel->memory.other_by_stat = descriptor < 0;
        if (descriptor < 0 && (descriptor = stat_of((pid_t)pid)) < 0)
            return kill((pid_t)pid, 0) && errno == ESRCH;
        channel->memory.other_process = descriptor;
    }
    if (channel->memory.other_by_stat)
        return stat_says_gone(channel->memory.other_process);
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
