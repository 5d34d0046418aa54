/* The modelled kernel: what programs ask of it, requests of a driver by kind, and the way of one to
 * another core and back. Running programs is not among them. */
#include <stdlib.h>
#include <string.h>

#include "virtual/groups.h"

enum { PAGE = 4096, TREE_EDGES = 6 };

static struct monitor *monitor_at(struct monitors *m, const struct ask *ask)
{
    return m->monitor[ask->core];
}

/* --- By kind: OK or an error; PENDING: port.done follows --- */

static enum verdict begin(struct monitors *m, uint32_t number, struct request *request)
{
    request->ticket = number;
    const struct input input = {.kind = INPUT_REQUEST, .request = request};
    monitors_turn(m, m->ask[number].core, &input);
    return VERDICT_PENDING;
}

/* What the page holds, where the core may do that with it. */
static enum verdict access(struct monitors *m, struct ask *ask, uint64_t length, bool write)
{
    const uint64_t *word = ask->request.word;
    const uint32_t slot = (uint32_t)word[1], generation = (uint32_t)(word[1] >> 32);
    const struct monitor *monitor = monitor_at(m, ask);
    if (slot >= monitor_slots(monitor) || length > (write ? 24 : 48))
        return VERDICT_FAULT;
    const struct mapping *page = monitor_mapping(monitor, slot);
    const uint64_t offset = word[2] - page->address;
    if (page->generation != generation || !page->held || offset > page->length ||
        length > page->length - offset)
        return VERDICT_FAULT;
    const enum verdict verdict = monitor_fault(monitor, slot, generation, write);
    if (verdict != VERDICT_OK)
        return verdict;
    char *at = m->memory + page->frame + offset;
    if (write)
        memcpy(at, &word[4], length);
    else
        memcpy(&ask->reply.word[1], at, length);
    return VERDICT_OK;
}

static enum verdict frames(struct monitors *m, struct ask *ask)
{
    const uint64_t *word = ask->request.word;
    struct frames_request frame = {.offset = word[1], .length = word[2]};
    const struct input input = {.kind = INPUT_FRAMES, .frames = &frame};
    uint64_t made;
    if (message_kind(&ask->request) == KIND_FREE) {
        frame.action = FRAMES_FREE;
        frame.generation = (uint32_t)word[3];
        return monitors_local(m, ask->core, &input, &made);
    }
    frame = (struct frames_request){.action = FRAMES_ALLOCATE, .length = word[1]};
    const enum verdict verdict = monitors_local(m, ask->core, &input, &made);
    if (verdict != VERDICT_OK)
        return verdict;
    if (frame.used)
        memset(m->memory + frame.offset, 0, frame.length);
    ask->reply.word[1] = frame.offset;
    ask->reply.word[2] = frame.generation | (uint64_t)ask->core << 32;
    return VERDICT_OK;
}

static enum verdict pin(struct monitors *m, struct ask *ask)
{
    const uint64_t page = ask->request.word[1];
    const struct input input = {.kind = message_kind(&ask->request) == KIND_PIN ? INPUT_PIN
                                                                                : INPUT_UNPIN,
                                .slot = (uint32_t)page,
                                .generation = (uint32_t)(page >> 32)};
    uint64_t made;
    return monitors_local(m, ask->core, &input, &made);
}

static enum verdict digest(struct monitors *m, struct ask *ask)
{
    const struct monitor *monitor = monitor_at(m, ask);
    const uint64_t other = ask->request.word[1];
    const bool one = other < m->shape.cores;
    uint32_t mapped, locked;
    ask->reply.word[1] =
        monitor_digest(monitor, one ? ask->core : TREE_NOBODY, one ? (uint32_t)other : TREE_NOBODY);
    mapping_count(&monitor->mappings, &mapped, &locked);
    ask->reply.word[2] = mapped;
    ask->reply.word[3] = locked;
    return VERDICT_OK;
}

static enum verdict tree(struct monitors *m, uint32_t number)
{
    const struct ask *ask = &m->ask[number];
    const uint64_t *word = ask->request.word, head = word[1];
    const uint32_t position = head & 0xffff, total = head >> 16 & 0xffff,
                   installation = head >> 32 & 0xffff, count = (uint32_t)(head >> 48);
    struct tree_pieces *p = &m->pieces[ask->core];
    if (word[5] != ask->core || total != m->shape.cores - 1 || !count || count > TREE_EDGES ||
        position + count > total)
        return VERDICT_BAD_REQUEST;
    if (position && (p->number != installation || p->count != position))
        return VERDICT_OVERTAKEN;
    if (!p->edges && !(p->edges = calloc(total, sizeof *p->edges)))
        return VERDICT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        p->edges[position + i] = (uint32_t)(word[2 + i / 2] >> (i % 2 ? 32 : 0));
    p->number = installation;
    p->count = position + count;
    if (p->count < total)
        return VERDICT_OK;
    struct request install = {.operation = OPERATION_TREE, .slot = ask->core};
    return begin(m, number, &install);
}

static enum verdict trees(struct monitors *m, struct ask *ask)
{
    const struct monitor *monitor = monitor_at(m, ask);
    if (ask->request.word[1] >= m->shape.cores)
        return VERDICT_BAD_REQUEST;
    for (uint32_t root = 0; root < m->shape.cores; root++)
        if (monitor_tree(monitor, root)->version != TREE_FLAT)
            ask->reply.word[1] += hash_mix(hash_mix(0, root), monitor_tree(monitor, root)->version);
    ask->reply.word[2] = monitor_tree(monitor, (uint32_t)ask->request.word[1])->version;
    return VERDICT_OK;
}

static enum verdict create(struct monitors *m, struct ask *ask)
{
    const uint64_t *word = ask->request.word;
    struct frames_request ram = {.action = FRAMES_KEEP, .length = word[1]};
    const struct input memory = {.kind = INPUT_FRAMES, .frames = &ram};
    uint64_t made;
    if (ask->core != 0)
        return VERDICT_BAD_REQUEST;
    if (!ram.length || ram.length % PAGE)
        return monitor_verdict(CAP_BAD_SIZE);
    enum verdict verdict = monitors_local(m, 0, &memory, &made);
    if (verdict != VERDICT_OK)
        return verdict;
    const struct creation creation = {.address = ram.offset,
                                      .size = ram.length,
                                      .to = {.cnode = word[2], .index = (uint32_t)word[3]}};
    const struct input input = {.kind = INPUT_CREATE, .creation = &creation};
    verdict = monitors_local(m, 0, &input, &ask->reply.word[1]);
    if (verdict != VERDICT_OK) {
        ram.action = FRAMES_RETURN;
        monitors_local(m, 0, &memory, &made);
    }
    ask->reply.word[2] = ram.offset;
    return verdict;
}

static enum verdict look(struct monitors *m, struct ask *ask)
{
    const uint64_t *word = ask->request.word;
    struct capability c;
    if (!cspace_look(monitor_cspace(monitor_at(m, ask)), 0, word[1], word[2] != 0, &c,
                     &ask->reply.word[1]))
        return VERDICT_BAD_REQUEST;
    reply_of_look(&ask->reply, &c);
    return c.flags & CAP_UNDECIDED ? VERDICT_BUSY : VERDICT_OK;
}

static enum verdict capability(struct monitors *m, uint32_t number)
{
    const struct ask *ask = &m->ask[number];
    const struct capability_task task = task_of(ask->request.word);
    struct request request = request_of_task(&ask->request, &task);
    if (request.operation == OPERATION_MAP_FRAME) {
        request.kept = ask->kept;
        if (!request_may_map(&request, m->shape.cores))
            return VERDICT_BAD_REQUEST;
    }
    return begin(m, number, &request);
}

static enum verdict map(struct monitors *m, uint32_t number)
{
    const struct ask *ask = &m->ask[number];
    struct request request = request_of_map(ask->request.word);
    request.kept = ask->kept;
    return request_may_map(&request, m->shape.cores) ? begin(m, number, &request)
                                                     : VERDICT_BAD_REQUEST;
}

static enum verdict handle(struct monitors *m, uint32_t number)
{
    struct ask *ask = &m->ask[number];
    const uint32_t kind = message_kind(&ask->request);
    struct request request;
    switch (kind) {
    case KIND_PING:
        ask->reply = ask->request;
        return VERDICT_OK;
    case KIND_TOUCH:
        return access(m, ask, 8, false);
    case KIND_READ:
    case KIND_WRITE:
        return access(m, ask, ask->request.word[3], kind == KIND_WRITE);
    case KIND_ALLOCATE:
    case KIND_FREE:
        return frames(m, ask);
    case KIND_MAP:
        return map(m, number);
    case KIND_UNMAP:
    case KIND_PROTECT:
        request = request_of_change(&ask->request);
        return begin(m, number, &request);
    case KIND_PIN:
    case KIND_UNPIN:
        return pin(m, ask);
    case KIND_DIGEST:
        return digest(m, ask);
    case KIND_TREE:
        return tree(m, number);
    case KIND_TREES:
        return trees(m, ask);
    case KIND_GROUP ... KIND_TAKE:
        return groups_request(m, number);
    case KIND_CAP_CREATE:
        return m->shape.cnodes ? create(m, ask) : VERDICT_BAD_REQUEST;
    case KIND_CAP_LOOK:
        return m->shape.cnodes ? look(m, ask) : VERDICT_BAD_REQUEST;
    case KIND_CAP_DIGEST:
        cspace_figures(monitor_cspace(monitor_at(m, ask)), 0, &ask->reply.word[1]);
        return VERDICT_OK;
    case KIND_CAP_COPY ... KIND_CAP_MAP:
        return m->shape.cnodes ? capability(m, number) : VERDICT_BAD_REQUEST;
    default:
        return VERDICT_BAD_REQUEST;
    }
}

/* --- Its way --- */

/* To the program, which goes on. */
static void completed(struct monitors *m, uint32_t number)
{
    enum { ROOM = 64 };
    struct ask *ask = &m->ask[number];
    if (m->done_first == m->done_count)
        m->done_first = m->done_count = 0;
    if (m->done_count == m->done_room) {
        const uint32_t room = m->done_room ? 2 * m->done_room : ROOM;
        struct answer *done = realloc(m->done, room * sizeof *done);
        if (!done) {
            m->world.failed = true;
            return;
        }
        m->done = done;
        m->done_room = room;
    }
    if (ask->from == ask->core)
        world_charge(&m->world, m->world.machine->call);
    m->done[m->done_count++] = (struct answer){
        .began = ask->began, .time = m->world.clock, .ticket = ask->ticket, .reply = ask->reply};
    if (ask->carried)
        groups_keep(m, ask->from, ask->request.word[1], &ask->request.word[1]);
    free(ask->kept);
    ask->kept = NULL;
    ask->next = m->ask_free;
    m->ask_free = number;
}

static void answered(struct monitors *m, uint32_t number, enum verdict verdict)
{
    struct ask *ask = &m->ask[number];
    if (verdict == VERDICT_BUSY) { /* as a driver does: it is tried again */
        world_wake(&m->world, ask->core, m->world.clock + m->environment.backoff, number);
        return;
    }
    ask->reply.word[0] =
        (ask->reply.word[0] & ~0xff00ffull) | (uint64_t)verdict << 16 | message_kind(&ask->request);
    if (ask->from == ask->core)
        completed(m, number);
    else
        world_send(&m->world, ask->core, ask->from, true, ASK_TOKEN | number, &ask->reply);
}

static void turn(struct monitors *m, uint32_t number)
{
    m->ask[number].asked = true;
    m->ask[number].reply = (struct message){
        {message_head(message_kind(&m->ask[number].request), 0, VERDICT_OK, 0xffff, 0)}};
    const enum verdict verdict = handle(m, number);
    if (verdict != VERDICT_PENDING)
        answered(m, number, verdict);
}

static void done(struct monitors *m, uint32_t number, const struct message *done)
{
    reply_of_done(&m->ask[number].reply, done);
    if (message_operation(done) == OPERATION_RETYPE && message_verdict(done) == VERDICT_OK) {
        memset(m->memory + done->word[5], 0, done->word[6]);
        world_charge(&m->world, m->world.machine->clear * (double)(done->word[6] / PAGE));
    }
    answered(m, number, message_verdict(done));
}

static void came(struct monitors *m, const struct packet *packet)
{
    const uint32_t number = (uint32_t)packet->token;
    if (packet->token & GROUP_TOKEN)
        groups_came(m, packet);
    else if (packet->reply)
        completed(m, number);
    else
        turn(m, number);
}

static void woken(struct monitors *m, uint32_t core, uint32_t number)
{
    struct ask *ask = &m->ask[number];
    if (!ask->asked) {
        ask->began = m->world.now;
        if (ask->from == ask->core) /* another's is asked over a channel of the program's own */
            world_charge(&m->world, m->world.machine->call);
    }
    if (core == ask->core)
        turn(m, number);
    else
        world_send(&m->world, core, ask->core, false, ASK_TOKEN | number, &ask->request);
}

bool monitors_ask(struct monitors *m, uint64_t time, uint32_t from, uint32_t core, uint64_t ticket,
                  const struct message *request, const uint64_t *kept)
{
    enum { ROOM = 64 };
    uint32_t number = m->ask_free;
    if (number) {
        m->ask_free = m->ask[number].next;
    } else {
        if (m->asks >= m->ask_room) {
            const uint32_t room = m->ask_room ? 2 * m->ask_room : ROOM;
            struct ask *ask = realloc(m->ask, room * sizeof *ask);
            if (!ask)
                return false;
            m->ask = ask;
            m->ask_room = room;
        }
        number = m->asks++;
    }
    struct ask *ask = &m->ask[number];
    *ask = (struct ask){.request = *request, .ticket = ticket, .from = from, .core = core};
    if (kept) {
        const size_t bytes = 8 * (size_t)core_set_words(m->shape.cores);
        if (!(ask->kept = malloc(bytes)))
            return false;
        memcpy(ask->kept, kept, bytes);
    }
    world_wake(&m->world, from, time, number);
    return !m->world.failed;
}

bool monitors_run(struct monitors *m, struct answer *answer)
{
    while (m->done_first == m->done_count)
        if (!world_turn(&m->world))
            return false;
    *answer = m->done[m->done_first++];
    return true;
}

struct monitors *monitors_new(const struct machine *machine, const struct work_table *work,
                              const struct monitor_shape *shape)
{
    static const struct port port = {done, answered, came, woken};
    return monitors_open(&port, machine, work, shape);
}

void monitors_free(struct monitors *m)
{
    groups_free(m);
    monitors_close(m);
}
