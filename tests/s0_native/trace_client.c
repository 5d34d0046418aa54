/* One thread notes events, another copies them at the same time: what was copied is whole, without
 * gaps, and the newest there was.
 *
 * trace_client COUNT EVENTS */
#include "clients.h"

#include "base/trace.h"

static struct trace the_trace;
static uint64_t count, events;

static struct trace_event event_of(uint64_t number)
{
    return (struct trace_event){.time = number,
                                .about = ~number,
                                .object = number * 3,
                                .kind = (uint8_t)number,
                                .peer = (uint16_t)(number >> 8)};
}

static void *writes(void *argument)
{
    (void)argument;
    for (uint64_t i = 0; i < count; i++) {
        const struct trace_event event = event_of(i);
        trace_put(&the_trace, &event);
        if (i % (events / 2) == 0)
            GIVE_WAY();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    count = argument(argc, argv, 1, 100000);
    events = argument(argc, argv, 2, 64);
    struct trace_event *copied = calloc(events, sizeof *copied);
    const size_t bytes = (size_t)trace_bytes(events);
    the_trace = (struct trace){.log = aligned_alloc(PAD_BYTES, bytes), .mask = events - 1};
    CHECK(copied && the_trace.log, "no memory");
    atomic_store(&the_trace.log->count, 0);
    pthread_t writer;
    progress();
    CHECK(!pthread_create(&writer, NULL, writes, NULL), "no thread");
    uint64_t ever = 0, looks = 0, seen = 0;
    while (ever < count) {
        const uint64_t before = ever, kept = trace_read(the_trace.log, events, copied, &ever);
        CHECK(ever >= before && kept <= events, "%llu of %llu", (unsigned long long)kept,
              (unsigned long long)ever);
        for (uint64_t i = 0; i < kept; i++) {
            const struct trace_event expected = event_of(ever - kept + i);
            CHECK(!__builtin_memcmp(&copied[i], &expected, sizeof expected),
                  "event %llu, of %llu that were kept", (unsigned long long)i,
                  (unsigned long long)kept);
        }
        looks++;
        seen += kept;
    }
    CHECK(!pthread_join(writer, NULL), "no end");
    printf("%llu %llu\n", (unsigned long long)looks, (unsigned long long)seen);
    return 0;
}
