/* An owner that parks whenever it finds nothing, and callers that send and ring, each on a line of
 * its own. The owner watches four of them; the others leave hints, and are watched then in place of
 * somebody else, as driver/watch.c has it.
 *
 * A wake-up is lost when the owner slept though a message was there and its caller, having looked at
 * the mode, did not ring. A message is lost when its caller has finished, and is neither watched nor
 * has a hint there. Both are decided by counts, not by a clock. The park's slice only bounds how
 * long finding one takes.
 *
 * doorbell_client SEED ROUNDS [CALLERS [APART [COLD]]]: the callers' numbers lie so far apart; where
 * it is cold, nobody is watched. Prints how often the owner slept, the lost wake-ups, and the lost
 * messages; fails if there are any. */
#include "clients.h"

#include "channel/call_line.h"
#include "channel/doorbell.h"

enum { SLICE_US = 20000, LOOKS = 150, PAUSE = 1200, CALLERS_MOST = 8 };

static struct caller {
    _Alignas(PAD_BYTES) struct slot line[1];
    _Alignas(PAD_BYTES) _Atomic uint64_t rung; /* messages for which it has finished ringing */
    _Alignas(PAD_BYTES) struct call_receiver receiver; /* the owner's, as all from here on */
    uint64_t served;
    uint32_t core;
    uint64_t random;
} callers[CALLERS_MOST];
static struct doorbell doorbell;
static uint64_t rounds;
static uint32_t count, cores;
static bool cold;

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
    struct caller *me = argument;
    struct call_sender sender;
    struct message message = {{0}};
    call_open_sender(&sender, me->line, 1);
    pin_to(1);
    for (uint64_t i = 0; i < rounds; i++) {
        pause_for(random_next(&me->random) % PAUSE);
        message.word[0] = i;
        CHECK(call_try_send(&sender, &message) == 0, "no credit");
        if (count > 1 || cold || i % 2)
            doorbell_call(&doorbell, me->core, cores, false);
        else
            doorbell_ring(&doorbell); /* as for a reply, which the owner waits for */
        atomic_store_explicit(&me->rung, i + 1, memory_order_release);
        for (uint32_t looks = 1; !call_try_take(&sender, 0, &message); looks++)
            if (looks % (count > 1 ? 16 : 4096) == 0)
                sched_yield();
    }
    return NULL;
}

/* --- The owner --- */

static uint16_t watched[DOORBELL_WATCHED] = {DOORBELL_NOBODY, DOORBELL_NOBODY, DOORBELL_NOBODY,
                                             DOORBELL_NOBODY};
static uint64_t hinted[CORE_SET_WORDS_MAX], left, lost, lost_messages;

static bool serve(struct caller *c)
{
    struct message message;
    const int at = call_try_receive(&c->receiver, &message);
    if (at < 0)
        return false;
    CHECK(message.word[0] == c->served, "message %llu", (unsigned long long)message.word[0]);
    c->served++;
    left--;
    progress();
    call_reply(&c->receiver, (uint32_t)at, &message);
    return true;
}

static bool has_sent(const struct caller *c)
{
    return call_arrived(&c->receiver) != NULL;
}

static struct caller *caller_of(uint32_t core)
{
    for (uint32_t i = 0; i < count; i++)
        if (callers[i].core == core)
            return &callers[i];
    return NULL;
}

static void take_in(uint32_t core)
{
    static uint32_t hand;
    struct caller *out = caller_of(watched[hand]);
    watched[hand] = (uint16_t)core;
    hand = (hand + 1) % DOORBELL_WATCHED;
    doorbell_watch(&doorbell, watched);
    if (out && has_sent(out))
        core_set_add(hinted, out->core);
}

static bool look(void)
{
    bool any = false;
    if (hints_are_there(&doorbell.hints))
        hints_take(&doorbell.hints, cores, hinted);
    for (uint32_t i = 0; i < count; i++)
        if (core_set_has(hinted, callers[i].core)) {
            core_set_remove(hinted, callers[i].core);
            any |= serve(&callers[i]);
            if (!cold)
                take_in(callers[i].core);
        }
    for (uint32_t i = 0; i < DOORBELL_WATCHED; i++) {
        struct caller *c = caller_of(watched[i]);
        any |= c && serve(c);
    }
    return any;
}

/* Of those who have finished ringing for a message that is not served: is anything left that leads
 * to it? */
static void look_for_lost(void)
{
    for (uint32_t i = 0; i < count; i++) {
        struct caller *c = &callers[i];
        bool leads = core_set_has(hinted, c->core);
        /* Acquire pairs with the release behind the ringing. */
        if (atomic_load_explicit(&c->rung, memory_order_acquire) <= c->served)
            continue;
        for (uint32_t k = 0; k < DOORBELL_WATCHED; k++)
            leads |= watched[k] == c->core;
        if (!leads && !hints_are_there(&doorbell.hints)) {
            lost_messages++;
            serve(c);
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1), slept = 0;
    rounds = argument(argc, argv, 2, 100000);
    count = (uint32_t)argument(argc, argv, 3, 1);
    const uint32_t apart = (uint32_t)argument(argc, argv, 4, 1);
    cores = CALLERS_MOST * apart;
    cold = argument(argc, argv, 5, 0);
    pthread_t thread[CALLERS_MOST];
    for (uint32_t i = 0; i < count; i++) {
        callers[i].core = i * apart;
        callers[i].random = ~seed + i;
        call_open_receiver(&callers[i].receiver, callers[i].line, 1);
        if (i < DOORBELL_WATCHED && !cold)
            watched[i] = (uint16_t)callers[i].core;
    }
    doorbell_watch(&doorbell, watched);
    doorbell_poll(&doorbell);
    left = rounds * count;
    progress();
    for (uint32_t i = 0; i < count; i++)
        CHECK(!pthread_create(&thread[i], NULL, call, &callers[i]), "no thread");
    pin_to(0);
    while (left) {
        bool any = look();
        for (uint32_t n = random_next(&seed) % LOOKS; !any && n; n--)
            any = look();
        if (any)
            continue;
        look_for_lost();
        uint32_t seen = doorbell_bell(&doorbell);
        doorbell_enter(&doorbell, MODE_PARKED);
#if !defined(NO_LAST_LOOK)
        any = look();
#endif
        if (!any) {
            doorbell_park(&doorbell, seen, SLICE_US);
            slept++;
            /* Before mode and messages are looked at again: has a caller finished ringing, and not
             * rung? */
            for (uint32_t i = 0; i < count; i++)
                lost += atomic_load_explicit(&callers[i].rung, memory_order_acquire) >
                            callers[i].served &&
                        doorbell_bell(&doorbell) == seen;
        }
        doorbell_poll(&doorbell);
    }
    for (uint32_t i = 0; i < count; i++)
        CHECK(!pthread_join(thread[i], NULL), "no end");
    printf("%llu %llu %llu\n", (unsigned long long)slept, (unsigned long long)lost,
           (unsigned long long)lost_messages);
    return lost || lost_messages;
}
