/* The transport of rings: a bounded FIFO each way in shared memory, and a reply is a message like
 * any other. Where the kernel has another transport, programs are still answered over rings. */
#include <errno.h>
#include <stdlib.h>

#include "driver/driver.h"

/* To and from one core. */
struct rings {
    struct ring_end end;
    struct place *place;
};

static void look(struct driver *d, struct rings *p)
{
    const struct ring_receiver *end = &p->end.receiver;
    watch_for(d, p->place, &end->slots[end->position & end->mask].control, end->epoch, RING_EPOCH);
}

static bool send(struct driver *d, uint32_t to, const struct message *message)
{
    struct rings *p = &d->rings[to];
    const bool first = !p->end.sender.position;
    bool sent = ring_try_send(&p->end, message);
    look(d, p); /* it may have consumed acknowledgements */
    if (sent && first)
        notify_request(d, to, true);
    return sent;
}

static bool answer(struct driver *d, uint64_t address, const struct message *message, bool awaited)
{
    (void)awaited;
    uint32_t to = reply_who(address);
    struct message carried = *message;
    if (message_kind(message) < KIND_PING)
        return false;
    /* A program's, one at a time: its request left room for the reply. */
    carried.word[0] |= FLAG_REPLY;
    while (!send(d, to, &carried))
        arch_relax();
    doorbell_call(d->peers[to].doorbell, d->me, d->cores, false);
    return true;
}

static enum received receive(struct driver *d, struct place *place, struct arrival *a)
{
    struct rings *p = &d->rings[place->index];
    bool got = ring_try_receive(&p->end, &a->message);
    look(d, p); /* at the next slot, even if it was an acknowledgement only */
    if (got)
        transport_arrived(d, a, REPLY_RING, place->index);
    return got ? ARRIVED : NOTHING;
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
        p->place =
            watch_place(d, other, PLACE_RING, d->transport == &transport_rings, receive, other);
        look(d, p);
    }
    return 0;
}

const struct transport transport_rings = {.open = rings_open, .send = send, .answer = answer};
