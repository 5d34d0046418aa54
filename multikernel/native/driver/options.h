/* What a core is booted with. */
#pragma once

#include <stdint.h>

struct driver_options {
    uint32_t me;
    uint32_t shared_kernel; /* 0: multikernel */
    uint32_t transport;     /* 0 call lines, 1 rings, 2 sockets */
    uint32_t crowded;
    uint32_t slots_per_core;
    uint32_t cnodes; /* that a core's capabilities have room for, the root among them */
    uint32_t capability_protocol; /* enum capability_protocol */
    uint32_t lock_scope;          /* the shared kernel's capabilities: 0 one lock, 1 one a region */
    uint32_t cancel_signal;       /* interrupts a program that is to be cancelled */
    uint64_t address_base;
    uint64_t address_size; /* a core's share of the range */
    uint64_t memory_bytes;
    uint64_t cycles_per_us;
    uint64_t spin_cycles;  /* an idle core polls so long, then parks; not where CPUs are shared */
    const uint32_t *trees; /* of some roots: each the root, then its edges (monitor/tree.h) */
    uint32_t tree_count;
    const int *links;   /* by core: the descriptor of the socket to it; NULL: another transport */
    const char *record; /* the file for a log of the inputs of this core's monitor; NULL: none */
};
