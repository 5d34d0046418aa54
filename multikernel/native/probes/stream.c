/* Streams one way, and echoes, over rings of any size: the epoch ring, the used ring, and as the yardstick a plain word ring, written here
 * for nothing but this: sequence numbers for control words, an acknowledgement on a line of its own every quarter, nothing else. Its
 * contract is theirs: a message can be read as soon as it is sent. (Rings that publish every 32nd message only are faster when large; a
 * message then waits for those behind it.)
 *
 * Called by: the message experiment, by both cores with the same parameters but the role. The rings lie in memory the caller maps on
 * both: a page of meeting and counting lines, then the two lanes. Each use clears what it uses, so the memory may be used again. */
#include <sched.h>
#include <unistd.h>

#include "../used_ring.h"
#include "probes.h"

enum { LANES_AT = 4096, SAMPLE_EVERY = 16 };

/* Page 0 of the memory. */
struct stream_page {
    _Alignas(PAD_BYTES) _Atomic uint64_t meeting;
    _Alignas(
        PAD_BYTES) _Atomic uint64_t progress; /* by the sender, every SAMPLE_EVERY messages: how many it has sent */
    _Alignas(PAD_BYTES) _Atomic uint64_t acknowledged; /* of the plain ring */
};

static_assert(sizeof(struct stream_page) <= LANES_AT, "a page");

struct plain_end {
    struct slot *slots;
    _Atomic uint64_t *acknowledged;
    uint64_t position;
    uint64_t known; /* sender: consumed as far as it knows. Receiver: as far as it has told */
    uint64_t mask;
};

static inline __attribute__((always_inline)) bool plain_try_send(struct plain_end *end, const struct message *message)
{
    if (__builtin_expect(end->position - end->known > end->mask, 0)) {
        /* Pairs with the release in plain_try_receive: what was acknowledged was read, and may be written over. */
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

static inline __attribute__((always_inline)) bool plain_try_receive(struct plain_end *end, struct message *message)
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

static void relax(struct driver *d)
{
    if (d->crowded)
        sched_yield();
    else
        arch_relax();
    if (__builtin_expect(atomic_load_explicit(&d->segment->stop, memory_order_relaxed) != 0, 0))
        _exit(0);
}

/* Both sides have come so far in this use of the memory. */
static void meet(struct driver *d, struct stream_page *page, const struct stream_probe *probe, uint64_t step)
{
    uint64_t first = probe->use * 8 + 2 * step, second = first + 1;
    /* Release and acquire, both ways: what each cleared or read before is done when the other goes on. */
    if (probe->role == 0) {
        atomic_store_explicit(&page->meeting, first, memory_order_release);
        while (atomic_load_explicit(&page->meeting, memory_order_acquire) != second)
            relax(d);
    } else {
        while (atomic_load_explicit(&page->meeting, memory_order_acquire) != first)
            relax(d);
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

/* Whole batches, each timed; then what is left. */
#define BATCHES(probe, times, operation, after)              \
    for (uint64_t i = 0, end_; i < (probe)->count;) {        \
        bool whole_ = (probe)->count - i >= (probe)->batch;  \
        end_ = whole_ ? i + (probe)->batch : (probe)->count; \
        uint64_t start_ = arch_cycles();                     \
        for (; i < end_; i++) {                              \
            operation;                                       \
        }                                                    \
        if (whole_) {                                        \
            histogram_add(times, arch_cycles() - start_);    \
            after;                                           \
        }                                                    \
    }

struct lanes {
    struct stream_page *page;
    struct slot *outgoing, *incoming;
};

static bool begin(struct driver *d, const struct stream_probe *probe, struct lanes *lanes)
{
    uint64_t slots = probe->slots;
    if (slots < RING_SLOTS_MIN || slots > RING_SLOTS_MAX || slots & (slots - 1) || !probe->batch ||
        (uintptr_t)probe->memory % PAD_BYTES || probe->bytes < LANES_AT + 2 * slots * LINE_BYTES ||
        probe->form > STREAM_PLAIN)
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

/* One function a form and role: its end is a local variable and stays in registers. */
#define STREAM(NAME, OUT, OPEN_OUT, TRY_SEND, IN, OPEN_IN, TRY_RECEIVE)                                      \
    static int64_t NAME##_out(struct driver *d, const struct stream_probe *probe, const struct lanes *lanes, \
                              struct histogram *times)                                                       \
    {                                                                                                        \
        struct message message = {{1, 2, 3, 4, 5, 6, 7}};                                                    \
        uint64_t often = probe->slots / 4 < SAMPLE_EVERY ? probe->slots / 4 : SAMPLE_EVERY;                  \
        OUT end;                                                                                             \
        OPEN_OUT;                                                                                            \
        BATCHES(                                                                                             \
            probe, times,                                                                                    \
            {                                                                                                \
                message.word[0] = i;                                                                         \
                while (!TRY_SEND(&end, &message))                                                            \
                    relax(d);                                                                                \
                if ((i & (often - 1)) == 0)                                                                  \
                    atomic_store_explicit(&lanes->page->progress, i + 1, memory_order_relaxed);              \
            },                                                                                               \
            (void)0)                                                                                         \
        return 0;                                                                                            \
    }                                                                                                        \
    static int64_t NAME##_in(struct driver *d, const struct stream_probe *probe, const struct lanes *lanes,  \
                             struct histogram *times, struct histogram *ahead)                               \
    {                                                                                                        \
        struct message message = {{0}};                                                                      \
        int64_t wrong = 0;                                                                                   \
        IN end;                                                                                              \
        OPEN_IN;                                                                                             \
        BATCHES(                                                                                             \
            probe, times,                                                                                    \
            {                                                                                                \
                while (!TRY_RECEIVE(&end, &message))                                                         \
                    relax(d);                                                                                \
                wrong += message.word[0] != i;                                                               \
            },                                                                                               \
            {                                                                                                \
                uint64_t sent = atomic_load_explicit(&lanes->page->progress, memory_order_relaxed);          \
                histogram_add(ahead, sent > i ? sent - i : 0);                                               \
            })                                                                                               \
        return wrong;                                                                                        \
    }

#define PLAIN_OPEN(LANE) \
    end = (struct plain_end){.slots = lanes->LANE, .acknowledged = &lanes->page->acknowledged, .mask = probe->slots - 1}

STREAM(epoch, struct ring_end, ring_open(&end, lanes->outgoing, lanes->incoming, probe->slots), ring_try_send,
       struct ring_end, ring_open(&end, lanes->outgoing, lanes->incoming, probe->slots), ring_try_receive)
STREAM(used, struct used_ring_sender, used_ring_open_sender(&end, lanes->outgoing, probe->slots), used_ring_try_send,
       struct used_ring_receiver, used_ring_open_receiver(&end, lanes->incoming, probe->slots), used_ring_try_receive)
STREAM(plain, struct plain_end, PLAIN_OPEN(outgoing), plain_try_send, struct plain_end, PLAIN_OPEN(incoming),
       plain_try_receive)

int64_t probe_stream(struct driver *d, const struct stream_probe *probe, struct histogram *times,
                     struct histogram *ahead)
{
    struct lanes lanes;
    int64_t wrong;
    if (!begin(d, probe, &lanes))
        return -1;
    if (probe->form == STREAM_EPOCH)
        wrong = probe->role ? epoch_in(d, probe, &lanes, times, ahead) : epoch_out(d, probe, &lanes, times);
    else if (probe->form == STREAM_USED)
        wrong = probe->role ? used_in(d, probe, &lanes, times, ahead) : used_out(d, probe, &lanes, times);
    else
        wrong = probe->role ? plain_in(d, probe, &lanes, times, ahead) : plain_out(d, probe, &lanes, times);
    meet(d, lanes.page, probe, 1);
    return wrong;
}

/* --- Echoes --- */

#define ECHO(NAME, OUT, OPEN_OUT, TRY_SEND, IN, OPEN_IN, TRY_RECEIVE, RECEIVING)                              \
    static int64_t NAME##_echo(struct driver *d, const struct stream_probe *probe, const struct lanes *lanes, \
                               struct histogram *times)                                                       \
    {                                                                                                         \
        struct message message = {{1, 2, 3, 4, 5, 6, 7}};                                                     \
        int64_t wrong = 0;                                                                                    \
        OUT out;                                                                                              \
        IN in;                                                                                                \
        OPEN_OUT;                                                                                             \
        OPEN_IN;                                                                                              \
        for (uint64_t i = 0; probe->role && i < probe->count; i++) {                                          \
            while (!TRY_RECEIVE(RECEIVING, &message))                                                         \
                relax(d);                                                                                     \
            while (!TRY_SEND(&out, &message))                                                                 \
                relax(d);                                                                                     \
        }                                                                                                     \
        if (probe->role)                                                                                      \
            return 0;                                                                                         \
        BATCHES(                                                                                              \
            probe, times,                                                                                     \
            {                                                                                                 \
                message.word[0] = i;                                                                          \
                while (!TRY_SEND(&out, &message))                                                             \
                    relax(d);                                                                                 \
                while (!TRY_RECEIVE(RECEIVING, &message))                                                     \
                    relax(d);                                                                                 \
                wrong += message.word[0] != i;                                                                \
            },                                                                                                \
            (void)0)                                                                                          \
        return wrong;                                                                                         \
    }

struct nothing {
    char unused;
};

ECHO(epoch, struct ring_end, ring_open(&out, lanes->outgoing, lanes->incoming, probe->slots), ring_try_send,
     struct nothing, (void)in, ring_try_receive, &out)
ECHO(used, struct used_ring_sender, used_ring_open_sender(&out, lanes->outgoing, probe->slots), used_ring_try_send,
     struct used_ring_receiver, used_ring_open_receiver(&in, lanes->incoming, probe->slots), used_ring_try_receive, &in)

int64_t probe_echo(struct driver *d, const struct stream_probe *probe, struct histogram *times)
{
    struct lanes lanes;
    if (probe->form == STREAM_PLAIN || !begin(d, probe, &lanes))
        return -1;
    int64_t wrong =
        probe->form == STREAM_EPOCH ? epoch_echo(d, probe, &lanes, times) : used_echo(d, probe, &lanes, times);
    meet(d, lanes.page, probe, 1);
    return wrong;
}
