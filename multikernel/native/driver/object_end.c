#include "driver/object_end.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    RING_AFTER = 16,   /* moments that the owner is waited for before it is notified, */
    RING_AGAIN = 4096, /* and then every so many: it may have begun to compute again */
    YIELDS = 16,       /* moments, where cores share a CPU; then a waiter sleeps */
    SPINS = 4096,      /* the same, where each has its own */
    SLEEP_NS = 50000,  /* yielding alone does not let another one run for long */
    LOOKS = 32,        /* operations between two looks at the driver's channels */
    AHEAD = 512,       /* operations that a core may be ahead of another */
};

struct object_end *object_end_of(struct driver *d, uint64_t page)
{
    for (uint32_t i = 0; i < d->ends->count; i++)
        if (d->ends->open[i]->page == page)
            return d->ends->open[i];
    return NULL;
}

/* --- Duties, and waiting --- */

/* Is the page still what it was when it was pinned? A program may take back pins that are not its
 * own. */
static bool is_there(const struct driver *d, const struct object_end *end)
{
    const struct mapping *page = sparse_at(d->mappings, (uint32_t)end->page);
    const uint64_t word = mapping_word(page);
    return mapping_is_mapped(page, (uint32_t)(end->page >> 32)) &&
           (word >> 40 & 0xff) == RIGHTS_WRITE;
}

static void close_end(struct driver *d, struct object_end *end)
{
    struct object_ends *ends = d->ends;
    uint32_t i = 0;
    while (ends->open[i] != end)
        i++;
    ends->open[i] = ends->open[--ends->count];
    end->open = false;
    if (!ends->count)
        d->duties = NULL;
}

/* Of the owner: the form may have changed. */
static void note_change(struct object_end *end)
{
    const uint64_t switches = object_switches(&end->object);
    if (switches == end->changes)
        return;
    end->changes = switches;
    end->change[switches % OBJECT_CHANGES_KEPT] =
        (struct object_change){arch_cycles(), object_form(&end->object)};
}

/* Polls no object that is being polled, or operated on: that does so itself. */
static bool duties(struct driver *d)
{
    bool any = false;
    for (uint32_t i = d->ends->count; i--;) {
        struct object_end *end = d->ends->open[i];
        if (end->busy)
            continue;
        if (!is_there(d, end)) {
            close_end(d, end);
            continue;
        }
        end->busy = true;
        end->moments = 0;
        any |= object_poll(&end->object);
        note_change(end);
        end->busy = false;
    }
    return any;
}

/* The one waited for may have no CPU. */
static void give_way(struct driver *d, uint32_t moments)
{
    static const struct timespec pause = {0, SLEEP_NS};
    if (moments <= (d->crowded ? YIELDS : SPINS)) {
        if (d->crowded)
            sched_yield();
        return;
    }
    if (driver_stopped(d))
        _exit(0); /* the system is being taken down in the middle of a system call */
    nanosleep(&pause, NULL);
}

/* One moment of an operation, in a system call, in the interrupt handler or in the loop: only what
 * is safe in all of them. Two objects whose owners wait for each other's are both answered here. */
static void while_waiting(void *context)
{
    struct object_end *end = context;
    struct driver *d = end->driver;
    const uint32_t moments = ++end->moments;
    driver_poll_transport(d);
    duties(d);
    /* The request was published before; the fence is in doorbell_ring. */
    if (end->object.call.outstanding && (moments == RING_AFTER || moments % RING_AGAIN == 0))
        doorbell_ring(end->owner);
    give_way(d, moments);
}

/* --- Operations --- */

static void begin(struct object_end *end)
{
    end->busy = true;
    end->moments = 0;
}

static void over(struct object_end *end)
{
    note_change(end);
    end->busy = false;
}

static void add_cost(struct object_end *end, enum object_form form, uint64_t operations,
                     uint64_t cycles)
{
    end->cost[form].operations += operations;
    end->cost[form].cycles += cycles;
}

void object_end_apply(struct object_end *end, const struct operation *operation,
                      struct result *result)
{
    const enum object_form form = object_form(&end->object);
    begin(end);
    const uint64_t began = arch_cycles();
    object_apply(&end->object, operation, result);
    add_cost(end, form, 1, arch_cycles() - began);
    over(end);
}

/* --- Forms --- */

enum object_verdict object_end_suits(const struct object_end *end, uint32_t form)
{
    return form == FORM_ADAPTIVE ? OBJECT_OK : object_suits(&end->object, (enum object_form)form);
}

/* The chooser begins, without a table: by trials alone. */
static enum object_verdict adapt(struct object_end *end)
{
    struct object *o = &end->object;
    const struct chooser_rules rules = chooser_rules(end->driver->cycles_per_us, o->cores);
    uint32_t suits = 0;
    if (o->chooser)
        return OBJECT_OK;
    for (uint32_t form = 0; form < OBJECT_FORMS; form++)
        if (object_suits(o, (enum object_form)form) == OBJECT_OK)
            suits |= 1u << form;
    chooser_begin(&end->chooser, &rules, suits, object_form(o), 1, NULL, 0);
    return object_adapt(o, &end->chooser);
}

enum object_verdict object_end_switch(struct object_end *end, uint32_t form)
{
    struct object *o = &end->object;
    enum object_verdict verdict = object_end_suits(end, form);
    if (verdict == OBJECT_OK && o->me != o->owner)
        verdict = OBJECT_NOT_OWNER;
    if (verdict != OBJECT_OK)
        return verdict;
    begin(end);
    if (form == FORM_ADAPTIVE) {
        verdict = adapt(end);
    } else {
        object_adapt(o, NULL);
        verdict = object_switch(o, (enum object_form)form);
    }
    over(end);
    return verdict;
}

/* --- Many operations --- */

static uint64_t drawn(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static bool is_over(struct driver *d, const struct object_work *work)
{
    return arch_cycles() >= work->ends || driver_to_be_cancelled(d) || driver_stopped(d);
}

/* Of the member that has done least since then. */
static uint64_t least_done(const struct object *o, const uint64_t *before)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t core = 0; core < o->cores; core++) {
        const uint64_t its = object_counts(o, core).done - before[core];
        least = its < least ? its : least;
    }
    return least;
}

static void look_around(struct object_end *end)
{
    driver_poll(end->driver);
    object_poll(&end->object);
    note_change(end);
}

static void think(uint64_t cycles)
{
    for (const uint64_t from = arch_cycles(); arch_cycles() - from < cycles;)
        ;
}

bool object_end_work(struct object_end *end, const struct object_work *work,
                     struct object_worked *worked)
{
    struct driver *d = end->driver;
    struct object *o = &end->object;
    const enum object_form form = object_form(o);
    uint64_t seed = work->seed | 1, n = 0, reads = 0, writes = 0, before[OBJECT_CORES_MOST];
    while (arch_cycles() < work->begins && !is_over(d, work)) {
        driver_poll(d);
        if (d->crowded)
            sched_yield();
    }
    begin(end); /* up to the end: nobody closes it meanwhile */
    for (uint32_t core = 0; core < o->cores; core++)
        before[core] = object_counts(o, core).done;
    const uint64_t began = arch_cycles();
    for (;; n++) {
        if (n % LOOKS == 0) {
            look_around(end);
            for (uint32_t turn = 1; n > AHEAD + least_done(o, before); turn++) {
                object_poll(o); /* mostly it is this core that the others wait for */
                if (turn % LOOKS)
                    continue;
                look_around(end);
                if (is_over(d, work))
                    break;
                if (d->crowded)
                    sched_yield();
            }
            if (is_over(d, work))
                break;
        }
        const bool only_reads = (uint32_t)drawn(&seed) < work->reads;
        struct operation operation = work->operation[only_reads ? 2 : writes++ & 1];
        struct result result;
        if (work->keys)
            operation.key += (drawn(&seed) >> 32) % work->keys;
        end->moments = 0;
        object_apply(o, &operation, &result);
        reads += only_reads;
        if (work->think)
            think(work->think);
    }
    *worked = (struct object_worked){n, reads, arch_cycles() - began};
    if (object_form(o) == form && worked->cycles > n * work->think)
        add_cost(end, form, n, worked->cycles - n * work->think);
    over(end);
    return !driver_to_be_cancelled(d);
}

/* --- Requests --- */

/* Pinned here, and this core may write to it: where it lies, and how long it is. */
static enum verdict pinned(struct driver *d, uint64_t page, uint64_t address, uint64_t *length)
{
    const uint32_t slot = (uint32_t)page, generation = (uint32_t)(page >> 32);
    const enum verdict verdict = d->kernel->pin(d, slot, generation, true);
    if (verdict != VERDICT_OK)
        return verdict;
    const struct mapping *mapping = sparse_at(d->mappings, slot);
    const uint64_t rights = mapping_word(mapping) >> 40 & 0xff;
    *length = mapping->length;
    if (rights == RIGHTS_WRITE && mapping->address == address)
        return VERDICT_OK;
    d->kernel->pin(d, slot, generation, false);
    return VERDICT_BAD_REQUEST;
}

static enum object_verdict make(void *block, uint64_t length, uint64_t what, uint32_t shape)
{
    const struct object_geometry geometry = {.type = what & 0xff,
                                             .shape = shape,
                                             .cores = what >> 16 & 0xffff,
                                             .owner = what >> 32 & 0xff,
                                             .log = what >> 40 & 0xffff,
                                             .lock = what >> 56 & 0xf};
    enum object_verdict verdict;
    const uint64_t bytes = object_bytes(&geometry, &verdict);
    if (!bytes)
        return verdict;
    const uint32_t form = what >> 8 & 0xff;
    return bytes > length
               ? OBJECT_TOO_SHORT
               : object_init(block, &geometry,
                             form == FORM_ADAPTIVE ? FORM_LOCKED : (enum object_form)form);
}

static enum verdict open_end(struct driver *d, const struct message *request, struct message *reply)
{
    const uint64_t *word = request->word, member = word[3] & 0xffff, owner = word[3] >> 16;
    struct object_ends *ends = d->ends;
    if (object_end_of(d, word[1]) || owner >= d->cores)
        return VERDICT_BAD_REQUEST;
    if (ends->count == OBJECT_ENDS)
        return VERDICT_NO_SLOT;
    struct object_end *end = ends->end;
    while (end->open)
        end++;
    uint64_t length = 0;
    const enum verdict verdict = pinned(d, word[1], word[2], &length);
    if (verdict != VERDICT_OK)
        return verdict;
    void *block = (void *)(uintptr_t)word[2];
    enum object_verdict opened =
        word[4] ? make(block, length, word[4], (uint32_t)word[5]) : OBJECT_OK;
    *end = (struct object_end){.driver = d, .page = word[1], .owner = d->peers[owner].doorbell};
    if (opened == OBJECT_OK)
        opened = object_open(&end->object, block, length, (uint32_t)member, while_waiting, end);
    reply->word[1] = opened;
    if (opened != OBJECT_OK) {
        d->kernel->pin(d, (uint32_t)word[1], (uint32_t)(word[1] >> 32), false);
        return VERDICT_OK;
    }
    end->open = true;
    ends->open[ends->count++] = end;
    end->change[0] = (struct object_change){arch_cycles(), object_form(&end->object)};
    if (word[4] && (word[4] >> 8 & 0xff) == FORM_ADAPTIVE)
        reply->word[1] = adapt(end);
    d->duties = duties;
    return VERDICT_OK;
}

static enum verdict look(const struct object_end *end, const struct message *request,
                         struct message *reply)
{
    const uint64_t form = request->word[2];
    const struct object_counts counts = object_counts(&end->object, end->object.me);
    if (form >= OBJECT_FORMS)
        return VERDICT_BAD_REQUEST;
    reply->word[1] = object_form(&end->object) | object_switches(&end->object) << 8;
    reply->word[2] = counts.done;
    reply->word[3] = counts.reads;
    reply->word[4] = end->cost[form].operations;
    reply->word[5] = end->cost[form].cycles;
    return VERDICT_OK;
}

static enum verdict changes(const struct object_end *end, const struct message *request,
                            struct message *reply)
{
    const struct object_change *change = &end->change[request->word[2] % OBJECT_CHANGES_KEPT];
    reply->word[1] = change->form;
    reply->word[2] = change->when;
    reply->word[3] = end->object.chooser != NULL;
    reply->word[4] = end->chooser.races;
    reply->word[5] = (uint64_t)end->chooser.lost;
    reply->word[6] = end->chooser.cycles;
    return VERDICT_OK;
}

static enum verdict object_request(struct driver *d, const struct message *request,
                                   struct message *reply)
{
    const uint64_t *word = request->word;
    if (message_kind(request) == KIND_OBJECT_OPEN)
        return open_end(d, request, reply);
    struct object_end *end = object_end_of(d, word[1]);
    if (!end)
        return VERDICT_NOT_MAPPED;
    if (message_kind(request) == KIND_OBJECT_LOOK)
        return look(end, request, reply);
    if (message_kind(request) == KIND_OBJECT_CHANGES)
        return changes(end, request, reply);
    if (end->busy)
        return VERDICT_BUSY;
    if (message_kind(request) == KIND_OBJECT_CLOSE) {
        close_end(d, end);
        d->kernel->pin(d, (uint32_t)word[1], (uint32_t)(word[1] >> 32), false);
        return VERDICT_OK;
    }
    if (end->object.me != end->object.owner)
        return VERDICT_BAD_REQUEST; /* it would have to wait for the owner, in a request */
    if (message_kind(request) == KIND_OBJECT_FORM) {
        reply->word[1] = object_end_switch(end, (uint32_t)word[2]);
        return VERDICT_OK;
    }
    const struct operation operation = {word[2], word[3], {word[4], word[5], word[6]}};
    struct result result;
    object_end_apply(end, &operation, &result);
    reply->word[1] = result.status;
    reply->word[2] = result.value;
    return VERDICT_OK;
}

int object_ends_open(struct driver *d)
{
    d->ends = calloc(OBJECT_ENDS, sizeof *d->ends);
    d->objects = object_request;
    return d->ends ? 0 : ENOMEM;
}
