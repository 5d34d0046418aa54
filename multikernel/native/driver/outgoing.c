/* What is to be sent to the kernels of other cores. What finds no room waits here and nowhere else:
 * a core with full channels goes on receiving, and two such cores do not wait for each other. */
#include <errno.h>
#include <stdlib.h>

#include "driver/driver.h"

int outgoing_open(struct driver *d, uint32_t step, uint32_t most)
{
    d->outgoing_step = step;
    d->outgoing_max = most;
    d->outgoing = calloc(most, sizeof *d->outgoing);
    d->full = calloc(d->cores, sizeof *d->full);
    return d->outgoing && d->full ? 0 : ENOMEM;
}

void outgoing_send(struct driver *d, uint32_t to, const struct message *message)
{
    /* Behind anything that waits already: a channel is FIFO to the kernel. */
    if (!d->outgoing_count && d->transport->send(d, to, message))
        return;
    assert(d->outgoing_count < d->outgoing_max);
    d->outgoing[d->outgoing_count++] = (struct addressed){to, *message};
}

void outgoing_reply(struct driver *d, uint64_t address, const struct message *message, bool awaited)
{
    /* By the way that the request came. */
    const struct transport *transport =
        reply_type(address) == REPLY_RING ? &transport_rings : d->transport;
    if (transport->answer && transport->answer(d, address, message, awaited))
        return;
    struct message carried = *message;
    carried.word[0] |= FLAG_REPLY;
    outgoing_send(d, reply_who(address), &carried);
    outgoing_notify(d, reply_who(address));
}

bool outgoing_drain(struct driver *d)
{
    uint32_t kept = 0, count = d->outgoing_count;
    d->drains++;
    for (uint32_t i = 0; i < count; i++) {
        const struct addressed *entry = &d->outgoing[i];
        const uint32_t to = (uint32_t)entry->address;
        /* FIFO for each destination: not past an entry that stays. */
        if (d->full[to] != d->drains && d->transport->send(d, to, &entry->message)) {
            outgoing_notify(d, to);
        } else {
            d->full[to] = d->drains;
            d->outgoing[kept++] = *entry;
        }
    }
    d->outgoing_count = kept;
    if (kept == count && d->transport->later)
        d->transport->later(d, 0); /* nothing moved: do not hold what others may be waiting for */
    return kept != count;
}
