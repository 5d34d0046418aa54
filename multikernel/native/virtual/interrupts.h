/* A kernel that takes a page from other cores by interrupts, in virtual time, as Linux 2.6 and
 * Windows did: under the address space's lock the initiator changes its own entry, interrupts the
 * cores of the mask, and waits until all have counted themselves off on one line. Nobody else wants
 * the lock. Source: paper section 5.1 and figure 7; Linux arch/x86/kernel/tlb_32.c of 2.6.26. */
#pragma once

#include "virtual/machine.h"

enum interrupt_order {
    INTERRUPTS_AT_ONCE,    /* one sent behind the other, then all are waited for */
    INTERRUPTS_ONE_BY_ONE, /* the next is sent when the last has answered */
};

/* Cycles from the call to its end, on core 0, of a page that the first `cores` cores have. 0: no
 * memory. */
uint64_t interrupt_unmap(const struct machine *machine, uint32_t cores, enum interrupt_order order);
