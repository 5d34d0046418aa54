/* Streams one way, and echoes, over rings of any size: the epoch ring, the used ring, the call line
 * with a window of that many lines, and as the yardstick a plain word ring, written here for
 * nothing but this: sequence numbers for control words, an acknowledgement on a line of its own
 * every quarter, nothing else. Its contract is theirs: a message can be read as soon as it is sent.
 * (Rings that publish every 32nd message only are faster when large; a message then waits for those
 * behind it.)
 *
 * Both cores run it with the same parameters but the role. The rings lie in memory that is mapped
 * on both: a page of meeting and counting lines, then the two lanes. Each use clears what it uses,
 * so the memory may be used again. */
#include "channel/call_line.h"
#include "channel/used_ring.h"
#include "probes/timed.h"

enum { LANES_AT = PAGE_BYTES, SAMPLE_EVERY = 16 };

/* Page 0 of the memory. */
struct stream_page {
    _Alignas(PAD_BYTES) _Atomic uint64_t meeting;
    _Alignas(PAD_BYTES) _Atomic uint64_t progress;     /* sent so far, by the sender now and then */
    _Alignas(PAD_BYTES) _Atomic uint64_t acknowledged; /* of the plain ring */
};

static_assert(sizeof(struct stream_page) <= LANES_AT, "a page");

struct plain_end {
    struct slot *slots;
    _Atomic uint64_t *acknowledged;
    uint64_t position;
    uint64_t known; /* consumed, as far as the sender knows, or the receiver has acknowledged */
    uint64_t mask;
};

static inline __attribute__((always_inline)) bool plain_try_send(struct plain_end *end,
                                                                 const struct message *message)
{
    if (__builtin_expect(end->position - end->known > end->mask, 0)) {
        /* Pairs with the release in plain_try_receive: what was acknowledged was read, and may be
         * written over. */
        end->known = atomic_load_explicit(end->acknowledged, memory_order_acquire);
        if (end->position - end->known > end->mask)
            return false;
    }
    struct slot *slot = &end->slots[end->position & end->mask];
    slot_put(slot, message);
    /* Pairs with the acquire in plain_try_receive. */
    atomic_store_explicit(&slot->control, ++end->position, memory_order_release);
    return true;
}

static inline __attribute__((always_inline)) bool plain_try_receive(struct plain_end *end,
                                                                    struct message *message)
{
    struct slot *slot = &end->slots[end->position & end->mask];
    /* Pairs with the release in plain_try_send. */
    if (atomic_load_explicit(&slot->control, memory_order_acquire) != end->position + 1)
        return false;
    slot_get(slot, message);
    end->position++;
    if (__builtin_expect((end->position & end->mask >> 2) == 0, 0))
        /* Pairs with the acquire in plain_try_send. */
        atomic_store_explicit(end->acknowledged, end->position, memory_order_release);
    return true;
}

/* Both sides have come so far in this use of the memory. */
static void meet(struct driver *d, struct stream_page *page, const struct stream_probe *probe,
                 uint64_t step)
{
    uint64_t first = probe->use * 8 + 2 * step, second = first + 1;
    /* Release and acquire, both ways: what each cleared or read before is done when the other goes
     * on. */
    if (probe->role == 0) {
        atomic_store_explicit(&page->meeting, first, memory_order_release);
        while (atomic_load_explicit(&page->meeting, memory_order_acquire) != second)
            spin(d);
    } else {
        while (atomic_load_explicit(&page->meeting, memory_order_acquire) != first)
            spin(d);
        atomic_store_explicit(&page->meeting, second, memory_order_release);
    }
}

static void clear(struct slot *lane, uint32_t slots)
{
    for (uint32_t i = 0; i < slots; i++) {
        for (int word = 0; word < MESSAGE_WORDS; word++)
            atomic_store_explicit(&lane[i].word[word], 0, memory_order_relaxed);
        atomic_store_explicit(&lane[i].control, 0, memory_order_relaxed);
    }
}

struct lanes {
    struct stream_page *page;
    struct slot *outgoing, *incoming;
};

static bool begin(struct driver *d, const struct stream_probe *probe, struct lanes *lanes)
{
    uint64_t slots = probe->slots;
    bool calls = probe->form == STREAM_CALLS;
    if (slots < (calls ? 1 : RING_SLOTS_MIN) ||
        slots > (calls ? CALL_WINDOW_MAX : RING_SLOTS_MAX) || slots & (slots - 1) ||
        !probe->batch || (uintptr_t)probe->memory % PAD_BYTES ||
        probe->bytes < LANES_AT + 2 * slots * LINE_BYTES || probe->form > STREAM_CALLS)
        return false;
    struct slot *lane = (struct slot *)(void *)((char *)probe->memory + LANES_AT);
    lanes->page = probe->memory;
    lanes->outgoing = probe->role ? lane + slots : lane;
    lanes->incoming = probe->role ? lane : lane + slots;
    clear(lanes->incoming, probe->slots);
    if (probe->role)
        atomic_store_explicit(&lanes->page->acknowledged, 0, memory_order_relaxed);
    else
        atomic_store_explicit(&lanes->page->progress, 0, memory_order_relaxed);
    meet(d, lanes->page, probe, 0);
    return true;
}

/* Every how many messages the sender says how far it is: a power of two, a quarter of the ring at
 * most. */
static uint64_t often_of(uint32_t slots)
{
    uint32_t quarter = slots < 4 ? 1 : slots / 4;
    return quarter < SAMPLE_EVERY ? quarter : SAMPLE_EVERY;
}

/* The call line as a stream: each message is a request, its own text comes back as the reply, and
 * only a full window waits for one. */
static inline __attribute__((always_inline)) bool calls_try_send(struct call_sender *end,
                                                                 const struct message *message)
{
    struct message reply;
    if (!call_has_credit(end) && !call_try_take(end, end->next, &reply))
        return false;
    return call_try_send(end, message) >= 0;
}

static inline __attribute__((always_inline)) bool calls_try_receive(struct call_receiver *end,
                                                                    struct message *message)
{
    int line = call_try_receive(end, message);
    if (line < 0)
        return false;
    call_reply(end, (uint32_t)line, message);
    return true;
}

/* One function a form: its end is a local variable and stays in registers. */
#define STREAM(NAME, OUT, OPEN_OUT, TRY_SEND, IN, OPEN_IN, TRY_RECEIVE)                         \
    static int64_t NAME##_stream(struct driver *d, const struct stream_probe *probe,            \
                                 const struct lanes *lanes, struct histogram *times,            \
                                 struct histogram *ahead)                                       \
    {                                                                                           \
        struct message message = {{1, 2, 3, 4, 5, 6, 7}};                                       \
        int64_t wrong = 0;                                                                      \
        if (probe->role) {                                                                      \
            IN end;                                                                             \
            OPEN_IN;                                                                            \
            BATCHES(                                                                            \
                probe->count, probe->batch, times,                                              \
                {                                                                               \
                    while (!TRY_RECEIVE(&end, &message))                                        \
                        spin(d);                                                                \
                    wrong += message.word[0] != i;                                              \
                },                                                                              \
                {                                                                               \
                    uint64_t sent =                                                             \
                        atomic_load_explicit(&lanes->page->progress, memory_order_relaxed);     \
                    histogram_add(ahead, sent > i ? sent - i : 0);                              \
                })                                                                              \
        } else {                                                                                \
            uint64_t often = often_of(probe->slots);                                            \
            OUT end;                                                                            \
            OPEN_OUT;                                                                           \
            BATCHES(probe->count, probe->batch, times, {                                        \
                message.word[0] = i;                                                            \
                while (!TRY_SEND(&end, &message))                                               \
                    spin(d);                                                                    \
                if ((i & (often - 1)) == 0)                                                     \
                    atomic_store_explicit(&lanes->page->progress, i + 1, memory_order_relaxed); \
            })                                                                                  \
        }                                                                                       \
        return wrong;                                                                           \
    }

#define PLAIN_OPEN(LANE)                                                 \
    end = (struct plain_end){.slots = lanes->LANE,                       \
                             .acknowledged = &lanes->page->acknowledged, \
                             .mask = probe->slots - 1}

STREAM(epoch, struct ring_end, ring_open(&end, lanes->outgoing, lanes->incoming, probe->slots),
       ring_try_send, struct ring_end,
       ring_open(&end, lanes->outgoing, lanes->incoming, probe->slots), ring_try_receive)
STREAM(used, struct used_ring_sender, used_ring_open_sender(&end, lanes->outgoing, probe->slots),
       used_ring_try_send, struct used_ring_receiver,
       used_ring_open_receiver(&end, lanes->incoming, probe->slots), used_ring_try_receive)
STREAM(plain, struct plain_end, PLAIN_OPEN(outgoing), plain_try_send, struct plain_end,
       PLAIN_OPEN(incoming), plain_try_receive)
STREAM(calls, struct call_sender, call_open_sender(&end, lanes->outgoing, probe->slots),
       calls_try_send, struct call_receiver,
       call_open_receiver(&end, lanes->incoming, probe->slots), calls_try_receive)

typedef int64_t stream_form(struct driver *, const struct stream_probe *, const struct lanes *,
                            struct histogram *times, struct histogram *ahead);

int64_t probe_stream(struct driver *d, const struct stream_probe *probe, struct histogram *times,
                     struct histogram *ahead)
{
    static stream_form *const forms[] = {[STREAM_EPOCH] = epoch_stream,
                                         [STREAM_USED] = used_stream,
                                         [STREAM_PLAIN] = plain_stream,
                                         [STREAM_CALLS] = calls_stream};
    struct lanes lanes;
    if (!begin(d, probe, &lanes))
        return -1;
    int64_t wrong = forms[probe->form](d, probe, &lanes, times, ahead);
    meet(d, lanes.page, probe, 1);
    return wrong;
}

/* --- Echoes --- */

/* send, take: of role 0; get, reply: of role 1. Each is true once it went. */
#define ECHO(send, take, get, reply)                    \
    ROUND_TRIPS(                                        \
        probe->role, probe->count, probe->batch, times, \
        {                                               \
            message.word[0] = i;                        \
            while (!(send))                             \
                spin(d);                                \
            while (!(take))                             \
                spin(d);                                \
            wrong += message.word[0] != i++;            \
        },                                              \
        {                                               \
            while (!(get))                              \
                spin(d);                                \
            while (!(reply))                            \
                spin(d);                                \
        })

int64_t probe_echo(struct driver *d, const struct stream_probe *probe, struct histogram *times)
{
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    struct lanes lanes;
    uint64_t i = 0;
    int64_t wrong = 0;
    if (probe->form == STREAM_PLAIN || !probe->batch || probe->count % probe->batch ||
        !begin(d, probe, &lanes))
        return -1;
    if (probe->form == STREAM_EPOCH) {
        struct ring_end end;
        ring_open(&end, lanes.outgoing, lanes.incoming, probe->slots);
        ECHO(ring_try_send(&end, &message), ring_try_receive(&end, &message),
             ring_try_receive(&end, &message), ring_try_send(&end, &message))
    } else if (probe->form == STREAM_USED) {
        struct used_ring_sender out;
        struct used_ring_receiver in;
        used_ring_open_sender(&out, lanes.outgoing, probe->slots);
        used_ring_open_receiver(&in, lanes.incoming, probe->slots);
        ECHO(used_ring_try_send(&out, &message), used_ring_try_receive(&in, &message),
             used_ring_try_receive(&in, &message), used_ring_try_send(&out, &message))
    } else {
        /* Reply k is written over request k, on one line after the other. */
        struct call_sender out;
        struct call_receiver in;
        int line;
        call_open_sender(&out, lanes.outgoing, probe->slots);
        call_open_receiver(&in, lanes.incoming, probe->slots);
        ECHO((line = call_try_send(&out, &message)) >= 0,
             call_try_take(&out, (uint32_t)line, &message),
             (line = call_try_receive(&in, &message)) >= 0,
             (call_reply(&in, (uint32_t)line, &message), true))
    }
    meet(d, lanes.page, probe, 1);
    return wrong;
}
