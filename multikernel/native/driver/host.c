/* The transport that shares no memory: for each pair of cores a Unix SOCK_SEQPACKET socket pair
 * (channel/by_host.c). Neither the monitor nor the agreement engine knows.
 *
 * What is shared then, and what not. Nothing about an operation goes by memory: not the request,
 * not the reply, not the attention it needs. A core that polls tries to receive; one that has
 * nothing to do sleeps in the host's ppoll until one of its sockets is readable; one that runs a
 * program is interrupted by the host (O_ASYNC, as SIGURG). Memory still carries what is not the
 * kernel's: the launcher's requests, the programs' channels and groups, and the doorbell by which
 * those get attention. A core asleep in ppoll therefore publishes a mode of its own,
 * MODE_LISTENING, and is notified by a signal.
 *
 * The signal is blocked while the driver works and let in by ppoll and when the driver is left: the
 * host then sets it pending and no more, so that a message to a core that polls costs it no
 * interrupt; and what came after the last look before either of them ends the sleep, or interrupts
 * the program at once. Nobody has to publish a mode and look again. Setting it pending costs the
 * sender some hundred cycles a message (measured: 3 to 8 % of a round trip); asking for it only
 * when a program is to run would cost each of its system calls two calls of the host for every
 * other core.
 *
 * A reply is a message; a notice has none. A host whose buffers are full refuses, and the message
 * waits in the driver's queue: nothing blocks and nothing is dropped. A core that has ended is sent
 * nothing; the supervisor is taking the system down, and made the sockets. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "channel/channel.h"
#include "driver/driver.h"

struct host {
    uint32_t next;            /* whom this turn looks at next; 0: nobody yet */
    struct pollfd *receiving; /* by core; -1: closed */
    struct pollfd *sending;   /* behind those; -1: there is room, as far as is known */
    struct channel channel[];
};

static void close_channel(struct host *h, uint32_t with)
{
    h->receiving[with].fd = h->sending[with].fd = -1; /* ppoll passes over it */
    channel_close(&h->channel[with]);
}

/* A monitor that has lost a message could never agree again. */
static _Noreturn void host_refuses(void)
{
    static const char text[] = "multikernel: the host refused to carry a message between cores\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(1);
}

static bool send(struct driver *d, uint32_t to, const struct message *message)
{
    struct host *h = d->host;
    if (h->receiving[to].fd < 0)
        return true;
    switch (channel_try_send(&h->channel[to], message)) {
    case CHANNEL_OK:
        h->sending[to].fd = -1;
        return true;
    case CHANNEL_AGAIN:
        h->sending[to].fd = h->receiving[to].fd; /* what waits for room is worth waking for too */
        return false;
    case CHANNEL_CLOSED:
        close_channel(h, to);
        return true;
    default:
        host_refuses();
    }
}

static bool receive_from(struct driver *d, uint32_t from, struct arrival *a)
{
    struct host *h = d->host;
    if (h->receiving[from].fd < 0)
        return false;
    switch (channel_try_receive(&h->channel[from], &a->message)) {
    case CHANNEL_OK:
        transport_arrived(d, a, REPLY_HOST, from);
        return true;
    case CHANNEL_AGAIN:
        return false;
    case CHANNEL_CLOSED:
        close_channel(h, from);
        return false;
    default:
        host_refuses();
    }
}

/* One message a turn from each that has any. */
static enum received receive(struct driver *d, struct place *place, struct arrival *a)
{
    struct host *h = d->host;
    (void)place;
    if (h->next == 0 && d->cores == 2) {
        /* One place to look: asking first whether there is something would be a call more. */
        h->next = d->cores;
        if (receive_from(d, 1 - d->me, a))
            return ARRIVED;
    } else if (h->next == 0 && poll(h->receiving, d->cores, 0) <= 0) {
        return NOTHING;
    }
    while (h->next < d->cores) {
        uint32_t from = h->next++;
        if (h->receiving[from].revents && receive_from(d, from, a))
            return ARRIVED;
    }
    h->next = 0;
    return NOTHING;
}

/* Whoever rings the doorbell sends a signal. */
static void park(struct driver *d, uint32_t slice_us)
{
    struct timespec slice = {.tv_sec = slice_us / 1000000,
                             .tv_nsec = (long)(slice_us % 1000000) * 1000};
    sigset_t hearing;
    pthread_sigmask(SIG_SETMASK, NULL, &hearing);
    sigdelset(&hearing, SIGURG);
    ppoll(d->host->receiving, 2 * d->cores, &slice, &hearing);
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

static int host_open(struct driver *d, const int *ends)
{
    struct host *h = calloc(1, sizeof *h + d->cores * sizeof *h->channel);
    struct pollfd *all = calloc(2 * (size_t)d->cores, sizeof *all);
    if (!h || !all || !ends)
        return ENOMEM;
    d->host = h;
    h->receiving = all;
    h->sending = all + d->cores;
    for (uint32_t other = 0; other < d->cores; other++) {
        h->receiving[other] = (struct pollfd){.fd = -1, .events = POLLIN};
        h->sending[other] = (struct pollfd){.fd = -1, .events = POLLOUT};
        if (other == d->me)
            continue;
        int error = channel_socket_open(&h->channel[other], ends[other]);
        if (!error)
            error = ask_for_interrupt(ends[other]);
        if (error)
            return error;
        h->receiving[other].fd = ends[other];
    }
    return 0;
}

const struct transport transport_host = {
    .by_host = true, .open = host_open, .send = send, .receive = receive, .park = park};
