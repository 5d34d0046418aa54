#include "memory/vspace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum vma_state { VMA_NONE = 0, VMA_PRESENT, VMA_RETIRED };

/* Past this many, insert reaps more than it adds, even when the core is never idle: every retired
 * VMA makes the host's search for the next one longer (measured: mprotect takes 3 000 cycles with
 * none of them, 3 400 with 2 000). */
enum { RETIRED_MAX = 64 };

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
    vspace->queue = calloc(slots, sizeof *vspace->queue);
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

static enum verdict remap(struct vspace *vspace, struct vma *vma, uint32_t rights)
{
    void *at = place(vma->address);
    /* A second mapping of the same memory, as kept from children: no descriptor is needed, which a
     * program might close. */
    if (mremap(vspace->all + vma->frame, 0, vma->length, MREMAP_MAYMOVE | MREMAP_FIXED, at) ==
        MAP_FAILED)
        return VERDICT_HOST;
    vma->state = VMA_PRESENT;
    if (rights != RIGHTS_WRITE && mprotect(at, vma->length, protection(rights)))
        return VERDICT_HOST;
    return VERDICT_OK;
}

static void removes(struct vma *vma)
{
    if (vma->state == VMA_NONE)
        return;
    /* Back to being a reserved hole, in one call: the range never shows a gap that somebody else
     * could map into. */
    if (reserve(vma->address, vma->length, MAP_FIXED) != MAP_FAILED)
        madvise(place(vma->address), vma->length, MADV_DONTFORK);
    vma->state = VMA_NONE;
}

enum verdict vspace_insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    struct vspace *vspace = context;
    struct vma *vma = &vspace->vmas[slot];
    if (address < vspace->base || length > vspace->size ||
        address + length > vspace->base + vspace->size || !is_memory(vspace, frame, length))
        return VERDICT_BAD_REQUEST;
    if (vspace->retired > RETIRED_MAX)
        vspace_reap(vspace, 2);
    /* Where the walk through the addresses has come round, a retired VMA may lie: removed later, it
     * would take this one along. */
    if (vspace->retired && address < vspace->retired_high && vspace->retired_low < address + length)
        vspace_reap(vspace, UINT32_MAX);
    removes(vma);
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
    if (rights != RIGHTS_NONE)
        vma->state = VMA_PRESENT;
    return mprotect(place(vma->address), vma->length, protection(rights)) ? VERDICT_HOST
                                                                          : VERDICT_OK;
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
    if (!vma->queued) {
        vma->queued = 1;
        vspace->queue[vspace->retired++] = slot;
    }
}

bool vspace_reap(struct vspace *vspace, uint32_t limit)
{
    if (!vspace->retired)
        return false;
    while (vspace->retired && limit--) {
        struct vma *vma = &vspace->vmas[vspace->queue[--vspace->retired]];
        vma->queued = 0;
        if (vma->state == VMA_RETIRED) /* it may be in use again */
            removes(vma);
    }
    return true;
}
