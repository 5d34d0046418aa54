#include "channel/bell.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/channel.h"

static bool barrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

void channel_bell_open(struct channel *channel, int own, int other)
{
    channel->bell = (struct channel_bell){.own = own, .other = other, .set = -1};
    /* From here on whoever sleeps has this process fence, or is not told. */
    if (own >= 0 && !barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
        atomic_store_explicit(&channel_own(channel)->unfenced, 1, memory_order_relaxed);
}

void channel_bell_close(struct channel *channel)
{
    int *const each[] = {&channel->bell.own, &channel->bell.other, &channel->bell.set};
    for (unsigned i = 0; i < sizeof each / sizeof *each; i++) {
        if (*each[i] >= 0)
            close(*each[i]);
        *each[i] = -1;
    }
}

static void write_to(int bell)
{
    const uint64_t one = 1;
    ssize_t written;
    do
        written = write(bell, &one, sizeof one);
    while (written < 0 && errno == EINTR);
    /* EAGAIN: it is readable as it is. */
}

void channel_ring(struct channel *channel, uint32_t asleep)
{
    if (channel->bell.other < 0 || channel->bell.rung == asleep)
        return;
    channel->bell.rung = asleep;
    write_to(channel->bell.other);
}

void channel_opened(struct channel *channel)
{
    /* Pairs with the barrier in channel_arm, which may not reach this process yet. */
    atomic_thread_fence(memory_order_seq_cst);
    channel_sent(channel);
}

bool channel_can_sleep(const struct channel *channel)
{
    return !channel->form->shares_memory || channel->bell.own >= 0;
}

static bool make_set(struct channel *channel)
{
    if (channel->bell.set >= 0)
        return true;
    const int awaited =
        channel->form->shares_memory ? channel->bell.own : channel_descriptor(channel, false);
    struct epoll_event event = {.events = EPOLLIN};
    const int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        return false;
    if (epoll_ctl(set, EPOLL_CTL_ADD, awaited, &event)) {
        const int error = errno;
        close(set);
        errno = error;
        return false;
    }
    channel->bell.set = set;
    channel_holders_watched(channel);
    return true;
}

void channel_arm(struct channel *channel)
{
    struct channel_bell *bell = &channel->bell;
    bell->armed = true;
    if (make_set(channel))
        (void)channel_other_gone(channel); /* who is there is watched from now on */
    if (bell->own < 0)
        return;
    uint64_t count;
    while (read(bell->own, &count, sizeof count) < 0 && errno == EINTR)
        ;
    bell->calls = true;
    bell->sleeps += CHANNEL_SLEEP;
    atomic_store_explicit(&channel_own(channel)->asleep, bell->sleeps | CHANNEL_CALLS_FOR_ITS_BELL,
                          memory_order_relaxed);
    /* Pairs with the look at `asleep` in channel_sent: that comes after this barrier, and sees the
     * store, or the message comes before it, and the caller's next look sees that. */
    bell->naps = !barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) ||
                 atomic_load_explicit(&channel_other(channel)->unfenced, memory_order_relaxed);
}

void channel_sleep(struct channel *channel, uint32_t most_ms)
{
    struct pollfd set = {.fd = channel->bell.set, .events = POLLIN};
    if (channel->bell.set < 0 || channel->bell.naps)
        most_ms = 1;
    poll(&set, 1, (int)most_ms); /* without a set: a sleep */
    channel->bell.armed = false;
}

void channel_awake(struct channel *channel)
{
    struct channel_bell *bell = &channel->bell;
    bell->armed = false;
    if (!bell->calls || bell->own < 0)
        return;
    if (bell->asked) {
        write_to(bell->own);
        return;
    }
    bell->calls = false;
    atomic_store_explicit(&channel_own(channel)->asleep, bell->sleeps, memory_order_relaxed);
}

int channel_fileno(struct channel *channel)
{
    if (!channel_can_sleep(channel)) {
        errno = ENOTSUP;
        return -1;
    }
    if (!make_set(channel))
        return -1;
    if (!channel->bell.asked) {
        channel->bell.asked = true;
        channel_arm(channel);
        channel_awake(channel); /* something may be there already */
    }
    if (channel->bell.naps) {
        errno = ENOSYS;
        return -1;
    }
    return channel->bell.set;
}
