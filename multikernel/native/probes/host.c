/* Messages between two processes over what the host offers them, and over channels of any form:
 * there and back, and one way.
 *
 * Bytes: a pipe or a Unix socket, a system call a message and side; where the descriptor blocks,
 * the reader sleeps in it until the host wakes it, else it asks again. Eventfd and futex carry no
 * message, they wake: the message is in a line of shared memory, and word and wake are used as
 * plainly as the manual pages do, a call to wake for every message and a call to sleep for every
 * one not there yet.
 *
 * Reference: pipe(7), unix(7), eventfd(2), futex(2). */
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "channel/channel.h"
#include "probes/exchange.h"

enum { SLEEP_MS = 100 };

/* A message in bytes, as large as a line: all of it follows from its number. */
struct letter {
    struct message message;
    uint64_t last;
};

static_assert(sizeof(struct letter) == LINE_BYTES, "as large as a line");
static_assert(sizeof(struct letter) <= PIPE_BUF, "a pipe takes it whole");

struct host_end {
    struct driver *driver;
    int receive, send;
    /* Of eventfd and futex: a direction each, written by its sender. The control word says which
     * message it holds, and is what a futex sleeps on. */
    struct slot *in, *out;
    uint64_t received, sent; /* over this memory */
};

static struct letter letter_of(uint64_t number)
{
    return (struct letter){{{number, ~number, 2, 3, 4, 5, 6}}, number + 7};
}

/* 1 for a whole message, whichever it is. */
static int opened(const struct letter *letter, struct message *message)
{
    struct letter wanted = letter_of(letter->message.word[0]);
    *message = letter->message;
    return memcmp(letter, &wanted, sizeof wanted) ? -EPROTO : 1;
}

/* --- Bytes --- */

/* What a call that did not work means: look again, or give up with that errno. */
static int again(struct driver *d)
{
    if (errno != EAGAIN && errno != EINTR)
        return -errno;
    spin(d);
    return 0;
}

static int put_bytes(const struct host_end *end, const void *from, size_t size)
{
    /* A pipe takes so few bytes whole or not at all, and a packet is one; a stream of bytes may
     * take some of them. */
    for (size_t done = 0; done < size;) {
        ssize_t put = write(end->send, (const char *)from + done, size - done);
        int error = put < 0 ? again(end->driver) : 0;
        if (error)
            return error;
        done += put < 0 ? 0 : (size_t)put;
    }
    return 1;
}

static int get_bytes(const struct host_end *end, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(end->receive, (char *)to + done, size - done);
        int error = got < 0 ? again(end->driver) : got == 0 ? -EPIPE : 0;
        if (error)
            return error;
        done += got < 0 ? 0 : (size_t)got;
    }
    return 1;
}

static int bytes_send(void *end, struct message *message)
{
    const struct letter letter = letter_of(message->word[0]);
    return put_bytes(end, &letter, sizeof letter);
}

static int bytes_receive(void *end, struct message *message)
{
    struct letter letter;
    int got = get_bytes(end, &letter, sizeof letter);
    return got < 0 ? got : opened(&letter, message);
}

/* --- Eventfd and futex: the message in a line, then the word that says so. --- */

static void put_line(struct host_end *end, const struct message *message)
{
    const struct letter letter = letter_of(message->word[0]);
    slot_put(end->out, &letter.message);
    /* Pairs with the acquire in line_is_there. */
    atomic_store_explicit(&end->out->control, ++end->sent, memory_order_release);
}

/* Pairs with the release in put_line. */
static bool line_is_there(const struct host_end *end)
{
    return atomic_load_explicit(&end->in->control, memory_order_acquire) == end->received + 1;
}

static int get_line(struct host_end *end, struct message *message)
{
    struct letter letter;
    slot_get(end->in, &letter.message);
    letter.last = letter.message.word[0] + 7;
    end->received++;
    return opened(&letter, message);
}

static uint32_t *futex_word(struct slot *slot)
{
    /* The low half, where numbers change. */
    char *control = (char *)(void *)&slot->control;
    return (uint32_t *)(void *)(control + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4));
}

static int futex_send(void *end, struct message *message)
{
    struct host_end *host = end;
    put_line(host, message);
    return syscall(SYS_futex, futex_word(host->out), FUTEX_WAKE, 1, NULL, NULL, 0) < 0 ? -errno : 1;
}

static int futex_receive(void *end, struct message *message)
{
    struct host_end *host = end;
    const struct timespec slice = {0, SLEEP_MS * 1000000L};
    while (!line_is_there(host)) {
        /* The host compares and sleeps in one: a message that came since is seen. */
        if (syscall(SYS_futex, futex_word(host->in), FUTEX_WAIT, (uint32_t)host->received, &slice,
                    NULL, 0) < 0 &&
            errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
            return -errno;
        leave_if_stopped(host->driver);
    }
    return get_line(host, message);
}

static int eventfd_send(void *end, struct message *message)
{
    const uint64_t one = 1;
    put_line(end, message);
    return put_bytes(end, &one, sizeof one);
}

static int eventfd_receive(void *end, struct message *message)
{
    uint64_t how_many;
    int got = get_bytes(end, &how_many, sizeof how_many);
    if (got < 0)
        return got;
    return how_many == 1 && line_is_there(end) ? get_line(end, message) : -EPROTO;
}

int64_t probe_host_echo(struct driver *d, const struct probe *p)
{
    static attempt *const sends[] = {bytes_send, eventfd_send, futex_send}, *const receives[] = {
                                                                                bytes_receive,
                                                                                eventfd_receive,
                                                                                futex_receive};
    struct host_end end = {d, p->receive, p->send, NULL, NULL, p->base, p->base};
    if (p->form == HOST_BYTES ? p->bytes : p->bytes < HOST_MEMORY)
        return -EINVAL;
    if (p->memory) {
        struct slot *first = p->memory, *second = first + PAD_BYTES / LINE_BYTES;
        end.in = p->role ? first : second;
        end.out = p->role ? second : first;
    }
    return echo(d, p, &end, sends[p->form], &end, receives[p->form]);
}

int64_t probe_host_stream(struct driver *d, const struct probe *p)
{
    struct host_end end = {.driver = d, .receive = p->receive, .send = p->send};
    return stream(d, p, &end, bytes_send, &end, bytes_receive, NULL);
}

/* --- Channels --- */

struct channel_end {
    struct channel *channel;
    uint32_t line; /* of the form "calls": the last request's */
};

EXCHANGE_INLINE int outcome(enum channel_status status)
{
    if (__builtin_expect(status <= CHANNEL_AGAIN, 1))
        return status == CHANNEL_OK;
    return status == CHANNEL_CLOSED ? -EPIPE : errno ? -errno : -EPROTO;
}

ATTEMPT(channel_send, struct channel_end, outcome(channel_try_send(end->channel, message)))
ATTEMPT(channel_receive, struct channel_end, outcome(channel_try_receive(end->channel, message)))
ATTEMPT(channel_ask, struct channel_end, outcome(channel_call(end->channel, message, &end->line)))
ATTEMPT(channel_get, struct channel_end, outcome(channel_take(end->channel, end->line, message)))
ATTEMPT(channel_hear, struct channel_end,
        outcome(channel_request(end->channel, message, &end->line)))
ATTEMPT(channel_answer, struct channel_end, (channel_reply(end->channel, end->line, message), 1))

int64_t probe_channel_echo(struct driver *d, const struct probe *p)
{
    struct channel_end end = {.channel = p->channel};
    if (p->channel->form->kind != CHANNEL_CALLS)
        return echo(d, p, &end, channel_send, &end, channel_receive);
    return p->role ? echo(d, p, &end, channel_answer, &end, channel_hear)
                   : echo(d, p, &end, channel_ask, &end, channel_get);
}

int64_t probe_channel_stream(struct driver *d, const struct probe *p)
{
    struct channel_end end = {.channel = p->channel};
    if (p->channel->form->kind == CHANNEL_CALLS)
        return -EINVAL;
    return stream(d, p, &end, channel_send, &end, channel_receive, NULL);
}
