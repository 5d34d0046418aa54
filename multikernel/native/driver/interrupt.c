/* The interrupt: a signal to the core's main thread while it runs a program. The handler enters the
 * driver's signal-safe path: it polls and serves until nothing is left, then goes back to the
 * program. A tick every 10 ms while in user mode is the fallback.
 *
 * Only system calls and plain memory accesses happen in here; errno is kept; SA_RESTART resumes
 * what the program was blocked in. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "driver/driver.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICK_NS = 10000000 };

/* --- In the driver, or in a program --- */

static int let_in(bool allowed)
{
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    return pthread_sigmask(allowed ? SIG_UNBLOCK : SIG_BLOCK, &urgent, NULL);
}

void driver_enter(struct driver *d)
{
    d->disabled = 1;
    /* The handler runs on this very thread: a compiler barrier is enough. */
    atomic_signal_fence(memory_order_seq_cst);
    doorbell_poll(d->doorbell);
    if (d->transport->by_host)
        let_in(false);
}

/* Back to user mode. At the handler's end the host lets signals in by itself. */
static void resume(struct driver *d)
{
    for (;;) {
        doorbell_enter(d->doorbell, MODE_USER);
        /* What was published before our mode was visible; pairs with doorbell_ring. */
        driver_poll(d);
        notify_all(d);
        d->disabled = 0;
        atomic_signal_fence(memory_order_seq_cst);
        if (!d->mark)
            return;
        d->disabled = 1;
        atomic_signal_fence(memory_order_seq_cst);
        d->mark = 0;
    }
}

void driver_leave(struct driver *d)
{
    resume(d);
    if (d->transport->by_host)
        let_in(true); /* what has come meanwhile interrupts now */
}

/* --- The signal --- */

static struct driver *interrupted; /* the one driver of this process */

/* After a vote the outcome comes within a round trip or two. Leaving at once would cost a second
 * interrupt, so the handler stays for it, for at most this long. */
enum { LINGER_US = 20 };

static void serve(struct driver *d)
{
    uint64_t deadline = 0;
    for (;;) {
        if (driver_poll(d)) {
            deadline = 0;
            continue;
        }
        if (!d->kernel->engaged(d))
            return;
        uint64_t now = arch_cycles();
        if (!deadline)
            deadline = now + LINGER_US * d->cycles_per_us;
        if (now > deadline)
            return;
        arch_relax();
    }
}

static void on_interrupt(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    struct driver *d = interrupted;
    /* The host has a message. */
    bool carried = info->si_code >= POLL_IN && info->si_code <= POLL_HUP;
    if (!d || (info->si_code != SI_TKILL && info->si_code != SI_TIMER && !(carried && d->host)))
        return; /* a socket's urgent data: not for us, and perhaps not even on the main thread */
    if (d->disabled) {
        d->mark = 1;
        return;
    }
    int saved = errno;
    atomic_fetch_add_explicit(&d->doorbell->interrupts, 1, memory_order_relaxed);
    d->disabled = 1;
    doorbell_poll(d->doorbell);
    serve(d);
    resume(d);
    errno = saved;
}

/* --- Opening --- */

int interrupt_open(struct driver *d)
{
    interrupted = d;
    const struct sigaction action = {.sa_sigaction = on_interrupt,
                                     .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    if (sigaction(SIGURG, &action, NULL) || (errno = let_in(true)))
        return errno;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGURG,
                             .sigev_notify_thread_id = (int)syscall(SYS_gettid)};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer))
        return errno;
    d->timer = (long)timer;
    return 0;
}

void interrupt_tick(struct driver *d, bool on)
{
    struct itimerspec every = {{0, on ? TICK_NS : 0}, {0, on ? TICK_NS : 0}};
    timer_settime((timer_t)d->timer, 0, &every, NULL);
}
