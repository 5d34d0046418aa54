/* Two ends of a ring stream to each other at once. What each message says is checked word for word,
 * and beside every message goes a plain cell, one more than the ring has slots: without the release
 * and acquire of the control word its reading races with its writing. It is written again when the
 * message a lap and one before it must have been read, which only the acknowledgement of the
 * message after that says.
 *
 * ring_client SEED SLOTS MESSAGES */
#include "clients.h"

#include "channel/ring.h"

#ifdef GENMC
enum { SLOTS_MOST = RING_SLOTS_MIN, MESSAGES = 2 };
#else
enum { SLOTS_MOST = RING_SLOTS_MAX };
#endif

struct side {
    struct ring_end end;
    uint64_t *outgoing, *incoming; /* the plain cells */
    uint64_t messages, random, name;
};

static struct slot there[SLOTS_MOST], back[SLOTS_MOST];
static uint64_t cells[2][SLOTS_MOST + 1];
static uint32_t slots = SLOTS_MOST;

static uint64_t value_of(uint64_t name, uint64_t number)
{
    return (number + 1) * 0x9e3779b97f4a7c15ull ^ name;
}

static bool send_one(struct side *side, uint64_t number)
{
    uint64_t value = value_of(side->name, number);
    struct message message;
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        message.word[i] = value + i;
    side->outgoing[number % (slots + 1)] = value;
    return ring_try_send(&side->end, &message);
}

static bool receive_one(struct side *side, uint64_t number)
{
    uint64_t value = value_of(side->name ^ 1, number);
    struct message message;
    if (!ring_try_receive(&side->end, &message))
        return false;
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        CHECK(message.word[i] == value + i, "message %llu, word %llu", (unsigned long long)number,
              (unsigned long long)i);
    CHECK(side->incoming[number % (slots + 1)] == value, "the cell beside message %llu",
          (unsigned long long)number);
    return true;
}

static void *run(void *argument)
{
    struct side *side = argument;
    uint64_t sent = 0, received = 0;
    while (sent < side->messages || received < side->messages) {
        bool any = false;
        /* Bursts of random length, so that full, empty and everything between are met. */
        for (uint32_t burst = 1 + random_next(&side->random) % (slots + 2);
             burst && sent < side->messages; burst--) {
            if (!send_one(side, sent))
                break;
            sent++;
            any = true;
        }
        for (uint32_t burst = 1 + random_next(&side->random) % (slots + 2);
             burst && received < side->messages; burst--) {
            if (!receive_one(side, received))
                break;
            received++;
            any = true;
        }
        if (any)
            progress();
        else
            GIVE_WAY();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1);
#ifdef GENMC
    uint64_t messages = MESSAGES;
#else
    uint64_t messages = argument(argc, argv, 3, 10000);
    slots = (uint32_t)argument(argc, argv, 2, RING_SLOTS);
#endif
    struct side sides[2] = {
        {.outgoing = cells[0],
         .incoming = cells[1],
         .messages = messages,
         .random = seed,
         .name = 0},
        {.outgoing = cells[1],
         .incoming = cells[0],
         .messages = messages,
         .random = ~seed,
         .name = 1},
    };
    ring_open(&sides[0].end, there, back, slots);
    ring_open(&sides[1].end, back, there, slots);
    progress();
    pthread_t other;
    CHECK(!pthread_create(&other, NULL, run, &sides[1]), "no thread");
    run(&sides[0]);
    CHECK(!pthread_join(other, NULL), "no end");
    return 0;
}
