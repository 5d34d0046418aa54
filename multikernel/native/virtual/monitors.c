/* What each modelled monitor is given, the time that its steps take, and what becomes of what they
 * put out. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/arch.h"
#include "base/align.h"
#include "driver/collective.h"
#include "memory/vspace.h"
#include "monitor/operation.h"
#include "virtual/monitors_inside.h"

enum { TICK = 0, PAGE = 4096 }; /* what a core is woken for: a tick, or the number of an ask */
/* Where mappings lie in every modelled core's address space; nothing is there. */
#define ADDRESSES      (1ull << 40)
#define ADDRESSES_EACH (1ull << 30)
/* Longer than any step: the host took the CPU away in between. */
#define DISTURBED 20000

/* --- What a monitor is given --- */

static enum verdict insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    struct monitors *m = context;
    (void)slot, (void)address, (void)frame, (void)length, (void)rights;
    m->mmu_cycles += m->world.machine->change;
    return VERDICT_OK;
}

static enum verdict protect(void *context, uint32_t slot, uint32_t rights)
{
    struct monitors *m = context;
    (void)rights;
    if (m->changed != slot + 1)
        m->mmu_cycles += m->world.machine->change + m->world.machine->invalidate;
    return VERDICT_OK;
}

/* It is removed when there is time, and in batches. */
static void retire(void *context, uint32_t slot)
{
    (void)context, (void)slot;
}

static struct tree_link **table_of(const struct monitors *m, uint32_t root, uint32_t place)
{
    return &m->table[root * TREE_PLACES + place - 1];
}

bool monitors_make_tree(struct monitors *m, uint32_t root, uint32_t place, const uint32_t *edges)
{
    struct tree_link **table = table_of(m, root, place);
    if (!*table)
        *table = malloc(m->shape.cores * sizeof **table);
    return *table && tree_make(*table, m->shape.cores, root, edges);
}

const struct tree_link *monitors_links(const struct monitors *m, uint32_t root, uint32_t place)
{
    return *table_of(m, root, place);
}

static const struct tree_link *links(void *context, uint32_t root, uint32_t place)
{
    return monitors_links(context, root, place);
}

static bool publish(void *context, uint32_t place, uint64_t ticket)
{
    struct monitors *m = context;
    (void)ticket;
    return monitors_make_tree(m, m->stepping, place, m->pieces[m->stepping].edges);
}

static uint64_t **set_of(const struct monitors *m, uint32_t core, uint32_t lane)
{
    return &m->set[(size_t)core * m->shape.lanes + lane];
}

static const uint64_t *kept(void *context, uint32_t core, uint32_t lane)
{
    return *set_of(context, core, lane);
}

static void keep(void *context, uint32_t lane, const uint64_t *set)
{
    struct monitors *m = context;
    uint64_t **own = set_of(m, m->stepping, lane);
    const size_t bytes = 8 * (size_t)core_set_words(m->shape.cores);
    if (!*own && !(*own = malloc(bytes)))
        m->world.failed = true;
    else
        memcpy(*own, set, bytes);
}

/* --- Its trace --- */

static struct trace *trace_of(const struct monitors *m, uint32_t core)
{
    return m->trace ? &m->trace[core] : NULL;
}

static void mark(const struct monitors *m, uint32_t core, enum trace_kind kind)
{
    struct trace *trace = trace_of(m, core);
    if (trace)
        trace_mark(trace, m->world.clock, kind);
}

static void began(const struct monitors *m, uint32_t core, uint64_t now, const struct input *input)
{
    struct trace *trace = trace_of(m, core);
    if (trace)
        trace_began(trace, now, input);
}

static void sends(const struct monitors *m, uint32_t core, enum output_kind kind, uint32_t to,
                  const struct message *message)
{
    struct trace *trace = trace_of(m, core);
    if (trace)
        trace_sent(trace, m->world.clock, kind, to, message);
}

/* --- A step --- */

static void sample(struct monitors *m, uint32_t key, uint64_t cycles, uint32_t messages)
{
    struct work_sample *s = &m->samples[key];
    if (cycles > DISTURBED)
        return;
    s->least = s->count && s->least < cycles ? s->least : cycles;
    s->count++;
    s->messages += messages;
    s->cycles += (double)cycles;
    s->squares += (double)cycles * (double)cycles;
}

static uint32_t messages_of(const struct output *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < out->count; i++)
        count += out->entry[i].kind == OUTPUT_DONE ? 0 : output_receivers(out, &out->entry[i]);
    return count;
}

/* Steps, and is busy for as long as that takes: what the MMU does in it comes before its outputs
 * (monitor.h). */
static void step(struct monitors *m, uint32_t core, const struct input *input)
{
    const struct machine *machine = m->world.machine;
    m->environment.now = m->world.clock;
    m->mmu_cycles = 0;
    m->stepping = core;
    mark(m, core, TRACE_STEP);
    const uint64_t before = m->samples ? arch_cycles() : 0;
    monitor_step(m->monitor[core], &m->environment, input, m->output);
    const uint64_t took = m->samples ? arch_cycles() - before : 0;
    const uint32_t messages = messages_of(m->output);
    const uint32_t key = work_key(input->kind, &m->output->work, messages > 0);
    if (m->samples)
        sample(m, key, took, messages);
    const double *table = m->world.core[core].idle == IDLE_POLLS ? m->work->warm : m->work->cold;
    world_charge(&m->world, machine->work_scale * table[key] + m->mmu_cycles);
    if (m->trace)
        trace_stepped(&m->trace[core], m->world.clock, m->output);
}

/* What was sent is there before its sender looks whether the receiver polls (channel/doorbell.h). */
static void fence(struct monitors *m, uint32_t from, uint32_t to)
{
    const struct machine *machine = m->world.machine;
    const uint32_t a = machine->place[from], b = machine->place[to];
    if (machine->fences)
        m->world.clock = line_alone(&m->world.lines, m->world.clock, OWN, a, b, b);
}

static void send(struct monitors *m, uint32_t core, const struct output_entry *entry)
{
    const uint32_t receivers = output_receivers(m->output, entry);
    for (uint32_t i = 0; i < receivers; i++) {
        world_charge(&m->world, m->world.machine->work_scale * m->work->message);
        sends(m, core, entry->kind, output_receiver(m->output, entry, i), &entry->message);
        world_send(&m->world, core, output_receiver(m->output, entry, i),
                   entry->kind == OUTPUT_REPLY, entry->token, &entry->message);
    }
    if (receivers)
        fence(m, core, output_receiver(m->output, entry, receivers - 1));
}

static void deliver(struct monitors *m, uint32_t core, bool answered)
{
    for (uint32_t i = 0; i < m->output->count; i++) {
        const struct output_entry *entry = &m->output->entry[i];
        if (entry->kind == OUTPUT_DONE) {
            if (m->trace)
                trace_done(&m->trace[core], m->world.clock, entry->token, &entry->message);
            m->port->done(m, (uint32_t)entry->token, &entry->message);
        } else if (!answered || entry->kind != OUTPUT_REPLY)
            send(m, core, entry);
    }
}

/* What a core that did something else meanwhile has no longer near: the monitor's state and where
 * it puts its output. Its code stays. */
static void make_cold(struct monitors *m, uint32_t core)
{
    work_evict((char *)m->monitor[core], m->block, true);
    work_evict((char *)m->output, monitor_output_size(m->shape.cores), false);
}

/* As multikernel/monitor_port.c does: the step, what it puts out, its own part. answered: its reply
 * has been sent. */
static void turn(struct monitors *m, uint32_t core, const struct input *input, bool answered)
{
    if (m->evicts)
        make_cold(m, core);
    step(m, core, input);
    deliver(m, core, answered);
    while (m->output->local != NO_OPERATION) {
        const struct input own = {.kind = INPUT_CONTINUE, .operation = m->output->local};
        step(m, core, &own);
        deliver(m, core, false);
    }
    m->changed = 0;
    mark(m, core, TRACE_ENDED);
    const uint64_t wanted = m->output->next_tick;
    if (wanted == NEVER)
        return;
    const uint64_t at = wanted > m->world.clock ? wanted : m->world.clock;
    if (m->tick_at[core] <= m->world.now || at < m->tick_at[core]) {
        m->tick_at[core] = at;
        world_wake(&m->world, core, at, TICK);
    }
}

void monitors_turn(struct monitors *m, uint32_t core, const struct input *input)
{
    began(m, core, m->world.clock, input);
    turn(m, core, input, false);
}

/* Where it is plain what a step comes to, the rights go and the answer leaves first. */
static bool answers_first(struct monitors *m, uint32_t core, const struct input *input)
{
    struct foresight f;
    m->stepping = core;
    if (!monitor_foresees(m->monitor[core], &m->environment, input->message, &f))
        return false;
    if (f.protects) {
        world_charge(&m->world, m->world.machine->change + m->world.machine->invalidate);
        m->changed = f.slot + 1;
    }
    struct message reply = *input->message;
    reply.word[0] = f.head;
    sends(m, core, OUTPUT_REPLY, input->from, &reply);
    world_send(&m->world, core, input->from, true, input->token, &reply);
    fence(m, core, input->from);
    return true;
}

static void message(void *context, uint32_t core, const struct packet *packet)
{
    struct monitors *m = context;
    if (packet->token & (ASK_TOKEN | GROUP_TOKEN)) {
        m->port->came(m, packet);
        return;
    }
    const struct input input = {.kind = packet->reply ? INPUT_REPLY : INPUT_MESSAGE,
                                .from = packet->from,
                                .token = packet->from,
                                .message = &packet->message};
    began(m, core, m->world.now, &input);
    world_charge(&m->world, m->world.machine->work_scale * m->work->driver);
    const bool answered =
        !packet->reply && !m->world.core[core].first && answers_first(m, core, &input);
    turn(m, core, &input, answered);
}

static void woken(void *context, uint32_t core, uint32_t what)
{
    struct monitors *m = context;
    const struct input tick = {.kind = INPUT_TICK};
    if (what != TICK)
        m->port->woken(m, core, what);
    else if (m->tick_at[core] <= m->world.now) /* else one was wanted earlier, and came */
        monitors_turn(m, core, &tick);
}

/* --- The interface --- */

enum verdict monitors_local(struct monitors *m, uint32_t core, const struct input *input,
                            uint64_t *made)
{
    m->stepping = core;
    monitor_step(m->monitor[core], &m->environment, input, m->output);
    *made = m->output->made;
    return m->output->verdict;
}

bool monitors_plant(struct monitors *m, uint32_t root, const uint32_t *edges)
{
    if (!monitors_make_tree(m, root, 1, edges))
        return false;
    for (uint32_t core = 0; core < m->shape.cores; core++)
        monitor_planted(m->monitor[core], root);
    return true;
}

bool monitors_trace(struct monitors *m, uint64_t events)
{
    const uint32_t cores = m->shape.cores;
    m->trace = calloc(cores, sizeof *m->trace);
    for (uint32_t core = 0; m->trace && core < cores; core++) {
        /* aligned as its counts are, and only what is written to costs memory */
        char *log = mmap(NULL, trace_bytes(events), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (log == MAP_FAILED)
            return false;
        m->trace[core] = (struct trace){.log = (struct trace_log *)(void *)log, .mask = events - 1};
    }
    return m->trace != NULL;
}

const struct trace_log *monitors_traced(const struct monitors *m, uint32_t core)
{
    return m->trace ? m->trace[core].log : NULL;
}

double monitors_measure(struct monitors *m, struct work_sample *samples, bool cold)
{
    m->samples = samples;
    m->evicts = samples && cold;
    return work_clock();
}

struct world *monitors_world(struct monitors *m)
{
    return &m->world;
}

const struct monitor *monitors_monitor(const struct monitors *m, uint32_t core)
{
    return m->monitor[core];
}

/* Only what is used of a state costs memory: it is zero, and nearly all of it stays so. */
static struct monitor *state_new(const struct monitors *m, uint32_t core)
{
    struct monitor *state = mmap(NULL, m->block, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (state == MAP_FAILED)
        return NULL;
    madvise(state, m->block, MADV_NOHUGEPAGE);
    const uint64_t each = ADDRESSES / m->shape.cores / PAGE * PAGE;
    monitor_init(state, core, &m->shape, VSPACE_BASE, each);
    return state;
}

struct monitors *monitors_open(const struct port *port, const struct machine *machine,
                               const struct work_table *work, const struct monitor_shape *shape)
{
    struct monitors *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    const uint32_t cores = shape->cores;
    m->port = port;
    m->asks = 1; /* 0: none */
    m->work = work;
    m->shape = *shape;
    m->block = round_up(monitor_size(shape), PAGE);
    m->mmu = (struct mmu){m, insert, protect, retire};
    m->routing = (struct routing){m, links, publish, kept, keep};
    m->environment = (struct environment){.operations = &monitor_operations,
                                          .mmu = &m->mmu,
                                          .routing = &m->routing,
                                          .backoff = machine->cycles_per_us};
    m->monitor = calloc(cores, sizeof *m->monitor);
    m->table = calloc((size_t)cores * TREE_PLACES, sizeof *m->table);
    m->pieces = calloc(cores, sizeof *m->pieces);
    m->memory = mmap(NULL, shape->pages * PAGE + PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    m->set = calloc((size_t)cores * shape->lanes, sizeof *m->set);
    m->tick_at = calloc(cores, sizeof *m->tick_at);
    m->groups = calloc((size_t)cores * GROUPS, sizeof *m->groups);
    m->output = calloc(1, monitor_output_size(cores));
    bool made = world_open(&m->world, machine) && m->monitor && m->table && m->pieces &&
                m->memory != MAP_FAILED && m->set && m->tick_at && m->groups && m->output;
    m->world.behaviour = (struct behaviour){m, message, woken};
    for (uint32_t core = 0; made && core < cores; core++)
        made = (m->monitor[core] = state_new(m, core)) != NULL;
    if (made)
        return m;
    monitors_close(m);
    return NULL;
}

void monitors_close(struct monitors *m)
{
    const size_t cores = m->shape.cores;
    for (size_t core = 0; m->monitor && core < cores; core++)
        if (m->monitor[core])
            munmap(m->monitor[core], m->block);
    for (size_t i = 0; m->table && i < cores * TREE_PLACES; i++)
        free(m->table[i]);
    for (size_t i = 0; m->set && i < cores * m->shape.lanes; i++)
        free(m->set[i]);
    for (uint32_t i = 1; i < m->asks; i++)
        free(m->ask[i].kept);
    for (size_t i = 0; m->pieces && i < cores; i++)
        free(m->pieces[i].edges);
    if (m->memory != MAP_FAILED)
        munmap(m->memory, m->shape.pages * PAGE + PAGE);
    for (size_t core = 0; m->trace && core < cores; core++)
        if (m->trace[core].log)
            munmap(m->trace[core].log, trace_bytes(m->trace[core].mask + 1));
    free(m->trace);
    free(m->monitor);
    free(m->table);
    free(m->pieces);
    free(m->set);
    free(m->tick_at);
    free(m->groups);
    free(m->output);
    free(m->ask);
    free(m->done);
    world_close(&m->world);
    free(m);
}
