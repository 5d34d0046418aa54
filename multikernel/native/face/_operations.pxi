# Operations on capabilities through the booted driver, included by _native.pyx: probes/operations.c
# and at_once.c.

cdef extern from "probes/probes.h":
    enum:
        OPERATIONS_IN_FLIGHT, AT_ONCE_PAGES
    struct operation_probe:
        uint32_t operation, in_flight
        uint64_t source, cnode, to_cnode
        uint32_t index, to_index, to, copies, cores
        uint64_t count
        uint32_t batch
    int probe_operations(driver *d, const operation_probe *p, histogram *times) nogil
    int probe_revoke(driver *d, uint64_t source, const uint64_t *cnodes, uint32_t descendants,
            uint32_t count, histogram *times) nogil
    struct at_once_probe:
        uint64_t source, offset, cnode
        uint32_t index, in_flight, members, batch
        uint64_t base, edge, cycles
    struct at_once_counts:
        uint64_t operations, began, cycles, cpu_ns, wall_ns
    int probe_at_once(driver *d, const at_once_probe *p, histogram *times,
            at_once_counts *counts) nogil

IN_FLIGHT_MOST = OPERATIONS_IN_FLIGHT
PAGES_IN_FLIGHT = AT_ONCE_PAGES


def operations(
    Driver driver, str operation, tuple source, tuple to, uint64_t count, uint32_t batch,
    Histogram times, *,
    uint32_t in_flight=1, uint32_t copies=0, uint32_t cores=1,
):
    """The verdict that ended it, 0 when all went well.

    source: (RAM, CNode, first index) for what is made here; to: (core, CNode, first index) for
    copies.
    """
    ram, cnode, index = source
    core, to_cnode, to_index = to
    cdef operation_probe p = operation_probe(OPERATIONS[operation], in_flight, ram, cnode, to_cnode,
            index, to_index, core, copies, cores, count, batch)
    cdef int verdict
    with nogil:
        verdict = probe_operations(driver.d, &p, times.h)
    return verdict


def revokes(Driver driver, uint64_t source, tuple cnodes, uint32_t descendants, uint32_t count,
        Histogram times):
    """The verdict that ended it. cnodes: references, one for each 256 descendants."""
    cdef array.array some = array.array("Q", cnodes)
    cdef int verdict
    if descendants > 256 * len(cnodes):
        raise ValueError(f"{descendants} descendants in {len(cnodes)} CNodes")
    with nogil:
        verdict = probe_revoke(driver.d, source, <const uint64_t *>some.data.as_voidptr,
                descendants, count, times.h)
    return verdict


def retypes_at_once(
    Driver driver, tuple source, tuple to, uint32_t in_flight, uint32_t members, uint64_t base,
    uint64_t edge, uint64_t cycles, uint32_t batch, Histogram times,
):
    """The verdict that ended it, 0 when all went well, and what counted: operations, when it began,
    cycles, ns on the CPU, ns.

    source: (RAM, offset); to: (CNode, first index). The same of the rest on every member.
    """
    ram, offset = source
    cnode, index = to
    cdef at_once_probe p = at_once_probe(ram, offset, cnode, index, in_flight, members, batch, base,
            edge, cycles)
    cdef at_once_counts counts = at_once_counts(0, 0, 0, 0, 0)
    cdef int verdict
    with nogil:
        verdict = probe_at_once(driver.d, &p, times.h, &counts)
    return verdict, (counts.operations, counts.began, counts.cycles, counts.cpu_ns, counts.wall_ns)
