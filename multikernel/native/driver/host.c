/* The monitors' messages over channels that share no memory: for each pair of cores a Unix
 * SOCK_SEQPACKET socket pair, or two pipes (channel/socket.c, channel/pipe.c, by the interface in
 * channel.h). Neither the monitor nor the agreement engine knows.
 *
 * What is shared then, and what not. Nothing that core tells core about an operation goes by
 * memory: not the request, not the reply, not the attention it needs. A core that polls tries to
 * receive; one that has nothing to do sleeps in the host's ppoll until one of its descriptors is
 * readable; one that runs a program is interrupted by the host (O_ASYNC, as SIGURG). Memory still
 * carries what is not the monitors': the launcher's requests, the programs' channels and groups,
 * and the doorbell by which those get attention. A core asleep in ppoll therefore publishes a mode
 * of its own, MODE_LISTENING, which is told by a signal.
 *
 * The signal is blocked while the driver works and let in by ppoll and by driver_leave: the host
 * then sets it pending and no more, so that a message to a core that polls costs it no interrupt;
 * and what came after the last look before either of them ends the sleep, or interrupts the program
 * at once. Nobody has to publish a mode and look again. Setting it pending costs the sender some
 * hundred cycles a message (measured: 3 to 8 % of a round trip); asking for it only when a program
 * is to run would cost each of its system calls two calls of the host for every other core.
 *
 * A reply is a message, as with the rings; a notice has none. A host whose buffers are full
 * refuses, and the message waits in monitor_port.c's queue: nothing blocks and nothing is dropped.
 * A core that has ended is sent nothing; the supervisor is taking the system down. The ends are
 * made by the supervisor (runtime/links.py). Called by: monitor_port.c, arrivals.c, loop.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "driver/driver.h"

static void close_link(struct driver *d, uint32_t with)
{
    d->links[with].fd = -1; /* ppoll passes over it */
    channel_close(&d->peers[with].link);
}

/* A monitor that has lost a message could never agree again. */
static _Noreturn void host_refuses(void)
{
    static const char text[] = "multikernel: the host refused to carry a message between cores\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(1);
}

bool link_send(struct driver *d, uint32_t to, const struct message *message)
{
    if (d->links[to].fd < 0)
        return true;
    switch (channel_try_send(&d->peers[to].link, message)) {
    case CHANNEL_OK:
        return true;
    case CHANNEL_AGAIN:
        return false;
    case CHANNEL_CLOSED:
        close_link(d, to);
        return true;
    default:
        host_refuses();
    }
}

static bool receive(struct driver *d, uint32_t from)
{
    struct message message;
    struct peer *peer = &d->peers[from];
    if (d->links[from].fd < 0)
        return false;
    switch (channel_try_receive(&peer->link, &message)) {
    case CHANNEL_OK:
        break;
    case CHANNEL_AGAIN:
        return false;
    case CHANNEL_CLOSED:
        close_link(d, from);
        return false;
    default:
        host_refuses();
    }
    if (!(message.word[0] & FLAG_REPLY))
        carrier_request(d, from, reply_address(REPLY_LINK, from, ++d->reply_count, 0), &message);
    else if (message_kind(&message) >= KIND_PING)
        driver_reply(d, peer->link_waiter, &message);
    else
        carrier_answer(d, from, &message);
    return true;
}

bool link_poll(struct driver *d)
{
    /* one place to look: asking first whether there is something would be a call more */
    if (d->cores == 2)
        return receive(d, 1 - d->me);
    if (poll(d->links, d->cores, 0) <= 0)
        return false;
    bool any = false;
    for (uint32_t from = 0; from < d->cores && carrier_has_room(d); from++)
        if (d->links[from].revents)
            any |= receive(d, from);
    return any;
}

void link_deafen(bool deaf)
{
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(deaf ? SIG_BLOCK : SIG_UNBLOCK, &urgent, NULL);
}

void link_park(struct driver *d, uint32_t slice_us)
{
    struct timespec slice = {.tv_sec = slice_us / 1000000,
                             .tv_nsec = (long)(slice_us % 1000000) * 1000};
    sigset_t hearing;
    pthread_sigmask(SIG_SETMASK, NULL, &hearing);
    sigdelset(&hearing, SIGURG);
    /* What waits for room is worth waking for too. */
    for (uint32_t i = 0; i < d->outgoing_count; i++) {
        uint32_t to = d->outgoing[i].to;
        if (d->links[to].fd >= 0)
            d->links[d->cores + to].fd =
                d->peers[to].link.form->descriptor(&d->peers[to].link, true);
    }
    ppoll(d->links, 2 * d->cores, &slice, &hearing);
    for (uint32_t i = 0; i < d->outgoing_count; i++)
        d->links[d->cores + d->outgoing[i].to].fd = -1;
}

/* Readable, or no longer full: this thread gets SIGURG. */
static int ask_for_interrupt(int descriptor)
{
    struct f_owner_ex owner = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETOWN_EX, &owner) ||
        fcntl(descriptor, F_SETSIG, SIGURG) || fcntl(descriptor, F_SETFL, flags | O_ASYNC))
        return errno;
    return 0;
}

int link_open(struct driver *d, const int *descriptors)
{
    d->links = calloc(2 * (size_t)d->cores, sizeof *d->links);
    if (!d->links)
        return ENOMEM;
    for (uint32_t other = 0; other < d->cores; other++) {
        struct channel *channel = &d->peers[other].link;
        int in = descriptors[2 * other], out = descriptors[2 * other + 1];
        d->links[other] = (struct pollfd){.fd = -1, .events = POLLIN};
        d->links[d->cores + other] = (struct pollfd){.fd = -1, .events = POLLOUT};
        if (other == d->me)
            continue;
        int error = d->carrier == CARRIER_PIPE ? channel_pipe_open(channel, in, out)
                                               : channel_socket_open(channel, in);
        if (!error)
            error = ask_for_interrupt(in);
        if (!error && out != in)
            error = ask_for_interrupt(out);
        if (error)
            return error;
        d->links[other].fd = in;
    }
    return 0;
}
