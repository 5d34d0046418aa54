#include "driver/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

int watch_open(struct driver *d)
{
    d->watches = calloc(3 * (size_t)d->cores + d->channels + CLIENT_CHANNELS, sizeof *d->watches);
    d->watches_end = d->hot_watch = d->watches;
    d->awaited_max = d->cores * d->segment->geometry.window + d->channels + 1;
    d->awaited = d->awaited_block = calloc(2 * (size_t)d->awaited_max, sizeof *d->awaited);
    return d->watches && d->awaited ? 0 : ENOMEM;
}

struct watch *watch_add(struct driver *d, receive_function *receive, uint32_t index)
{
    struct watch *watch = d->watches_end++;
    watch->receive = receive;
    watch->index = index;
    return watch;
}

void watch_to_front(struct driver *d)
{
    memmove(d->awaited_block, d->awaited, d->awaited_count * sizeof *d->awaited);
    d->awaited = d->awaited_block;
}
