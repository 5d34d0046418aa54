/* The shared kernel: the same operations over one state in one segment, under a lock, changed by
 * the calling core.
 *
 * Page tables are still real and one a process, so a change must reach every core that holds the
 * page, as a TLB shootdown must. The core that makes it notifies the holders, by one line that all
 * poll (line.c) or, if it was booted with trees, along its own tree (tree.c); it does its own part
 * while they do theirs, and waits until all have acknowledged.
 *
 * The lock is held until all have acknowledged, as Linux holds mmap_lock across a flush; an
 * operation that concerns only its own core releases it before its own mapping call. A core that
 * waits, for the lock or for acknowledgements, keeps answering.
 *
 * What this structure has for free: a pin is seen under the lock, so an unmap is refused before
 * anybody is notified. No second phase, no abort. */
#include "shared/kernel.h"

#include <errno.h>
#include <stdlib.h>

#include "monitor/mapping/mapping.h"
#include "shared/capabilities.h"
#include "shared/shared.h"

static uint32_t entry_bytes(uint32_t cores)
{
    return (uint32_t)round_up(sizeof(struct shared_entry) + 16 * (size_t)core_set_words(cores),
                              LINE_BYTES);
}

static uint64_t before_entries(uint32_t cores)
{
    return round_up(sizeof(struct shared_kernel) + sizeof(struct lock_node) * cores, PAD_BYTES);
}

static uint64_t bytes_before_trees(uint32_t cores, uint32_t slots_per_core)
{
    return before_entries(cores) +
           sparse_record_bytes(cores * slots_per_core, 0, entry_bytes(cores));
}

static uint64_t bytes_before_capabilities(uint32_t cores, uint32_t slots_per_core, bool trees)
{
    uint64_t bytes =
        bytes_before_trees(cores, slots_per_core) + (trees ? shared_trees_bytes(cores) : 0);
    return round_up(bytes, PAD_BYTES);
}

uint64_t shared_kernel_bytes(uint32_t cores, uint32_t slots_per_core, bool trees, uint32_t cnodes,
                             uint32_t scope)
{
    return bytes_before_capabilities(cores, slots_per_core, trees) +
           shared_capabilities_bytes(cores, cnodes, scope);
}

/* --- Operations --- */

static enum verdict map(struct driver *d, const struct request *request, struct message *result)
{
    uint32_t slot = 0;
    enum verdict verdict = shared_page_reserve(d, request, &slot);
    return verdict == VERDICT_OK ? shared_page_insert(d, slot, result) : verdict;
}

static enum verdict unpinned(struct driver *d, const struct request *request,
                             struct message *result)
{
    uint32_t core;
    const bool pinned = shared_page_unpinned(d, request->slot, &core) == VERDICT_PINNED;
    const enum verdict verdict = mapping_check_unpinned(
        &entry_at(shared_state(d), request->slot)->page, request->generation, pinned);
    if (verdict == VERDICT_PINNED)
        result->word[0] = message_head(message_kind(result), 0, 0, core, 0);
    return verdict;
}

/* Releases the lock itself. */
static enum verdict unmap(struct driver *d, const struct request *request, struct message *result)
{
    struct shared_entry *entry = entry_at(shared_state(d), request->slot);
    enum verdict verdict = unpinned(d, request, result);
    if (verdict != VERDICT_OK || entry->mapping) {
        const uint64_t mapping = entry->mapping;
        shared_unlock(d);
        return verdict == VERDICT_OK ? shared_frame_unmap(d, request, mapping, result) : verdict;
    }
    if (core_set_has(entry->sets, d->me) && shared_others(d, entry->sets) == 0) {
        /* Nobody to notify. Reserved while the lock is free: the slot is not handed out before our
         * own page table is changed. */
        mapping_set(&entry->page, MAPPING_RESERVED, 0);
        shared_unlock(d);
        verdict = vspace_protect(&d->vspace, request->slot, RIGHTS_NONE);
        vspace_retire(&d->vspace, request->slot);
        mapping_set(&entry->page, MAPPING_FREE, 0);
        return verdict;
    }
    verdict = shared_page_unmap(d, request->slot);
    shared_unlock(d);
    return verdict;
}

static enum verdict protect(struct driver *d, const struct request *request, struct message *result)
{
    enum verdict verdict = mapping_check_rights(&entry_at(shared_state(d), request->slot)->page,
                                                request->generation, request->rights);
    if (verdict == VERDICT_OK)
        verdict = unpinned(d, request, result);
    return verdict == VERDICT_OK ? shared_page_protect(d, request->slot, request->rights) : verdict;
}

static enum verdict begin(struct driver *d, const struct request *request, struct message *result)
{
    struct shared_kernel *k = shared_state(d);
    enum verdict verdict;
    if (request->operation == OPERATION_MAP_FRAME)
        return shared_frame_map(d, request, result);
    if (request->operation == OPERATION_TREE && !shared_private(d)->shootdown)
        return VERDICT_BAD_REQUEST;
    if (request->operation != OPERATION_MAP && request->operation != OPERATION_TREE &&
        request->slot >= k->slots)
        return VERDICT_NOT_MAPPED;
    shared_lock(d);
    switch (request->operation) {
    case OPERATION_MAP:
        verdict = map(d, request, result);
        break;
    case OPERATION_UNMAP:
        return unmap(d, request, result);
    case OPERATION_TREE:
        verdict = shared_install_tree(d, request);
        break;
    default:
        verdict = protect(d, request, result);
    }
    shared_unlock(d);
    return verdict;
}

/* --- Local looks --- */

static enum verdict pin(struct driver *d, uint32_t slot, uint32_t generation, bool pinned)
{
    struct shared_kernel *k = shared_state(d);
    if (slot >= k->slots)
        return VERDICT_NOT_MAPPED;
    struct shared_entry *entry = entry_at(k, slot);
    shared_lock(d);
    uint32_t *count = &shared_private(d)->pins[slot];
    if (!core_set_has(entry_pinners(k, entry), d->me))
        *count = 0; /* the set, not our count, survives a slot's reuse */
    const enum verdict verdict =
        mapping_pin(&entry->page, generation, core_set_has(entry->sets, d->me), count, pinned);
    if (verdict == VERDICT_OK && *count)
        core_set_add(entry_pinners(k, entry), d->me);
    else if (verdict == VERDICT_OK)
        entry_pinners(k, entry)[d->me / 64] &= ~(1ull << (d->me % 64));
    shared_unlock(d);
    return verdict;
}

static enum verdict fault(struct driver *d, uint32_t slot, uint32_t generation, int write)
{
    struct shared_kernel *k = shared_state(d);
    if (slot >= k->slots)
        return VERDICT_FAULT;
    const struct shared_entry *entry = entry_at(k, slot);
    const uint64_t word = mapping_word(&entry->page);
    /* reserved: being changed, and not yet on all cores */
    return mapping_fault(word, generation, core_set_has(entry->sets, d->me),
                         word_state(word) == MAPPING_RESERVED, write != 0);
}

/* One state, hence one digest: equal on all cores by construction. */
static uint64_t digest(struct driver *d, uint32_t one, uint32_t other)
{
    struct shared_kernel *k = shared_state(d);
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < k->slots; slot++) {
        const struct shared_entry *entry = entry_at(k, slot);
        if (mapping_state(&entry->page) == MAPPING_MAPPED &&
            (one == TREE_NOBODY ||
             (core_set_has(entry->sets, one) && core_set_has(entry->sets, other))))
            sum += mapping_hash(&entry->page);
    }
    return sum;
}

static void count(struct driver *d, uint32_t *mapped, uint32_t *locked)
{
    mapping_count(&shared_state(d)->mappings, mapped, locked);
}

static bool frame_in_use(struct driver *d, uint64_t frame, uint64_t length)
{
    shared_lock(d);
    const bool used = mapping_of_frame(&shared_state(d)->mappings, frame, length);
    shared_unlock(d);
    return used;
}

static bool serve(struct driver *d)
{
    return shared_private(d)->shootdown ? tree_serve(d) : line_serve(d);
}

/* Notified along a tree, and not answered. */
static bool engaged(struct driver *d)
{
    return atomic_load_explicit(d->pending, memory_order_relaxed) != d->pending_seen;
}

static bool message(struct driver *d, const struct arrival *a)
{
    /* Replies to a shootdown are not for the kernel: its initiator looks for them (tree.c). */
    if (a->reply || message_kind(&a->message) != KIND_SHOOTDOWN || !shared_private(d)->shootdown ||
        reply_type(a->address) != REPLY_LINE)
        return false;
    tree_notified(d, a);
    return true;
}

/* --- Trees, for groups --- */

static const struct tree *tree_hold(struct driver *d, uint32_t root)
{
    if (!shared_private(d)->shootdown)
        return NULL;
    shared_lock(d); /* so no installation is on its way */
    return shared_tree(d, root);
}

static void tree_release(struct driver *d)
{
    shared_unlock(d);
}

/* One state: there is nothing to compare. */
static uint64_t trees_digest(struct driver *d)
{
    (void)d;
    return 0;
}

/* --- Capabilities --- */

static enum verdict capability(struct driver *d, uint64_t address,
                               const struct capability_task *asked, struct message *reply)
{
    struct shared_outcome outcome;
    struct capability_task task = *asked;
    (void)address; /* all verdicts are final */
    enum verdict verdict = shared_capability(d, &task, &outcome);
    if (d->me == 0 && frames_has(&d->frames, outcome.address, outcome.size, PAGE_KEPT))
        frames_free(&d->frames, outcome.address, outcome.size);
    if (verdict == VERDICT_PINNED)
        reply->word[0] = message_head(message_kind(reply), 0, 0, outcome.pinned, 0);
    reply->word[1] = task.made;
    return verdict;
}

static enum verdict unused(struct driver *d, uint64_t address, uint64_t size)
{
    return shared_unused(d, address, size) ? VERDICT_OK : VERDICT_FRAME_IN_USE;
}

/* --- Opening --- */

static int open(struct driver *d, const struct driver_options *o)
{
    struct shared_private *own = calloc(1, sizeof *own);
    struct shared_kernel *k =
        (struct shared_kernel *)(void *)((char *)d->segment + d->segment->shared_offset);
    /* what its cores say to each other fits their lines */
    if (!own || outgoing_open(d, 0, d->cores))
        return ENOMEM;
    d->kernel_state = own;
    d->pending = &k->line.sequence;
    own->kernel = k;
    own->lock = &lock_mcs;
    own->pins = calloc((size_t)o->slots_per_core * d->cores, sizeof *own->pins);
    if (!own->pins)
        return ENOMEM;
    if (d->me == 0) { /* core 0 writes the state; nobody reads it before the supervisor says go */
        address_range_init(&k->fresh.addresses, o->address_base, o->address_size * d->cores);
        k->slots = o->slots_per_core * d->cores;
        sparse_init(&k->mappings, k->slots, 0, k->slots, 0, entry_bytes(d->cores), 0,
                    before_entries(d->cores) - offsetof(struct shared_kernel, mappings));
        k->set_words = core_set_words(d->cores);
        k->nodes_offset = sizeof *k;
        k->trees_offset = bytes_before_trees(d->cores, o->slots_per_core);
    }
    shared_capabilities_open(
        d, (char *)k + bytes_before_capabilities(d->cores, o->slots_per_core, o->tree_count != 0),
        o);
    return o->tree_count ? shared_trees_open(d, o->trees, o->tree_count) : 0;
}

const struct kernel kernel_shared = {
    .name = "shared",
    .open = open,
    .message = message,
    .serve = serve,
    .engaged = engaged,
    .begin = begin,
    .pin = pin,
    .fault = fault,
    .digest = digest,
    .count = count,
    .frame_in_use = frame_in_use,
    .tree_hold = tree_hold,
    .tree_release = tree_release,
    .trees_digest = trees_digest,
    .capability = capability,
    .create_ram = shared_create_ram,
    .look = shared_look,
    .capability_digest = shared_capabilities_digest,
    .unused = unused,
};
