/* Streams one way, and echoes, over rings of any size: the epoch ring, the used ring, the call line
 * with a window of that many lines, and as the yardstick a plain word ring, written here for
 * nothing but this: sequence numbers for control words, an acknowledgement on a line of its own
 * every quarter, nothing else. Its contract is theirs: a message can be read as soon as it is sent.
 * (Rings that publish every 32nd message only are faster when large; a message then waits for those
 * behind it.) */
#include "channel/call_line.h"
#include "channel/used_ring.h"
#include "probes/exchange.h"
#include "probes/lanes.h"

/* --- The plain ring --- */

struct plain_end {
    struct slot *slots;
    _Atomic uint64_t *acknowledged;
    uint64_t position;
    uint64_t known; /* consumed, as far as the sender knows, or the receiver has acknowledged */
    uint64_t mask;
};

EXCHANGE_INLINE int plain_send(void *plain, struct message *message)
{
    struct plain_end *end = plain;
    if (__builtin_expect(end->position - end->known > end->mask, 0)) {
        /* Pairs with the release in plain_receive: what was acknowledged was read, and may be
         * written over. */
        end->known = atomic_load_explicit(end->acknowledged, memory_order_acquire);
        if (end->position - end->known > end->mask)
            return 0;
    }
    struct slot *slot = &end->slots[end->position & end->mask];
    slot_put(slot, message);
    /* Pairs with the acquire in plain_receive. */
    atomic_store_explicit(&slot->control, ++end->position, memory_order_release);
    return 1;
}

EXCHANGE_INLINE int plain_receive(void *plain, struct message *message)
{
    struct plain_end *end = plain;
    struct slot *slot = &end->slots[end->position & end->mask];
    /* Pairs with the release in plain_send. */
    if (atomic_load_explicit(&slot->control, memory_order_acquire) != end->position + 1)
        return 0;
    slot_get(slot, message);
    end->position++;
    if (__builtin_expect((end->position & end->mask >> 2) == 0, 0))
        /* Pairs with the acquire in plain_send. */
        atomic_store_explicit(end->acknowledged, end->position, memory_order_release);
    return 1;
}

/* --- Tries --- */

ATTEMPT(epoch_send, struct ring_end, ring_try_send(end, message))
ATTEMPT(epoch_receive, struct ring_end, ring_try_receive(end, message))
ATTEMPT(used_send, struct used_ring_end, used_ring_try_send(end, message))
ATTEMPT(used_receive, struct used_ring_end, used_ring_try_receive(end, message))

/* Reply k is written over request k, on one line after the other. */
struct calls {
    struct call_sender caller;
    struct call_receiver answerer;
    int line; /* of the last request */
};

ATTEMPT(calls_ask, struct calls, (end->line = call_try_send(&end->caller, message)) >= 0)
ATTEMPT(calls_take, struct calls, call_try_take(&end->caller, (uint32_t)end->line, message))
ATTEMPT(calls_hear, struct calls, (end->line = call_try_receive(&end->answerer, message)) >= 0)
ATTEMPT(calls_answer, struct calls, (call_reply(&end->answerer, (uint32_t)end->line, message), 1))

/* The call line as a stream: each message is a request, its own text comes back as the reply, and
 * only a full window waits for one. */
EXCHANGE_INLINE int calls_send(void *end, struct message *message)
{
    struct call_sender *caller = &((struct calls *)end)->caller;
    struct message reply;
    if (!call_has_credit(caller) && !call_try_take(caller, caller->next, &reply))
        return 0;
    return call_try_send(caller, message) >= 0;
}

EXCHANGE_INLINE int calls_receive(void *end, struct message *message)
{
    return calls_hear(end, message) && calls_answer(end, message);
}

/* --- The loops, a function a form --- */

static int64_t over_epoch_ring(struct driver *d, const struct probe *p, const struct lanes *l,
                               bool one_way)
{
    struct ring_end end;
    ring_open(&end, l->outgoing, l->incoming, l->slots);
    return one_way ? stream(d, p, &end, epoch_send, &end, epoch_receive, &l->page->progress)
                   : echo(d, p, &end, epoch_send, &end, epoch_receive);
}

static int64_t over_used_ring(struct driver *d, const struct probe *p, const struct lanes *l,
                              bool one_way)
{
    struct used_ring_end end;
    used_ring_open(&end, l->outgoing, l->incoming, l->slots);
    return one_way ? stream(d, p, &end, used_send, &end, used_receive, &l->page->progress)
                   : echo(d, p, &end, used_send, &end, used_receive);
}

/* Of role 0 it is the sender, of role 1 the receiver. */
static int64_t over_plain_ring(struct driver *d, const struct probe *p, const struct lanes *l,
                               bool one_way)
{
    struct plain_end end = {.slots = p->role ? l->incoming : l->outgoing,
                            .acknowledged = &l->page->acknowledged,
                            .mask = l->slots - 1};
    (void)one_way; /* there is no other */
    return stream(d, p, &end, plain_send, &end, plain_receive, &l->page->progress);
}

EXCHANGE_INLINE int64_t over_window(struct driver *d, const struct probe *p, const struct lanes *l,
                                    uint32_t window, bool one_way)
{
    struct calls calls;
    call_open_sender(&calls.caller, l->outgoing, window);
    call_open_receiver(&calls.answerer, l->incoming, window);
    if (one_way)
        return stream(d, p, &calls, calls_send, &calls, calls_receive, &l->page->progress);
    return p->role ? echo(d, p, &calls, calls_answer, &calls, calls_hear)
                   : echo(d, p, &calls, calls_ask, &calls, calls_take);
}

static int64_t over_calls(struct driver *d, const struct probe *p, const struct lanes *l,
                          bool one_way)
{
    /* A loop over one line alone knows which it is. */
    return l->slots == 1 ? over_window(d, p, l, 1, one_way)
                         : over_window(d, p, l, l->slots, one_way);
}

static int64_t over_rings(struct driver *d, const struct probe *p, bool one_way)
{
    static int64_t (*const forms[])(struct driver *, const struct probe *, const struct lanes *,
                                    bool) = {[RINGS_EPOCH] = over_epoch_ring,
                                             [RINGS_USED] = over_used_ring,
                                             [RINGS_PLAIN] = over_plain_ring,
                                             [RINGS_CALLS] = over_calls};
    struct lanes lanes;
    if (!lanes_begin(d, p, p->form, &lanes))
        return -EINVAL;
    int64_t wrong = forms[p->form](d, p, &lanes, one_way);
    lanes_finish(d, p, &lanes);
    return wrong;
}

int64_t probe_stream(struct driver *d, const struct probe *p)
{
    return p->role && !p->times[1] ? -EINVAL : over_rings(d, p, true);
}

int64_t probe_echo(struct driver *d, const struct probe *p)
{
    return p->count % p->batch || p->form == RINGS_PLAIN ? -EINVAL : over_rings(d, p, false);
}
