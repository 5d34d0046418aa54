#include "boot/open.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "driver/object_end.h"
#include "multikernel/kernel.h"
#include "shared/kernel.h"

enum {
    SLICE_US = 10000,    /* the longest park, when something may have been missed */
    CROWDED_YIELDS = 16, /* more cores than CPUs: let others run, then park */
};

/* As the options number them. */
static const struct transport *const transports[] = {&transport_lines, &transport_rings,
                                                     &transport_host};

static int open_state(struct driver *d, const struct driver_options *o)
{
    d->peers = calloc(d->cores, sizeof *d->peers);
    d->channels = d->cores * d->segment->geometry.user_channels;
    d->answers = calloc(d->channels + CLIENT_CHANNELS, sizeof *d->answers);
    d->user_calls = calloc(d->channels + 1, sizeof *d->user_calls);
    if (!d->peers || !d->answers || !d->user_calls)
        return ENOMEM;
    for (uint32_t other = 0; other < d->cores; other++)
        d->peers[other].doorbell = segment_doorbell(d->segment, other);
    int error;
    if ((error = trees_open(d, o->trees, o->tree_count)) || (error = dispatch_open(d)) ||
        (error = collective_open(d)) || (error = object_ends_open(d)))
        return error;
    d->kernel = o->shared_kernel ? &kernel_shared : &kernel_multikernel;
    return d->kernel->open(d, o);
}

static void open_channels(struct driver *d)
{
    const uint32_t each = d->segment->geometry.user_channels;
    for (uint32_t index = 0; index < d->channels; index++) {
        uint32_t other = index / each;
        struct slot *in = segment_channel(d->segment, &d->region, other, d->me, index % each);
        struct slot *out = segment_channel(d->segment, &d->region, d->me, other, index % each);
        call_open_receiver(&d->answers[index], in, 1);
        call_open_sender(&d->user_calls[index], out, 1);
    }
    for (uint32_t channel = 0; channel < CLIENT_CHANNELS; channel++)
        call_open_receiver(&d->answers[d->channels + channel],
                           segment_client(d->segment, &d->region, d->me, channel), CLIENT_LINES);
}

/* In the order in which they are looked at. */
static int open_watches(struct driver *d, const struct driver_options *o)
{
    /* The shared kernel's cores say little to each other, and by lines. */
    d->transport = o->shared_kernel ? &transport_lines : transports[o->transport];
    open_channels(d);
    int error = watch_open(d);
    if (!error)
        error = d->transport->open(d, o->links);
    if (!error && !d->rings && d->segment->geometry.ring_slots)
        error = transport_rings.open(d, NULL);
    if (error)
        return error;
    arrivals_open(d);
    watch_begin(d);
    return 0;
}

/* 0, or an errno; refused: of what. */
static int open_all(struct driver *d, int memory, const struct driver_options *o,
                    const char **refused)
{
    *refused = "mmap or madvise of the range of addresses";
    int error = vspace_open(&d->vspace, memory, o->memory_bytes, o->address_base,
                            o->address_size * d->cores, o->slots_per_core * d->cores);
    if (error)
        return error;
    *refused = "the kernel's state";
    if ((error = open_state(d, o)))
        return error;
    *refused = "sigaltstack";
    if ((error = fault_install(d->vspace.base, d->vspace.size)))
        return error;
    *refused = "timer_create";
    if ((error = interrupt_open(d)))
        return error;
    *refused = "the cancelling signal";
    if ((error = cancel_open(d, (int)o->cancel_signal)))
        return error;
    *refused = "the channels";
    return open_watches(d, o);
}

/* 0, or an errno. */
static int open_trace(struct driver *d)
{
    const uint64_t events = d->segment->geometry.trace_events;
    if (!events)
        return 0;
    d->trace = malloc(sizeof *d->trace);
    if (!d->trace)
        return ENOMEM;
    *d->trace =
        (struct trace){.log = segment_trace(d->segment, &d->region, d->me), .mask = events - 1};
    return 0;
}

struct driver *driver_open(struct segment *segment, int memory, const struct driver_options *o,
                           const char **refused)
{
    struct driver *d = calloc(1, sizeof *d);
    *refused = "memory";
    if (!d)
        return NULL;
    d->segment = segment;
    d->me = o->me;
    d->cores = segment->geometry.cores;
    d->crowded = o->crowded != 0;
    d->cycles_per_us = o->cycles_per_us;
    d->slice_us = SLICE_US;
    d->patience =
        d->crowded ? (struct patience){0, CROWDED_YIELDS} : (struct patience){o->spin_cycles, 0};
    d->line_pauses = pauses_for_a_line();
    d->disabled = 1;
    segment_region(&segment->geometry, &d->region);
    d->doorbell = segment_doorbell(segment, d->me);
    if (open_trace(d)) {
        errno = ENOMEM;
        return NULL;
    }
    const int error = open_all(d, memory, o, refused);
    if (error) {
        errno = error;
        return NULL;
    }
    d->doorbell->pid = (uint32_t)getpid();
    d->doorbell->tid = (uint32_t)syscall(SYS_gettid);
    doorbell_poll(d->doorbell);
    return d;
}
