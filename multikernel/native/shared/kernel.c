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

/* Where things lie behind the lock's queue, each on a line of its own, and bytes of all. */
struct layout {
    uint32_t entry_bytes;
    uint64_t entries, remembered, trees, frames, capabilities, bytes;
};

static struct layout layout_of(uint32_t cores, uint32_t slots, uint32_t cnodes, uint32_t scope,
                               uint64_t memory_bytes)
{
    const uint64_t sets = 16 * (uint64_t)core_set_words(cores);
    struct layout l = {
        .entry_bytes = (uint32_t)round_up(sizeof(struct shared_entry) + sets, LINE_BYTES),
        .entries =
            round_up(sizeof(struct shared_kernel) + sizeof(struct lock_node) * cores, PAD_BYTES)};
    l.remembered = round_up(l.entries + sparse_record_bytes(slots, 0, l.entry_bytes), PAD_BYTES);
    l.trees =
        round_up(l.remembered + sizeof(struct remembered) * mappings_remembered(slots), PAD_BYTES);
    l.frames = round_up(l.trees + sizeof(struct tree) * cores, PAD_BYTES);
    l.capabilities = round_up(l.frames + frames_bytes(memory_bytes / PAGE_BYTES), PAD_BYTES);
    l.bytes = l.capabilities + shared_capabilities_bytes(cores, cnodes, scope);
    return l;
}

uint64_t shared_kernel_bytes(uint32_t cores, uint32_t slots_per_core, uint32_t cnodes,
                             uint32_t scope, uint64_t memory_bytes)
{
    return layout_of(cores, cores * slots_per_core, cnodes, scope, memory_bytes).bytes;
}

/* --- Operations --- */

static enum verdict unpinned(struct driver *d, const struct request *request,
                             struct message *result)
{
    const enum verdict verdict = mapping_check_unpinned(
        &entry_at(shared_state(d), request->slot)->page, request->generation, false);
    return verdict == VERDICT_OK ? shared_page_unpinned(d, request->slot, result) : verdict;
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
        verdict = shared_own_part(d, request->slot, CHANGE_UNMAP, RIGHTS_NONE, &entry->page);
        shared_retire(d, request->slot);
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
    enum verdict verdict;
    uint32_t slot;
    if (request->operation >= OPERATION_COPY)
        return shared_capability(d, request, result);
    if (request->slot >= shared_state(d)->slots)
        return VERDICT_NOT_MAPPED;
    shared_lock(d);
    switch (request->operation) {
    case OPERATION_MAP:
        verdict = frames_has(d->frames, request->frame, request->length, request->generation)
                      ? shared_page_reserve(d, request, &slot)
                      : VERDICT_NOT_A_FRAME;
        if (verdict == VERDICT_OK)
            verdict = shared_page_insert(d, slot, result);
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

/* Notified along a tree, and not answered. */
static bool engaged(struct driver *d)
{
    return shared_private(d)->shootdown.answer_to != 0;
}

static bool message(struct driver *d, const struct arrival *a)
{
    if (message_kind(&a->message) != KIND_SHOOTDOWN || !shared_private(d)->along_trees ||
        (!a->reply && reply_type(a->address) != REPLY_LINE))
        return false;
    if (a->reply)
        tree_answered(d, &a->message);
    else
        tree_notified(d, a);
    return true;
}

/* --- Opening --- */

static int open(struct driver *d, const struct driver_options *o)
{
    const uint32_t slots = o->slots_per_core * d->cores;
    const struct layout l = layout_of(d->cores, slots, o->cnodes, o->lock_scope, o->memory_bytes);
    char *state = (char *)d->segment + d->segment->shared_offset;
    struct shared_kernel *k = (struct shared_kernel *)(void *)state;
    struct shared_private *own = calloc(1, sizeof *own);
    /* what its cores say to each other fits their lines */
    if (!own || outgoing_open(d, 0, d->cores))
        return ENOMEM;
    d->kernel_state = own;
    d->pending = &k->line.sequence;
    d->mappings = &k->mappings;
    own->kernel = k;
    own->lock = &lock_mcs;
    d->trees = own->trees = (struct tree *)(void *)(state + l.trees);
    own->pins = calloc(slots, sizeof *own->pins);
    if (!own->pins)
        return ENOMEM;
    if (d->me == 0) { /* core 0 writes the state; nobody reads it before the supervisor says go */
        address_range_init(&k->fresh.addresses, o->address_base, o->address_size * d->cores);
        k->fresh.remembered = mappings_remembered(slots);
        k->fresh.offset = l.remembered - offsetof(struct shared_kernel, fresh);
        k->slots = slots;
        sparse_init(&k->mappings, slots, 0, slots, 0, l.entry_bytes, 0,
                    l.entries - offsetof(struct shared_kernel, mappings));
        k->set_words = core_set_words(d->cores);
        k->frames = l.frames;
        frames_init(shared_frames(k), o->memory_bytes / PAGE_BYTES, true);
    }
    d->frames = (const struct frames *)(const void *)(state + l.frames);
    own->along_trees = o->tree_count != 0;
    own->notification = own->along_trees ? &notification_along_trees : &notification_by_line;
    for (uint32_t i = 0; d->me == 0 && i < o->tree_count; i++)
        own->trees[o->trees[(size_t)i * d->cores]].version = 1;
    shared_capabilities_open(d, state + l.capabilities, o);
    return 0;
}

const struct kernel kernel_shared = {
    .open = open,
    .message = message,
    .serve = line_serve,
    .engaged = engaged,
    .begin = begin,
    .pin = pin,
    .fault = fault,
    .digest = digest,
    .hold = shared_lock,
    .release = shared_unlock,
    .frames = shared_frames_do,
    .create_ram = shared_create_ram,
    .look = shared_look,
    .capability_digest = shared_capabilities_digest,
    .unused = shared_unused,
};
