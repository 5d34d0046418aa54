/* Arbitrary bytes where a channel, or the kernel's segment, should be: attaching to them is refused,
 * or what is attached to lies in the memory that there is, whatever its slots hold.
 *
 * What must hold (native/README.md): no byte is touched outside of that memory, every call ends, and
 * what is accepted is what a build would have laid out. That messages make sense is not promised. */
#include "fuzz.h"

#include "channel/channel.h"
#include "channel/frame.h"
#include "segment/segment.h"

enum { EXECUTIONS = 512, MANY = 40, PAGES = 20 };

/* --- Channels --- */

static const uint64_t slots_tried[] = {0, 1, 2, 3, 4, 8, 31, 32, 33, 64, 128, 256};

static uint64_t draw_slots(void)
{
    return one_in(8) ? draw_word(4) : slots_tried[draw(sizeof slots_tried / sizeof *slots_tried)];
}

static uint64_t draw_arena(void)
{
    return one_in(8) ? draw_word(4) : one_in(2) ? 0 : (1 + draw(3)) * (uint64_t)PAGE_BYTES;
}

static void scribble(void *memory, uint64_t bytes)
{
    uint64_t *word = memory;
    for (uint32_t i = draw(32); i; i--)
        word[draw((uint32_t)(bytes / 8))] = draw_word(4);
    /* Control words: any turn, any acknowledgement. */
    for (uint32_t i = draw(32); i; i--) {
        struct slot *slot = (struct slot *)memory + draw((uint32_t)(bytes / sizeof *slot));
        slot->control = one_in(4) ? draw64() : (draw64() << 48 | draw(6));
    }
}

enum { FRAME_MOST = 3 * PAGE_BYTES };

static void use_frames(struct channel *channel)
{
    static char data[FRAME_MOST];
    struct frame in = {0}, out = {.kind = FRAME_BYTES, .length = draw(FRAME_MOST), .data = data};
    for (uint32_t uses = draw(24); uses; uses--) {
        if (one_in(2)) {
            frame_try_send(channel, &out);
        } else if (frame_try_receive(channel, &in) == CHANNEL_OK && !in.data) {
            if (in.length > FRAME_MOST)
                break;
            in.data = malloc(in.length ? in.length : 1);
            FUZZ_CHECK(in.data, "no memory");
        }
    }
    free(in.data);
}

static void use(struct channel *channel)
{
    if (channel->form->kind != CHANNEL_CALLS && one_in(2))
        use_frames(channel);
    struct message message = {{draw64()}}, many[MANY];
    uint32_t line, done;
    for (uint32_t uses = draw(24); uses; uses--) {
        if (channel->form->kind == CHANNEL_CALLS) {
            if (one_in(2) && channel_call(channel, &message, &line) == CHANNEL_OK)
                channel_take(channel, line, &message);
            else if (channel_request(channel, &message, &line) == CHANNEL_OK)
                channel_reply(channel, line, &message);
        } else if (one_in(2)) {
            if (one_in(4))
                channel->form->send_many(channel, many, draw(MANY), &done);
            else
                channel_try_send(channel, &message);
        } else {
            if (one_in(4))
                channel->form->receive_many(channel, many, draw(MANY), &done);
            else
                channel_try_receive(channel, &message);
        }
    }
}

static void attach_channel(char *memory, uint64_t bytes, enum channel_kind kind)
{
    struct channel_header *header = (void *)memory;
    const uint64_t slots = draw_slots(), arena = draw_arena();
    const uint64_t needed = channel_memory_bytes(kind, slots, arena);
    memset(memory, 0, one_in(4) ? bytes : sizeof *header);
    if (needed <= bytes && !one_in(8)) {
        const char *wrong = channel_memory_create(memory, bytes, kind, slots, arena);
        FUZZ_CHECK(!wrong == (needed != 0), "%s", wrong);
    }
    for (uint32_t changes = draw(3); changes; changes--)
        draw_change((uint64_t *)(void *)header + draw(one_in(4) ? sizeof *header / 8 : 4), 4);
    if (one_in(16))
        header->bytes = channel_memory_bytes(kind, header->slots, header->arena);
    scribble(memory + sizeof *header, bytes - sizeof *header);
    struct channel channel;
    channel_blank(&channel);
    const uint64_t told = one_in(4) ? draw((uint32_t)bytes + 1) : bytes;
    const char *wrong = channel_memory_open(&channel, memory, told, kind, draw(2 + one_in(8)));
    if (wrong)
        return;
    FUZZ_CHECK(channel_memory_bytes(kind, header->slots, header->arena) <= told,
               "there is less memory");
    use(&channel);
    scribble(memory, bytes); /* the header too: the other side's */
    use(&channel);
    channel_close(&channel);
}

/* --- The kernel's segment --- */

static struct geometry draw_geometry(void)
{
    return (struct geometry){.cores = 1 + draw(one_in(4) ? CORES_MAX : 8),
                             .window = 1 + draw(CALL_WINDOW_MAX),
                             .user_channels = 1 + draw(66),
                             .ring_slots = one_in(2) ? 0 : RING_SLOTS_MIN << draw(6),
                             .shared_bytes = one_in(2) ? 0 : draw(1 << 20),
                             .trace_events = one_in(2) ? 0 : 1ull << draw(10)};
}

static void lies_inside(const struct segment *segment, const void *part, uint64_t bytes)
{
    const uint64_t at = (uint64_t)((const char *)part - (const char *)segment);
    FUZZ_CHECK(at >= HEADER_BYTES && at + bytes <= segment->size, "%llu bytes at %llu of %llu",
               (unsigned long long)bytes, (unsigned long long)at,
               (unsigned long long)segment->size);
}

static void attach_segment(struct segment *segment)
{
    const struct geometry g = draw_geometry();
    struct region region;
    memset(segment, 0, sizeof *segment);
    segment_init(segment, &g);
    const uint64_t size = segment->size;
    for (uint32_t changes = draw(3); changes; changes--) {
        uint32_t *word = (uint32_t *)(void *)segment + draw(offsetof(struct segment, go) / 4);
        uint64_t changed = *word;
        if (one_in(2))
            word = (uint32_t *)(void *)segment + draw(18);
        draw_change(&changed, 4);
        *word = (uint32_t)changed;
    }
    if (one_in(8)) /* numbers that wrap round, and fit */
        segment->size = segment_bytes(&segment->geometry);
    if (segment_check(segment, one_in(4) ? draw_word(4) : size))
        return;
    const struct geometry *is = &segment->geometry;
    segment_region(is, &region);
    const uint32_t last = is->cores - 1;
    lies_inside(segment, segment_doorbell(segment, last), sizeof(struct doorbell));
    lies_inside(segment, segment_calls(segment, &region, last, last), is->window * LINE_BYTES);
    lies_inside(segment, segment_channel(segment, &region, last, last, is->user_channels - 1),
                LINE_BYTES);
    lies_inside(segment, segment_ring(segment, &region, last, last),
                (uint64_t)is->ring_slots * LINE_BYTES);
    lies_inside(segment, segment_client(segment, &region, last, CLIENT_CHANNELS - 1),
                CLIENT_LINES * LINE_BYTES);
    lies_inside(segment,
                segment_client_set(segment, &region, last, CLIENT_CHANNELS - 1, CLIENT_LINES - 1),
                8 * core_set_words(is->cores));
    lies_inside(segment, segment_at(segment, last, region.scratch), SCRATCH_BYTES);
    lies_inside(segment, segment_trace(segment, &region, last), trace_bytes(is->trace_events));
    lies_inside(segment, (char *)segment + segment->shared_offset, is->shared_bytes);
}

/* --- Generations --- */

static uint64_t generation(void)
{
    const uint64_t bytes = (1 + draw(PAGES)) * (uint64_t)PAGE_BYTES;
    const enum channel_kind kind = (enum channel_kind)(CHANNEL_EPOCH_RING + draw(4));
    char *memory = aligned_alloc(PAGE_BYTES, bytes);
    struct segment *segment = aligned_alloc(PAGE_BYTES, sizeof *segment);
    FUZZ_CHECK(memory && segment, "no memory");
    memset(memory, 0, bytes);
    for (uint32_t i = 0; i < EXECUTIONS; i++)
        if (one_in(4))
            attach_segment(segment);
        else
            attach_channel(memory, bytes, kind);
    free(memory);
    free(segment);
    return EXECUTIONS;
}

int main(int argc, char **argv)
{
    return fuzz_run(argc, argv, generation);
}
