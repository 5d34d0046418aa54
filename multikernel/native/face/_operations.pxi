# Operations on capabilities through the booted driver, included by _native.pyx: probes/operations.c
# and at_once.c.

cdef extern from "probes/probes.h":
    enum:
        PROBE_RETYPE
        PROBE_COPY
        PROBE_REVOKE
        PROBE_DELETE
        OPERATIONS_IN_FLIGHT
    struct operation_probe:
        uint32_t operation
        uint32_t in_flight
        uint64_t source
        uint64_t cnode
        uint64_t to_cnode
        uint32_t index
        uint32_t to_index
        uint32_t to
        uint32_t copies
        uint32_t cores
        uint64_t count
        uint32_t batch
    int probe_operations(driver *d, const operation_probe *p, histogram *times) nogil
    int probe_revoke(driver *d, uint64_t source, const uint64_t *cnodes, uint32_t descendants,
            uint32_t count, histogram *times) nogil
    enum:
        AT_ONCE_PAGES
    struct at_once_probe:
        uint64_t source
        uint64_t offset
        uint64_t cnode
        uint32_t index
        uint32_t in_flight
        uint32_t members
        uint32_t batch
        uint64_t base
        uint64_t edge
        uint64_t cycles
    struct at_once_counts:
        uint64_t operations
        uint64_t began
        uint64_t cycles
        uint64_t cpu_ns
        uint64_t wall_ns
    int probe_at_once(driver *d, const at_once_probe *p, histogram *times,
            at_once_counts *counts) nogil

OPERATIONS = {
    "retype": PROBE_RETYPE,
    "copy": PROBE_COPY,
    "revoke": PROBE_REVOKE,
    "delete": PROBE_DELETE,
}
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
    cdef operation_probe p
    cdef int verdict
    memset(&p, 0, sizeof(p))
    p.operation, p.count, p.batch = OPERATIONS[operation], count, batch
    p.in_flight, p.copies, p.cores = in_flight, copies, cores
    p.source, p.cnode, p.index = source
    p.to, p.to_cnode, p.to_index = to
    with nogil:
        verdict = probe_operations(driver.d, &p, times.h)
    return verdict


def revokes(Driver driver, uint64_t source, tuple cnodes, uint32_t descendants, uint32_t count,
        Histogram times):
    """The verdict that ended it. cnodes: references, one for each 256 descendants."""
    cdef uint64_t some[16]
    cdef uint32_t i
    cdef int verdict
    if descendants > 256 * len(cnodes) or len(cnodes) > 16:
        raise ValueError(f"{descendants} descendants in {len(cnodes)} CNodes")
    for i in range(len(cnodes)):
        some[i] = cnodes[i]
    with nogil:
        verdict = probe_revoke(driver.d, source, some, descendants, count, times.h)
    return verdict


def retypes_at_once(
    Driver driver, tuple source, tuple to, uint32_t in_flight, uint32_t members, uint64_t base,
    uint64_t edge,
    uint64_t cycles, uint32_t batch, Histogram times,
):
    """The verdict that ended it, 0 when all went well, and what counted: operations, when it began,
    cycles, ns on the CPU, ns.

    source: (RAM, offset); to: (CNode, first index). The same of the rest on every member.
    """
    cdef at_once_probe p
    cdef at_once_counts counts
    cdef int verdict
    memset(&p, 0, sizeof(p))
    memset(&counts, 0, sizeof(counts))
    p.source, p.offset = source
    p.cnode, p.index = to
    p.in_flight, p.members, p.base = in_flight, members, base
    p.edge, p.cycles, p.batch = edge, cycles, batch
    with nogil:
        verdict = probe_at_once(driver.d, &p, times.h, &counts)
    return verdict, (counts.operations, counts.began, counts.cycles, counts.cpu_ns, counts.wall_ns)
