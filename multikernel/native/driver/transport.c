#include "driver/transport.h"

#include "driver/driver.h"

void notify_rest(struct driver *d)
{
    /* Our message stores before our mode loads; pairs with the fence in doorbell_enter. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < d->unnotified_count; i++)
        doorbell_ring_fenced(d->peers[d->unnotified[i]].doorbell);
    d->unnotified_count = d->unnotified_turns = 0;
}

void notify(struct driver *d, uint32_t to)
{
    if (!doorbell_seems_to_poll(d->peers[to].doorbell)) {
        doorbell_ring(d->peers[to].doorbell);
        return;
    }
    if (d->unnotified_count == UNNOTIFIED_MOST)
        notify_rest(d);
    d->unnotified[d->unnotified_count++] = (uint16_t)to;
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
