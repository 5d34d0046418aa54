/* Two sides stream to each other over used rings, one a direction. Beside every message goes a
 * plain cell, two more than the ring has slots: without the release and acquire of the control word
 * its reading races with its writing. It is written again when the message a lap and two before it
 * must have been read, which only the cleared slot of the message after that says.
 *
 * used_ring_client SEED SLOTS MESSAGES */
#include "clients.h"

#include "channel/used_ring.h"

#ifdef GENMC
enum { SLOTS_MOST = 2, MESSAGES = 3 };
#else
enum { SLOTS_MOST = 4096 };
#endif

struct side {
    struct used_ring_end end;
    uint64_t *outgoing, *incoming; /* the plain cells */
    uint64_t messages, random, name;
};

static struct slot lanes[2][SLOTS_MOST];
static uint64_t cells[2][SLOTS_MOST + 2];
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
    side->outgoing[number % (slots + 2)] = value;
    return used_ring_try_send(&side->end, &message);
}

static bool receive_one(struct side *side, uint64_t number)
{
    uint64_t value = value_of(side->name ^ 1, number);
    struct message message;
    if (!used_ring_try_receive(&side->end, &message))
        return false;
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        CHECK(message.word[i] == value + i, "message %llu, word %llu", (unsigned long long)number,
              (unsigned long long)i);
    CHECK(side->incoming[number % (slots + 2)] == value, "the cell beside message %llu",
          (unsigned long long)number);
    return true;
}

static void *run(void *argument)
{
    struct side *side = argument;
    uint64_t sent = 0, received = 0;
    while (sent < side->messages || received < side->messages) {
        bool any = false;
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
    slots = (uint32_t)argument(argc, argv, 2, 32);
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
    for (int i = 0; i < 2; i++)
        used_ring_open(&sides[i].end, lanes[i], lanes[1 - i], slots);
    progress();
    pthread_t other;
    CHECK(!pthread_create(&other, NULL, run, &sides[1]), "no thread");
    run(&sides[0]);
    CHECK(!pthread_join(other, NULL), "no end");
    return 0;
}
