/* Waiting on a channel: bounded, with an end for every reason there is to wait no longer. Spin with
 * relax for what a message takes to come from a core that is awake; then yield, because the other
 * side may need this very CPU; then sleep, until the bell rings (bell.h). Where there is no bell,
 * and for room, of which nobody tells, it sleeps longer and longer, up to a millisecond.
 *
 * A side that was killed closes nothing. A wait that has come to sleeping asks after the other
 * side's process (holders.h). */
#include <poll.h>

#include "channel/channel.h"

enum { ASK_EVERY = 16 };

/* Cycles: some ten microseconds. Where the host carries, nobody needs to yield: it runs the process
 * that is waited for. */
static const struct patience in_memory = {40000, 64}, by_host = {40000, 0};

bool channel_wait(struct channel *channel, enum channel_awaited awaited, struct wait *wait,
                  uint32_t most_ms)
{
    const bool memory = channel->form->shares_memory;
    if (!wait_step(wait, memory ? &in_memory : &by_host))
        return true;
    if (awaited != AWAIT_ROOM && channel_can_sleep(channel)) {
        if (!channel->bell.armed) {
            channel_arm(channel);
            return true;
        }
        channel_sleep(channel, most_ms);
        wait->slept++;
        return !channel_other_gone(channel);
    }
    if (!memory) {
        struct pollfd descriptor = {.fd = channel_descriptor(channel, true), .events = POLLOUT};
        poll(&descriptor, 1, (int)most_ms);
        wait->slept++;
        return !channel_other_gone(channel);
    }
    if (wait->slept % ASK_EVERY == 0 && channel_other_gone(channel))
        return false;
    wait_sleep(wait);
    return true;
}
