#include "channel/holders.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/channel.h"

#define LET_GO UINT32_MAX
static_assert(CHANNEL_WATCHED == CHANNEL_HOLDERS + 1, "all of them");

/* --- A process --- */

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

static void set_watches(struct channel *channel, int descriptor, uint32_t events)
{
    struct epoll_event event = {.events = events};
    if (channel->bell.set >= 0 && descriptor >= 0)
        /* Where this fails a sleep ends by itself, and asks. */
        (void)epoll_ctl(channel->bell.set, EPOLL_CTL_ADD, descriptor, &event);
}

/* NULL: it is gone, or cannot be watched; gone says which. */
static struct channel_watched *watch(struct channel *channel, uint32_t pid, bool *gone)
{
    struct channel_holders *holders = &channel->holders;
    *gone = false;
    for (uint32_t i = 0; i < holders->count; i++)
        if (holders->watched[i].pid == pid)
            return &holders->watched[i];
    int descriptor = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    const bool by_stat = descriptor < 0 && errno != ESRCH;
    if (by_stat)
        descriptor = stat_of((pid_t)pid);
    if (descriptor < 0) {
        *gone = by_stat ? kill((pid_t)pid, 0) && errno == ESRCH : true;
        return NULL;
    }
    if (holders->count == CHANNEL_WATCHED) {
        close(descriptor);
        return NULL;
    }
    struct channel_watched *watched = &holders->watched[holders->count++];
    *watched = (struct channel_watched){pid, descriptor, by_stat};
    if (!by_stat)
        set_watches(channel, descriptor, EPOLLIN);
    return watched;
}

static bool process_is_gone(struct channel *channel, uint32_t pid)
{
    bool gone;
    const struct channel_watched *watched = watch(channel, pid, &gone);
    if (!watched)
        return gone;
    if (watched->by_stat)
        return stat_says_gone(watched->descriptor);
    struct pollfd process = {.fd = watched->descriptor, .events = POLLIN};
    return poll(&process, 1, 0) > 0;
}

/* The set shall not go on saying that it is gone. */
static void forget(struct channel *channel, uint32_t pid)
{
    struct channel_holders *holders = &channel->holders;
    for (uint32_t i = 0; i < holders->count; i++)
        if (holders->watched[i].pid == pid) {
            close(holders->watched[i].descriptor);
            holders->watched[i] = holders->watched[--holders->count];
            return;
        }
}

/* --- The other side --- */

static bool all_holders_are_gone(struct channel *channel)
{
    struct channel_header_side *other = channel_other(channel);
    const uint32_t own = (uint32_t)getpid();
    uint32_t gone = 0;
    bool alive = false;
    for (uint32_t i = 0; i < CHANNEL_HOLDERS; i++) {
        const uint32_t pid = atomic_load_explicit(&other->holder[i], memory_order_relaxed);
        if (!pid || pid == own)
            continue;
        if (pid == LET_GO || process_is_gone(channel, pid)) {
            gone++;
            forget(channel, pid);
        } else {
            alive = true;
        }
    }
    return gone && !alive;
}

static bool lifeline_is_cut(const struct channel *channel)
{
    struct pollfd line = {.fd = channel->holders.lifeline};
    return channel->holders.lifeline >= 0 && poll(&line, 1, 0) > 0 && line.revents & POLLHUP;
}

bool channel_other_gone(struct channel *channel)
{
    if (!channel->header)
        return false;
    struct channel_header_side *other = channel_other(channel);
    const uint32_t pid = atomic_load_explicit(&other->pid, memory_order_relaxed);
    switch (atomic_load_explicit(&other->state, memory_order_acquire)) {
    case CHANNEL_SIDE_NEW:
        return lifeline_is_cut(channel) || all_holders_are_gone(channel);
    case CHANNEL_SIDE_OPEN:
        return lifeline_is_cut(channel) ||
               (pid && pid != (uint32_t)getpid() && process_is_gone(channel, pid));
    default:
        return true; /* closed: a look says so, once all is read */
    }
}

void channel_holders_open(struct channel *channel, int lifeline)
{
    channel->holders.lifeline = lifeline;
    channel->holders.count = 0;
}

void channel_holders_watched(struct channel *channel)
{
    set_watches(channel, channel->holders.lifeline, 0); /* what hangs up is always said */
    for (uint32_t i = 0; i < channel->holders.count; i++)
        if (!channel->holders.watched[i].by_stat)
            set_watches(channel, channel->holders.watched[i].descriptor, EPOLLIN);
}

void channel_holders_close(struct channel *channel)
{
    for (uint32_t i = 0; i < channel->holders.count; i++)
        close(channel->holders.watched[i].descriptor);
    channel->holders.count = 0;
    if (channel->holders.lifeline >= 0)
        close(channel->holders.lifeline);
    channel->holders.lifeline = -1;
}

/* --- Writing oneself down --- */

static bool change(struct channel_header *header, uint32_t side, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < CHANNEL_HOLDERS; i++) {
        uint32_t expected = from;
        /* Relaxed: nothing else is told by it. */
        if (atomic_compare_exchange_strong_explicit(&header->side[side].holder[i], &expected, to,
                                                    memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    return false;
}

/* Somebody may sleep who does not know of this process. */
static void tell(int bell)
{
    const uint64_t one = 1;
    if (bell >= 0 && write(bell, &one, sizeof one) < 0)
        return; /* it is readable as it is */
}

void channel_hold(struct channel_header *header, uint32_t side, uint32_t pid, int bell)
{
    if (change(header, side, pid, pid))
        return;
    /* Where the table is full, the place of one that has let go; else it is not missed. */
    if (!change(header, side, 0, pid))
        (void)change(header, side, LET_GO, pid);
    tell(bell);
}

void channel_let_go(struct channel_header *header, uint32_t side, uint32_t pid, int bell)
{
    if (change(header, side, pid, LET_GO))
        tell(bell);
}

void channel_never_held(struct channel_header *header, uint32_t side, uint32_t pid)
{
    (void)change(header, side, pid, 0);
}
