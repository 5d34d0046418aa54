/* The interrupt: a signal to the core's main thread while it runs a program. The handler enters the
 * driver's signal-safe path: it polls and serves until nothing is left, then goes back to the
 * program. A tick every 10 ms while in user mode is the fallback.
 *
 * Only system calls and plain memory accesses happen in here; errno is kept; SA_RESTART resumes
 * what the program was blocked in.
 *
 * The driver is one thread's at a time. Of the first thread a plain word says that it is in there,
 * for the handler runs on that thread. Another thread of a program comes in as a guest: it says so,
 * and then waits until the handler is not at work; the handler says that it is, and then looks for
 * a guest. Against each other the program's threads are kept by the interpreter's lock, under which
 * they come in; where the first one gives it up, in the loop and to measure, it keeps others out.
 *
 * A child of the process is no core: it keeps out of everything. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "driver/driver.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICK_NS = 10000000 };

/* --- In the driver, or in a program --- */

/* Relaxed: for the handler on this very thread a compiler barrier is enough; a guest's are ordered by
 * what it says before and after (come_in, await_handler). */
static void set_disabled(struct driver *d, bool disabled)
{
    atomic_store_explicit(&d->disabled, disabled, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static bool is_marked(const struct driver *d)
{
    return atomic_load_explicit(&d->mark, memory_order_relaxed);
}

static void set_mark(struct driver *d, bool mark)
{
    atomic_store_explicit(&d->mark, mark, memory_order_relaxed);
}

static int let_in(bool allowed)
{
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    return pthread_sigmask(allowed ? SIG_UNBLOCK : SIG_BLOCK, &urgent, NULL);
}

void driver_enter(struct driver *d)
{
    set_disabled(d, true);
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
        set_disabled(d, false);
        if (!is_marked(d))
            return;
        set_disabled(d, true);
        set_mark(d, false);
    }
}

void driver_leave(struct driver *d)
{
    resume(d);
    if (d->transport->by_host)
        let_in(true); /* what has come meanwhile interrupts now */
}

static struct driver *interrupted; /* the one driver of this process */

/* --- Other threads, and children --- */

static pthread_mutex_t guests = PTHREAD_MUTEX_INITIALIZER;

void driver_keep_out(struct driver *d, bool out)
{
    /* Our store before our look for a guest; pairs with the one in come_in. */
    atomic_store_explicit(&d->inside, out, memory_order_seq_cst);
    while (out && atomic_load_explicit(&d->guest, memory_order_seq_cst))
        sched_yield();
}

/* Acquire pairs with the release at the handler's end: what it did to the driver is seen. */
static void await_handler(struct driver *d)
{
    while (atomic_load_explicit(&d->handling, memory_order_acquire))
        sched_yield();
}

static bool come_in(struct driver *d)
{
    /* Our store before our looks; pairs with those in driver_keep_out and on_interrupt. */
    atomic_store_explicit(&d->guest, true, memory_order_seq_cst);
    if (atomic_load_explicit(&d->inside, memory_order_seq_cst)) {
        atomic_store_explicit(&d->guest, false, memory_order_release);
        return false;
    }
    await_handler(d);
    return true;
}

bool driver_enter_as_guest(struct driver *d)
{
    pthread_mutex_lock(&guests);
    if (!come_in(d)) {
        pthread_mutex_unlock(&guests);
        return false;
    }
    driver_enter(d);
    return true;
}

void driver_leave_as_guest(struct driver *d)
{
    for (;;) {
        driver_leave(d);
        /* As in come_in. A handler that has found us may be about to leave its mark. */
        atomic_store_explicit(&d->guest, false, memory_order_seq_cst);
        await_handler(d);
        if (!is_marked(d) || !come_in(d))
            break;
        set_mark(d, false);
        driver_enter(d);
    }
    pthread_mutex_unlock(&guests);
}

void driver_drop(struct driver *d, struct dropped *dropped)
{
    dropped->next = atomic_load_explicit(&d->dropped, memory_order_relaxed);
    /* Release pairs with the acquire in driver_unpin_dropped. */
    while (!atomic_compare_exchange_weak_explicit(&d->dropped, &dropped->next, dropped,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

void driver_unpin_dropped(struct driver *d)
{
    /* Acquire pairs with the release in driver_drop. */
    struct dropped *dropped = atomic_exchange_explicit(&d->dropped, NULL, memory_order_acquire);
    while (dropped) {
        struct dropped *next = dropped->next;
        d->kernel->pin(d, (uint32_t)dropped->handle, (uint32_t)(dropped->handle >> 32), false);
        free(dropped);
        dropped = next;
    }
}

static void in_child(void)
{
    struct driver *d = interrupted;
    if (!d)
        return; /* a child's child */
    interrupted = NULL;
    d->forked = true;
}

/* --- The signal --- */

/* After a vote the outcome comes within a round trip or two, and after one operation on an object
 * often the next. Leaving at once would cost a second interrupt, so the handler stays for it, for at
 * most this long. */
enum { LINGER_US = 20 };

static void serve(struct driver *d)
{
    uint64_t deadline = 0;
    bool asked = false;
    for (;;) {
        if (driver_poll(d)) {
            deadline = 0;
            continue;
        }
        asked |= driver_owed(d) && !d->crowded;
        if (!d->kernel->engaged(d) && !asked)
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
    /* Our store before our look for a guest; pairs with come_in. */
    atomic_store_explicit(&d->handling, true, memory_order_seq_cst);
    if (atomic_load_explicit(&d->disabled, memory_order_relaxed) ||
        atomic_load_explicit(&d->guest, memory_order_seq_cst)) {
        set_mark(d, true);
        /* Release: the mark before; pairs with await_handler. */
        atomic_store_explicit(&d->handling, false, memory_order_release);
        return;
    }
    int saved = errno;
    fault_stand_first();
    atomic_fetch_add_explicit(&d->doorbell->interrupts, 1, memory_order_relaxed);
    set_disabled(d, true);
    doorbell_poll(d->doorbell);
    if (info->si_code == SI_TIMER)
        watch_doubted(d);
    serve(d);
    resume(d);
    /* Release: what was done before; pairs with await_handler. */
    atomic_store_explicit(&d->handling, false, memory_order_release);
    errno = saved;
}

/* --- Opening --- */

int interrupt_arm(void)
{
    const struct sigaction action = {.sa_sigaction = on_interrupt,
                                     .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    return sigaction(SIGURG, &action, NULL) ? errno : let_in(true);
}

int interrupt_open(struct driver *d)
{
    interrupted = d;
    int error = pthread_atfork(NULL, NULL, in_child);
    if (!error)
        error = interrupt_arm();
    if (error)
        return error;
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
