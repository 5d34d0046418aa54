/* Two sides call each other at once, each over lines of its own, and answer in random order. Beside
 * every line lie two plain cells, one written before the request and one before the reply: without
 * the releases and acquires of the control word their use races.
 *
 * call_line_client SEED WINDOW CALLS */
#include "clients.h"

#include "channel/call_line.h"

#ifdef GENMC
enum { WINDOW_MOST = 1, CALLS = 2 };
#else
enum { WINDOW_MOST = CALL_WINDOW_MAX };
#endif

struct cells {
    uint64_t request[WINDOW_MOST], reply[WINDOW_MOST];
};

struct side {
    struct call_sender calls;
    struct call_receiver answers;
    struct cells *ours, *theirs; /* beside our calls, beside theirs */
    uint64_t total, random, name;
    uint64_t sent, taken, received, replied;
    uint64_t number[WINDOW_MOST]; /* of the call outstanding on a line */
    uint64_t value[WINDOW_MOST];  /* of the request held on a line, 0: none */
};

static struct slot lines[2][WINDOW_MOST];
static struct cells cells[2];
static uint32_t window = WINDOW_MOST;

static uint64_t value_of(uint64_t name, uint64_t number)
{
    return ((number + 1) * 0x9e3779b97f4a7c15ull ^ name) | 1;
}

static struct message filled(uint64_t value)
{
    struct message message;
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        message.word[i] = value + i;
    return message;
}

static void check(const struct message *message, uint64_t value)
{
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        CHECK(message->word[i] == value + i, "word %llu is %llx", (unsigned long long)i,
              (unsigned long long)message->word[i]);
}

static bool call(struct side *side)
{
    if (!call_has_credit(&side->calls))
        return false;
    uint32_t line = side->calls.next;
    uint64_t value = value_of(side->name, side->sent);
    struct message request = filled(value);
    side->ours->request[line] = value;
    side->number[line] = side->sent++;
    CHECK(call_try_send(&side->calls, &request) == (int)line, "not the line that is next");
    return true;
}

static bool take(struct side *side, uint32_t line)
{
    struct message reply;
    if (!(side->calls.outstanding >> line & 1) || !call_try_take(&side->calls, line, &reply))
        return false;
    uint64_t value = ~value_of(side->name, side->number[line]);
    check(&reply, value);
    CHECK(side->ours->reply[line] == value, "the cell beside reply %llu",
          (unsigned long long)side->number[line]);
    side->taken++;
    return true;
}

static bool receive(struct side *side)
{
    struct message request;
    int line = call_try_receive(&side->answers, &request);
    if (line < 0)
        return false;
    uint64_t value = value_of(side->name ^ 1, side->received++);
    check(&request, value);
    CHECK(side->theirs->request[line] == value, "the cell beside request %llu",
          (unsigned long long)side->received);
    CHECK(!side->value[line], "line %d carries two requests", line);
    side->value[line] = value;
    return true;
}

static bool reply(struct side *side, uint32_t line)
{
    if (!side->value[line])
        return false;
    struct message message = filled(~side->value[line]);
    side->theirs->reply[line] = ~side->value[line];
    side->value[line] = 0;
    call_reply(&side->answers, line, &message);
    side->replied++;
    return true;
}

static void *run(void *argument)
{
    struct side *side = argument;
    while (side->taken < side->total || side->replied < side->total) {
        bool any = false;
        uint32_t first = random_next(&side->random) % window;
        for (uint32_t n = random_next(&side->random) % (window + 1);
             n && side->sent < side->total && call(side); n--)
            any = true;
        for (uint32_t n = 1 + random_next(&side->random) % window;
             n && side->received < side->total && receive(side); n--)
            any = true;
        for (uint32_t i = 0; i < window; i++)
            if (random_next(&side->random) % 4 || window == 1)
                any |= reply(side, (first + i) % window);
        for (uint32_t i = 0; i < window; i++)
            any |= take(side, (first + window - i) % window);
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
    uint64_t total = CALLS;
#else
    uint64_t total = argument(argc, argv, 3, 10000);
    window = (uint32_t)argument(argc, argv, 2, 1);
#endif
    static struct side sides[2];
    for (uint64_t i = 0; i < 2; i++) {
        sides[i] = (struct side){.ours = &cells[i],
                                 .theirs = &cells[1 - i],
                                 .total = total,
                                 .random = seed + i,
                                 .name = i};
        call_open_sender(&sides[i].calls, lines[i], window);
        call_open_receiver(&sides[i].answers, lines[1 - i], window);
    }
    progress();
    pthread_t other;
    CHECK(!pthread_create(&other, NULL, run, &sides[1]), "no thread");
    run(&sides[0]);
    CHECK(!pthread_join(other, NULL), "no end");
    return 0;
}
