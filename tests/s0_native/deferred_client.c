/* One core's driver, and as many requests at once as there are places to make them from, none of
 * which it can finish yet: by every line of the launcher, every user channel of every other core,
 * and the core itself. None is lost, none is written past the end of what there is room for (the
 * address sanitizer looks), and when they can be finished each is answered once.
 *
 *     deferred_client CORES CHANNELS */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "boot/open.h"
#include "clients.h"

/* Put off while the core is not in its loop. */
static const struct message request = {{KIND_RUN_BEGIN, 1}};

static void *shared_memory(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "no memory");
    return memory;
}

static void ask(struct call_sender *end)
{
    CHECK(call_try_send(end, &request) >= 0, "no line");
}

static void answered(struct call_sender *end, uint32_t line)
{
    struct message reply;
    CHECK(call_try_take(end, line, &reply), "no reply");
    CHECK(message_verdict(&reply) == VERDICT_OK, "verdict %u", message_verdict(&reply));
}

static void poll_for(struct driver *d, uint32_t kept)
{
    for (int turn = 0; turn < 200; turn++)
        driver_poll(d);
    CHECK(d->deferred_count == kept, "%u of %u are kept", d->deferred_count, kept);
}

int main(int argc, char **argv)
{
    const uint32_t cores = (uint32_t)argument(argc, argv, 1, 10),
                   each = (uint32_t)argument(argc, argv, 2, 66), channels = cores * each;
    const struct geometry geometry = {.cores = cores, .window = 32, .user_channels = each};
    struct segment *segment = shared_memory(segment_bytes(&geometry));
    segment_init(segment, &geometry);
    const struct driver_options options = {.slots_per_core = 16,
                                           .cnodes = 2,
                                           .address_base = 0x200000000000,
                                           .address_size = 1 << 24,
                                           .memory_bytes = 1 << 20,
                                           .cycles_per_us = 1000,
                                           .cancel_signal = SIGCHLD};
    const char *reason;
    struct driver *d = driver_open(segment, memfd_create("memory", MFD_CLOEXEC), &options, &reason);
    CHECK(d, "%s", reason);

    struct call_sender *programs = calloc(channels, sizeof *programs);
    struct call_sender launcher[CLIENT_CHANNELS];
    uint64_t tickets[COMPLETIONS];
    CHECK(programs, "no memory");
    for (uint32_t channel = 0; channel < CLIENT_CHANNELS; channel++) {
        call_open_sender(&launcher[channel], segment_client(segment, &d->region, 0, channel),
                         CLIENT_LINES);
        for (uint32_t line = 0; line < CLIENT_LINES; line++)
            ask(&launcher[channel]);
    }
    poll_for(d, CLIENT_CHANNELS * CLIENT_LINES);
    for (uint32_t index = each; index < channels; index++) { /* core 0 is this one */
        call_open_sender(&programs[index],
                         segment_channel(segment, &d->region, index / each, 0, index % each), 1);
        ask(&programs[index]);
        doorbell_call(d->doorbell, index / each, cores, true);
    }
    for (uint32_t i = 0; i < COMPLETIONS; i++)
        tickets[i] = driver_begin(d, &request);
    poll_for(d, channels - each + CLIENT_CHANNELS * CLIENT_LINES + COMPLETIONS);

    d->inside = true; /* as in the loop */
    while (driver_poll(d))
        progress();
    struct message reply;
    for (uint32_t index = each; index < channels; index++)
        answered(&programs[index], 0);
    for (uint32_t channel = 0; channel < CLIENT_CHANNELS; channel++)
        for (uint32_t line = 0; line < CLIENT_LINES; line++)
            answered(&launcher[channel], line);
    for (uint32_t i = 0; i < COMPLETIONS; i++)
        CHECK(driver_done(d, tickets[i], &reply), "ticket %u", i);
    CHECK(d->deferred_count == 0, "%u are left", d->deferred_count);
    return 0;
}
