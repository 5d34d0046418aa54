/* A channel: to whom it carries messages it is a bounded FIFO each way, whatever it is made of. One
 * end a side.
 *
 * Guarantees, held by one conformance suite over every form: messages arrive in order, once, whole;
 * try_send and try_receive never wait; what was sent before the other side closed still arrives,
 * then CLOSED; a send to a closed side is CLOSED. An end belongs to one thread at a time. A side
 * that dies without closing, or before it was opened, is noticed where somebody waits (holders.h). A side that finds no room goes
 * on receiving: in an epoch ring the news that there is room comes with the messages of the other
 * side, may lie behind some that are not read, and is sent by a side that looks. For sending one
 * way alone another form is better.
 *
 *   epoch-ring  ring.h                shared memory; capacity: slots - 1
 *   used-ring   used_ring.h           shared memory; capacity: slots
 *   call-line   call_line.h as FIFO   shared memory; capacity: slots, at most 32. A message is a
 *                                     request. Its reply is empty, nothing but the credit coming
 *                                     back: two line transfers a message, where the rings need
 *                                     little more than one. With replies to send: "calls".
 *   calls       call_line.h           shared memory; no FIFO: each side calls and answers, by
 *                                     channel_call and channel_request
 *   socket      by_host.c             a pair of Unix sockets, SOCK_SEQPACKET; capacity: the host's
 *                                     buffers
 *   pipe        by_host.c             two pipes; capacity: the host's buffers
 *
 * The kernel's own channels use ring.h and call_line.h directly. */
#pragma once

#include <stddef.h>

#include "arch/arch.h"
#include "base/align.h"
#include "base/wait.h"
#include "channel/bell.h"
#include "channel/call_line.h"
#include "channel/holders.h"
#include "channel/ring.h"
#include "channel/used_ring.h"

enum channel_status {
    CHANNEL_OK = 0,
    CHANNEL_AGAIN,  /* full, or nothing there */
    CHANNEL_CLOSED, /* the other side has closed, or is gone */
    /* what came is no message of ours (errno 0), or the host refused (errno says why) */
    CHANNEL_BROKEN,
};

enum channel_kind {
    CHANNEL_EPOCH_RING = 1,
    CHANNEL_USED_RING,
    CHANNEL_CALL_LINE,
    CHANNEL_CALLS,
    CHANNEL_SOCKET,
    CHANNEL_PIPE
};

struct channel;

struct channel_form {
    enum channel_kind kind;
    bool shares_memory;
    enum channel_status (*try_send)(struct channel *, const struct message *);
    enum channel_status (*try_receive)(struct channel *, struct message *);
    /* As many as go now, in order; *done says how many. AGAIN or CLOSED only when that is none. */
    enum channel_status (*send_many)(struct channel *, const struct message *, uint32_t count,
                                     uint32_t *done);
    enum channel_status (*receive_many)(struct channel *, struct message *, uint32_t count,
                                        uint32_t *done);
    void (*close)(struct channel *); /* NULL: nothing of its own */
};

/* Of frames, see frame.h. */
enum frame_kind { FRAME_BYTES = 1, FRAME_OBJECT = 2, FRAME_BUFFER = 3, FRAME_PLAIN = 4 };

enum { FRAME_FIRST = 48, FRAME_FOLLOWERS_MOST = 0xffff };
#define FRAME_LENGTH_MOST ((1ull << 40) - 1)

/* A frame under way. */
struct frame {
    enum frame_kind kind;
    uint32_t followers;
    uint64_t length, done;
    char *data; /* a sender's is only read */
    bool begun;
};

/* One end. Lives in private memory, is opened once and closed once. */
struct channel {
    const struct channel_form *form;
    /* Who holds which side (holders.h); NULL: nobody has written that down. */
    struct channel_header *header;
    uint32_t side;
    struct channel_holders holders;
    struct channel_bell bell;
    uint64_t mapped; /* bytes that closing unmaps (side.h) */
    uint32_t slots;
    uint64_t arena;                  /* bytes; 0: long frames travel in messages (frame.h) */
    uint64_t arena_put, arena_got;   /* bytes so far, of the other side's arena and of the own */
    uint64_t first[FRAME_FIRST / 8]; /* of a frame that is being received */
    struct frame receiving;          /* by blocking.h */
    union {
        struct ring_end ring;
        struct used_ring_end used;
        struct {
            struct call_sender sender;
            struct call_receiver receiver;
        } calls;
        struct {
            int receive, send;
        } host;
    };
};

static inline enum channel_status channel_try_send(struct channel *channel,
                                                   const struct message *message)
{
    return channel->form->try_send(channel, message);
}

static inline enum channel_status channel_try_receive(struct channel *channel,
                                                      struct message *message)
{
    return channel->form->try_receive(channel, message);
}

/* To poll for; -1: there is none. */
static inline int channel_descriptor(const struct channel *channel, bool sending)
{
    if (channel->form->shares_memory)
        return -1;
    return sending ? channel->host.send : channel->host.receive;
}

/* Of an end that is not open yet. */
static inline void channel_blank(struct channel *channel)
{
    *channel =
        (struct channel){.bell = {.own = -1, .other = -1, .set = -1}, .holders = {.lifeline = -1}};
}

/* What was sent before arrives; then the other side finds it closed. Idempotent. (side.c) */
void channel_close(struct channel *channel);
/* The same where nobody is told: in a child that has a copy of its parent's end. */
void channel_drop(struct channel *channel);

/* --- In shared memory (in_memory.c) --- */

#define CHANNEL_MAGIC 0x4c4e4e4148434b4dull /* "MKCHANNL" */
#define ARENA_MOST    (1ull << 40)
enum { CHANNEL_VERSION = 2, CHANNEL_HOLDERS = 16 };

enum channel_side_state { CHANNEL_SIDE_NEW = 0, CHANNEL_SIDE_OPEN, CHANNEL_SIDE_CLOSED };

/* What a side sends: messages as they are, or frames (frame.h). The first that it sends decides. */
enum channel_carries { CARRIES_NOTHING = 0, CARRIES_WORDS, CARRIES_FRAMES };

/* Then, each on a page of its own: the slots side 0 receives on, the slots side 1 receives on; and,
 * of so many bytes each, what side 0 and side 1 receive long frames in. */
struct channel_header {
    uint64_t magic;
    uint32_t version;
    uint32_t kind;
    uint64_t slots;
    uint64_t arena; /* a whole number of pages, or 0 */
    uint64_t bytes;
    struct channel_header_side {
        /* This line is written by that side alone. */
        _Alignas(PAD_BYTES) _Atomic uint32_t state;
        _Atomic uint32_t pid;
        _Atomic uint32_t carries;
        _Atomic uint32_t asleep;   /* odd: its receiver wants its bell rung (bell.h) */
        _Atomic uint32_t unfenced; /* its process cannot be made to fence */
        _Atomic uint32_t dialect;  /* of Python's, if it is one: objects travel faster then */
        _Atomic uint64_t taken;    /* bytes of frames that it has taken out of its arena */
        /* Processes that had this side before it was opened; each writes its own. */
        _Alignas(PAD_BYTES) _Atomic uint32_t holder[CHANNEL_HOLDERS];
    } side[2];
};

static_assert(sizeof(struct channel_header) == 5 * PAD_BYTES &&
                  sizeof(struct channel_header) <= PAGE_BYTES,
              "a line a writer");

static inline struct channel_header_side *channel_own(const struct channel *channel)
{
    return &channel->header->side[channel->side];
}

static inline struct channel_header_side *channel_other(const struct channel *channel)
{
    return &channel->header->side[1 - channel->side];
}

/* Bytes of memory that kind of channel takes with that many slots a direction, and an arena of so
 * many bytes; 0 when there is none such. One that the host carries takes a page, for its header, and
 * has 0 slots and no arena. */
uint64_t channel_memory_bytes(enum channel_kind kind, uint64_t slots, uint64_t arena);
/* Where that side receives long frames. */
void *channel_arena(const struct channel *channel, uint32_t side);
/* Lays a channel out in zeroed memory, page-aligned. NULL when fine, else what is wrong. */
const char *channel_memory_create(void *memory, uint64_t bytes, enum channel_kind kind,
                                  uint64_t slots, uint64_t arena);
/* Opens side 0 or 1 of it, each once, of a blank channel (channel_blank). NULL when fine, else what
 * is wrong. The memory must stay mapped until the end is closed. One that the host carries is opened
 * over its descriptors first. */
const char *channel_memory_open(struct channel *channel, void *memory, uint64_t bytes,
                                enum channel_kind kind, uint32_t side);

/* Has the other side closed? Then nothing follows but what is in the memory already. */
static inline bool channel_other_closed(const struct channel *channel)
{
    /* Pairs with the release in memory_close: what was sent before is seen after. */
    return atomic_load_explicit(&channel_other(channel)->state, memory_order_acquire) ==
           CHANNEL_SIDE_CLOSED;
}

/* After what was sent: a receiver that sleeps is woken. */
static inline void channel_sent(struct channel *channel)
{
    /* Relaxed: the sleeper sees to it that this load follows the stores of the message (bell.c). */
    atomic_signal_fence(memory_order_seq_cst);
    const uint32_t asleep =
        atomic_load_explicit(&channel_other(channel)->asleep, memory_order_relaxed);
    if (__builtin_expect(asleep & CHANNEL_CALLS_FOR_ITS_BELL, 0))
        channel_ring(channel, asleep);
}

/* --- Calls: the form "calls" --- */

/* AGAIN: every line is in use. */
static inline enum channel_status channel_call(struct channel *channel,
                                               const struct message *request, uint32_t *line)
{
    if (__builtin_expect(channel_other_closed(channel), 0))
        return CHANNEL_CLOSED;
    int got = call_try_send(&channel->calls.sender, request);
    if (got < 0)
        return CHANNEL_AGAIN;
    channel_sent(channel);
    *line = (uint32_t)got;
    return CHANNEL_OK;
}

/* Is a request outstanding on that line, its reply not taken? */
static inline bool channel_call_outstanding(const struct channel *channel, uint32_t line)
{
    return line < CALL_WINDOW_MAX && channel->calls.sender.outstanding >> line & 1;
}

/* The reply to what was called on that line, which is then free. The line must be outstanding. */
static inline enum channel_status channel_take(struct channel *channel, uint32_t line,
                                               struct message *reply)
{
    if (__builtin_expect(call_try_take(&channel->calls.sender, line, reply), 1))
        return CHANNEL_OK;
    if (__builtin_expect(!channel_other_closed(channel), 1))
        return CHANNEL_AGAIN;
    return call_try_take(&channel->calls.sender, line, reply) ? CHANNEL_OK : CHANNEL_CLOSED;
}

/* The next request, and the line that its reply goes to. */
static inline enum channel_status channel_request(struct channel *channel, struct message *request,
                                                  uint32_t *line)
{
    int got = call_try_receive(&channel->calls.receiver, request);
    if (got < 0) {
        if (__builtin_expect(!channel_other_closed(channel), 1))
            return CHANNEL_AGAIN;
        if ((got = call_try_receive(&channel->calls.receiver, request)) < 0)
            return CHANNEL_CLOSED;
    }
    *line = (uint32_t)got;
    return CHANNEL_OK;
}

/* Each request once, in any order; the line must hold one. */
static inline void channel_reply(struct channel *channel, uint32_t line,
                                 const struct message *reply)
{
    call_reply(&channel->calls.receiver, line, reply);
    channel_sent(channel);
}

/* --- Carried by the host: nothing shared --- */

/* The two ends' descriptors. 0, or an errno. */
int channel_socket_pair(int ends[2]);
/* The end takes the descriptor, and closes it. What the channel was before is forgotten. 0, or an
 * errno. */
int channel_socket_open(struct channel *channel, int descriptor);

/* ends[side]: what it receives from, what it sends to. 0, or an errno. */
int channel_pipe_pair(int ends[2][2]);
/* The process must ignore SIGPIPE, as every Python does, or a send to a closed side ends it: pipes
 * know no MSG_NOSIGNAL. */
int channel_pipe_open(struct channel *channel, int receive, int send);

/* --- Waiting (waiting.c) --- */

enum channel_awaited { AWAIT_ROOM, AWAIT_MESSAGE, AWAIT_REPLY };

/* One bounded wait, of so many milliseconds at most (at least one), to be followed by another look.
 * False when nothing more can come: the other side's process is gone. */
bool channel_wait(struct channel *channel, enum channel_awaited awaited, struct wait *wait,
                  uint32_t most_ms);

/* Looks for as long as something takes to come from a side that is awake, a few microseconds; then
 * AGAIN. */
enum { CHANNEL_SHORT_LOOKS = 128 };
#define CHANNEL_SOON(TRY)                                                  \
    enum channel_status status = (TRY);                                    \
    for (uint32_t looks = CHANNEL_SHORT_LOOKS;                             \
         __builtin_expect(status == CHANNEL_AGAIN, 0) && looks; looks--) { \
        arch_relax();                                                      \
        status = (TRY);                                                    \
    }                                                                      \
    return status

static inline enum channel_status channel_send_soon(struct channel *channel,
                                                    const struct message *message)
{
    CHANNEL_SOON(channel_try_send(channel, message));
}

static inline enum channel_status channel_receive_soon(struct channel *channel,
                                                       struct message *message)
{
    CHANNEL_SOON(channel_try_receive(channel, message));
}

static inline enum channel_status channel_take_soon(struct channel *channel, uint32_t line,
                                                    struct message *reply)
{
    CHANNEL_SOON(channel_take(channel, line, reply));
}

static inline enum channel_status channel_request_soon(struct channel *channel,
                                                       struct message *request, uint32_t *line)
{
    CHANNEL_SOON(channel_request(channel, request, line));
}
