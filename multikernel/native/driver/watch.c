#include "driver/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

enum { REPLIES_AHEAD = 4 };

int watch_open(struct driver *d)
{
    d->watches = calloc(3 * (size_t)d->cores + d->channels + CLIENT_CHANNELS, sizeof *d->watches);
    d->awaited_max = d->cores * d->segment->geometry.window + d->channels + 1;
    d->awaited = d->awaited_block = calloc(2 * (size_t)d->awaited_max, sizeof *d->awaited);
    return d->watches && d->awaited ? 0 : ENOMEM;
}

struct watch *watch_add(struct driver *d, receive_function *receive, uint32_t index)
{
    struct watch *watch = &d->watches[d->watch_count++];
    watch->receive = receive;
    watch->index = index;
    return watch;
}

void watch_reply(struct driver *d, struct call_sender *sender, uint32_t to, uint32_t line,
                 uint64_t waiter)
{
    if (d->awaited + d->awaited_count == d->awaited_block + 2 * d->awaited_max) {
        /* no room behind the last one any more */
        memmove(d->awaited_block, d->awaited, d->awaited_count * sizeof *d->awaited);
        d->awaited = d->awaited_block;
    }
    d->awaited[d->awaited_count++] = (struct awaited){
        .control = &sender->lines[line].control,
        .expected = call_reply_control(sender, line),
        .waiter = waiter,
        .sender = sender,
        .peer = (uint16_t)to,
        .line = (uint16_t)line,
    };
}

bool watch_take(struct driver *d, uint32_t i, struct arrival *arrival)
{
    const struct awaited awaited = d->awaited[i];
    /* Relaxed: a hint. call_try_take looks again, and its acquire is the one that counts. */
    if (atomic_load_explicit(awaited.control, memory_order_relaxed) != awaited.expected)
        return false;
    /* the kernel's: else it may not step now, and what has arrived waits in its line */
    if (!awaited.waiter && !outgoing_has_room(d))
        return false;
    call_try_take(awaited.sender, awaited.line, &arrival->message);
    arrival->address = awaited.waiter;
    arrival->from = awaited.peer;
    arrival->reply = true;
    d->awaited_count--;
    if (i)
        memmove(&d->awaited[i], &d->awaited[i + 1], (d->awaited_count - i) * sizeof awaited);
    else
        d->awaited++;
    /* The next ones are likely to be there too, the more so the more there were: let them come
     * while this one is worked at. */
    d->awaited_run++;
    for (uint32_t next = i;
         next < d->awaited_count && next < i + REPLIES_AHEAD && next < i + d->awaited_run; next++)
        arch_prefetch_read(d->awaited[next].control);
    return true;
}
