/* All cores operate on one object at once, in one form or in those that it chooses, and how much they
 * get done together. The object's block is memory of the booted system; a core that waits, thinks
 * or has come early does its duties and takes its driver's turns.
 *
 * The mix is enforced: a core does its share of the operations, and one that is AHEAD of the others
 * waits. Else forms would be compared that do different work: left alone, a core's share ran from 1
 * to 93 %, by the form.
 *
 * A workload has segments, which follow each other by the clock, while the object goes on as it is.
 * The counters of all CPUs are taken to be one clock, as Linux verifies before it uses them so.
 *
 * How long a core's bursts are shows where every operation adds to the counters: a result that
 * follows the core's last one was a turn of its own. */
#include <errno.h>
#include <string.h>

#include "object/object.h"
#include "probes/meeting.h"

enum {
    AHEAD = 512,       /* operations of all, that a core's own stand for */
    AHEAD_SLOW = 16,   /* ... where each takes long */
    LOOK = 32,         /* operations between two looks at the others */
    SLOW = 1000,       /* cycles of thinking from which a core looks after each */
    POLL_CYCLES = 250, /* of thinking, for one poll */
    KEYS = 512,
    SHARE_UNIT = 1000,
    LOG = 256,
    RATE_UNIT = 1000, /* of what rows say */
    ROWS_MOST = 4096,
};

/* As the words of `each` say them. */
struct segment_of_work {
    uint64_t reads, think, share; /* percent, cycles, the owner's share of a thousand */
};
enum { SEGMENT_WORDS = 3, ROW_WORDS = 3 + OBJECT_FORMS };

struct party {
    struct driver *d;
    const struct probe *p;
    struct object object;
    struct chooser chooser;
    struct segment_of_work work;
    uint64_t seed, thought, lines;
    uint64_t progress; /* of all, as far as this core's part goes: published */
    uint64_t step;     /* of that, an operation */
    uint64_t done;
    uint64_t last, burst, longest, bursts; /* operations in a row of this core */
};

static void turn(void *context)
{
    struct driver *d = context;
    driver_poll(d);
    if (d->crowded)
        sched_yield();
}

static _Atomic uint64_t *progress_of(struct party *w, uint32_t core)
{
    return scratch(w->d, core, SCRATCH_PROGRESS);
}

static bool stops(const struct party *w)
{
    return atomic_load_explicit(&w->d->segment->stop, memory_order_relaxed);
}

static void draw(struct party *w, struct operation *o)
{
    w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
    const uint64_t chosen = w->seed >> 33;
    const bool only_reads = (chosen & 1023) < w->work.reads * 1024 / 100;
    if (w->object.type == &object_counters) {
        o->kind = only_reads ? COUNTERS_SUM : COUNTERS_ADD;
        o->value[0] = w->lines;
    } else if (w->object.type == &object_map) {
        o->kind = only_reads ? MAP_GET : MAP_ADD;
        o->key = 1 + (chosen >> 10) % KEYS;
        o->value[0] = 1;
    } else {
        o->kind = only_reads ? QUEUE_FRONT : chosen & 1024 ? QUEUE_PUT : QUEUE_TAKE;
        o->value[0] = 7;
    }
}

static void think(struct party *w)
{
    if (!w->work.think)
        return;
    const uint64_t until = arch_cycles() + w->work.think;
    for (w->thought += w->work.think; w->thought >= POLL_CYCLES; w->thought -= POLL_CYCLES) {
        object_poll(&w->object);
        if ((int64_t)(arch_cycles() - until) >= 0)
            return;
    }
    while ((int64_t)(arch_cycles() - until) < 0)
        ;
}

static void wait_for_the_others(struct party *w, uint64_t ahead)
{
    const uint64_t share = w->progress - ahead * SHARE_UNIT;
    for (uint32_t core = 0; core < w->object.cores; core++)
        /* Relaxed: a count, on which nothing else depends. */
        while ((int64_t)(share - atomic_load_explicit(progress_of(w, core), memory_order_relaxed)) >
                   0 &&
               !stops(w)) {
            object_poll(&w->object);
            turn(w->d);
        }
}

static void count_burst(struct party *w, const struct result *result)
{
    if (result->value == w->last + w->lines) {
        w->burst++;
    } else {
        w->longest = w->burst > w->longest ? w->burst : w->longest;
        w->burst = 1;
        w->bursts++;
    }
    w->last = result->value;
}

/* Operations until then, by the clock. */
static void work_until(struct party *w, uint64_t until)
{
    struct operation operation = {0};
    struct result result;
    const bool slow = w->work.think >= SLOW;
    const bool in_a_row = w->object.type == &object_counters && !w->work.reads;
    do {
        for (uint32_t i = 0; i < (slow ? 1 : LOOK); i++) {
            draw(w, &operation);
            object_apply(&w->object, &operation, &result);
            if (in_a_row)
                count_burst(w, &result);
            think(w);
        }
        w->done += slow ? 1 : LOOK;
        w->progress += (slow ? 1 : LOOK) * w->step;
        atomic_store_explicit(progress_of(w, w->object.me), w->progress, memory_order_relaxed);
        driver_poll(w->d);
        if (w->object.cores > 1)
            wait_for_the_others(w, slow ? AHEAD_SLOW : AHEAD);
    } while ((int64_t)(arch_cycles() - until) < 0 && !stops(w));
}

static struct segment_of_work segment_at_work(const struct probe *p, uint64_t nth)
{
    const uint64_t *words = p->each + SEGMENT_WORDS * nth;
    return (struct segment_of_work){words[0], words[1], words[2]};
}

static void begin_segment(struct party *w, uint64_t nth)
{
    const uint64_t others = w->object.cores - 1;
    w->work = segment_at_work(w->p, nth);
    uint64_t share = w->work.share;
    if (w->object.me != w->object.owner)
        share = (SHARE_UNIT - share) / others;
    w->step = SHARE_UNIT * SHARE_UNIT / (others && share ? share : SHARE_UNIT);
}

static struct object_geometry geometry_of(const struct driver *d, const struct probe *p)
{
    return (struct object_geometry){
        .type = p->type, .shape = p->shape, .cores = d->cores, .owner = p->core, .log = LOG};
}

/* Core 0 lays it out and fills it. */
static enum object_verdict lay_out(const struct driver *d, const struct probe *p)
{
    const struct object_geometry geometry = geometry_of(d, p);
    const bool chosen = p->form >= OBJECT_FORMS;
    const enum object_verdict verdict =
        object_init(p->memory, &geometry, chosen ? FORM_LOCKED : (enum object_form)p->form);
    if (verdict != OBJECT_OK)
        memset(p->memory, 0, PAD_BYTES); /* nobody finds one that was there before */
    return verdict;
}

static void fill(struct party *w)
{
    struct operation put = {.kind = w->object.type == &object_map ? MAP_PUT : QUEUE_PUT};
    struct result result;
    if (w->object.type == &object_counters)
        return;
    for (put.key = 1; put.key <= (put.kind == MAP_PUT ? KEYS : w->p->shape / 2); put.key++)
        object_apply(&w->object, &put, &result);
}

static void read_rows(const struct probe *p, struct chooser_row *rows, uint32_t count)
{
    const uint64_t *words = p->each + SEGMENT_WORDS * p->count;
    for (uint32_t i = 0; i < count; i++, words += ROW_WORDS) {
        rows[i].reads = (double)words[0] / 100;
        rows[i].owners = (double)words[1] / SHARE_UNIT;
        rows[i].lines = (double)words[2];
        for (uint32_t form = 0; form < OBJECT_FORMS; form++)
            rows[i].rate[form] = (double)words[3 + form] / RATE_UNIT;
    }
}

static void adapt(struct party *w, const struct chooser_row *rows, uint32_t count)
{
    const struct chooser_rules rules = chooser_rules(w->d->cycles_per_us, w->object.cores);
    uint32_t suits = 0;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        if (w->p->forms >> form & 1 && object_suits(&w->object, form) == OBJECT_OK)
            suits |= 1u << form;
    chooser_begin(&w->chooser, &rules, suits, object_form(&w->object), (double)w->lines, rows,
                  count);
    object_adapt(&w->object, &w->chooser);
}

/* The results, in the order of the table. */
enum { FOUND = 11 };

static void found(struct party *w, uint64_t began, uint64_t cycles, uint64_t cpu, uint64_t wall)
{
    uint64_t *results = w->p->results;
    const struct chooser *c = &w->chooser;
    const uint64_t values[FOUND] = {w->done,
                                    began,
                                    cycles,
                                    clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu,
                                    clock_ns(CLOCK_MONOTONIC) - wall,
                                    w->longest > w->burst ? w->longest : w->burst,
                                    w->bursts,
                                    object_form(&w->object),
                                    c->changes,
                                    c->races,
                                    (uint64_t)c->lost};
    for (uint32_t i = 0; i < FOUND; i++)
        results[i] = values[i];
}

static void take_part(struct party *w)
{
    const struct probe *p = w->p;
    uint64_t *segments = p->results + FOUND;
    begin_segment(w, 0);
    work_until(w, arch_cycles() + p->edge);
    w->done = w->longest = w->burst = w->bursts = 0;
    const uint64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    const uint64_t began = arch_cycles();
    for (uint64_t nth = 0; nth < p->count; nth++) {
        const uint64_t before = w->done;
        begin_segment(w, nth);
        work_until(w, began + (nth + 1) * p->cycles);
        segments[nth] = w->done - before;
    }
    found(w, began, arch_cycles() - began, cpu, wall);
    /* Nobody is counted while another is through. */
    meeting_come(w->d);
    while (!meeting_has(w->d, p->base + 2 * (uint64_t)w->d->cores)) {
        w->progress = UINT64_MAX / 4; /* above any, and far from where differences wrap */
        atomic_store_explicit(progress_of(w, w->object.me), w->progress, memory_order_relaxed);
        object_poll(&w->object);
        turn(w->d);
    }
}

int64_t probe_sharing(struct driver *d, const struct probe *p)
{
    static struct party party; /* too large for a stack; a core runs one loop at a time */
    static struct chooser_row rows[ROWS_MOST];
    const uint64_t row_words = p->each_count - SEGMENT_WORDS * p->count;
    const uint64_t row_count = row_words / ROW_WORDS;
    const struct object_geometry geometry = geometry_of(d, p);
    enum object_verdict verdict;
    const uint64_t bytes = object_bytes(&geometry, &verdict);
    if (!bytes || bytes > p->bytes || p->result_count < FOUND + p->count || !p->count ||
        p->each_count < SEGMENT_WORDS * p->count || row_words % ROW_WORDS ||
        row_count > ROWS_MOST || (p->form < OBJECT_FORMS && row_count))
        return -EINVAL;
    party = (struct party){.d = d, .p = p, .seed = 77 + d->me};
    party.lines = p->type == TYPE_COUNTERS ? p->shape : 2;
    driver_enter(d);
    atomic_store_explicit(progress_of(&party, d->me), 0, memory_order_relaxed);
    if (d->me == 0)
        verdict = lay_out(d, p);
    meet(d, p->base + d->cores);
    if (verdict == OBJECT_OK)
        verdict = object_open(&party.object, p->memory, p->bytes, d->me, turn, d);
    if (verdict == OBJECT_OK) {
        if (d->me == p->core)
            fill(&party);
        if (p->form >= OBJECT_FORMS && d->me == p->core) {
            read_rows(p, rows, (uint32_t)row_count);
            adapt(&party, rows, (uint32_t)row_count);
        }
        take_part(&party);
    } else {
        meeting_come(d);
    }
    driver_leave(d);
    return verdict == OBJECT_OK ? 0 : -EINVAL;
}

uint64_t probe_sharing_bytes(uint32_t type, uint32_t shape, uint32_t cores)
{
    const struct object_geometry geometry = {type, shape, cores, 0, LOG, 0, 0};
    enum object_verdict verdict;
    return object_bytes(&geometry, &verdict);
}
