#include "driver/transport.h"

#include "driver/driver.h"

enum { REQUESTED = 0x8000 }; /* beside a core, of those that are to be notified */
static_assert((int)REQUESTED >= (int)CORES_MAX, "beside each of them");

void notify_rest(struct driver *d)
{
    /* Our message stores before our mode loads; pairs with the fence in doorbell_enter. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < d->unnotified_count; i++) {
        struct doorbell *doorbell = d->peers[d->unnotified[i] & ~REQUESTED].doorbell;
        if (d->unnotified[i] & REQUESTED && !doorbell_watches(doorbell, d->me))
            hints_give(&doorbell->hints, d->me, d->cores);
        doorbell_ring_fenced(doorbell);
    }
    d->unnotified_count = d->unnotified_turns = 0;
}

static void notify_later(struct driver *d, uint32_t entry)
{
    if (d->unnotified_count == UNNOTIFIED_MOST)
        notify_rest(d);
    d->unnotified[d->unnotified_count++] = (uint16_t)entry;
}

void notify(struct driver *d, uint32_t to)
{
    if (doorbell_seems_to_poll(d->peers[to].doorbell))
        notify_later(d, to);
    else
        doorbell_ring(d->peers[to].doorbell);
}

void notify_request(struct driver *d, uint32_t to, bool first)
{
    struct doorbell *doorbell = d->peers[to].doorbell;
    if (doorbell_seems_to_poll(doorbell) && !first && doorbell_watches(doorbell, d->me))
        notify_later(d, to | REQUESTED);
    else
        doorbell_call(doorbell, d->me, d->cores, first);
}

void transport_arrived(struct driver *d, struct arrival *a, uint32_t type, uint32_t from)
{
    a->from = from;
    a->reply = (a->message.word[0] & FLAG_REPLY) != 0;
    if (!a->reply)
        a->address = reply_address((enum reply_type)type, from, ++d->reply_count, 0);
    else
        a->address = message_kind(&a->message) >= KIND_PING ? d->peers[from].caller : 0;
}
