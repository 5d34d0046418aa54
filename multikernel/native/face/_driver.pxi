# The CPU driver for Python, included by _native.pyx: system calls of the core this process is,
# memory of its mappings, and the measuring loops that run on it (_probe.pxi). Loops that wait for
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
        uint32_t capability_protocol, lock_scope, cancel_signal
        uint64_t address_base, address_size, memory_bytes, cycles_per_us, spin_cycles
    struct driver_options:
        const uint32_t *trees
        uint32_t tree_count
        const int *links
        const char *record
    int driver_run(driver *d) nogil
    int driver_finish(driver *d, const char *result, uint64_t bytes)
    const char *driver_code(driver *d, uint64_t *bytes)
    bint driver_forked(driver *d)
    bint driver_cancelled(driver *d)
    bint driver_to_be_cancelled(const driver *d)
    void driver_keep_out(driver *d, bint out) nogil
    bint driver_enter_as_guest(driver *d) nogil
    void driver_leave_as_guest(driver *d) nogil
    struct dropped:
        uint64_t handle
    void driver_drop(driver *d, dropped *what)
    int fault_stand_first()
    void driver_enter(driver *d) nogil
    void driver_leave(driver *d) nogil
    int driver_here(driver *d, const message *request, message *result) nogil
    uint64_t driver_begin(driver *d, const message *request) nogil
    bint driver_done(driver *d, uint64_t ticket, message *reply) nogil
    bint driver_poll(driver *d) nogil
    int driver_call(driver *d, uint32_t peer, uint32_t channel, const message *request,
            message *reply) nogil
    int driver_allocate(driver *d, uint64_t length, message *reply) nogil
    int driver_call_over(driver *d, const transport *transport, uint32_t peer,
            const message *request, message *reply) nogil
    int driver_access(driver *d, uint32_t slot, uint32_t generation, uint64_t address,
            void *buffer, size_t length, int write) nogil

cdef extern from "memory/vspace.h":
    uint64_t VSPACE_BASE

ADDRESS_BASE = VSPACE_BASE

cdef extern from "pythread.h":
    unsigned long PyThread_get_thread_ident()

cdef extern from "boot/open.h":
    driver *driver_open(segment *s, int memory, const driver_options *o, const char **refused)


cdef class Exported:
    """Memory of a mapping, lent to Python: pins the page on this core for as long as any buffer of
    it lives.
    """

    cdef Driver driver
    cdef uint64_t address, length, handle
    cdef bint writable, pinned

    def __dealloc__(self):
        if self.pinned:
            self.driver.unpin(self.handle)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *><uintptr_t>self.address, self.length,
                not self.writable, flags)


cdef class Driver:
    """The CPU driver of this process. One a process; everything else in a core process goes through
    it.
    """

    cdef driver *d
    cdef Segment segment
    cdef unsigned long first_thread
    cdef readonly uint32_t me

    def __cinit__(self, Segment segment, int memory, dict options, bytes trees=b"",
            bytes links=None):
        cdef driver_numbers numbers = options
        cdef driver_options *o = <driver_options *>&numbers
        cdef const char *refused = NULL
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
        self.first_thread = PyThread_get_thread_ident()
        self.d = driver_open(segment.s, memory, o, &refused)
        if not self.d:
            raise OSError(errno, refused.decode())

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

    def cancelled(self):
        """Whether the program was cancelled, once for each time; the signal says when to ask."""
        return driver_cancelled(self.d)

    def finish(self, const unsigned char[::1] result):
        """Sends the program's result back."""
        if driver_finish(self.d, <const char *>&result[0], len(result)):
            raise MemoryError("result")

    cdef int refuse_child(self) except -1:
        if driver_forked(self.d):
            raise _SystemClosed(
                "a child of a program is not the core", value=f"core {self.me}",
                where="fork", hint="ask the program itself, over a pipe or a queue",
            )
        return 0

    cdef bint comes_in(self) except *:
        """False: the core is in its loop, or measures."""
        self.refuse_child()
        fault_stand_first()
        if PyThread_get_thread_ident() != self.first_thread:
            return driver_enter_as_guest(self.d)
        driver_enter(self.d)
        return True

    cdef void enter(self) except *:
        if not self.comes_in():
            raise RuntimeError(
                "a thread of this core asked for a system call while the core is in its driver"
            )

    cdef void leave(self):
        if PyThread_get_thread_ident() == self.first_thread:
            driver_leave(self.d)
        else:
            driver_leave_as_guest(self.d)

    cdef void unpin(self, uint64_t handle):
        """One pin less; in a child, nothing."""
        cdef message request, reply
        cdef dropped *later
        if driver_forked(self.d):
            return
        if self.comes_in():
            request = _message(KIND_UNPIN, (handle,))
            driver_here(self.d, &request, &reply)
            self.leave()
            return
        later = <dropped *>malloc(sizeof(dropped))
        if later:
            later.handle = handle
            driver_drop(self.d, later)

    cdef int raise_cancelled(self) except -1:
        """Out of a wait for other programs. Another thread leaves it to the first one to notice."""
        if PyThread_get_thread_ident() == self.first_thread:
            driver_cancelled(self.d)
        raise _Cancelled

    def here(self, int kind, tuple words, bytes kept=b""):
        """A system call: (verdict, core named, six words). kept: see cores_word."""
        cdef message request = _message(kind, words), reply
        self.enter()
        memcpy(self.d.program_set, PyBytes_AS_STRING(kept), len(kept))
        cdef int verdict = driver_here(self.d, &request, &reply)
        self.leave()
        if verdict == VERDICT_CANCELLED:
            self.raise_cancelled()
        return _reply(&reply)

    def begin(self, int kind, tuple words):
        """A system call that is not waited for: a ticket. At most 64 at a time."""
        cdef message request = _message(kind, words)
        self.enter()
        cdef uint64_t ticket = driver_begin(self.d, &request)
        self.leave()
        return ticket

    def done(self, uint64_t ticket):
        """What `here` returns, once for each ticket; None while it is under way. Polls."""
        cdef message reply
        self.enter()
        driver_poll(self.d)
        cdef bint there = driver_done(self.d, ticket, &reply)
        self.leave()
        return _reply(&reply) if there else None

    def call(self, uint32_t peer, int kind, tuple words, bint ring=False):
        """A request to another core's driver, waited for."""
        cdef message request = _message(kind, words), reply
        cdef int verdict
        self.enter()
        if ring:
            verdict = driver_call_over(self.d, &transport_rings, peer, &request, &reply)
        else:
            verdict = driver_call(self.d, peer, 0, &request, &reply)
        self.leave()
        if verdict == VERDICT_CANCELLED:
            self.raise_cancelled()
        return _reply(&reply)

    def allocate(self, uint64_t length):
        """A frame, out of what core 0 has lent this core or lends it now; as `here`."""
        cdef message reply
        self.enter()
        driver_allocate(self.d, length, &reply)
        self.leave()
        return _reply(&reply)

    def read(self, uint32_t slot, uint32_t generation, uint64_t address, uint64_t length):
        """Bytes of a mapping, or None for a page fault."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, length)
        self.enter()
        cdef int verdict = driver_access(self.d, slot, generation, address,
                PyBytes_AS_STRING(result), length, 0)
        self.leave()
        return result if verdict == 0 else None

    def write(self, uint32_t slot, uint32_t generation, uint64_t address,
            const unsigned char[::1] data):
        """True, or False for a page fault."""
        if len(data) == 0:
            return True
        self.enter()
        cdef int verdict = driver_access(self.d, slot, generation, address, <void *>&data[0],
                len(data), 1)
        self.leave()
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

    def probe(self, str name, *, str form="", times=(), _End channel=None, memory=None, each=(),
            array.array results=None, **numbers):
        """Runs a measuring loop; probes/table.c says which there are, what each takes and returns.

        times: the histograms it fills, one or a tuple of them; each: numbers of which there are
        many; results: filled by it. Raises TypeError and ValueError for what it does not take, and
        OSError.
        """
        self.refuse_child()
        if PyThread_get_thread_ident() != self.first_thread:
            raise RuntimeError("a loop that measures runs in the first thread of its core")
        return _probe(self.d, name, form, times if isinstance(times, tuple) else (times,), channel,
                memory, each, results, numbers)

    def probe_home(self, uint32_t core, uint32_t line):
        """The memory node of a scratch line, or minus an errno where the host does not say."""
        if core >= self.segment.cores or line >= FREE_LINES:
            raise IndexError(core, line)
        return probe_home(self.d, core, line)
