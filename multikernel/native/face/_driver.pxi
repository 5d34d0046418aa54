# The CPU driver for Python, included by _native.pyx: system calls of the core this process is,
# memory of its mappings, and the measuring loops that run on it (_loops.pxi). Loops that wait for
# another core release the interpreter lock; system calls keep it.

cdef extern from "driver/driver.h":
    struct driver:
        uint64_t program_set[64]
    struct transport:
        pass
    const transport transport_rings
    # One structure: what a dictionary converts to, and what is set beside it.
    struct driver_numbers "driver_options":
        uint32_t me, shared_kernel, transport, crowded, slots_per_core, cnodes
        uint32_t capability_protocol, lock_scope
        uint64_t address_base, address_size, memory_bytes, cycles_per_us, spin_cycles
    struct driver_options:
        const uint32_t *trees
        uint32_t tree_count
        const int *links
        const char *record
    int driver_run(driver *d) nogil
    int driver_finish(driver *d, const char *result, uint64_t bytes)
    const char *driver_code(driver *d, uint64_t *bytes)
    bint driver_inside(driver *d)
    void driver_enter(driver *d) nogil
    void driver_leave(driver *d) nogil
    int driver_here(driver *d, const message *request, message *result) nogil
    uint64_t driver_begin(driver *d, const message *request) nogil
    bint driver_done(driver *d, uint64_t ticket, message *reply) nogil
    bint driver_poll(driver *d) nogil
    int driver_call(driver *d, uint32_t peer, uint32_t channel, const message *request,
            message *reply) nogil
    int driver_call_over(driver *d, const transport *transport, uint32_t peer,
            const message *request, message *reply) nogil
    int driver_access(driver *d, uint32_t slot, uint32_t generation, uint64_t address,
            void *buffer, size_t length, int write) nogil

cdef extern from "boot/open.h":
    driver *driver_open(segment *s, int memory, const driver_options *o, const char **reason)


cdef class Exported:
    """Memory of a mapping, lent to Python: pins the page on this core for as long as any buffer of
    it lives.
    """

    cdef Driver driver
    cdef uint64_t address, length, handle
    cdef bint writable, pinned

    def __dealloc__(self):
        if self.pinned:
            self.driver.here(KIND_UNPIN, (self.handle,))

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *><uintptr_t>self.address, self.length,
                not self.writable, flags)


cdef class Driver:
    """The CPU driver of this process. One a process; everything else in a core process goes through
    it.
    """

    cdef driver *d
    cdef Segment segment
    cdef readonly uint32_t me

    def __cinit__(self, Segment segment, int memory, dict options, bytes trees=b"",
            bytes links=None):
        cdef driver_numbers numbers = options
        cdef driver_options *o = <driver_options *>&numbers
        cdef const char *reason = NULL
        if len(trees) % (4 * segment.cores):
            raise ValueError("a tree is its root and one edge for each other core")
        if links is not None and len(links) != sizeof(int) * segment.cores:
            raise ValueError("not a descriptor for each core")
        cdef bytes record = options["record"]
        o.trees = <const uint32_t *>PyBytes_AS_STRING(trees)
        o.tree_count = len(trees) // (4 * segment.cores)
        o.links = <const int *>PyBytes_AS_STRING(links) if links is not None else NULL
        o.record = PyBytes_AS_STRING(record) if record else NULL
        self.segment = segment
        self.me = numbers.me
        self.d = driver_open(segment.s, memory, o, &reason)
        if not self.d:
            raise OSError(reason.decode())

    def run(self):
        """The driver's loop; True when a program has arrived (`code`), False when the system stops.
        """
        cdef int event
        with nogil:
            event = driver_run(self.d)
        return event == 1

    def code(self):
        """The program that arrived, as sent."""
        cdef uint64_t size
        cdef const char *data = driver_code(self.d, &size)
        return PyBytes_FromStringAndSize(data, size)

    def finish(self, bytes result):
        """Sends the program's result back."""
        if driver_finish(self.d, PyBytes_AS_STRING(result), len(result)):
            raise MemoryError("result")

    cdef void enter(self) except *:
        if driver_inside(self.d):
            raise RuntimeError(
                "a thread of this core asked for a system call while the core is in its driver"
            )
        driver_enter(self.d)

    def here(self, int kind, tuple words, bytes kept=b""):
        """A system call: (verdict, core named, six words). kept: see cores_word."""
        cdef message request = _message(kind, words), reply
        self.enter()
        memcpy(self.d.program_set, PyBytes_AS_STRING(kept), len(kept))
        driver_here(self.d, &request, &reply)
        driver_leave(self.d)
        return _reply(&reply)

    def begin(self, int kind, tuple words):
        """A system call that is not waited for: a ticket. At most 32 at a time."""
        cdef message request = _message(kind, words)
        self.enter()
        cdef uint64_t ticket = driver_begin(self.d, &request)
        driver_leave(self.d)
        return ticket

    def done(self, uint64_t ticket):
        """What `here` returns, once for each ticket; None while it is under way. Polls."""
        cdef message reply
        self.enter()
        driver_poll(self.d)
        cdef bint there = driver_done(self.d, ticket, &reply)
        driver_leave(self.d)
        return _reply(&reply) if there else None

    def call(self, uint32_t peer, int kind, tuple words, bint ring=False):
        """A request to another core's driver, waited for."""
        cdef message request = _message(kind, words), reply
        self.enter()
        if ring:
            driver_call_over(self.d, &transport_rings, peer, &request, &reply)
        else:
            driver_call(self.d, peer, 0, &request, &reply)
        driver_leave(self.d)
        return _reply(&reply)

    def read(self, uint32_t slot, uint32_t generation, uint64_t address, uint64_t length):
        """Bytes of a mapping, or None for a page fault."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, length)
        self.enter()
        cdef int verdict = driver_access(self.d, slot, generation, address,
                PyBytes_AS_STRING(result), length, 0)
        driver_leave(self.d)
        return result if verdict == 0 else None

    def write(self, uint32_t slot, uint32_t generation, uint64_t address,
            const unsigned char[::1] data):
        """True, or False for a page fault."""
        if len(data) == 0:
            return True
        self.enter()
        cdef int verdict = driver_access(self.d, slot, generation, address, <void *>&data[0],
                len(data), 1)
        driver_leave(self.d)
        return verdict == 0

    def export(self, uint32_t slot, uint32_t generation, uint64_t address, uint64_t length,
            bint writable):
        """(verdict, object with the buffer protocol or None); the page is pinned here until the
        last buffer is gone.
        """
        cdef uint64_t handle = slot | (<uint64_t>generation << 32)
        cdef Exported exported = Exported()
        verdict = self.here(KIND_PIN, (handle,))[0]
        if verdict != 0:
            return verdict, None
        exported.driver = self
        exported.address = address
        exported.length = length
        exported.handle = handle
        exported.writable = writable
        exported.pinned = True
        return 0, exported

    # --- measuring loops: probes/probes.h ---

    def probe_floor(self, uint32_t b, int role, uint32_t line, uint64_t base, uint64_t count,
            uint32_t batch, Histogram h):
        if line >= 64:
            raise IndexError(line)
        with nogil:
            probe_floor(self.d, b, role, line, base, count, batch, h.h)

    def probe_two_lines(self, uint32_t asker, uint32_t answerer, int role, uint32_t line,
            uint64_t base, uint64_t count, uint32_t batch, Histogram h):
        if line >= 64:
            raise IndexError(line)
        if asker >= self.segment.cores or answerer >= self.segment.cores:
            raise IndexError(max(asker, answerer))
        with nogil:
            probe_two_lines(self.d, asker, answerer, role, line, base, count, batch, h.h)

    def probe_home(self, uint32_t core, uint32_t line):
        """The memory node of a scratch line, or minus an errno where the host does not say."""
        if core >= self.segment.cores or line >= 64:
            raise IndexError(core, line)
        return probe_home(self.d, core, line)

    def probe_call_line(self, uint32_t peer, int role, uint64_t count, uint32_t batch, Histogram h):
        with nogil:
            probe_call_line(self.d, peer, role, count, batch, h.h)

    def probe_message(self, uint32_t peer, int role, uint32_t count):
        """Cycles: of role 0 its sends, then as many round trips; of role 1 its receives. See
        probes.h.
        """
        cdef array.array cycles = array.array("Q", bytes(8 * count * (1 if role else 2)))
        if peer >= self.segment.cores or not count:
            raise IndexError(peer, count)
        with nogil:
            probe_message(self.d, peer, role, count, <uint64_t *>cycles.data.as_voidptr)
        return cycles

    def probe_spread(self, tuple groups, uint32_t count):
        """(verdict, cycles, the groups' values side by side)."""
        cdef array.array which = array.array("I", groups)
        cdef array.array cycles = array.array("Q", bytes(8 * count * len(groups)))
        cdef uint32_t many = len(groups)
        cdef int verdict
        with nogil:
            verdict = probe_spread(self.d, which.data.as_uints, many, count,
                    <uint64_t *>cycles.data.as_voidptr)
        return verdict, cycles

    def probe_ring(self, uint32_t peer, int role, uint64_t count, uint32_t batch, Histogram h):
        with nogil:
            probe_ring(self.d, peer, role, count, batch, h.h)

    def probe_stream(self, memory, str form, int role, uint32_t slots, uint64_t use,
            uint64_t count, uint32_t batch, Histogram times, Histogram ahead=None):
        """Messages that were wrong. memory: a shared buffer; role 0 sends, 1 receives, and takes
        how far the writer is ahead.
        """
        cdef stream_probe p = _stream(memory, form, role, slots, use, count, batch)
        cdef int64_t wrong
        if role and ahead is None:
            raise ValueError("the receiving side has a histogram for how far the writer is ahead")
        with nogil:
            wrong = probe_stream(self.d, &p, times.h, ahead.h if ahead is not None else NULL)
        return _wrong(wrong, slots)

    def probe_echo(self, memory, str form, int role, uint32_t slots, uint64_t use, uint64_t count,
            uint32_t batch, Histogram times):
        """The same for messages that come straight back; role 0 asks."""
        cdef stream_probe p = _stream(memory, form, role, slots, use, count, batch)
        cdef int64_t wrong
        with nogil:
            wrong = probe_echo(self.d, &p, times.h)
        return _wrong(wrong, slots)

    def probe_compute(self):
        """(turns, cycles) of a computing loop, until Segment.stop_computing.
        """
        cdef uint64_t cycles, turns
        with nogil:
            turns = probe_compute(self.d, &cycles)
        return turns, cycles

    def probe_turns(self, uint32_t core):
        """Turns so far of the computing loop on a core; 0 when none runs there."""
        if core >= self.segment.cores:
            raise IndexError(core)
        return probe_turns(self.d, core)

    def probe_ping(self, uint32_t peer, int via, uint64_t count, uint32_t batch, Histogram h):
        with nogil:
            probe_ping(self.d, peer, via, count, batch, h.h)

    def probe_unmap(self, uint64_t frame, uint64_t length, tuple holders, uint32_t protocol,
            uint32_t count, uint32_t think_us, Histogram map_times, Histogram touch_times,
            Histogram unmap_times):
        """The verdict that ended it, 0 when all went well. holders: core-set words."""
        cdef array.array words = array.array("Q", holders + (0,) * CORE_SET_WORDS_MAX)
        cdef int verdict
        with nogil:
            verdict = probe_unmap(self.d, frame, length, <const uint64_t *>words.data.as_voidptr,
                    protocol, count, think_us, map_times.h, touch_times.h, unmap_times.h)
        return verdict

    def probe_local(self, uint64_t frame, uint32_t count, Histogram h):
        cdef int verdict
        with nogil:
            verdict = probe_local(self.d, frame, count, h.h)
        return verdict

    def probe_own_pages(self, uint64_t frame, uint32_t pages, uint32_t rounds, uint32_t protocol,
            uint64_t base):
        """(verdict, cycles of the unmapping phases)."""
        cdef int verdict
        cdef uint64_t cycles
        with nogil:
            verdict = probe_own_pages(self.d, frame, pages, rounds, protocol, base, &cycles)
        return verdict, cycles

    def probe_update_shared(self, uint32_t lines, uint64_t count, uint32_t batch, Histogram h):
        if lines > 8:
            raise ValueError(lines)
        with nogil:
            probe_update_shared(self.d, lines, count, batch, h.h)

    def probe_update_message(self, uint32_t server, uint32_t lines, uint64_t count, uint32_t batch,
            Histogram h, Histogram at_server):
        """The verdict that ended it, 0 when all went well."""
        cdef int verdict
        with nogil:
            verdict = probe_update_message(self.d, server, lines, count, batch, h.h, at_server.h)
        return verdict

    def probe_update_serve(self):
        """From now on this core answers the requests of probe_update_message."""
        probe_update_serve(self.d)

    def probe_here(self, uint64_t count, uint32_t batch, Histogram h):
        with nogil:
            probe_here(self.d, count, batch, h.h)

    def probe_open_loop(self, uint32_t peer, uint64_t count, uint64_t mean_cycles, uint64_t seed,
            Histogram h):
        with nogil:
            probe_open_loop(self.d, peer, count, mean_cycles, seed, h.h)
