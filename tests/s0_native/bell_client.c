/* What lies above the forms of a channel: frames, and the bell that wakes a receiver.
 *
 * bell_client PROPERTY FORM SLOTS ARENA SEED
 *   frames  random bytes of random lengths stream between two threads, every byte checked
 *   sleeps  the receiver sleeps without end whenever nothing is there, and the sender pauses: a sleep
 *           that is not ended by the message it waits for is an error
 *   polls   the same by the descriptor, which is polled for; a message is taken at a time */
#include "clients.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "channel/blocking.h"

#ifndef ROUNDS
#define ROUNDS 20000
#endif
enum { FRAMES = 80, LONGEST = 20000, ENDLESS_MS = 5000 };

static struct channel ends[2];
static uint64_t seed;

static void make(enum channel_kind kind, uint64_t slots, uint64_t arena)
{
    const uint64_t bytes = channel_memory_bytes(kind, slots, arena);
    CHECK(bytes, "no such channel");
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "no memory");
    const char *wrong = channel_memory_create(memory, bytes, kind, slots, arena);
    CHECK(!wrong, "%s", wrong);
    const int bells[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};
    for (uint32_t side = 0; side < 2; side++) {
        channel_blank(&ends[side]);
        wrong = channel_memory_open(&ends[side], memory, bytes, kind, side);
        CHECK(!wrong, "%s", wrong);
        channel_bell_open(&ends[side], bells[side], dup(bells[1 - side]));
    }
}

/* Not too often nothing, and not too often much. */
static uint64_t length_of(uint64_t *state)
{
    const uint32_t drawn = random_next(state);
    return drawn % 4 ? drawn % 120 : drawn % LONGEST;
}

static void *send_frames(void *unused)
{
    uint64_t lengths = seed, content = seed + 1;
    static char data[LONGEST];
    for (uint32_t i = 0; i < FRAMES; i++) {
        const uint64_t length = length_of(&lengths);
        for (uint64_t j = 0; j < length; j++)
            data[j] = (char)random_next(&content);
        CHECK(channel_send_bytes(&ends[0], data, length, -1) == CHANNEL_OK, "frame %u", i);
    }
    return unused;
}

static void receive_frames(void)
{
    uint64_t lengths = seed, content = seed + 1, length;
    void *data;
    for (uint32_t i = 0; i < FRAMES; i++) {
        progress();
        CHECK(channel_receive_bytes(&ends[1], &data, &length, -1) == CHANNEL_OK, "frame %u", i);
        CHECK(length == length_of(&lengths), "frame %u has %llu bytes", i,
              (unsigned long long)length);
        for (uint64_t j = 0; j < length; j++)
            CHECK(((char *)data)[j] == (char)random_next(&content), "byte %llu of frame %u",
                  (unsigned long long)j, i);
        free(data);
    }
}

/* A few messages at once, each of which is answered, so that the receiver sleeps, or is about to,
 * when the next ones come. */
static void *send_words(void *unused)
{
    uint64_t state = seed, sent = 0;
    struct message message = {{0}}, answer;
    while (sent < ROUNDS) {
        const uint64_t wanted = sent + 1 + random_next(&state) % 3;
        const uint64_t until = wanted < ROUNDS ? wanted : ROUNDS;
        for (uint32_t pause = random_next(&state) % (sent % 8 ? 100 : 3000); pause; pause--)
            arch_relax();
        uint64_t answered = sent;
        while (sent < until) {
            message.word[0] = ++sent;
            CHECK(channel_send(&ends[0], &message, -1) == CHANNEL_OK, "message %llu",
                  (unsigned long long)sent);
        }
        while (answered < sent)
            if (channel_try_receive(&ends[0], &answer) == CHANNEL_OK)
                answered++;
            else
                arch_relax();
    }
    return unused;
}

static void answer(uint64_t i, const struct message *message)
{
    CHECK(message->word[0] == i, "%llu, not %llu", (unsigned long long)message->word[0],
          (unsigned long long)i);
    CHECK(channel_send(&ends[1], message, -1) == CHANNEL_OK, "no room");
}

static void sleep_for_words(void)
{
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        struct message message;
        progress();
        while (channel_try_receive(&ends[1], &message) != CHANNEL_OK) {
            channel_arm(&ends[1]);
            if (channel_try_receive(&ends[1], &message) == CHANNEL_OK)
                break;
            struct pollfd set = {.fd = ends[1].bell.set, .events = POLLIN};
            CHECK(poll(&set, 1, ENDLESS_MS), "nobody rang for message %llu", (unsigned long long)i);
        }
        channel_awake(&ends[1]);
        answer(i, &message);
    }
}

static bool look(struct message *message)
{
    if (channel_try_receive(&ends[1], message) == CHANNEL_OK)
        return true;
    channel_arm(&ends[1]);
    if (channel_try_receive(&ends[1], message) != CHANNEL_OK)
        return false;
    channel_awake(&ends[1]);
    return true;
}

static void poll_for_words(void)
{
    struct pollfd set = {.fd = channel_fileno(&ends[1]), .events = POLLIN};
    CHECK(set.fd >= 0, "no descriptor");
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        struct message message;
        progress();
        do
            CHECK(poll(&set, 1, ENDLESS_MS), "the descriptor does not tell of message %llu",
                  (unsigned long long)i);
        while (!look(&message));
        answer(i, &message);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc > 4, "bell_client PROPERTY FORM SLOTS ARENA SEED");
    const enum channel_kind kind =
        strcmp(argv[2], "used-ring") ? CHANNEL_CALL_LINE : CHANNEL_USED_RING;
    seed = argument(argc, argv, 5, 1);
    make(kind, argument(argc, argv, 3, 4), argument(argc, argv, 4, 0));
    const bool frames = !strcmp(argv[1], "frames");
    pthread_t sender;
    CHECK(!pthread_create(&sender, NULL, frames ? send_frames : send_words, NULL), "no thread");
    if (frames)
        receive_frames();
    else if (!strcmp(argv[1], "sleeps"))
        sleep_for_words();
    else
        poll_for_words();
    pthread_join(sender, NULL);
    channel_close(&ends[0]);
    channel_close(&ends[1]);
    return 0;
}
