/* The threads of a program that enter a driver, against the signal handler on its first thread and
 * against each other (driver/interrupt.c), under ThreadSanitizer: a guest that is in the driver while
 * the handler is at work is a race there. The launcher is a thread too, and rings like any other
 * caller; there is no tick, so a request whose signal leaves no mark is never answered.
 *
 * Of the program's threads one at a time enters, as under the interpreter's lock. The first one gives
 * that up in the loop and to measure, and keeps others out meanwhile.
 *
 *     guest_client SEED ROUNDS */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "boot/open.h"
#include "clients.h"

enum { GUESTS = 2 };

static struct segment *segment;
static struct driver *d;
static pthread_mutex_t interpreter = PTHREAD_MUTEX_INITIALIZER;
static uint64_t rounds, entered[GUESTS], refused[GUESTS];
static uint64_t inside; /* of whoever is in the driver */
static atomic_bool ended;

static void at_work(uint64_t seed)
{
    inside = seed;
    driver_poll(d);
    CHECK(inside == seed, "somebody else is in the driver");
}

static void pause_for(uint64_t *state)
{
    const struct timespec some = {0, random_next(state) % 50000};
    if (random_next(state) % 4 == 0)
        nanosleep(&some, NULL);
}

/* Asks, and waits for the answer: one in user mode is interrupted for it. */
static void *launch(void *seed)
{
    uint64_t state = (uintptr_t)seed;
    struct call_sender end;
    call_open_sender(&end, segment_client(segment, &d->region, 0, 0), CLIENT_LINES);
    for (uint64_t i = 0; i < rounds; i++) {
        const struct message ping = {{KIND_PING, i}};
        struct message reply;
        const int line = call_try_send(&end, &ping);
        CHECK(line >= 0, "no line");
        doorbell_ring(d->doorbell);
        while (!call_try_take(&end, (uint32_t)line, &reply))
            sched_yield();
        CHECK(reply.word[1] == i, "%llu", (unsigned long long)reply.word[1]);
        pause_for(&state);
        progress();
    }
    atomic_store(&ended, true);
    return NULL;
}

static void *guest(void *number)
{
    const uintptr_t n = (uintptr_t)number;
    uint64_t state = 77 * n;
    while (!atomic_load(&ended)) {
        pthread_mutex_lock(&interpreter);
        if (driver_enter_as_guest(d)) {
            at_work(++entered[n]);
            driver_leave_as_guest(d);
        } else {
            refused[n]++;
        }
        pthread_mutex_unlock(&interpreter);
        pause_for(&state);
    }
    return NULL;
}

/* The first thread: the program's, and now and then in a loop that measures. */
static void program(uint64_t state)
{
    while (!atomic_load(&ended)) {
        pause_for(&state);
        if (random_next(&state) % 4)
            continue;
        pthread_mutex_lock(&interpreter);
        const bool measures = random_next(&state) % 4 == 0;
        if (measures) {
            driver_keep_out(d, true);
            pthread_mutex_unlock(&interpreter);
        }
        driver_enter(d);
        at_work(random_next(&state));
        driver_leave(d);
        if (measures) {
            driver_keep_out(d, false);
            pthread_mutex_lock(&interpreter);
        }
        pthread_mutex_unlock(&interpreter);
    }
}

int main(int argc, char **argv)
{
    const struct geometry geometry = {.cores = 1, .window = 8, .user_channels = 2};
    const uint64_t seed = argument(argc, argv, 1, 1);
    rounds = argument(argc, argv, 2, 2000);
    segment = mmap(NULL, segment_bytes(&geometry), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(segment != MAP_FAILED, "no memory");
    segment_init(segment, &geometry);
    const struct driver_options options = {.slots_per_core = 16,
                                           .cnodes = 2,
                                           .address_base = VSPACE_BASE,
                                           .address_size = 1 << 24,
                                           .memory_bytes = 1 << 20,
                                           .cycles_per_us = 1000,
                                           .cancel_signal = SIGCHLD};
    const char *reason;
    d = driver_open(segment, memfd_create("memory", MFD_CLOEXEC), &options, &reason);
    CHECK(d, "%s", reason);
    driver_leave(d); /* a program runs from here on */
    pthread_t launcher, guests[GUESTS];
    pthread_create(&launcher, NULL, launch, (void *)(uintptr_t)(seed + 1));
    for (uintptr_t i = 0; i < GUESTS; i++)
        pthread_create(&guests[i], NULL, guest, (void *)i);
    program(seed);
    pthread_join(launcher, NULL);
    for (int i = 0; i < GUESTS; i++)
        pthread_join(guests[i], NULL);
    printf("%llu interrupts, %llu and %llu times a guest, %llu times refused\n",
           (unsigned long long)d->doorbell->interrupts, (unsigned long long)entered[0],
           (unsigned long long)entered[1], (unsigned long long)(refused[0] + refused[1]));
    return 0;
}
