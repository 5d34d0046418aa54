/* Replies: to this core's own requests, to the launcher, to programs, to other kernels. */
#include "driver/driver.h"

uint64_t driver_local_address(struct driver *d)
{
    uint32_t index;
    do /* ends: a program has fewer requests in flight than there are places */
        index = (uint32_t)(++d->reply_count % COMPLETIONS);
    while (d->completions[index].used);
    d->completions[index].used = true;
    d->completions[index].done = false;
    return reply_address(REPLY_LOCAL, 0, d->reply_count, index);
}

bool driver_done(struct driver *d, uint64_t ticket, struct message *reply)
{
    struct completion *completion = &d->completions[reply_line(ticket)];
    if (!completion->done)
        return false;
    message_copy(reply, &completion->message);
    completion->used = completion->done = false;
    return true;
}

void driver_reply(struct driver *d, uint64_t address, const struct message *message)
{
    uint32_t line = reply_line(address), who = reply_who(address);
    switch (reply_type(address)) {
    case REPLY_LOCAL:
        if (d->completions[line].dropped) {
            d->completions[line].used = d->completions[line].dropped = false;
            break;
        }
        message_copy(&d->completions[line].message, message);
        d->completions[line].done = true;
        break;
    case REPLY_CLIENT:
        call_reply(&d->answers[d->channels + who], line, message);
        atomic_fetch_add_explicit(&d->doorbell->served, 1, memory_order_relaxed);
        break;
    case REPLY_CHANNEL:
        call_reply(&d->answers[who], line, message);
        doorbell_ring(d->peers[who / d->segment->geometry.user_channels].doorbell);
        break;
    default:
        outgoing_reply(d, address, message, true);
        break;
    }
}
