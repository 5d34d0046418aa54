/* Two initiators want the same page: how long does the loser take, in multiples of an operation that
 * nobody opposes? The monitors are the product's; around them is a clock, and nothing else is
 * modelled but that a message takes a while, that a core does one thing at a time, and that each
 * message sent costs it a little.
 *
 *     contention CORES TREE ROUNDS FLIGHT
 *
 * TREE: 0 flat, else the fan of a complete tree. FLIGHT: of a message, in cycles. Every round has
 * another pair, and the second asks at another moment of the first one's operation. Prints for each
 * round what an operation takes alone, up to its answer and up to its last acknowledgement, and of
 * the two the first to return and the last, in cycles. */
#include <stdio.h>
#include <stdlib.h>

#include "monitor/operation.h"

enum { STEP = 100, SEND = 13, LANES = 4, BACKOFF = 2600, QUIET = 1000 };

struct event {
    uint64_t time;
    uint64_t order; /* of two at one time the one that was sent first comes first */
    uint32_t to, from;
    enum input_kind kind;
    uint64_t token;
    struct message message;
};

static struct event *heap;
static uint32_t events, events_max;
static uint64_t sent;
static uint64_t flight; /* of a message, in cycles */

static uint32_t cores, done;
static struct monitor **monitor;
static uint64_t *free_at, *tick_at;
static struct tree_link *table;
static uint64_t finished[2];
static struct output *output;
static uint32_t slot, generation;

static bool before(const struct event *a, const struct event *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void push(struct event event)
{
    event.order = sent++;
    if (events == events_max) {
        events_max = events_max ? 2 * events_max : 1024;
        heap = realloc(heap, events_max * sizeof *heap);
    }
    uint32_t i = events++;
    for (; i && before(&event, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = event;
}

static struct event pop(void)
{
    const struct event first = heap[0], last = heap[--events];
    uint32_t i = 0, child;
    while ((child = 2 * i + 1) < events) {
        child += child + 1 < events && before(&heap[child + 1], &heap[child]);
        if (!before(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return first;
}

/* --- What the monitors are given --- */

static enum verdict insert(void *context, uint32_t s, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    (void)context, (void)s, (void)address, (void)frame, (void)length, (void)rights;
    return VERDICT_OK;
}
static enum verdict protect(void *context, uint32_t s, uint32_t rights)
{
    (void)context, (void)s, (void)rights;
    return VERDICT_OK;
}
static void retire(void *context, uint32_t s)
{
    (void)context, (void)s;
}
static const struct tree_link *links(void *context, uint32_t root, uint32_t place)
{
    (void)context, (void)place;
    return table + (size_t)root * cores;
}
static const struct mmu mmu = {NULL, insert, protect, retire};
static const struct routing routing = {.links = links};

/* --- Time --- */

static void turn(uint32_t core, uint64_t now, const struct input *input)
{
    struct environment env = {&monitor_operations, &mmu, &routing, now, BACKOFF};
    const uint64_t start = now > free_at[core] ? now : free_at[core];
    struct input in = *input, own = {.kind = INPUT_CONTINUE};
    uint64_t at = start + STEP;
    env.now = start;
    for (;;) {
        monitor_step(monitor[core], &env, &in, output);
        for (uint32_t i = 0; i < output->count; i++) {
            const struct output_entry *entry = &output->entry[i];
            if (entry->kind == OUTPUT_DONE) {
                if (message_verdict(&entry->message) != VERDICT_OK) {
                    fprintf(stderr, "verdict %u\n", message_verdict(&entry->message));
                    exit(1);
                }
                slot = (uint32_t)entry->message.word[2];
                generation = (uint32_t)(entry->message.word[2] >> 32);
                finished[entry->token] = at;
                done++;
                continue;
            }
            for (uint32_t n = 0; n < output_receivers(output, entry); n++) {
                at += SEND;
                push((struct event){.time = at + flight,
                                    .to = output_receiver(output, entry, n),
                                    .from = core,
                                    .kind =
                                        entry->kind == OUTPUT_REPLY ? INPUT_REPLY : INPUT_MESSAGE,
                                    .token = entry->token,
                                    .message = entry->message});
            }
        }
        if (output->local == NO_OPERATION)
            break;
        own.operation = output->local;
        in = own;
    }
    free_at[core] = at;
    if (output->next_tick != NEVER) {
        const uint64_t when = output->next_tick > at ? output->next_tick : at;
        if (when < tick_at[core] || tick_at[core] <= start) {
            tick_at[core] = when;
            push((struct event){.time = when, .to = core, .kind = INPUT_TICK});
        }
    }
}

static uint64_t run(uint64_t now, uint64_t until)
{
    while (events && heap[0].time <= until) {
        const struct event event = pop();
        const struct input input = {.kind = event.kind,
                                    .from = event.from,
                                    .token = event.token,
                                    .message = &event.message};
        if (event.kind == INPUT_TICK && event.time != tick_at[event.to])
            continue;
        now = event.time;
        turn(event.to, event.time, &input);
    }
    return now + QUIET;
}

static void ask(uint32_t core, uint64_t now, struct request request, uint64_t ticket)
{
    request.ticket = ticket;
    const struct input input = {.kind = INPUT_REQUEST, .request = &request};
    turn(core, now, &input);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    cores = (uint32_t)atoi(argv[1]);
    const uint32_t fan = (uint32_t)atoi(argv[2]), rounds = (uint32_t)atoi(argv[3]);
    flight = (uint64_t)atoi(argv[4]);
    struct monitor_shape shape = monitor_shape_whole(cores, LANES, 1);
    shape.agreements = shape.mappings = 16;
    shape.sets = 1;
    monitor = calloc(cores, sizeof *monitor);
    free_at = calloc(cores, sizeof *free_at);
    tick_at = calloc(cores, sizeof *tick_at);
    table = calloc((size_t)cores * cores, sizeof *table);
    uint32_t *edges = calloc(cores, sizeof *edges);
    output = calloc(1, monitor_output_size(cores));
    for (uint32_t core = 0; core < cores; core++) {
        monitor[core] = aligned_alloc(64, monitor_size(&shape));
        memset(monitor[core], 0, monitor_size(&shape));
        monitor_init(monitor[core], core, &shape, 1 << 20, 1 << 20);
        for (uint32_t rank = 1; fan && rank < cores; rank++)
            edges[rank - 1] = (core + (rank - 1) / fan) % cores | ((core + rank) % cores) << 16;
        if (fan && !tree_make(table + (size_t)core * cores, cores, core, edges))
            return 2;
    }
    for (uint32_t core = 0; fan && core < cores; core++)
        for (uint32_t root = 0; root < cores; root++)
            monitor_planted(monitor[core], root);
    ask(0, 0,
        (struct request){.operation = OPERATION_MAP,
                         .frame = 4096,
                         .length = 4096,
                         .rights = RIGHTS_WRITE,
                         .holders = cores <= CORES_IN_BITS ? (1ull << cores) - 1 : CORES_ALL},
        0);
    uint64_t now = run(0, NEVER);
    const struct request change = {.operation = OPERATION_PROTECT,
                                   .slot = slot,
                                   .generation = generation,
                                   .rights = RIGHTS_READ};
    for (uint32_t round = 0; round < rounds; round++) {
        const uint32_t one = round * 5 % cores, other = (one + 1 + round * 3 % (cores - 1)) % cores;
        uint64_t alone = now;
        ask(one, now, change, 0);
        now = run(now, NEVER);
        const uint64_t answered = finished[0] - alone;
        alone = free_at[one] - alone;
        /* At any moment up to the first one's last acknowledgement. */
        const uint64_t late = alone * round / rounds;
        const uint64_t began = now;
        done = 0;
        ask(one, now, change, 0);
        run(now, now + late);
        ask(other, now + late, change, 1);
        now = run(now + late, NEVER);
        if (done != 2)
            return 1;
        const uint64_t a = finished[0] - began, b = finished[1] - began - late;
        printf("%llu %llu %llu %llu\n", (unsigned long long)answered, (unsigned long long)alone,
               (unsigned long long)(a < b ? a : b), (unsigned long long)(a < b ? b : a));
    }
    return 0;
}
