/* This core's page table: real mappings of the memory segment in this process, which the host's MMU
 * and TLB enforce.
 *
 * Every mapping is a VMA of its own. Only insert and remove (reap) make or destroy one; those take
 * a lock of the host that all cores share (the segment's i_mmap lock), so they happen at map time
 * or when idle. protect is one mprotect of a whole VMA and stays inside this process. Retired VMAs
 * stay behind as PROT_NONE until reaped, the oldest first, neighbours in one call. An insert that
 * finds its slot's VMA retired, at the same address and of the same memory, only gives it its rights
 * back.
 *
 * Loads and stores by the system go through the accessor (vspace_copy), the only code whose faults
 * are caught. */
#pragma once

#include <stdbool.h>

#include "arch/arch.h"
#include "memory/mmu.h"

/* Where mappings lie, on every core, unless a build says otherwise: at 128 GiB, below what the host
 * uses on x86-64 and within aarch64's smallest user range. */
#ifndef VSPACE_BASE
#define VSPACE_BASE 0x2000000000ull
#endif

struct vma {
    uint64_t address;
    uint64_t frame;
    uint64_t length;
    uint32_t retired; /* RETIRED: when, by the count of what was */
    uint8_t state;    /* enum vma_state */
    uint8_t rights;   /* as the host has them */
};

struct vspace {
    char *all; /* the memory segment, for the kernel itself: to clear, and to map */
    uint64_t memory_bytes;
    uint64_t base, size; /* the range that all mappings lie in, reserved PROT_NONE */
    uint32_t slots;
    uint32_t retired; /* how many are */
    /* In the order in which they were retired, with what has been used again since; a ring. */
    struct retired {
        uint32_t slot, when;
    } *queue;
    uint32_t queue_size, first, queued, when;
    uint64_t retired_low, retired_high; /* all retired VMAs lie in between */
    struct vma *vmas;
    struct mmu mmu; /* what the monitor is given */
};

/* Reserves the range, and keeps it and the memory from children of fork. memory: a descriptor, which
 * is not needed afterwards. 0, or an errno. */
int vspace_open(struct vspace *vspace, int memory, uint64_t memory_bytes, uint64_t base,
                uint64_t size, uint32_t slots);

/* The MMU's functions, context = the vspace; see struct mmu. */
enum verdict vspace_insert(void *vspace, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights);
enum verdict vspace_protect(void *vspace, uint32_t slot, uint32_t rights);
void vspace_retire(void *vspace, uint32_t slot);

/* That memory is zero, in every core's mappings of it; of what is no memory, nothing. */
void vspace_clear(const struct vspace *vspace, uint64_t frame, uint64_t length);

/* Removes up to REAP_MOST retired VMAs, those that were retired first, and leaves that many; true if
 * any. */
enum { REAP_MOST = 16, RETIRED_KEPT = 32 };
bool vspace_reap(struct vspace *vspace, uint32_t keep);

/* --- faults (fault.c) --- */

/* Installs the handler for SIGSEGV and SIGBUS, with an alternate stack, in front of whatever is
 * there. 0, or an errno. */
int fault_install(uint64_t base, uint64_t size);
/* Where a program has put a handler of its own in ours' place, ours stands before it again: what is
 * not ours goes on to it. 0, or an errno. */
int fault_stand_first(void);

/* 0, or 1 when the access faulted. One side must lie in the reserved range, the other must be
 * ordinary memory. */
static inline int vspace_copy(void *destination, const void *source, size_t length)
{
    return mk_access_copy(destination, source, length);
}
