# Capabilities for Python, included by _native.pyx: the numbers and the table; and one core's
# replica in a block of its own, for the loops that measure local operations on it.

cdef extern from "capability/capability.h":
    enum:
        CAP_TYPES, CNODE_SLOT_BITS
    struct capability_rule:
        const char *name
        uint16_t derives
        uint8_t rights
        bint copyable, remote
        uint32_t size
    const capability_rule *capability_rules

cdef extern from "capability/cspace.h":
    const uint64_t CSPACE_ROOT
    const uint32_t CNODE_ANY
    struct mapping_database:
        uint32_t count
    struct cspace:
        pass
    struct cspace_shape:
        uint32_t cnodes, slot_bits, locks, spaces, parts
    size_t cspace_size(const cspace_shape *shape)
    void cspace_init(cspace *cs, uint32_t me, const cspace_shape *shape, uint64_t root_address)
    mapping_database *cspace_database(const cspace *cs)

cdef extern from "probes/capabilities.h":
    uint32_t probe_capabilities_cnodes(uint32_t count)
    int probe_capabilities_fill(cspace *cs, uint32_t count) nogil
    int probe_capabilities(cspace *cs, uint32_t rounds, uint64_t seed, histogram *copy,
            histogram *retype, histogram *remove) nogil
    int probe_capabilities_split(cspace *cs, uint32_t rounds, uint64_t seed, histogram *h) nogil
    int probe_capabilities_revoke(cspace *cs, uint32_t descendants, uint32_t rounds,
            histogram *h) nogil

CAPABILITY_TYPES = {capability_rules[_i].name.decode(): _i for _i in range(CAP_TYPES)}
CAPABILITY_ROOT = CSPACE_ROOT
CAPABILITY_ANY_SLOT = CNODE_ANY


def capability_rule_table():
    """The derivation table: for each type (by number) its name, the types it derives as a bit set,
    rights, copyable, remote, size.
    """
    cdef const capability_rule *r
    cdef uint32_t i
    table = []
    for i in range(CAP_TYPES):
        r = &capability_rules[i]
        table.append((r.name.decode(), r.derives, r.rights, bool(r.copyable), bool(r.remote),
                r.size))
    return table


cdef class Capabilities:
    """The capabilities of one core, room for `cnodes` CNodes. Addresses and sizes are bytes;
    nothing stands behind them. A loop whose own operation fails raises ValueError.
    """

    cdef void *_allocated
    cdef cspace *_cs

    def __cinit__(self, uint32_t cnodes):
        cdef cspace_shape shape = cspace_shape(cnodes, CNODE_SLOT_BITS, 16, 1, 1)
        if not 0 < cnodes <= 1 << 20:
            raise ValueError(f"a core has 1 to {1 << 20} CNodes, not {cnodes}")
        # Fresh pages of the host are zero and cost nothing until they are used.
        self._allocated = calloc(1, cspace_size(&shape) + 64)
        if not self._allocated:
            raise MemoryError(f"{cspace_size(&shape)} bytes")
        self._cs = <cspace *>((<uintptr_t>self._allocated + 63) // 64 * 64)
        cspace_init(self._cs, 0, &shape, 0)

    def __dealloc__(self):
        free(self._allocated)

    def __len__(self):
        return cspace_database(self._cs).count

    @staticmethod
    def cnodes_to_probe(uint32_t count):
        """CNodes that probe_fill needs for count capabilities."""
        return probe_capabilities_cnodes(count)

    cdef int done(self, int verdict) except -1:
        if verdict:
            name = next(name for name, number in CAPABILITY_VERDICTS.items() if number == verdict)
            raise ValueError(f"the probe's own operation failed: {name}")
        return 0

    def probe_fill(self, uint32_t count):
        """Makes count RAM capabilities of two pages each in a fresh replica."""
        cdef int verdict
        with nogil:
            verdict = probe_capabilities_fill(self._cs, count)
        self.done(verdict)

    def probe_operations(self, uint32_t rounds, uint64_t seed, Histogram copy, Histogram retype,
            Histogram delete):
        """Times a copy, a retype to one Frame, and the deletion of both, of capabilities picked at
        random; in cycles.
        """
        cdef int verdict
        with nogil:
            verdict = probe_capabilities(self._cs, rounds, seed, copy.h, retype.h, delete.h)
        self.done(verdict)

    def probe_split(self, uint32_t rounds, uint64_t seed, Histogram h):
        """Times a retype of memory that has all the other capabilities as descendants; in cycles.
        """
        cdef int verdict
        with nogil:
            verdict = probe_capabilities_split(self._cs, rounds, seed, h.h)
        self.done(verdict)

    def probe_revoke(self, uint32_t descendants, uint32_t rounds, Histogram h):
        """Times the revoke of RAM with that many Frames below it; in cycles, one value a revoke."""
        cdef int verdict
        with nogil:
            verdict = probe_capabilities_revoke(self._cs, descendants, rounds, h.h)
        self.done(verdict)
