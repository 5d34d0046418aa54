/* One side parks whenever it finds nothing, the other sends and rings. A wake-up is lost when the
 * owner slept though the message was there and the caller, having looked at the mode, did not ring:
 * decided by the bell's count, not by a clock. The park's slice only bounds how long finding one
 * takes.
 *
 * doorbell_client SEED ROUNDS: prints how often the owner slept, and the lost wake-ups; fails if
 * there are any */
#include "clients.h"

#include "channel/call_line.h"
#include "channel/doorbell.h"

enum { SLICE_US = 20000, LOOKS = 1200, PAUSE = 1200 };

static struct slot line[1];
static struct doorbell doorbell;
static _Atomic uint64_t rung; /* messages for which the caller has finished ringing */
static uint64_t rounds;

static void pin_to(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    /* with one CPU the interleavings are fewer, the rule is the same */
    (void)!sched_setaffinity(0, sizeof one, &one);
}

static void pause_for(uint32_t turns)
{
    for (volatile uint32_t i = 0; i < turns; i++)
        ;
}

static void *call(void *argument)
{
    uint64_t *random = argument;
    struct call_sender sender;
    struct message message = {{0}};
    call_open_sender(&sender, line, 1);
    pin_to(1);
    for (uint64_t i = 0; i < rounds; i++) {
        pause_for(random_next(random) % PAUSE);
        message.word[0] = i;
        CHECK(call_try_send(&sender, &message) == 0, "no credit");
        doorbell_ring(&doorbell);
        atomic_store_explicit(&rung, i + 1, memory_order_release);
        for (uint32_t looks = 1; !call_try_take(&sender, 0, &message); looks++)
            if (looks % 4096 == 0)
                sched_yield();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1), other_seed = ~seed, slept = 0, lost = 0;
    rounds = argument(argc, argv, 2, 100000);
    struct call_receiver receiver;
    struct message message;
    call_open_receiver(&receiver, line, 1);
    doorbell_poll(&doorbell);
    pthread_t caller;
    progress();
    CHECK(!pthread_create(&caller, NULL, call, &other_seed), "no thread");
    pin_to(0);
    for (uint64_t served = 0; served < rounds;) {
        int at = call_try_receive(&receiver, &message);
        for (uint32_t look = random_next(&seed) % LOOKS; at < 0 && look; look--)
            at = call_try_receive(&receiver, &message);
        if (at < 0) {
            uint32_t seen = doorbell_bell(&doorbell);
            doorbell_enter(&doorbell, MODE_PARKED);
#if !defined(NO_LAST_LOOK)
            at = call_try_receive(&receiver, &message);
#endif
            if (at < 0) {
                doorbell_park(&doorbell, seen, SLICE_US);
                slept++;
                /* Before mode and message are looked at again: has the caller finished ringing, and
                 * not rung? */
                lost += atomic_load_explicit(&rung, memory_order_acquire) > served &&
                        doorbell_bell(&doorbell) == seen;
            }
            doorbell_poll(&doorbell);
        }
        if (at < 0)
            continue;
        CHECK(message.word[0] == served, "message %llu", (unsigned long long)message.word[0]);
        served++;
        progress();
        call_reply(&receiver, (uint32_t)at, &message);
    }
    CHECK(!pthread_join(caller, NULL), "no end");
    printf("%llu %llu\n", (unsigned long long)slept, (unsigned long long)lost);
    return lost != 0;
}
