/* Cancelling a program: the launcher asks for it by the number of the run, and a signal of its own,
 * from a timer, interrupts the program's first thread again and again until it has taken notice. A
 * single one could come just before the thread blocks in the host, and be forgotten there. What the
 * signal's handler does is the business of the language that programs are written in: it asks
 * driver_cancelled. A late signal finds nothing there. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "driver/driver.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { AFTER_NS = 100000, EVERY_NS = 10000000 };

int cancel_open(struct driver *d, int number)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = number,
                             .sigev_notify_thread_id = (int)syscall(SYS_gettid)};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer))
        return errno;
    d->cancel_timer = (long)timer;
    return 0;
}

static void interrupt_program(struct driver *d, bool on)
{
    const struct itimerspec when = {{0, on ? EVERY_NS : 0}, {0, on ? AFTER_NS : 0}};
    timer_settime((timer_t)d->cancel_timer, 0, &when, NULL);
}

enum verdict cancel_request(struct driver *d, const struct message *request, struct message *reply)
{
    const struct program *program = &d->program;
    if (program->state != PROGRAM_RUNNING || program->number != request->word[1])
        return VERDICT_OK;
    if (request->word[2]) {
        atomic_store_explicit(&d->cancel, CANCEL_ASKED, memory_order_relaxed);
        interrupt_program(d, true);
    }
    reply->word[1] = 1 + (uint64_t)atomic_load_explicit(&d->cancel, memory_order_relaxed);
    return VERDICT_OK;
}

void cancel_over(struct driver *d)
{
    if (atomic_exchange_explicit(&d->cancel, CANCEL_NONE, memory_order_relaxed) == CANCEL_ASKED)
        interrupt_program(d, false);
}

bool driver_cancelled(struct driver *d)
{
    uint32_t asked = CANCEL_ASKED;
    /* Relaxed, like all of it: nothing else is read through it. */
    if (!atomic_compare_exchange_strong_explicit(&d->cancel, &asked, CANCEL_TOLD,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    interrupt_program(d, false);
    return true;
}
