# Capabilities for Python, included by _native.pyx: the numbers and the table; and one core's
# replica in a block of its own. Of that the product runs the probes alone. The operations are there
# for tests, which hold them against a model: no other way leads to this object code without a
# system around it. Verdicts come back as numbers (CAPABILITY_VERDICTS has their names);
# capabilities are named by references, as in cspace.h.

from libc.stdint cimport uint8_t

cdef extern from "base/align.h":
    enum:
        PAGE_BYTES

cdef extern from "capability/capability.h":
    enum:
        CAP_TYPES
        CAP_VERDICTS
        CAP_READ
        CAP_WRITE
        CAP_GRANT
        CAP_REMOTE_COPIES
        CAP_REMOTE_DESCENDANTS
        CAP_REMOTE_ANCESTORS
        CAP_DYING
        CNODE_SLOT_BITS
    const uint32_t NO_CAPABILITY
    struct capability:
        uint64_t address
        uint64_t size
        uint64_t about
        uint32_t generation
        uint16_t owner
        uint8_t type
        uint8_t rights
        uint8_t flags
    struct capability_rule:
        const char *name
        uint16_t derives
        uint8_t rights
        bint copyable
        bint remote
        uint32_t size
    const capability_rule *capability_rules
    const char *capability_verdict_name(uint32_t verdict)

cdef extern from "capability/cspace.h":
    const uint64_t CSPACE_ROOT
    const uint32_t CNODE_ANY
    struct mapping_database:
        uint32_t count
    struct cspace:
        uint64_t size
        uint32_t dying
        uint32_t locks
    struct cspace_lock_held "cspace_lock":
        uint64_t address
        uint64_t end
        uint64_t operation
    struct cspace_place:
        uint64_t cnode
        uint32_t index
    struct cspace_retype_request "cspace_retype":
        uint64_t source
        uint64_t offset
        uint64_t size
        uint32_t type
        uint32_t count
        cspace_place to
    struct cspace_progress:
        uint32_t done
        uint32_t slot
    struct cspace_revocation:
        uint64_t reference
        uint64_t address
        uint64_t size
        uint64_t about
        uint32_t type
    struct cspace_shape:
        uint32_t cnodes
        uint32_t slot_bits
        uint32_t locks
        uint32_t spaces
        uint32_t parts
    size_t cspace_size(const cspace_shape *shape)
    void cspace_init(cspace *cs, uint32_t me, const cspace_shape *shape, uint64_t root_address)
    mapping_database *cspace_database(const cspace *cs)
    capability *cspace_slot(const cspace *cs, uint32_t slot)
    uint32_t cspace_slots(const cspace *cs)
    int cspace_create_ram(cspace *cs, uint64_t address, uint64_t size, const cspace_place *to,
            uint64_t *made)
    int cspace_receive(cspace *cs, const capability *record, const cspace_place *to,
            uint64_t operation, uint64_t *made)
    int cspace_copy(cspace *cs, uint64_t source, const cspace_place *to, uint64_t operation,
            uint64_t *made)
    int cspace_mint(cspace *cs, uint64_t source, uint32_t rights, const cspace_place *to,
            uint64_t operation, uint64_t *made)
    int cspace_do_retype "cspace_retype"(cspace *cs, const cspace_retype_request *r,
            uint64_t operation, uint64_t *made)
    int cspace_map(cspace *cs, uint64_t source, uint64_t virtual_address, uint32_t rights,
            const cspace_place *to, uint64_t *made)
    int cspace_delete(cspace *cs, uint64_t reference, uint64_t operation, uint32_t work,
            cspace_progress *progress)
    int cspace_revoke_begin(const cspace *cs, uint64_t reference,
            cspace_revocation *revocation)
    int cspace_revoke_step(cspace *cs, const cspace_revocation *revocation, uint64_t operation,
            uint32_t work, cspace_progress *progress)
    cspace_lock_held *cspace_locks(const cspace *cs)
    int cspace_lock(cspace *cs, uint64_t address, uint64_t size, uint64_t operation)
    void cspace_unlock(cspace *cs, uint64_t operation)
    int cspace_conflict(const cspace *cs, uint64_t address, uint64_t size, uint64_t start,
            uint64_t end)
    int cspace_find_object(const cspace *cs, uint64_t address, uint64_t size, uint32_t type,
            uint32_t *slot)
    void cspace_derived_elsewhere(cspace *cs, uint64_t address, uint64_t end)
    int cspace_relate(cspace *cs, uint64_t reference, uint32_t owner, uint32_t relations)
    uint64_t cspace_digest(const cspace *cs)
    const char *cspace_check(const cspace *cs)

cdef extern from "capability/mapping_database.h":
    uint32_t mapping_database_next(const mapping_database *db, uint32_t i)

cdef extern from "probes/capabilities.h":
    uint32_t probe_capabilities_cnodes(uint32_t count)
    int probe_capabilities_fill(cspace *cs, uint32_t count) nogil
    int probe_capabilities(cspace *cs, uint32_t rounds, uint64_t seed, histogram *copy,
            histogram *retype, histogram *remove) nogil
    int probe_capabilities_split(cspace *cs, uint32_t rounds, uint64_t seed, histogram *h) nogil
    int probe_capabilities_revoke(cspace *cs, uint32_t descendants, uint32_t rounds,
            histogram *h) nogil

CAPABILITY_TYPES = {capability_rules[_i].name.decode(): _i for _i in range(CAP_TYPES)}
CAPABILITY_VERDICTS = {capability_verdict_name(_i).decode(): _i for _i in range(CAP_VERDICTS)}
CAPABILITY_ROOT = CSPACE_ROOT
CAPABILITY_ANY_SLOT = CNODE_ANY
CAPABILITY_RIGHTS = {"read": CAP_READ, "write": CAP_WRITE, "grant": CAP_GRANT}
CAPABILITY_FLAGS = {
    "remote-copies": CAP_REMOTE_COPIES,
    "remote-descendants": CAP_REMOTE_DESCENDANTS,
    "remote-ancestors": CAP_REMOTE_ANCESTORS,
    "dying": CAP_DYING,
}


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


cdef str _probe_failed(int verdict):
    name = capability_verdict_name(verdict).decode()
    return f"the probe's own operation failed: {name}"


cdef class Capabilities:
    """The capabilities of one core, room for `cnodes` CNodes. Addresses and sizes are bytes;
    nothing stands behind them.
    """

    cdef void *_allocated
    cdef cspace *_cs
    cdef readonly uint32_t cnodes

    def __cinit__(self, uint32_t cnodes, uint32_t core=0, uint64_t root_address=0,
            uint32_t locks=16, uint32_t slot_bits=CNODE_SLOT_BITS):
        cdef cspace_shape shape = cspace_shape(cnodes, slot_bits, locks, 1, 1)
        if not 0 < cnodes <= 1 << 20:
            raise ValueError(f"a core has 1 to {1 << 20} CNodes, not {cnodes}")
        if root_address % PAGE_BYTES:
            raise ValueError(f"the root CNode lies on a page, not at {root_address:#x}")
        if locks > 1 << 16:
            raise ValueError(f"a core has room for at most {1 << 16} locks, not {locks}")
        if slot_bits > CNODE_SLOT_BITS:
            raise ValueError(
                f"a CNode has at most {1 << CNODE_SLOT_BITS} slots, not 2 to the {slot_bits}"
            )
        # Fresh pages of the host are zero and cost nothing until they are used.
        self._allocated = calloc(1, cspace_size(&shape) + 64)
        if not self._allocated:
            raise MemoryError(f"{cspace_size(&shape)} bytes")
        self._cs = <cspace *>((<uintptr_t>self._allocated + 63) // 64 * 64)
        self.cnodes = cnodes
        cspace_init(self._cs, core, &shape, root_address)

    def __dealloc__(self):
        free(self._allocated)

    @property
    def root(self):
        """A reference to the root CNode."""
        return CSPACE_ROOT

    def create_ram(self, uint64_t address, uint64_t size, uint64_t cnode, uint32_t index):
        """(verdict, reference)."""
        cdef cspace_place to = cspace_place(cnode, index)
        cdef uint64_t made = 0
        return cspace_create_ram(self._cs, address, size, &to, &made), made

    def receive(
        self, uint32_t type, uint64_t address, uint64_t size, uint32_t rights, uint32_t owner,
        uint32_t relations,
        uint64_t cnode, uint32_t index, uint64_t operation=0,
    ):
        """What another core has sent: (verdict, reference)."""
        cdef capability record
        cdef cspace_place to = cspace_place(cnode, index)
        cdef uint64_t made = 0
        memset(&record, 0, sizeof(record))
        record.type, record.address, record.size = <uint8_t>type, address, size
        record.rights, record.owner = <uint8_t>rights, <uint16_t>owner
        record.flags = <uint8_t>relations
        return cspace_receive(self._cs, &record, &to, operation, &made), made

    def copy(self, uint64_t source, uint64_t cnode, uint32_t index, uint64_t operation=0):
        """(verdict, reference)."""
        cdef cspace_place to = cspace_place(cnode, index)
        cdef uint64_t made = 0
        return cspace_copy(self._cs, source, &to, operation, &made), made

    def mint(self, uint64_t source, uint32_t rights, uint64_t cnode, uint32_t index,
            uint64_t operation=0):
        """(verdict, reference)."""
        cdef cspace_place to = cspace_place(cnode, index)
        cdef uint64_t made = 0
        return cspace_mint(self._cs, source, rights, &to, operation, &made), made

    def retype(
        self, uint64_t source, uint32_t type, uint64_t offset, uint64_t size, uint32_t count,
        uint64_t cnode, uint32_t index, uint64_t operation=0,
    ):
        """(verdict, reference to the first); the others are in the slots behind it."""
        cdef cspace_retype_request r = cspace_retype_request(
            source, offset, size, type, count, cspace_place(cnode, index)
        )
        cdef uint64_t made = 0
        return cspace_do_retype(self._cs, &r, operation, &made), made

    def map(
        self, uint64_t source, uint64_t virtual_address, uint32_t rights, uint64_t cnode,
        uint32_t index,
    ):
        """(verdict, reference to the Mapping)."""
        cdef cspace_place to = cspace_place(cnode, index)
        cdef uint64_t made = 0
        return cspace_map(self._cs, source, virtual_address, rights, &to, &made), made

    def delete(self, uint64_t reference, uint32_t work, uint64_t operation=0):
        """(verdict, capabilities deleted or marked, slot it is about)."""
        cdef cspace_progress progress
        return cspace_delete(self._cs, reference, operation, work,
                &progress), progress.done, progress.slot

    def revoke_begin(self, uint64_t reference):
        """(verdict, the revocation to step)."""
        cdef cspace_revocation r
        memset(&r, 0, sizeof(r))
        verdict = cspace_revoke_begin(self._cs, reference, &r)
        return verdict, (r.reference, r.address, r.size, r.about, r.type)

    def revoke_step(self, tuple revocation, uint32_t work, uint64_t operation=0):
        """(verdict, capabilities deleted or marked, slot it is about)."""
        cdef cspace_revocation r
        cdef cspace_progress progress
        memset(&r, 0, sizeof(r))
        r.reference, r.address, r.size, r.about, r.type = revocation
        return cspace_revoke_step(self._cs, &r, operation, work,
                &progress), progress.done, progress.slot

    def lock(self, uint64_t address, uint64_t size, uint64_t operation):
        """The verdict."""
        if not operation:
            raise ValueError("operation 0 locks nothing")
        return cspace_lock(self._cs, address, size, operation)

    def unlock(self, uint64_t operation):
        """Gives back all that the operation has locked."""
        cspace_unlock(self._cs, operation)

    def locks(self):
        """What is locked: (address, past its end, operation)."""
        cdef cspace_lock_held *lock = cspace_locks(self._cs)
        return [(lock[i].address, lock[i].end, lock[i].operation) for i in range(self._cs.locks)]

    def conflict(self, uint64_t address, uint64_t size, uint64_t start, uint64_t end):
        """The verdict on a retype, elsewhere, of [start, end) of that RAM."""
        return cspace_conflict(self._cs, address, size, start, end)

    def find_object(self, uint64_t address, uint64_t size, uint32_t type):
        """(verdict, the slot of its first capability)."""
        cdef uint32_t slot = 0
        return cspace_find_object(self._cs, address, size, type, &slot), slot

    def derived_elsewhere(self, uint64_t address, uint64_t end):
        """Another core has made something of RAM there."""
        cspace_derived_elsewhere(self._cs, address, end)

    def relate(self, uint64_t reference, uint32_t owner, uint32_t relations):
        """The verdict."""
        return cspace_relate(self._cs, reference, owner, relations)

    def slots(self):
        """What each used slot holds: (slot, generation, type, address, size, about, rights, owner,
        flags).
        """
        cdef capability *c
        cdef uint32_t slot
        found = []
        for slot in range(cspace_slots(self._cs)):
            c = cspace_slot(self._cs, slot)
            if c.type:
                found.append(
                    (slot, c.generation, c.type, c.address, c.size, c.about, c.rights, c.owner,
                            c.flags)
                )
        return found

    def order(self):
        """The used slots as the mapping database orders them."""
        cdef mapping_database *db = cspace_database(self._cs)
        cdef uint32_t slot = mapping_database_next(db, NO_CAPABILITY)
        found = []
        while slot != NO_CAPABILITY:
            found.append(slot)
            slot = mapping_database_next(db, slot)
        return found

    def __len__(self):
        return cspace_database(self._cs).count

    def state(self):
        """The whole block as bytes."""
        return PyBytes_FromStringAndSize(<char *>self._cs, self._cs.size)

    def digest(self):
        """A hash of what the slots hold."""
        return cspace_digest(self._cs)

    def check(self):
        """None, or which invariant is broken."""
        cdef const char *wrong = cspace_check(self._cs)
        return wrong.decode() if wrong else None

    @staticmethod
    def cnodes_to_probe(uint32_t count):
        """CNodes that probe_fill needs for count capabilities."""
        return probe_capabilities_cnodes(count)

    def probe_fill(self, uint32_t count):
        """Makes count RAM capabilities of two pages each in a fresh replica whose root address is
        0.
        """
        cdef int verdict
        with nogil:
            verdict = probe_capabilities_fill(self._cs, count)
        if verdict:
            raise ValueError(f"{count} capabilities: {capability_verdict_name(verdict).decode()}")

    def probe_operations(self, uint32_t rounds, uint64_t seed, Histogram copy, Histogram retype,
            Histogram delete):
        """Times a copy, a retype to one Frame, and the deletion of both, of capabilities picked at
        random; in cycles.
        """
        cdef int verdict
        with nogil:
            verdict = probe_capabilities(self._cs, rounds, seed, copy.h, retype.h, delete.h)
        if verdict:
            raise ValueError(_probe_failed(verdict))

    def probe_split(self, uint32_t rounds, uint64_t seed, Histogram h):
        """Times a retype of memory that has all the other capabilities as descendants; in cycles.
        """
        cdef int verdict
        with nogil:
            verdict = probe_capabilities_split(self._cs, rounds, seed, h.h)
        if verdict:
            raise ValueError(_probe_failed(verdict))

    def probe_revoke(self, uint32_t descendants, uint32_t rounds, Histogram h):
        """Times the revoke of RAM with that many Frames below it; in cycles, one value a revoke."""
        cdef int verdict
        with nogil:
            verdict = probe_capabilities_revoke(self._cs, descendants, rounds, h.h)
        if verdict:
            raise ValueError(_probe_failed(verdict))
