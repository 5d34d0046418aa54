/* The conformance suite of channels: one program, every form, one property a run.
 *
 * channel_client FORM PROPERTY SLOTS SEED
 *   model      random sends and receives at both ends, against counters: FIFO, full only when
 *              something is under way (either way: see channel.h), empty only when nothing is;
 *              alone in one thread
 *   bounded    fills one direction to the end, then the other: each takes at least its slots' worth
 *              (in memory: no more than its slots), and goes on when read
 *   many       the same as model, by arrays of random length
 *   closed     what was sent before closing arrives, then CLOSED, for ever; a send is CLOSED; also
 *              with unread messages of both, and with a full channel
 *   threads    both directions stream at once between two threads, every word checked, beside every
 *              message a plain cell
 *   processes  the same between two processes, without the cells
 *   killed     the other side's process is killed: what it sent arrives, then the waiting ends */
#include "clients.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "channel/channel.h"

enum { STREAMED = 5000, HOST_MOST = 1 << 16, CELLS = 1 << 17, MANY = 50 };

static const char *form;
static uint64_t slots, seed;
static uint64_t cells[2][CELLS];
static struct channel ends[2];
static void *memory;

static bool in_memory(void)
{
    return strcmp(form, "socket") && strcmp(form, "pipe");
}

static enum channel_kind kind_of_form(void)
{
    if (!strcmp(form, "epoch-ring"))
        return CHANNEL_EPOCH_RING;
    if (!strcmp(form, "used-ring"))
        return CHANNEL_USED_RING;
    CHECK(!strcmp(form, "call-line"), "no form %s", form);
    return CHANNEL_CALL_LINE;
}

static int sockets[2], pipes[2][2];

static void make(void)
{
    if (!strcmp(form, "socket")) {
        CHECK(!channel_socket_pair(sockets), "no sockets");
    } else if (!strcmp(form, "pipe")) {
        CHECK(!channel_pipe_pair(pipes), "no pipes");
    } else {
        uint64_t bytes = channel_memory_bytes(kind_of_form(), slots, 0);
        CHECK(bytes, "no %s of %llu slots", form, (unsigned long long)slots);
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED, "no memory");
        const char *wrong = channel_memory_create(memory, bytes, kind_of_form(), slots, 0);
        CHECK(!wrong, "%s", wrong);
    }
}

static void open_end(uint32_t side)
{
    if (!strcmp(form, "socket")) {
        CHECK(!channel_socket_open(&ends[side], sockets[side]), "no socket");
    } else if (!strcmp(form, "pipe")) {
        CHECK(!channel_pipe_open(&ends[side], pipes[side][0], pipes[side][1]), "no pipe");
    } else {
        channel_blank(&ends[side]);
        const char *wrong =
            channel_memory_open(&ends[side], memory, channel_memory_bytes(kind_of_form(), slots, 0),
                                kind_of_form(), side);
        CHECK(!wrong, "%s", wrong);
    }
}

static void open_both(void)
{
    make();
    open_end(0);
    open_end(1);
}

static void close_both(void)
{
    const int before = fcntl(STDIN_FILENO, F_GETFD);
    channel_close(&ends[0]);
    channel_close(&ends[1]);
    CHECK(fcntl(STDIN_FILENO, F_GETFD) == before, "it has closed what it never had");
}

static uint64_t value_of(uint32_t side, uint64_t number)
{
    return (number + 1) * 0x9e3779b97f4a7c15ull ^ side;
}

static struct message filled(uint32_t side, uint64_t number)
{
    struct message message;
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        message.word[i] = value_of(side, number) + i;
    return message;
}

static void check(const struct message *message, uint32_t side, uint64_t number)
{
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        CHECK(message->word[i] == value_of(side, number) + i, "message %llu from %u, word %llu",
              (unsigned long long)number, side, (unsigned long long)i);
}

/* What is under way, by the side that sends it. */
static uint64_t sent[2], received[2];

static bool send_one(uint32_t side)
{
    struct message message = filled(side, sent[side]);
    enum channel_status status = channel_try_send(&ends[side], &message);
    CHECK(status == CHANNEL_OK || status == CHANNEL_AGAIN, "send: status %d", status);
    sent[side] += status == CHANNEL_OK;
    return status == CHANNEL_OK;
}

static bool receive_one(uint32_t side)
{
    struct message message;
    enum channel_status status = channel_try_receive(&ends[side], &message);
    CHECK(status == CHANNEL_OK || status == CHANNEL_AGAIN, "receive: status %d", status);
    if (status == CHANNEL_AGAIN)
        return false;
    check(&message, 1 - side, received[1 - side]++);
    return true;
}

static void model(void)
{
    for (int i = 0; i < STREAMED; i++) {
        uint32_t what = random_next(&seed), side = what & 1;
        uint32_t times = 1 + (what >> 8) % (uint32_t)(slots + 2);
        for (; times; times--) {
            uint64_t under_way = sent[1 - side] - received[1 - side];
            if (what & 2) {
                bool took = send_one(side);
                /* Full with nothing under way: there is room as soon as the other side has looked
                 * again. */
                for (int look = 0; !took && !under_way && sent[side] == received[side]; look++) {
                    CHECK(look < 4, "full with nothing under way");
                    CHECK(!receive_one(1 - side), "from nowhere");
                    took = send_one(side);
                }
            } else {
                CHECK(receive_one(side) == (under_way != 0), "%llu under way",
                      (unsigned long long)under_way);
            }
        }
    }
}

static void many(void)
{
    struct message out[MANY], in[MANY];
    for (int i = 0; i < STREAMED / 4; i++) {
        uint32_t side = random_next(&seed) & 1, count = 1 + random_next(&seed) % MANY, done;
        for (uint32_t k = 0; k < count; k++)
            out[k] = filled(side, sent[side] + k);
        enum channel_status status = ends[side].form->send_many(&ends[side], out, count, &done);
        CHECK(done <= count && status == (done ? CHANNEL_OK : CHANNEL_AGAIN), "%u sent, status %d",
              done, status);
        sent[side] += done;
        side = random_next(&seed) & 1;
        count = 1 + random_next(&seed) % MANY;
        status = ends[side].form->receive_many(&ends[side], in, count, &done);
        CHECK(done <= count && status == (done ? CHANNEL_OK : CHANNEL_AGAIN),
              "%u received, status %d", done, status);
        uint64_t under_way = sent[1 - side] - received[1 - side];
        CHECK(done == (under_way < count ? under_way : count), "%u of %llu", done,
              (unsigned long long)under_way);
        for (uint32_t k = 0; k < done; k++)
            check(&in[k], 1 - side, received[1 - side]++);
    }
}

static void bounded(void)
{
    for (int lap = 0; lap < 5; lap++) {
        /* Both full at once: neither keeps the other from going on. */
        while (send_one(0) | send_one(1))
            CHECK(sent[0] - received[0] <= HOST_MOST && sent[1] - received[1] <= HOST_MOST,
                  "no end to it");
        for (uint32_t side = 0; side < 2; side++) {
            uint64_t under_way = sent[side] - received[side];
            CHECK(under_way >= slots / 2 && (!in_memory() || under_way <= slots), "%llu fill it",
                  (unsigned long long)under_way);
        }
        for (uint32_t side = 0; side < 2; side++)
            for (uint64_t left = 1 + random_next(&seed) % slots; left && receive_one(side); left--)
                ;
        /* Emptied, it takes at least half of what it has room for. (The rest may be owed an
         * acknowledgement.) */
        while (receive_one(0) | receive_one(1))
            ;
        CHECK(sent[0] == received[0] && sent[1] == received[1], "lost");
    }
}

static void expect_closed(uint32_t side)
{
    struct message message = filled(side, 0);
    for (int i = 0; i < 3; i++) {
        enum channel_status status = channel_try_receive(&ends[side], &message);
        CHECK(status == CHANNEL_CLOSED, "receive: status %d", status);
        status = channel_try_send(&ends[side], &message);
        CHECK(status == CHANNEL_CLOSED, "send: status %d", status);
    }
}

static void closed(void)
{
    for (uint64_t before = 0; before < slots / 2; before++)
        for (uint32_t unread = 0; unread < 2; unread++) {
            memset(sent, 0, sizeof sent);
            memset(received, 0, sizeof received);
            uint32_t closing = random_next(&seed) & 1;
            for (uint64_t i = 0; i < before; i++)
                CHECK(send_one(closing), "full");
            if (unread)
                CHECK(send_one(1 - closing), "full");
            channel_close(&ends[closing]);
            channel_close(&ends[closing]);
            for (uint64_t i = 0; i < before; i++)
                CHECK(receive_one(1 - closing), "%llu of %llu came", (unsigned long long)i,
                      (unsigned long long)before);
            expect_closed(1 - closing);
            channel_close(&ends[1 - closing]);
            open_both();
        }
    /* Full, and then closed by who would have read it. */
    while (send_one(0))
        ;
    channel_close(&ends[1]);
    expect_closed(0);
    open_both();
}

struct streamer {
    uint32_t side;
    bool with_cells;
    uint64_t random;
};

static void *stream(void *argument)
{
    struct streamer *streamer = argument;
    uint32_t side = streamer->side;
    uint64_t out = 0, in = 0;
    struct message message;
    while (out < STREAMED || in < STREAMED) {
        bool any = false;
        for (uint32_t burst = 1 + random_next(&streamer->random) % (uint32_t)(slots + 2);
             burst && out < STREAMED; burst--) {
            message = filled(side, out);
            if (streamer->with_cells)
                cells[side][out] = value_of(side, out);
            enum channel_status status = channel_try_send(&ends[side], &message);
            CHECK(status == CHANNEL_OK || status == CHANNEL_AGAIN, "send: status %d", status);
            if (status == CHANNEL_AGAIN)
                break;
            any = true;
            out++;
        }
        for (uint32_t burst = 1 + random_next(&streamer->random) % (uint32_t)(slots + 2);
             burst && in < STREAMED; burst--) {
            enum channel_status status = channel_try_receive(&ends[side], &message);
            CHECK(status == CHANNEL_OK || status == CHANNEL_AGAIN, "receive: status %d", status);
            if (status == CHANNEL_AGAIN)
                break;
            check(&message, 1 - side, in);
            CHECK(!streamer->with_cells || cells[1 - side][in] == value_of(1 - side, in),
                  "the cell beside message");
            any = true;
            in++;
        }
        if (any)
            progress();
        else
            GIVE_WAY();
    }
    return NULL;
}

static void threads(void)
{
    struct streamer both[2] = {{0, true, seed}, {1, true, ~seed}};
    pthread_t other;
    CHECK(!pthread_create(&other, NULL, stream, &both[1]), "no thread");
    stream(&both[0]);
    CHECK(!pthread_join(other, NULL), "no end");
}

/* After fork the parent has side 0, the child side 1. */
static pid_t split(void)
{
    make();
    pid_t child = fork();
    CHECK(child >= 0, "no process");
    uint32_t side = child ? 0 : 1;
    if (!strcmp(form, "socket"))
        close(sockets[1 - side]);
    if (!strcmp(form, "pipe")) {
        close(pipes[1 - side][0]);
        close(pipes[1 - side][1]);
    }
    open_end(side);
    return child;
}

static void processes(void)
{
    pid_t child = split();
    struct streamer mine = {child ? 0 : 1, false, child ? seed : ~seed};
    stream(&mine);
    if (!child)
        _exit(0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "the other process: status %d",
          status);
}

static void killed(void)
{
    pid_t child = split();
    struct message message;
    struct wait wait = {0};
    enum channel_status status;
    if (!child) {
        for (uint64_t i = 0; i < (slots + 1) / 2; i++)
            send_one(1);
        kill(getpid(), SIGKILL);
    }
    for (uint64_t i = 0; i < (slots + 1) / 2;) {
        status = channel_try_receive(&ends[0], &message);
        if (status == CHANNEL_OK)
            check(&message, 1, i++);
        else
            CHECK(status == CHANNEL_AGAIN, "status %d", status);
    }
    for (bool there = true;
         there && (status = channel_try_receive(&ends[0], &message)) != CHANNEL_CLOSED;) {
        CHECK(status == CHANNEL_AGAIN, "status %d", status);
        there = channel_wait(&ends[0], AWAIT_MESSAGE, &wait, 20);
    }
    /* A process that is dead and not yet waited for is gone all the same. */
    CHECK(waitpid(child, NULL, 0) == child, "no child");
}

int main(int argc, char **argv)
{
    CHECK(argc == 5, "four arguments");
    form = argv[1];
    slots = argument(argc, argv, 3, 32);
    seed = argument(argc, argv, 4, 1);
    signal(SIGPIPE, SIG_IGN);
    progress();
    static const struct {
        const char *name;
        void (*run)(void);
        bool alone;
    } properties[] = {
        {"model", model, true},    {"bounded", bounded, true}, {"many", many, true},
        {"closed", closed, true},  {"threads", threads, true}, {"processes", processes, false},
        {"killed", killed, false},
    };
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        if (!strcmp(properties[i].name, argv[2])) {
            if (properties[i].alone)
                open_both();
            properties[i].run();
            if (properties[i].alone)
                close_both();
            return 0;
        }
    fprintf(stderr, "no property %s\n", argv[2]);
    return 2;
}
