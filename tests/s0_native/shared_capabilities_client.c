/* The shared kernel's capabilities between threads that stand for its cores: the kernel's own
 * files, without drivers around them.
 *
 * First all cores do anything at once, to memory of more RAMs than there are regions, and to pages
 * of it. A lock that is missing is a race on what it guards, two in the wrong order are a deadlock;
 * a page has its Mapping, and its core a Frame (cspace_check); and in the end everything can be
 * taken back. Then one core revokes what takes several pieces, while another uses the copies that
 * go: once it has met one that is gone it meets no other. Then a slot goes from one region to
 * another and back under the eyes of its core. With no steps at random, it begins with unrelated
 * memory: one core works on a region while another holds a different region's lock.
 *
 *     shared_capabilities_client SEED CORES STEPS SCOPE */
#include <string.h>

#include "clients.h"
#include "locks/mcs.h"
#include "shared/capability_locks.h"
#include "shared_around.h"

enum {
    CNODES = 4,
    RAMS = 20,
    RAM_BYTES = RAM_PAGES * PAGE_BYTES,
    COPIES = 200,
    REVOCATIONS = 12,
    SWAPS = 1000
};

static struct driver drivers[CORES_MOST];
static struct shared_private privates[CORES_MOST];
static uint64_t steps, seeds[CORES_MOST], copies[COPIES];
static pthread_barrier_t all;

/* The lock as it is, but others may come in between the decision to take it and its taking. */
static enum lock_outcome acquire_later(struct lock *lock, struct lock_node *queue, uint32_t me,
                                       const struct lock_waiter *waiter)
{
    static _Thread_local uint64_t chance = 1;
    if (random_next(&chance) % 8 == 0)
        sched_yield();
    return mcs_acquire(lock, queue, me, waiter);
}

static struct lock_algorithm lock_used;

/* --- Asking --- */

static void create(struct driver *d, uint64_t ram, uint32_t index)
{
    const struct cspace_place to = {.cnode = CSPACE_ROOT, .index = index};
    uint64_t made;
    shared_create_ram(d, ram * RAM_BYTES, RAM_BYTES, &to, &made);
}

/* The RAM whose memory core 0, which makes it, has found to be nobody's; or UINT64_MAX. */
static uint64_t freed(struct driver *d)
{
    struct frames_request memory = {.action = FRAMES_KEEP, .length = RAM_BYTES};
    return shared_frames_do(d, &memory) == VERDICT_OK ? memory.offset / RAM_BYTES : UINT64_MAX;
}

/* Physical memory: new Frames are cleared there. */
static char *open_memory(struct shared_kernel *k)
{
    const uint64_t bytes = (RAMS + 2) * RAM_BYTES;
    struct frames *frames = calloc(1, frames_bytes(bytes / PAGE_BYTES));
    char *physical = calloc(1, bytes);
    CHECK(frames && physical, "no memory");
    frames_init(frames, bytes / PAGE_BYTES, true);
    k->frames = (uint64_t)((char *)frames - (char *)k);
    return physical;
}

/* RAM that nobody has any more is RAM again at once. */
static enum verdict ask(struct driver *d, struct capability_task *t)
{
    const struct request request = {.operation = t->operation, .task = t};
    struct message result = {{0}};
    const enum verdict verdict = shared_capability(d, &request, &result);
    const uint64_t ram = d->me == 0 ? freed(d) : UINT64_MAX;
    if (ram != UINT64_MAX)
        create(d, ram, CNODE_ANY);
    t->made = result.word[1];
    return verdict;
}

static enum verdict copy_to(struct driver *d, uint64_t source, uint32_t to, uint64_t cnode,
                            uint32_t index, bool move)
{
    struct capability c;
    uint64_t reference;
    shared_look(d, (uint32_t)source, false, &c, &reference);
    struct capability_task t = {
        .operation = OPERATION_COPY, .source = source, .place = {.cnode = cnode, .index = index}};
    t.to = to;
    t.move = move;
    t.rights = c.rights;
    return ask(d, &t);
}

static enum verdict remove_by(struct driver *d, enum operation_number operation, uint64_t source)
{
    struct capability_task t = {.operation = (uint8_t)operation, .source = source};
    return ask(d, &t);
}

/* --- Everything at once --- */

static uint64_t slot_from(struct driver *d, uint32_t slot, struct capability *c)
{
    uint64_t reference = 0;
    CHECK(shared_look(d, slot, true, c, &reference) == VERDICT_OK, "slot %u", slot);
    return reference;
}

/* A CNode of this core to put things into: mostly one in the root, if there is any, else the
 * root. */
static uint64_t cnode_of(struct driver *d, uint64_t *seed)
{
    struct capability c = {0};
    uint32_t slot = random_next(seed) % 32;
    for (uint32_t tries = 0; random_next(seed) % 4 && tries < 32; tries++) {
        uint64_t reference = slot_from(d, slot, &c);
        if (c.type == CAP_CNODE && (uint32_t)reference)
            return reference;
        slot = ((uint32_t)reference + 1) % 32;
    }
    return CSPACE_ROOT;
}

static void map_or_unmap(struct driver *d, uint64_t *seed, uint64_t source)
{
    struct message result = {{0}};
    struct request request = {.operation = OPERATION_MAP_FRAME, .rights = RIGHTS_READ};
    if (random_next(seed) % 3) {
        const struct capability_task task = {
            .source = source, .place = {.cnode = cnode_of(d, seed), .index = CNODE_ANY}};
        request.task = &task;
        shared_capability(d, &request, &result);
        return;
    }
    request.slot = random_next(seed) % PAGES;
    /* The Mapping that the page had a moment ago, or has never had. */
    const uint32_t of = random_next(seed) % 4 ? request.slot : random_next(seed) % PAGES;
    shared_lock(d);
    const uint64_t mapping = around_mapping(of);
    shared_unlock(d);
    if (mapping)
        shared_frame_unmap(d, &request, mapping, &result);
}

static void step(struct driver *d, uint64_t *seed)
{
    static const uint32_t types[] = {CAP_RAM, CAP_FRAME, CAP_FRAME, CAP_CNODE, CAP_CNODE};
    struct capability c;
    uint32_t slots = random_next(seed) % 3 ? 48 : CNODES * CNODE_SLOTS;
    uint32_t index = random_next(seed) % 3 ? CNODE_ANY : random_next(seed) % 64;
    uint64_t source = slot_from(d, random_next(seed) % slots, &c);
    uint32_t to = random_next(seed) % d->cores, what = random_next(seed) % 72;
    if (what < 20) {
        copy_to(d, source, to, to == d->me ? cnode_of(d, seed) : CSPACE_ROOT, index, what < 4);
    } else if (what < 40) {
        uint32_t type = types[random_next(seed) % 5], size = capability_rules[type].size;
        uint64_t pages = size ? size / PAGE_BYTES : 1 + random_next(seed) % 4,
                 made = c.size / PAGE_BYTES;
        struct capability_task t = {.operation = OPERATION_RETYPE,
                                    .source = source,
                                    .place = {.cnode = cnode_of(d, seed), .index = index}};
        t.type = type;
        t.count = 1 + random_next(seed) % 3;
        t.size = pages * PAGE_BYTES;
        t.offset = random_next(seed) % (made ? made : 1) * PAGE_BYTES;
        ask(d, &t);
    } else if (what >= 64) {
        map_or_unmap(d, seed, source);
    } else if (what < 58) {
        /* Not often what everything is made of. */
        if (c.type != CAP_RAM || random_next(seed) % 2 == 0)
            remove_by(d, OPERATION_DELETE, source);
    } else if (c.size < RAM_BYTES || random_next(seed) % 32 == 0) {
        remove_by(d, OPERATION_REVOKE, source);
    }
}

/* What a core holds, and with it what its CNodes hold. */
static void let_go(struct driver *d)
{
    struct capability c;
    for (uint32_t slot = 1; slot < CNODE_SLOTS; slot++) {
        uint64_t reference = slot_from(d, slot, &c);
        const struct capability_task task = {.source = reference};
        const struct request request = {.operation = OPERATION_DELETE, .task = &task};
        struct message result;
        if (c.type && (uint32_t)reference < CNODE_SLOTS)
            CHECK(shared_capability(d, &request, &result) == VERDICT_OK, "slot %u", slot);
        freed(d);
    }
}

static void nothing_left(struct driver *d)
{
    const struct cspace *cs = shared_cspace(d);
    uint64_t words[5];
    CHECK(!cspace_check(cs), "%s", cspace_check(cs));
    for (uint32_t core = 0; core < d->cores; core++) {
        shared_capabilities_digest(&drivers[core], words);
        CHECK(words[1] == 1 && words[2] == 0, "core %u has %llu, %llu locks", core,
              (unsigned long long)words[1], (unsigned long long)words[2]);
    }
    for (uint32_t page = 0; page < PAGES; page++)
        CHECK(around_free(page), "page %u", page);
}

/* --- A long revocation --- */

/* Core 1 has copies of what core 0 revokes, a CNode made of it, and something of another region to
 * put in there or where the copies are. */
static void revoke_or_use(struct driver *d, uint64_t *seed)
{
    const enum verdict stale = VERDICT_CAPABILITY + CAP_STALE,
                       in_use = VERDICT_CAPABILITY + CAP_SLOT_IN_USE;
    struct capability c;
    uint64_t cnode = 0, other = 0;
    progress();
    if (d->me == 0) {
        create(d, RAMS, 1);
        create(d, RAMS + 1, 2);
        uint64_t whole = slot_from(d, 1, &c);
        for (uint32_t i = 0; i < COPIES; i++)
            CHECK(copy_to(d, whole, 1, CSPACE_ROOT, i + 1, false) == VERDICT_OK, "copy %u", i);
        CHECK(copy_to(d, slot_from(d, 2, &c), 1, CSPACE_ROOT, COPIES + 1, false) == VERDICT_OK,
              "other");
    }
    pthread_barrier_wait(&all);
    if (d->me == 1) {
        for (uint32_t i = 0; i < COPIES; i++)
            copies[i] = slot_from(d, i + 1, &c);
        other = slot_from(d, COPIES + 1, &c);
        struct capability_task t = {
            .operation = OPERATION_RETYPE, .source = copies[0], .type = CAP_CNODE, .count = 1};
        t.place.cnode = CSPACE_ROOT;
        t.place.index = COPIES + 2;
        t.size = CNODE_BYTES;
        CHECK(ask(d, &t) == VERDICT_OK, "no CNode");
        cnode = t.made;
    }
    pthread_barrier_wait(&all);
    if (d->me == 0)
        CHECK(remove_by(d, OPERATION_REVOKE, slot_from(d, 1, &c)) == VERDICT_OK, "revoke");
    bool filled[COPIES] = {false};
    for (uint32_t after = 0; d->me == 1 && after < 200;) {
        const uint32_t what = random_next(seed) % 4, copy = random_next(seed) % COPIES;
        progress();
        struct capability_task t = {.operation = OPERATION_COPY, .rights = CAP_RIGHTS_ALL, .to = 1};
        t.source = what == 1 ? copies[copy] : other;
        t.place.cnode = what ? CSPACE_ROOT : cnode;
        t.place.index = what < 2 ? CNODE_ANY : copy + 1;
        if (what >= 2 && filled[copy])
            continue;
        enum verdict verdict = ask(d, &t);
        if (what >= 2) { /* a slot out of which the copy goes, or has gone */
            CHECK(verdict == VERDICT_OK || verdict == in_use, "%d", verdict);
            CHECK(verdict == VERDICT_OK || !after,
                  "slot %u in use after the copies were seen to be gone", copy + 1);
            filled[copy] = verdict == VERDICT_OK;
            after += verdict == VERDICT_OK;
            continue;
        }
        CHECK(verdict == VERDICT_OK || verdict == VERDICT_CAPABILITY + CAP_NO_SLOTS ||
                  verdict == stale,
              "%d", verdict);
        CHECK(verdict == stale || !after, "used after it was seen to be gone");
        after += verdict == stale;
    }
    pthread_barrier_wait(&all);
    let_go(d);
    pthread_barrier_wait(&all);
}

/* --- A slot that goes from region to region --- */

/* Core 0 gives core 1 something in one slot and takes it back, of two regions in turn, while core 1
 * copies what is there. */
static void swap_or_use(struct driver *d)
{
    struct capability c;
    uint64_t reference;
    static _Atomic bool over;
    if (d->me == 0) {
        create(d, RAMS, 1);
        create(d, RAMS + 1, 2);
    }
    atomic_store(&over, false);
    pthread_barrier_wait(&all);
    for (uint32_t i = 0; d->me == 0 && i < SWAPS; i++) {
        progress();
        copy_to(d, slot_from(d, 1 + i % 2, &c), 1, CSPACE_ROOT, 1, false);
        CHECK(remove_by(d, OPERATION_REVOKE, slot_from(d, 1 + i % 2, &c)) == VERDICT_OK,
              "revoke %u", i);
    }
    if (d->me == 0)
        atomic_store(&over, true);
    while (d->me == 1 && !atomic_load(&over)) {
        shared_look(d, 1, false, &c, &reference);
        struct capability_task t = {.operation = OPERATION_COPY,
                                    .source = reference,
                                    .rights = c.rights,
                                    .place.cnode = CSPACE_ROOT};
        t.place.index = CNODE_ANY;
        t.to = 1;
        if (c.type)
            ask(d, &t);
    }
    pthread_barrier_wait(&all);
    let_go(d);
    pthread_barrier_wait(&all);
}

/* --- Unrelated memory --- */

/* What one core does to memory of one region waits for nobody who is at work on another region: in
 * one thread, where waiting would be for ever. */
static void do_not_meet(struct driver *busy, struct driver *d)
{
    struct cspace *cs = shared_cspace(d);
    struct capability c;
    for (uint32_t i = 1; i + 1 < SHARED_REGIONS; i++) {
        uint64_t theirs = from_core(cs, busy->me, slot_from(busy, i, &c)),
                 ours = slot_from(d, i + 1, &c);
        const uint32_t region = 1u << cspace_home(cs, (uint32_t)theirs);
        struct capability_task t = {.operation = OPERATION_RETYPE,
                                    .source = ours,
                                    .place.cnode = CSPACE_ROOT,
                                    .type = CAP_FRAME};
        t.place.index = CNODE_ANY;
        t.count = 1;
        t.size = PAGE_BYTES;
        lock_regions(busy, region);
        lock_space(busy, busy->me);
        CHECK(ask(d, &t) == VERDICT_OK, "retype %u", i);
        CHECK(copy_to(d, t.made, d->me, CSPACE_ROOT, CNODE_ANY, false) == VERDICT_OK, "copy %u", i);
        CHECK(remove_by(d, OPERATION_REVOKE, t.made) == VERDICT_OK, "revoke %u", i);
        CHECK(remove_by(d, OPERATION_DELETE, t.made) == VERDICT_OK, "delete %u", i);
        unlock_space(busy, busy->me);
        unlock_regions(busy, region);
    }
}

static void *run(void *argument)
{
    struct driver *d = argument;
    uint64_t *seed = &seeds[d->me];
    for (uint64_t i = 0; i < steps; i++) {
        step(d, seed);
        progress();
    }
    pthread_barrier_wait(&all);
    if (d->me == 0)
        CHECK(!cspace_check(shared_cspace(d)), "%s", cspace_check(shared_cspace(d)));
    pthread_barrier_wait(&all);
    let_go(d);
    pthread_barrier_wait(&all);
    if (d->me == 0)
        nothing_left(d);
    pthread_barrier_wait(&all);
    for (uint32_t i = 0; i < REVOCATIONS; i++)
        revoke_or_use(d, seed);
    swap_or_use(d);
    if (d->me == 0)
        nothing_left(d);
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1);
    uint32_t cores = (uint32_t)argument(argc, argv, 2, 4),
             scope = (uint32_t)argument(argc, argv, 4, SCOPE_REGION);
    const struct driver_options options = {.cnodes = CNODES, .lock_scope = scope};
    steps = argument(argc, argv, 3, 2000);
    size_t bytes = shared_capabilities_bytes(cores, CNODES, scope);
    void *memory;
    CHECK(cores >= 2 && cores <= CORES_MOST && !posix_memalign(&memory, 4096, bytes), "%u cores",
          cores);
    memset(memory, 0, bytes);
    CHECK(!pthread_barrier_init(&all, NULL, cores), "no barrier");
    lock_used = (struct lock_algorithm){.acquire = mcs_acquire, .release = mcs_release};
    struct shared_kernel *k = around_open();
    char *physical = open_memory(k);
    for (uint32_t core = 0; core < cores; core++) {
        privates[core].lock = &lock_used;
        drivers[core].me = core;
        drivers[core].vspace.all = physical;
        drivers[core].cores = cores;
        privates[core].kernel = k;
        drivers[core].kernel_state = &privates[core];
        shared_capabilities_open(&drivers[core], memory, &options);
        seeds[core] = seed * CORES_MOST + core;
    }
    for (uint64_t ram = 0; ram < RAMS + 2; ram++)
        CHECK(freed(&drivers[0]) == ram, "%llu", (unsigned long long)ram);
    for (uint64_t ram = 0; ram < RAMS; ram++) {
        create(&drivers[0], ram, CNODE_ANY);
        for (uint32_t core = 1; core < cores; core++) {
            struct capability c;
            copy_to(&drivers[0], slot_from(&drivers[0], (uint32_t)ram + 1, &c), core, CSPACE_ROOT,
                    CNODE_ANY, false);
        }
    }
    if (scope == SCOPE_REGION && !steps)
        do_not_meet(&drivers[0], &drivers[1]);
    lock_used = (struct lock_algorithm){.acquire = acquire_later, .release = mcs_release};
    progress();
    pthread_t threads[CORES_MOST];
    for (uint32_t core = 0; core < cores; core++)
        CHECK(!pthread_create(&threads[core], NULL, run, &drivers[core]), "no thread");
    for (uint32_t core = 0; core < cores; core++)
        CHECK(!pthread_join(threads[core], NULL), "no end");
    return 0;
}
