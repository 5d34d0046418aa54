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
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "channel/channel.h"
#include "probes/timed.h"

enum { SLEEP_MS = 100 };

/* In shared memory the last word is the control word. */
struct letter {
    struct message message;
    uint64_t last;
};

static_assert(sizeof(struct letter) == HOST_MESSAGE, "as large as a line");
static_assert(sizeof(struct letter) <= PIPE_BUF, "a pipe takes it whole");

/* The memory of eventfd and futex: a direction each, written by its sender. The word that is slept
 * on is the low half of `sent`, which lies with the message as its control word does in a ring. */
struct box {
    _Alignas(PAD_BYTES) struct slot slot;
};

static struct box *box(const struct host_probe *probe, bool sending)
{
    return (struct box *)probe->memory + (sending == (probe->role == 0) ? 0 : 1);
}

static struct letter letter_of(uint64_t number)
{
    return (struct letter){{{number, ~number, 2, 3, 4, 5, 6}}, number + 7};
}

static bool is_letter(const struct letter *letter, uint64_t number)
{
    struct letter wanted = letter_of(number);
    return memcmp(letter, &wanted, sizeof wanted) == 0;
}

/* What a call that did not work means: look again, or give up with that errno. */
static int again(struct driver *d)
{
    if (errno != EAGAIN && errno != EINTR)
        return errno;
    spin(d);
    return 0;
}

/* --- Bytes: 0, or an errno. --- */

static int put_bytes(const struct host_probe *probe, const void *from, size_t size)
{
    /* A pipe takes so few bytes whole or not at all, and a packet is one; a stream of bytes may
     * take some of them. */
    for (size_t done = 0; done < size;) {
        ssize_t put = write(probe->send, (const char *)from + done, size - done);
        int error = put < 0 ? again(probe->driver) : 0;
        if (error)
            return error;
        done += put < 0 ? 0 : (size_t)put;
    }
    return 0;
}

static int get_bytes(const struct host_probe *probe, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(probe->receive, (char *)to + done, size - done);
        int error = got < 0 ? again(probe->driver) : got == 0 ? EPIPE : 0;
        if (error)
            return error;
        done += got < 0 ? 0 : (size_t)got;
    }
    return 0;
}

/* --- Eventfd and futex: the message in a line, then the word that says so. --- */

static void put_line(struct box *box, const struct letter *letter, uint64_t number)
{
    slot_put(&box->slot, &letter->message);
    /* Pairs with the acquire in line_is_there. The eighth word is this one: the number itself. */
    atomic_store_explicit(&box->slot.control, number + 1, memory_order_release);
}

/* Pairs with the release in put_line. */
static bool line_is_there(struct box *box, uint64_t number)
{
    return atomic_load_explicit(&box->slot.control, memory_order_acquire) == number + 1;
}

static void get_line(struct box *box, struct letter *letter, uint64_t number)
{
    slot_get(&box->slot, &letter->message);
    letter->last = number + 7;
}

static uint32_t *futex_word(struct box *box)
{
    /* The low half, where numbers change. */
    char *control = (char *)(void *)&box->slot.control;
    return (uint32_t *)(void *)(control + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4));
}

static int put_futex(const struct host_probe *probe, const struct letter *letter, uint64_t number)
{
    struct box *out = box(probe, true);
    put_line(out, letter, number);
    return syscall(SYS_futex, futex_word(out), FUTEX_WAKE, 1, NULL, NULL, 0) < 0 ? errno : 0;
}

static int get_futex(const struct host_probe *probe, struct letter *letter, uint64_t number)
{
    struct box *in = box(probe, false);
    const struct timespec slice = {0, SLEEP_MS * 1000000L};
    while (!line_is_there(in, number)) {
        /* The host compares and sleeps in one: a message that came since is seen. */
        if (syscall(SYS_futex, futex_word(in), FUTEX_WAIT, (uint32_t)number, &slice, NULL, 0) < 0 &&
            errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
            return errno;
        leave_if_stopped(probe->driver);
    }
    get_line(in, letter, number);
    return 0;
}

static int put_eventfd(const struct host_probe *probe, const struct letter *letter, uint64_t number)
{
    const uint64_t one = 1;
    put_line(box(probe, true), letter, number);
    return put_bytes(probe, &one, sizeof one);
}

static int get_eventfd(const struct host_probe *probe, struct letter *letter, uint64_t number)
{
    struct box *in = box(probe, false);
    uint64_t how_many;
    int error = get_bytes(probe, &how_many, sizeof how_many);
    if (error)
        return error;
    if (how_many != 1 || !line_is_there(in, number))
        return EPROTO;
    get_line(in, letter, number);
    return 0;
}

/* --- The loops --- */

static inline int put(const struct host_probe *probe, const struct letter *letter, uint64_t number)
{
    return probe->form == HOST_BYTES     ? put_bytes(probe, letter, sizeof *letter)
           : probe->form == HOST_EVENTFD ? put_eventfd(probe, letter, number)
                                         : put_futex(probe, letter, number);
}

static inline int get(const struct host_probe *probe, struct letter *letter, uint64_t number)
{
    return probe->form == HOST_BYTES     ? get_bytes(probe, letter, sizeof *letter)
           : probe->form == HOST_EVENTFD ? get_eventfd(probe, letter, number)
                                         : get_futex(probe, letter, number);
}

static bool may_be(const struct host_probe *probe)
{
    bool memory = probe->form != HOST_BYTES;
    return probe->batch && probe->form <= HOST_FUTEX && memory == (probe->memory != NULL);
}

int64_t probe_host_echo(const struct host_probe *probe, struct histogram *times)
{
    struct letter letter;
    uint64_t number = probe->first;
    int64_t wrong = 0;
    int error;
    if (!may_be(probe) || probe->count % probe->batch)
        return -EINVAL;
    ROUND_TRIPS(
        probe->role, probe->count, probe->batch, times,
        {
            letter = letter_of(number);
            if ((error = put(probe, &letter, number)) || (error = get(probe, &letter, number)))
                return -error;
            wrong += !is_letter(&letter, number);
            number++;
        },
        {
            if ((error = get(probe, &letter, number)) || (error = put(probe, &letter, number)))
                return -error;
            wrong += !is_letter(&letter, number);
            number++;
        })
    return wrong;
}

int64_t probe_host_stream(const struct host_probe *probe, struct histogram *times)
{
    struct letter letter;
    int64_t wrong = 0;
    int error;
    if (!may_be(probe) || probe->form != HOST_BYTES)
        return -EINVAL;
    if (probe->role) {
        BATCHES(probe->count, probe->batch, times, {
            if ((error = get_bytes(probe, &letter, sizeof letter)))
                return -error;
            wrong += !is_letter(&letter, i);
        })
    } else {
        BATCHES(probe->count, probe->batch, times, {
            letter = letter_of(i);
            if ((error = put_bytes(probe, &letter, sizeof letter)))
                return -error;
        })
    }
    return wrong;
}

/* --- Channels --- */

static int64_t error_of(enum channel_status status)
{
    return status == CHANNEL_CLOSED ? -EPIPE : errno ? -errno : -EPROTO;
}

#define UNTIL_IT_GOES(TRY)                                  \
    for (enum channel_status status_; (status_ = (TRY));) { \
        if (__builtin_expect(status_ != CHANNEL_AGAIN, 0))  \
            return error_of(status_);                       \
        spin(d);                                            \
    }

static int64_t calls_echo(struct driver *d, struct channel *channel, int role, uint64_t count,
                          uint32_t batch, struct histogram *times)
{
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    int64_t wrong = 0;
    uint64_t number = 0;
    uint32_t line;
    ROUND_TRIPS(
        role, count, batch, times,
        {
            message.word[0] = number;
            UNTIL_IT_GOES(channel_call(channel, &message, &line))
            UNTIL_IT_GOES(channel_take(channel, line, &message))
            wrong += message.word[0] != number++;
        },
        {
            UNTIL_IT_GOES(channel_request(channel, &message, &line))
            channel_reply(channel, line, &message);
        })
    return wrong;
}

int64_t probe_channel_echo(struct driver *d, struct channel *channel, int role, uint64_t count,
                           uint32_t batch, struct histogram *times)
{
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    int64_t wrong = 0;
    uint64_t number = 0;
    if (!batch || count % batch)
        return -EINVAL;
    if (channel->form->kind == CHANNEL_CALLS)
        return calls_echo(d, channel, role, count, batch, times);
    ROUND_TRIPS(role, count, batch, times,
                {
                    message.word[0] = number;
                    UNTIL_IT_GOES(channel_try_send(channel, &message))
                    UNTIL_IT_GOES(channel_try_receive(channel, &message))
                    wrong += message.word[0] != number++;
                },
                {UNTIL_IT_GOES(channel_try_receive(channel, &message))
                     UNTIL_IT_GOES(channel_try_send(channel, &message))})
    return wrong;
}

int64_t probe_channel_stream(struct driver *d, struct channel *channel, int role, uint64_t count,
                             uint32_t batch, struct histogram *times)
{
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    int64_t wrong = 0;
    if (!batch || channel->form->kind == CHANNEL_CALLS)
        return -EINVAL;
    if (role) {
        BATCHES(count, batch, times, {
            UNTIL_IT_GOES(channel_try_receive(channel, &message))
            wrong += message.word[0] != i;
        })
    } else {
        BATCHES(count, batch, times, {
            message.word[0] = i;
            UNTIL_IT_GOES(channel_try_send(channel, &message))
        })
    }
    return wrong;
}
