/* The CPU driver's loop, its replies and waits, the system calls of programs, and opening one:
 * driver.h says what it is. */
#include "driver/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SLICE_US = 10000,    /* the longest park, when something may have been missed */
    CROWDED_YIELDS = 16, /* more cores than CPUs: let others run, then park */
    REAP_BATCH = 16,
    REPLY_LOOKS = 4,
    /* a core may be told to spin for long: it sees the end of the system all the same */
    STOP_LOOKS = 1024,
    OUTGOING_MOST = 65536,
};

/* --- Replies --- */

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

/* A monitor's DONE message carries slot and generation in word 2 and the address in word 3; a
 * requester wants them in 1 and 2. Converted once: a requester on another core passes it on by
 * driver_reply too, and must not take it for a monitor's. */
static struct message for_requester(const struct message *message)
{
    struct message reply = *message;
    reply.word[0] |= KIND_PING;
    reply.word[1] = message->word[2];
    reply.word[2] = message->word[3];
    return reply;
}

void driver_reply(struct driver *d, uint64_t address, const struct message *message)
{
    uint32_t line = address & 0xff, who = address >> 44 & 0xffff;
    struct message converted;
    if (message_kind(message) == 0) {
        converted = for_requester(message);
        message = &converted;
    }
    switch (address >> 60) {
    case REPLY_LOCAL:
        d->completions[line].message = *message;
        d->completions[line].done = true;
        break;
    case REPLY_CLIENT:
        call_reply(&d->client[who], line, message);
        atomic_fetch_add_explicit(&d->doorbell->served, 1, memory_order_relaxed);
        break;
    case REPLY_CHANNEL:
        call_reply(&d->user_answers[who], line, message);
        doorbell_ring(d->peers[who / d->segment->geometry.user_channels].doorbell);
        break;
    case REPLY_GROUP:
        collective_reply(d, address, message);
        break;
    default:
        carrier_reply(d, address, message);
        break;
    }
}

/* --- Waiting --- */

static bool stopped(struct driver *d)
{
    /* Pairs with the supervisor's store; nothing else is read through it. */
    return atomic_load_explicit(&d->segment->stop, memory_order_relaxed) != 0;
}

static void park(struct driver *d)
{
    uint32_t seen = doorbell_bell(d->doorbell);
    doorbell_enter(d->doorbell, d->links ? MODE_LISTENING : MODE_PARKED);
    /* Once more: what was published before our mode was visible. Pairs with doorbell_ring. */
    if (!driver_poll(d) && !stopped(d)) {
        /* With something to try again by time, sleep for moments only. */
        bool pending =
            d->deferred_count || d->groups_waiting || (d->monitor && d->monitor->waiting);
        atomic_fetch_add_explicit(&d->doorbell->parks, 1, memory_order_relaxed);
        if (d->links)
            link_park(d, pending ? 50 : d->slice_us);
        else
            doorbell_park(d->doorbell, seen, pending ? 50 : d->slice_us);
    }
    doorbell_poll(d->doorbell);
}

void driver_wait(struct driver *d, struct wait *wait)
{
    /* Mostly it is a reply that is waited for: look there more often than everywhere. */
    for (int i = 0; i < REPLY_LOOKS && d->awaited_count; i++) {
        if (driver_poll_replies(d)) {
            wait_restart(wait);
            return;
        }
        arch_relax();
    }
    if (driver_poll(d)) {
        wait_restart(wait);
        return;
    }
    if (!wait_step(wait, &d->patience))
        return;
    if (stopped(d))
        _exit(0); /* the system is being taken down in the middle of a system call */
    park(d);
}

enum event driver_run(struct driver *d)
{
    struct wait wait = {0};
    driver_enter(d);
    interrupt_tick(d, false);
    d->inside = true;
    while (d->event == EVENT_NONE) {
        if (driver_poll(d)) {
            wait_restart(&wait);
            continue;
        }
        bool patient = !wait_step(&wait, &d->patience);
        if ((!patient || wait.rounds % STOP_LOOKS == 0) && stopped(d))
            d->event = EVENT_STOP;
        else if (patient)
            continue;
        else if (!vspace_reap(&d->vspace, REAP_BATCH))
            park(d);
    }
    enum event event = d->event;
    d->event = EVENT_NONE;
    d->inside = false;
    interrupt_tick(d, event == EVENT_RUN);
    driver_leave(d);
    return event;
}

/* --- System calls --- */

void driver_enter(struct driver *d)
{
    d->disabled = 1;
    /* The handler runs on this very thread: a compiler barrier is enough. */
    atomic_signal_fence(memory_order_seq_cst);
    doorbell_poll(d->doorbell);
    if (d->links)
        link_deafen(true);
}

void driver_leave(struct driver *d)
{
    driver_resume(d);
    if (d->links)
        link_deafen(false); /* what has come meanwhile interrupts now */
}

void driver_resume(struct driver *d)
{
    for (;;) {
        doorbell_enter(d->doorbell, MODE_USER);
        /* what was published before our mode was visible; pairs with doorbell_ring */
        driver_poll(d);
        carrier_told_all(d);
        d->disabled = 0;
        atomic_signal_fence(memory_order_seq_cst);
        if (!d->mark)
            return;
        d->disabled = 1;
        atomic_signal_fence(memory_order_seq_cst);
        d->mark = 0;
    }
}

bool driver_done(struct driver *d, uint64_t ticket, struct message *reply)
{
    struct completion *completion = &d->completions[ticket & 0xff];
    if (!completion->done)
        return false;
    *reply = completion->message;
    completion->used = completion->done = false;
    return true;
}

static enum verdict await(struct driver *d, uint64_t address, struct message *reply)
{
    struct wait wait = {0};
    while (!driver_done(d, address, reply))
        driver_wait(d, &wait);
    return message_verdict(reply);
}

uint64_t driver_begin(struct driver *d, const struct message *request)
{
    uint64_t address = driver_local_address(d);
    dispatch(d, address, request);
    return address;
}

enum verdict driver_here(struct driver *d, const struct message *request, struct message *result)
{
    uint64_t address = driver_local_address(d);
    dispatch(d, address, request);
    carrier_told_all(d);
    return await(d, address, result);
}

enum verdict driver_call(struct driver *d, uint32_t to, uint32_t channel,
                         const struct message *request, struct message *reply)
{
    struct call_sender *sender = &d->user_calls[to * d->segment->geometry.user_channels + channel];
    uint64_t address = driver_local_address(d);
    struct wait wait = {0};
    int line;
    while ((line = call_try_send(sender, request)) < 0)
        driver_wait(d, &wait);
    driver_await(d, sender, to, (uint32_t)line, address);
    doorbell_ring(d->peers[to].doorbell);
    return await(d, address, reply);
}

enum verdict driver_call_ring(struct driver *d, uint32_t to, const struct message *request,
                              struct message *reply)
{
    struct peer *peer = &d->peers[to];
    peer->ring_waiter = driver_local_address(d);
    struct wait wait = {0};
    while (!driver_ring_send(d, peer, request))
        driver_wait(d, &wait);
    doorbell_ring(peer->doorbell);
    return await(d, peer->ring_waiter, reply);
}

enum verdict driver_call_link(struct driver *d, uint32_t to, const struct message *request,
                              struct message *reply)
{
    struct peer *peer = &d->peers[to];
    peer->link_waiter = driver_local_address(d);
    struct wait wait = {0};
    while (!link_send(d, to, request))
        driver_wait(d, &wait);
    return await(d, peer->link_waiter, reply);
}

/* --- Opening --- */

static void open_channels(struct driver *d)
{
    const struct geometry *g = &d->segment->geometry;
    carrier_open(d);
    for (uint32_t channel = 0; channel < CLIENT_CHANNELS; channel++)
        call_open_receiver(&d->client[channel],
                           segment_client(d->segment, &d->region, d->me, channel), CLIENT_LINES);
    for (uint32_t other = 0; other < d->cores; other++)
        for (uint32_t k = 0; k < g->user_channels; k++) {
            uint32_t index = other * g->user_channels + k;
            call_open_receiver(&d->user_answers[index],
                               segment_channel(d->segment, &d->region, other, d->me, k), 1);
            call_open_sender(&d->user_calls[index],
                             segment_channel(d->segment, &d->region, d->me, other, k), 1);
        }
}

static int open_state(struct driver *d, const struct driver_options *o)
{
    size_t entries = monitor_output_entries(d->cores);
    d->output_entries = (uint32_t)entries;
    /* Room for every message that all operations under way can want to send at once: then a core
     * with full channels goes on receiving, and two such cores do not wait for each other. */
    uint64_t most = (uint64_t)d->cores * d->cores * MONITOR_LANES;
    d->outgoing_max = (uint32_t)(4 * entries + (most < OUTGOING_MOST ? most : OUTGOING_MOST));
    d->output = calloc(1, sizeof *d->output + entries * sizeof(struct output_entry));
    d->outgoing = calloc(d->outgoing_max, sizeof *d->outgoing);
    d->deferred = calloc(DEFERRED_MAX + CLIENT_CHANNELS * CLIENT_LINES + d->cores * CALL_WINDOW_MAX,
                         sizeof *d->deferred);
    d->peers = calloc(d->cores, sizeof *d->peers);
    d->channels = d->cores * d->segment->geometry.user_channels;
    d->user_answers = calloc(d->channels + 1, sizeof *d->user_answers);
    d->user_calls = calloc(d->channels + 1, sizeof *d->user_calls);
    if (!d->output || !d->outgoing || !d->deferred || !d->peers || !d->user_answers ||
        !d->user_calls)
        return ENOMEM;
    int error = vspace_open(&d->vspace, d->vspace.memory, o->address_base,
                            o->address_size * d->cores, o->slots_per_core * d->cores);
    if (error)
        return error;
    d->environment.mmu = &d->vspace.mmu;
    d->environment.backoff = 2 * o->cycles_per_us;
    if ((error = collective_open(d)))
        return error;
    if (d->me == 0 && (error = frames_open(&d->frames, o->memory_bytes)))
        return error;
    if (o->shared_kernel) {
        d->kernel = &kernel_shared;
        return shared_kernel_open(d, o);
    }
    d->kernel = &kernel_multikernel;
    /* mmap, not calloc: the block must be zero, and only what is used should cost memory. */
    const struct monitor_shape shape = {.cores = d->cores,
                                        .lanes = MONITOR_LANES,
                                        .slots_per_core = o->slots_per_core,
                                        .cnodes = o->cnodes,
                                        .slot_bits = CNODE_SLOT_BITS,
                                        .capability_protocol = o->capability_protocol};
    size_t bytes = monitor_size(&shape);
    d->monitor = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (d->monitor == MAP_FAILED)
        return errno;
    monitor_init(d->monitor, d->me, &shape, o->address_base, o->address_size);
    for (uint32_t i = 0; i < o->tree_count; i++) {
        const uint32_t *tree = o->trees + (size_t)i * d->cores;
        if (tree[0] >= d->cores || !monitor_plant(d->monitor, tree[0], tree + 1))
            return EINVAL;
    }
    return 0;
}

struct driver *driver_open(struct segment *segment, int memory, const struct driver_options *o,
                           const char **reason)
{
    struct driver *d = calloc(1, sizeof *d);
    *reason = "out of memory";
    if (!d)
        return NULL;
    d->segment = segment;
    d->me = o->me;
    d->cores = segment->geometry.cores;
    d->carrier = (enum carrier)o->carrier;
    d->rings = segment->geometry.ring_slots != 0;
    d->crowded = o->crowded != 0;
    d->cycles_per_us = o->cycles_per_us;
    d->vspace.memory = memory;
    d->slice_us = SLICE_US;
    d->patience =
        d->crowded ? (struct patience){0, CROWDED_YIELDS} : (struct patience){o->spin_cycles, 0};
    d->disabled = 1;
    segment_region(&segment->geometry, &d->region);
    d->doorbell = segment_doorbell(segment, d->me);
    int error = open_state(d, o);
    if (!error)
        error = fault_install(d->vspace.base, d->vspace.size);
    if (!error)
        error = interrupt_open(d);
    if (error) {
        *reason = strerror(error);
        return NULL;
    }
    open_channels(d);
    if (o->links && (error = link_open(d, o->links))) {
        *reason = strerror(error);
        return NULL;
    }
    if (poll_open(d))
        return NULL;
    d->doorbell->pid = (uint32_t)getpid();
    d->doorbell->tid = (uint32_t)syscall(SYS_gettid);
    doorbell_poll(d->doorbell);
    return d;
}
