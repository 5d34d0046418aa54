/* The transport of rings: a bounded FIFO each way in shared memory, and a reply is a message like
 * any other. Where the kernel has another transport, programs are still answered over rings. */
#include <errno.h>
#include <stdlib.h>

#include "driver/driver.h"

/* To and from one core. */
struct rings {
    struct ring_end end;
    struct watch *watch;
};

static void look(struct rings *p)
{
    const struct ring_receiver *end = &p->end.receiver;
    p->watch->control = &end->slots[end->position & end->mask].control;
    p->watch->expected = end->epoch;
    p->watch->mask = RING_EPOCH;
}

static bool send(struct driver *d, uint32_t to, const struct message *message)
{
    struct rings *p = &d->rings[to];
    bool sent = ring_try_send(&p->end, message);
    look(p); /* it may have consumed acknowledgements */
    return sent;
}

static bool answer(struct driver *d, uint64_t address, const struct message *message)
{
    uint32_t to = reply_who(address);
    struct message carried = *message;
    if (message_kind(message) < KIND_PING)
        return false;
    /* A program's, one at a time: its request left room for the reply. */
    carried.word[0] |= FLAG_REPLY;
    while (!send(d, to, &carried))
        arch_relax();
    doorbell_ring(d->peers[to].doorbell);
    return true;
}

static bool receive(struct driver *d, struct watch *watch, struct arrival *a)
{
    struct rings *p = &d->rings[watch->index];
    bool got = ring_try_receive(&p->end, &a->message);
    look(p); /* at the next slot, even if it was an acknowledgement only */
    if (got)
        transport_arrived(d, a, REPLY_RING, watch->index);
    return got;
}

static int rings_open(struct driver *d, const int *ends)
{
    const uint32_t slots = d->segment->geometry.ring_slots;
    (void)ends;
    if (!slots)
        return EINVAL;
    d->rings = calloc(d->cores, sizeof *d->rings);
    if (!d->rings)
        return ENOMEM;
    for (uint32_t other = 0; other < d->cores; other++) {
        struct rings *p = &d->rings[other];
        if (other == d->me)
            continue;
        ring_open(&p->end, segment_ring(d->segment, &d->region, d->me, other),
                  segment_ring(d->segment, &d->region, other, d->me), slots);
        p->watch = watch_add(d, receive, other);
        look(p);
    }
    return 0;
}

const struct transport transport_rings = {.open = rings_open, .send = send, .answer = answer};
