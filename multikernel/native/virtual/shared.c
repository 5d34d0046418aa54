#include "virtual/shared.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "virtual/shared_inside.h"

enum { ROOM = 64, MOST_AT_ONCE = 24, READ_MOST = 48 };

/* --- Lines of the state that move with an operation: those that it changes, and that another core
 * changed last. What it only reads is not seen --- */

static bool counts(uint64_t at)
{
    return at < offsetof(struct shared_kernel, line) || /* those are modelled one by one */
           at >= offsetof(struct shared_kernel, line) + sizeof(struct change_line);
}

static void count_lines(struct shared_cores *s, uint32_t core)
{
    const char *state = (const char *)s->segment + s->segment->shared_offset;
    uint64_t moved = 0;
    for (uint64_t at = 0; at + LINE_BYTES <= s->state_bytes; at += LINE_BYTES) {
        if (!memcmp(s->before + at, state + at, LINE_BYTES) || !counts(at))
            continue;
        char *writer = &s->writer[at / LINE_BYTES];
        moved += *writer && *writer != (char)(core + 1);
        *writer = (char)(core + 1);
        memcpy(s->before + at, state + at, LINE_BYTES);
    }
    struct work_sample *lines = &s->samples[s->kind * STAGES + STAGE_LINES];
    lines->count++;
    lines->cycles += (double)moved;
    lines->squares += (double)(moved * moved);
}

/* --- A request --- */

static bool is_known(uint32_t kind)
{
    return kind == KIND_PING || (kind >= KIND_ALLOCATE && kind <= KIND_FREE) ||
           (kind >= KIND_MAP && kind <= KIND_TREES) ||
           (kind >= KIND_CAP_CREATE && kind <= KIND_CAP_DIGEST);
}

/* What the page holds, where the core may do that with it; no page table of the host's says. */
static enum verdict access_page(struct shared_cores *s, struct driver *d,
                                const struct message *request, struct message *reply)
{
    const uint64_t *word = request->word;
    const uint32_t slot = (uint32_t)word[1], generation = (uint32_t)(word[1] >> 32);
    const bool write = message_kind(request) == KIND_WRITE;
    const uint64_t length = message_kind(request) == KIND_TOUCH ? 8 : word[3];
    const enum verdict verdict = d->kernel->fault(d, slot, generation, write);
    if (verdict != VERDICT_OK)
        return verdict;
    const struct mapping *page = sparse_at(d->mappings, slot);
    const uint64_t offset = word[2] - page->address;
    if (length > (write ? MOST_AT_ONCE : READ_MOST) || offset > page->length ||
        length > page->length - offset)
        return VERDICT_FAULT;
    if (write)
        memcpy(s->memory + page->frame + offset, &word[4], length);
    else
        memcpy(&reply->word[1], s->memory + page->frame + offset, length);
    return VERDICT_OK;
}

static void accesses(struct shared_cores *s, struct driver *d, const struct message *request,
                     struct message *reply)
{
    enum verdict verdict;
    while ((verdict = access_page(s, d, request, reply)) == VERDICT_BUSY)
        shared_private(d)->notification->meanwhile(d);
    reply->word[0] = message_head(message_kind(request), 0, verdict, 0xffff, 0);
}

static void asks(struct driver *d, const struct message *request, const uint64_t *kept,
                 struct message *reply)
{
    if (kept)
        memcpy(d->program_set, kept, 8 * (size_t)core_set_words(d->cores));
    const uint64_t ticket = driver_begin(d, request);
    while (!driver_done(d, ticket, reply)) {
        shared_private(d)->notification->meanwhile(d);
        dispatch_deferred(d);
    }
}

/* To the program, which goes on. */
static void completed(struct shared_cores *s, uint32_t number)
{
    struct shared_ask *ask = &s->ask[number];
    if (s->done_first == s->done_count)
        s->done_first = s->done_count = 0;
    if (s->done_count == s->done_room) {
        const uint32_t room = s->done_room ? 2 * s->done_room : ROOM;
        struct answer *done = realloc(s->done, room * sizeof *done);
        if (!done) {
            s->world.failed = true;
            return;
        }
        s->done = done;
        s->done_room = room;
    }
    if (ask->from == ask->core)
        world_charge(&s->world, s->world.machine->call);
    s->done[s->done_count++] = (struct answer){
        .began = ask->began, .time = s->world.clock, .ticket = ask->ticket, .reply = ask->reply};
    free(ask->kept);
    ask->kept = NULL;
    ask->next = s->ask_free;
    s->ask_free = number;
}

static void serves(struct shared_cores *s, uint32_t core)
{
    struct shared_core *c = &s->core[core];
    struct driver *d = c->driver;
    const uint32_t number = c->ask;
    const struct message request = s->ask[number].request;
    struct message reply = {{0}};
    c->moved = c->cleared = false;
    shared_resumes(s);
    if (s->kind >= KIND_TOUCH && s->kind <= KIND_WRITE)
        accesses(s, d, &request, &reply);
    else if (is_known(s->kind))
        asks(d, &request, s->ask[number].kept, &reply);
    else
        reply.word[0] = message_head(s->kind, 0, VERDICT_BAD_REQUEST, 0xffff, 0);
    shared_comes_to(s, STAGE_ENDS, 0);
    if (s->counts_lines)
        count_lines(s, core);
    struct shared_ask *ask = &s->ask[number];
    ask->reply = reply;
    if (ask->from == core)
        completed(s, number);
    else
        world_send(&s->world, core, ask->from, true, ASK_TOKEN | number, &reply);
    if ((c->ask = c->first)) {
        c->first = s->ask[c->ask].next;
        shared_wake(s, core, s->world.clock, WAKE_GOES_ON, 0);
    }
}

/* --- Its way --- */

static void begins(struct shared_cores *s, uint32_t core, uint32_t number)
{
    struct shared_core *c = &s->core[core];
    if (!c->ask) {
        c->ask = number;
        shared_goes_on(s, core);
        return;
    }
    s->ask[number].next = 0;
    if (c->first)
        s->ask[c->last].next = number;
    else
        c->first = number;
    c->last = number;
}

static void message(void *context, uint32_t core, const struct packet *packet)
{
    struct shared_cores *s = context;
    const uint32_t number = (uint32_t)packet->token;
    if (!(packet->token & ASK_TOKEN))
        shared_message(s, core, packet);
    else if (packet->reply)
        completed(s, number);
    else
        begins(s, core, number);
}

static void asked(struct shared_cores *s, uint32_t core, uint32_t number)
{
    struct shared_ask *ask = &s->ask[number];
    ask->began = s->world.now;
    if (core != ask->core) { /* over a channel of the program's own */
        world_send(&s->world, core, ask->core, false, ASK_TOKEN | number, &ask->request);
        return;
    }
    world_charge(&s->world, s->world.machine->call);
    begins(s, core, number);
}

static void woken(void *context, uint32_t core, uint32_t what)
{
    struct shared_cores *s = context;
    const uint32_t number = what >> WAKING_BITS;
    const enum waking waking = what & ((1u << WAKING_BITS) - 1);
    switch (waking) {
    case WAKE_ASKS:
        asked(s, core, number);
        break;
    case WAKE_HANDED:
        shared_fetch(s, FETCH, core, number, NULL);
        shared_goes_on(s, core);
        break;
    case WAKE_GOES_ON:
        shared_goes_on(s, core);
        break;
    default:
        shared_notified(s, core, waking);
    }
}

/* --- The interface --- */

bool shared_cores_ask(struct shared_cores *s, uint64_t time, uint32_t from, uint32_t core,
                      uint64_t ticket, const struct message *request, const uint64_t *kept)
{
    uint32_t number = s->ask_free;
    if (number) {
        s->ask_free = s->ask[number].next;
    } else {
        if (s->asks >= s->ask_room) {
            const uint32_t room = s->ask_room ? 2 * s->ask_room : ROOM;
            struct shared_ask *ask = realloc(s->ask, room * sizeof *ask);
            if (!ask)
                return false;
            s->ask = ask;
            s->ask_room = room;
        }
        number = s->asks++;
    }
    struct shared_ask *ask = &s->ask[number];
    *ask = (struct shared_ask){.request = *request, .ticket = ticket, .from = from, .core = core};
    if (kept) {
        const size_t bytes = 8 * (size_t)core_set_words(s->world.machine->cores);
        if (!(ask->kept = malloc(bytes)))
            return false;
        memcpy(ask->kept, kept, bytes);
    }
    shared_wake(s, from, time, WAKE_ASKS, number);
    return !s->world.failed;
}

bool shared_cores_run(struct shared_cores *s, struct answer *answer)
{
    shared_at_work = s;
    while (s->done_first == s->done_count)
        if (!world_turn(&s->world))
            return false;
    *answer = s->done[s->done_first++];
    return true;
}

struct world *shared_cores_world(struct shared_cores *s)
{
    return &s->world;
}

double shared_cores_measure(struct shared_cores *s, struct work_sample *samples, bool lines)
{
    if (lines && !s->before) {
        s->before = malloc(s->state_bytes);
        s->writer = calloc(s->state_bytes / LINE_BYTES, 1);
        if (!s->before || !s->writer)
            return 0;
        memcpy(s->before, (char *)s->segment + s->segment->shared_offset, s->state_bytes);
    }
    s->counts_lines = lines;
    s->samples = samples;
    for (uint32_t core = 0; core < s->world.machine->cores; core++) /* else pages are cleared */
        s->core[core].driver->vspace.memory_bytes = 0;
    return work_clock();
}

struct shared_cores *shared_cores_new(const struct machine *machine, const struct shared_work *work,
                                      const struct shared_shape *shape)
{
    struct shared_cores *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->asks = 1; /* 0: none */
    s->work = work;
    s->shape = *shape;
    s->serves = serves;
    if (world_open(&s->world, machine) && shared_cores_open(s)) {
        s->world.behaviour = (struct behaviour){s, message, woken};
        return s;
    }
    shared_cores_free(s);
    return NULL;
}

void shared_cores_free(struct shared_cores *s)
{
    shared_cores_close(s);
    for (uint32_t i = 1; i < s->asks; i++)
        free(s->ask[i].kept);
    free(s->ask);
    free(s->done);
    free(s->before);
    free(s->writer);
    world_close(&s->world);
    free(s);
}
