/* A core's driver that is asked anything: by every line of the launcher, by programs on other cores
 * and on its own, and over the kernels' own lines; and that hears anything in reply.
 *
 * What must hold (native/README.md): every turn ends, nothing is touched outside of what the driver
 * has, and each request that a line carries is answered once or still under way. Other cores' kernels
 * are believed in what they say (step_fuzz.c); here what they say is well formed or none of ours.
 *
 * Each generation is a process of its own, with a driver of its own. */
#include "fuzz.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "boot/open.h"
#include "driver/object_end.h"
#include "memory/vspace.h"
#include "shared/kernel.h"

enum { EXECUTIONS = 8192, SLOTS = 12, MEMORY_PAGES = 64, WINDOW = 8, EACH = 3, LOCAL_MOST = 16 };

static struct segment *segment;
static struct driver *d;
static uint64_t tickets[LOCAL_MOST];
static struct call_sender launcher[CLIENT_CHANNELS];

/* The other core, played: its ends of the lines. */
static struct call_sender asks, asks_more, programs[EACH];
static struct call_receiver asked, asked_more, called[EACH];

/* --- Requests --- */

static uint64_t some_handle(void)
{
    const struct mapping *page = (void *)sparse_record(d->mappings, draw(d->mappings->fresh));
    return one_in(8) ? draw_word(d->cores) : page->slot | (uint64_t)page->generation << 32;
}

static uint64_t some_address(void)
{
    const struct mapping *page = (void *)sparse_record(d->mappings, draw(d->mappings->fresh));
    const uint64_t end = d->vspace.base + d->vspace.size;
    if (one_in(4))
        return one_in(2) ? end - draw(64) : d->vspace.base - 32 + draw(64);
    return one_in(8) ? draw_word(d->cores) : page->address + draw(2 * PAGE_BYTES);
}

static uint64_t some_length(void)
{
    return one_in(4) ? draw_word(d->cores) : (1ull + draw(4)) * PAGE_BYTES;
}

static uint64_t some_place(void)
{
    return (one_in(8)   ? draw(0x10000)
            : one_in(2) ? CNODE_ANY
                        : draw(256)) |
           (uint64_t)(one_in(4) ? draw(256) : CAP_RIGHTS_ALL) << 16 |
           (uint64_t)(one_in(2) ? 0 : draw(8)) << 24 |
           (uint64_t)(one_in(4) ? (uint32_t)draw64() : draw(d->cores + 1)) << 32;
}

static struct message some_request(void)
{
    struct message m = {{message_head(
        draw(16) ? KIND_PING + draw(KIND_SERVED - KIND_PING + 2) : draw(256), 0, 0, 0, 0)}};
    uint64_t *word = m.word, reference;
    struct capability c;
    for (int i = 1; i < MESSAGE_WORDS; i++)
        word[i] = draw_word(d->cores);
    if (one_in(6))
        return m;
    d->kernel->look(d, draw(512), true, &c, &reference);
    switch (message_kind(&m)) {
    case KIND_TOUCH ... KIND_WRITE:
        word[1] = some_handle();
        word[2] = some_address();
        word[3] = draw(56);
        break;
    case KIND_ALLOCATE:
        word[1] = some_length();
        break;
    case KIND_MAP:
        word[4] = draw_cores(d->cores);
        word[5] = draw(3) | (uint64_t)(one_in(4) ? draw(0x10000) : draw(d->cores)) << 32;
        word[3] = one_in(8) ? draw64() : one_in(2) ? RIGHTS_READ : RIGHTS_WRITE;
        word[1] = (uint64_t)draw(MEMORY_PAGES + 1) * PAGE_BYTES;
        word[2] = some_length();
        break;
    case KIND_FREE ... KIND_BORROWED:
        word[3] = draw(3);
        word[1] = (uint64_t)draw(MEMORY_PAGES + 1) * PAGE_BYTES;
        word[2] = some_length();
        break;
    case KIND_UNMAP ... KIND_UNPIN:
        word[1] = some_handle();
        word[2] = draw(4);
        break;
    case KIND_TREE:
        word[1] =
            draw(3) | (uint64_t)draw(3) << 16 | (uint64_t)draw(3) << 32 | (uint64_t)draw(8) << 48;
        word[5] = draw(2);
        break;
    case KIND_OBJECT_OPEN: /* none is made: a program may write to one as it likes, and hang it */
        word[2] = one_in(2) ? some_address() : some_address() & ~(uint64_t)(PAGE_BYTES - 1);
        word[3] = draw(d->cores + 1) | (uint64_t)draw(d->cores + 1) << 16;
        word[4] = one_in(2) ? 0 : OBJECT_TYPES | draw_word(d->cores) << 8;
        word[1] = some_handle();
        break;
    case KIND_OBJECT_CLOSE ... KIND_OBJECT_CHANGES:
        word[1] = some_handle();
        word[2] = draw(OBJECT_FORMS + 2);
        break;
    case KIND_GROUP:
        word[1] = draw(one_in(4) ? GROUPS + 1 : 2) | (uint64_t)one_in(8) << 32;
        word[2] = one_in(4) ? 0xffff - draw(2)
                            : draw(d->cores + 1) | (uint64_t)(one_in(4) ? draw(3) : 0) << 16;
        word[3] = one_in(2) ? CORES_ALL : draw_cores(d->cores);
        break;
    case KIND_GATHER:
        word[1] = draw(2) | (uint64_t)(one_in(4) ? draw(JOINS + 1) : JOIN_SUM) << 8 |
                  (uint64_t)(one_in(4)   ? draw(256)
                             : one_in(2) ? 2
                                         : 6)
                      << 16 |
                  (uint64_t)draw(2) << 24 | (uint64_t)one_in(8) << 32;
        break;
    case KIND_SPREAD ... KIND_TAKE:
        word[1] = draw(2) | (uint64_t)one_in(8) << 32;
        word[2] = draw(2);
        break;
    case KIND_RUN_BEGIN:
        word[1] = one_in(8) ? draw_word(d->cores) : draw(200);
        break;
    case KIND_RUN_DATA ... KIND_RUN_FETCH:
        word[1] = draw(220);
        break;
    case KIND_CAP_CREATE:
        word[1] = some_length();
        word[2] = CSPACE_ROOT;
        word[3] = one_in(2) ? CNODE_ANY : draw(256);
        break;
    case KIND_CAP_COPY ... KIND_CAP_MAP:
        word[1] = reference;
        word[2] = one_in(4) ? reference : CSPACE_ROOT;
        word[3] = some_place();
        word[4] = message_kind(&m) == KIND_CAP_MAP ? draw_cores(d->cores)
                                                   : (uint64_t)draw(8) * PAGE_BYTES;
        word[5] = some_length();
        if (message_kind(&m) == KIND_CAP_RETYPE)
            word[3] = (word[3] & ~0xffff0000ull) | (uint64_t)draw(6) << 16;
        break;
    default:
        break;
    }
    return m;
}

/* --- Those who ask --- */

static void take_replies(struct call_sender *end)
{
    struct message reply;
    for (uint32_t left = end->outstanding; left; left &= left - 1)
        call_try_take(end, (uint32_t)__builtin_ctz(left), &reply);
}

static void ask_as_launcher(void)
{
    const uint32_t channel = draw(CLIENT_CHANNELS);
    struct call_sender *end = &launcher[channel];
    const struct message m = some_request();
    take_replies(end);
    if (call_has_credit(end)) {
        *segment_client_set(segment, &d->region, 0, channel, end->next) = draw64();
        call_try_send(end, &m);
    }
}

static void ask_here(void)
{
    uint64_t *ticket = &tickets[draw(LOCAL_MOST)];
    const struct message m = some_request();
    struct message reply;
    if (*ticket && !driver_done(d, *ticket, &reply))
        return;
    d->program_set[0] = draw64();
    *ticket = driver_begin(d, &m);
}

/* --- The other core --- */

static struct message some_news(void)
{
    struct message m = some_request();
    if (!d->inside) /* put off until the core is in its loop */
        m = (struct message){{KIND_RUN_BEGIN, draw(200)}};
    else if (one_in(4))
        m.word[0] = message_head(draw(KIND_PING), draw(OPERATIONS), draw(3), 1, one_in(2)) |
                    (uint64_t)draw(8) << 24;
    return m;
}

static void ask_from_there(void)
{
    const struct message m = some_news();
    struct call_sender *end = one_in(3) ? &asks : one_in(2) ? &asks_more : &programs[draw(EACH)];
    take_replies(end);
    const bool first = call_is_unused(end);
    call_try_send(end, &m);
    doorbell_call(d->doorbell, 1, d->cores, first || one_in(16));
    if (one_in(64)) { /* garbage */
        d->doorbell->hints.first |= draw64();
        d->doorbell->hints.core[draw(CORE_SET_WORDS_MAX)] |= draw64();
    }
}

static void answer_from(struct call_receiver *end)
{
    struct message m;
    const int line = call_try_receive(end, &m);
    if (line < 0)
        return;
    static const uint8_t answers[] = {[KIND_PREPARE] = PHASE_PREPARED,
                                      [KIND_APPLY] = PHASE_APPLIED,
                                      [KIND_COMMIT] = PHASE_COMMITTED,
                                      [KIND_ABORT] = PHASE_ABORTED,
                                      [KIND_RELEASE] = 0,
                                      [KIND_ASK] = 0,
                                      [KIND_ANSWER] = 0};
    const uint32_t kind = message_kind(&m);
    if (kind < AGREEMENT_KINDS)
        m.word[0] = (m.word[0] & ~0xffull) | answers[kind];
    if (one_in(4))
        m.word[0] = (m.word[0] & ~0xff0000ull) | (uint64_t)(one_in(2) ? VERDICT_LATER : draw(256))
                                                     << 16;
    if (one_in(8))
        draw_change(&m.word[draw(MESSAGE_WORDS)], d->cores);
    if (kind > KIND_ABORT && kind < AGREEMENT_KINDS)
        m = (struct message){{0}};
    call_reply(end, (uint32_t)line, &m);
}

static void be_other_core(void)
{
    answer_from(&asked);
    answer_from(&asked_more);
    for (uint32_t i = 0; i < EACH; i++)
        answer_from(&called[i]);
}

/* --- The driver's process --- */

static void open_driver(bool shared, uint32_t cores)
{
    const struct geometry geometry = {
        .cores = cores,
        .window = WINDOW,
        .user_channels = EACH,
        .ring_slots = one_in(2) ? RING_SLOTS : 0,
        .shared_bytes =
            shared ? shared_kernel_bytes(cores, SLOTS, 4, 1, MEMORY_PAGES * PAGE_BYTES) : 0,
    };
    segment = mmap(NULL, segment_bytes(&geometry), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FUZZ_CHECK(segment != MAP_FAILED, "no memory");
    segment_init(segment, &geometry);
    const struct driver_options options = {.shared_kernel = shared,
                                           .slots_per_core = SLOTS,
                                           .cnodes = 4,
                                           .capability_protocol = draw(2),
                                           .lock_scope = draw(2),
                                           .address_base = 0x200000000000,
                                           .address_size = 1 << 20,
                                           .memory_bytes = MEMORY_PAGES * PAGE_BYTES,
                                           .cycles_per_us = 1,
                                           .cancel_signal = SIGCHLD};
    const int memory = memfd_create("memory", MFD_CLOEXEC);
    FUZZ_CHECK(ftruncate(memory, MEMORY_PAGES * PAGE_BYTES) == 0, "no memory");
    const char *reason;
    d = driver_open(segment, memory, &options, &reason);
    FUZZ_CHECK(d, "%s", reason);
    for (uint32_t channel = 0; channel < CLIENT_CHANNELS; channel++)
        call_open_sender(&launcher[channel], segment_client(segment, &d->region, 0, channel),
                         CLIENT_LINES);
    if (cores == 1)
        return;
    struct slot *there = segment_calls(segment, &d->region, 1, 0),
                *here = segment_calls(segment, &d->region, 0, 1);
    call_open_sender(&asks, there, 1);
    call_open_sender(&asks_more, there + 1, WINDOW - 1);
    call_open_receiver(&asked, here, 1);
    call_open_receiver(&asked_more, here + 1, WINDOW - 1);
    for (uint32_t i = 0; i < EACH; i++) {
        call_open_sender(&programs[i], segment_channel(segment, &d->region, 1, 0, i), 1);
        call_open_receiver(&called[i], segment_channel(segment, &d->region, 0, 1, i), 1);
    }
}

static void live(void)
{
    const bool shared = one_in(3); /* which would wait for the other core, were there one */
    const uint32_t cores = shared || one_in(3) ? 1 : 2;
    open_driver(shared, cores);
    d->inside = !one_in(4);
    for (uint32_t i = 0; i < EXECUTIONS; i++) {
        if (cores > 1 && one_in(3))
            ask_from_there();
        else if (one_in(3))
            ask_here();
        else
            ask_as_launcher();
        for (uint32_t turns = draw(4); turns; turns--)
            driver_poll(d);
        if (cores > 1 && !one_in(3))
            be_other_core();
        if (one_in(16))
            vspace_reap(&d->vspace, draw(40));
        if (d->event == EVENT_RUN && one_in(2)) {
            d->event = EVENT_NONE;
            FUZZ_CHECK(driver_finish(d, "a result", draw(9)) == 0, "no memory");
        }
        progress();
    }
    d->inside = true; /* as in the loop */
    if (cores > 1)
        return;
    /* Nobody else is waited for. */
    for (uint32_t turn = 0; turn < 1000; turn++) {
        if (d->program.state == PROGRAM_RUNNING)
            FUZZ_CHECK(driver_finish(d, "", 0) == 0, "no memory");
        driver_poll(d);
    }
    for (uint32_t i = 0; i < CLIENT_CHANNELS; i++) {
        take_replies(&launcher[i]);
        FUZZ_CHECK(!launcher[i].outstanding, "lines %x of channel %u are not answered",
                   launcher[i].outstanding, i);
    }
}

static uint64_t generation(void)
{
    const pid_t child = fork();
    int status;
    if (child == 0) {
        live();
        _exit(0);
    }
    FUZZ_CHECK(child > 0 && waitpid(child, &status, 0) == child, "no process");
    if (status)
        fuzz_say();
    if (status) /* it has said why */
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return EXECUTIONS;
}

int main(int argc, char **argv)
{
    return fuzz_run(argc, argv, generation);
}
