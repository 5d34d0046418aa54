#include "memory/vspace.h"

#include "memory/address_range.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum vma_state { VMA_NONE = 0, VMA_PRESENT, VMA_RETIRED };

/* Past this many, insert reaps, even when the core is never idle: every retired VMA makes the host's
 * search for the next one longer (measured: mprotect takes 3 000 cycles with none of them, 3 400
 * with 2 000). */
enum { RETIRED_MAX = 64 };
static_assert((int)RETIRED_MAX >= RETIRED_KEPT + REAP_MOST, "a whole batch at a time");

static int protection(uint32_t rights)
{
    return rights == RIGHTS_WRITE  ? PROT_READ | PROT_WRITE
           : rights == RIGHTS_READ ? PROT_READ
                                   : PROT_NONE;
}

static void *place(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

static void *reserve(uint64_t address, uint64_t length, int fixed)
{
    return mmap(place(address), length, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
}

int vspace_open(struct vspace *vspace, int memory, uint64_t memory_bytes, uint64_t base,
                uint64_t size, uint32_t slots)
{
    *vspace =
        (struct vspace){.memory_bytes = memory_bytes, .base = base, .size = size, .slots = slots};
    vspace->mmu = (struct mmu){vspace, vspace_insert, vspace_protect, vspace_retire};
    vspace->vmas = calloc(slots, sizeof *vspace->vmas);
    vspace->queue_size = 2 * slots;
    vspace->queue = calloc(vspace->queue_size, sizeof *vspace->queue);
    if (!vspace->vmas || !vspace->queue)
        return ENOMEM;
    void *got = reserve(base, size, MAP_FIXED_NOREPLACE);
    if (got == MAP_FAILED || madvise(got, size, MADV_DONTFORK))
        return errno;
    vspace->all = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (vspace->all == MAP_FAILED || madvise(vspace->all, memory_bytes, MADV_DONTFORK))
        return errno;
    return 0;
}

/* What is no memory may be anything else that this process has mapped. */
static bool is_memory(const struct vspace *vspace, uint64_t frame, uint64_t length)
{
    return frame <= vspace->memory_bytes && length <= vspace->memory_bytes - frame;
}

void vspace_clear(const struct vspace *vspace, uint64_t frame, uint64_t length)
{
    if (is_memory(vspace, frame, length))
        memset(vspace->all + frame, 0, length);
}

/* The host is asked only for what it has not. */
static enum verdict give_rights(struct vma *vma, uint32_t rights)
{
    if (vma->rights == rights)
        return VERDICT_OK;
    if (mprotect(place(vma->address), vma->length, protection(rights)))
        return VERDICT_HOST;
    vma->rights = (uint8_t)rights;
    return VERDICT_OK;
}

static enum verdict remap(struct vspace *vspace, struct vma *vma, uint32_t rights)
{
    void *at = place(vma->address);
    /* A second mapping of the same memory, as kept from children: no descriptor is needed, which a
     * program might close. */
    if (mremap(vspace->all + vma->frame, 0, vma->length, MREMAP_MAYMOVE | MREMAP_FIXED, at) ==
        MAP_FAILED)
        return VERDICT_HOST;
    vma->state = VMA_PRESENT;
    vma->rights = RIGHTS_WRITE;
    return give_rights(vma, rights);
}

/* Back to being a reserved hole, in one call: the range never shows a gap that somebody else could
 * map into. */
static void make_hole(uint64_t address, uint64_t length)
{
    if (reserve(address, length, MAP_FIXED) != MAP_FAILED)
        madvise(place(address), length, MADV_DONTFORK);
}

static void removes(struct vspace *vspace, struct vma *vma)
{
    if (vma->state == VMA_NONE)
        return;
    make_hole(vma->address, vma->length);
    vspace->retired -= vma->state == VMA_RETIRED;
    vma->state = VMA_NONE;
}

/* --- What is retired --- */

static struct retired *entry(const struct vspace *vspace, uint32_t i)
{
    return &vspace->queue[(vspace->first + i) % vspace->queue_size];
}

static bool is_retired(const struct vspace *vspace, const struct retired *entry)
{
    const struct vma *vma = &vspace->vmas[entry->slot];
    return vma->state == VMA_RETIRED && vma->retired == entry->when;
}

/* Without those that were used again. */
static void tighten(struct vspace *vspace)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < vspace->queued; i++)
        if (is_retired(vspace, entry(vspace, i)))
            *entry(vspace, kept++) = *entry(vspace, i);
    vspace->queued = kept;
}

/* A retired VMA in those addresses, or NULL. */
static struct vma *in_the_way(const struct vspace *vspace, uint64_t address, uint64_t length)
{
    if (!vspace->retired || address >= vspace->retired_high ||
        vspace->retired_low >= address + length)
        return NULL;
    for (uint32_t i = 0; i < vspace->queued; i++) {
        struct vma *vma = &vspace->vmas[entry(vspace, i)->slot];
        if (is_retired(vspace, entry(vspace, i)) && address < vma->address + vma->length &&
            vma->address < address + length)
            return vma;
    }
    return NULL;
}

bool vspace_reap(struct vspace *vspace, uint32_t keep)
{
    struct vma *batch[REAP_MOST];
    uint32_t count = 0;
    for (; vspace->queued && vspace->retired > keep && count < REAP_MOST; vspace->queued--) {
        const struct retired *oldest = entry(vspace, 0);
        vspace->first = (vspace->first + 1) % vspace->queue_size;
        if (!is_retired(vspace, oldest))
            continue;
        struct vma *vma = &vspace->vmas[oldest->slot];
        uint32_t at = count++;
        for (; at && batch[at - 1]->address > vma->address; at--)
            batch[at] = batch[at - 1];
        batch[at] = vma;
        vma->state = VMA_NONE;
        vspace->retired--;
    }
    /* Neighbours in one call: between them is nothing but the guard. */
    for (uint32_t i = 0, end; i < count; i = end) {
        uint64_t behind = batch[i]->address + batch[i]->length;
        for (end = i + 1; end < count && batch[end]->address == behind + GUARD_BYTES; end++)
            behind = batch[end]->address + batch[end]->length;
        make_hole(batch[i]->address, behind - batch[i]->address);
    }
    return count != 0;
}

/* --- The MMU --- */

enum verdict vspace_insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    struct vspace *vspace = context;
    struct vma *vma = &vspace->vmas[slot];
    if (address < vspace->base || length > vspace->size ||
        address + length > vspace->base + vspace->size || !is_memory(vspace, frame, length))
        return VERDICT_BAD_REQUEST;
    if (vma->state == VMA_RETIRED && vma->address == address && vma->frame == frame &&
        vma->length == length) {
        vspace->retired--;
        vma->state = VMA_PRESENT;
        return give_rights(vma, rights);
    }
    if (vspace->retired > RETIRED_MAX)
        vspace_reap(vspace, RETIRED_KEPT);
    /* Where the walk through the addresses has come round, a retired VMA may lie: removed later, it
     * would take this one along. */
    for (struct vma *other; (other = in_the_way(vspace, address, length));)
        removes(vspace, other);
    removes(vspace, vma);
    vma->address = address;
    vma->frame = frame;
    vma->length = length;
    return remap(vspace, vma, rights);
}

enum verdict vspace_protect(void *context, uint32_t slot, uint32_t rights)
{
    struct vspace *vspace = context;
    struct vma *vma = &vspace->vmas[slot];
    if (vma->state == VMA_NONE) /* reaped, and now restored by an abort */
        return rights == RIGHTS_NONE ? VERDICT_OK : remap(vspace, vma, rights);
    if (rights != RIGHTS_NONE) {
        vspace->retired -= vma->state == VMA_RETIRED;
        vma->state = VMA_PRESENT;
    }
    return give_rights(vma, rights);
}

void vspace_retire(void *context, uint32_t slot)
{
    struct vspace *vspace = context;
    struct vma *vma = &vspace->vmas[slot];
    if (vma->state != VMA_PRESENT)
        return;
    vma->state = VMA_RETIRED;
    if (!vspace->retired || vma->address < vspace->retired_low)
        vspace->retired_low = vma->address;
    if (!vspace->retired || vma->address + vma->length > vspace->retired_high)
        vspace->retired_high = vma->address + vma->length;
    if (vspace->queued == vspace->queue_size)
        tighten(vspace);
    vma->retired = ++vspace->when;
    *entry(vspace, vspace->queued++) = (struct retired){slot, vma->retired};
    vspace->retired++;
}
