# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The Python face of the native core: thin, typed in _native.pyi. Nothing here decides anything.

Everything that waits for another core releases the interpreter lock; short calls into the own driver keep it.
"""

import array

from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport UINT64_MAX, int32_t, int64_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset


cdef extern from "arch.h":
    uint64_t arch_cycles() nogil

cdef extern from "build.h":
    const char *build_compiler()
    const char *build_flags()
    const char *build_type()
    const char *build_architecture()

cdef extern from "process.h":
    int process_adopt(const char *name)
    int process_name(const char *name)

cdef extern from "message.h":
    struct message:
        uint64_t word[7]

cdef extern from "monitor.h":
    uint64_t message_head(uint32_t kind, uint32_t row, uint32_t verdict, uint32_t core, uint32_t view) nogil
    int message_verdict(const message *m) nogil
    uint32_t message_core(const message *m) nogil

cdef extern from "segment.h":
    struct geometry:
        uint32_t cores
        uint32_t window
        uint32_t user_channels
        uint32_t ring_slots
        uint64_t shared_bytes
    struct segment:
        geometry geometry
        uint64_t size
    struct region:
        uint64_t bytes
    enum:
        PAD_BYTES
        SCRATCH_LINES
    uint64_t segment_bytes(const geometry *g)
    void segment_init(segment *s, const geometry *g)
    const char *segment_check(const segment *s, uint64_t mapped)
    void segment_region(const geometry *g, region *r)

cdef extern from "segment_access.h":
    segment *segment_map(int fd, uint64_t size)
    void segment_unmap(segment *s, uint64_t size)
    void segment_go(segment *s)
    bint segment_going(segment *s)
    void segment_stop(segment *s)
    bint segment_stopping(segment *s)
    uint64_t segment_region_offset(segment *s, uint32_t core)
    void segment_core_state(segment *s, uint32_t core, uint64_t *out)
    void segment_scratch_store(segment *s, uint32_t core, uint32_t line, uint64_t value)

cdef extern from "histogram.h":
    enum:
        HISTOGRAM_BUCKETS
    struct histogram:
        uint64_t n
        uint64_t sum
        uint64_t min
        uint64_t max
        uint64_t count[1]
    void histogram_add(histogram *h, uint64_t value) nogil

cdef extern from "kernel.h":
    uint64_t shared_kernel_bytes(uint32_t cores, uint32_t slots_per_core, bint trees)

cdef extern from "monitor.h":
    enum:
        VERDICT_OK
        VERDICT_BUSY
        VERDICT_NOT_MAPPED
        VERDICT_PINNED
        VERDICT_STALE_VIEW
        VERDICT_NO_SLOT
        VERDICT_HOST
        VERDICT_BAD_REQUEST
        VERDICT_NO_MEMORY
        VERDICT_FAULT
        VERDICT_FRAME_IN_USE
        VERDICT_NOT_A_FRAME
        VERDICT_CORE_BUSY
        VERDICT_OVERTAKEN
        VERDICT_CAPABILITY
        RIGHTS_READ
        RIGHTS_WRITE
        ONE_PHASE
        TWO_PHASE

cdef extern from "cpu_driver.h":
    enum:
        KIND_PING
        KIND_TOUCH
        KIND_READ
        KIND_WRITE
        KIND_ALLOCATE
        KIND_FREE
        KIND_HOLDERS
        KIND_MAP
        KIND_UNMAP
        KIND_PROTECT
        KIND_PIN
        KIND_UNPIN
        KIND_DIGEST
        KIND_TREE
        KIND_TREES
        KIND_GROUP
        KIND_GATHER
        KIND_SPREAD
        KIND_ORDER
        KIND_TAKE
        KIND_POLICY
        KIND_RUN_BEGIN
        KIND_RUN_DATA
        KIND_RUN_GO
        KIND_RUN_FETCH
        KIND_CAP_CREATE
        KIND_CAP_COPY
        KIND_CAP_RETYPE
        KIND_CAP_REVOKE
        KIND_CAP_DELETE
        KIND_CAP_LOOK
        KIND_CAP_DIGEST
    struct driver:
        uint64_t client_holders[16]
    struct program:
        pass
    struct driver_options:
        uint32_t me
        uint32_t shared_kernel
        uint32_t carrier
        uint32_t crowded
        uint32_t slots_per_core
        uint32_t cnodes
        uint64_t address_base
        uint64_t address_size
        uint64_t memory_bytes
        uint64_t cycles_per_us
        const uint32_t *trees
        uint32_t tree_count
        const int *links
    driver *driver_open(segment *s, int memory, const driver_options *o, const char **reason)
    int driver_run(driver *d) nogil
    int driver_finish(driver *d, const char *result, uint64_t bytes)
    const char *driver_code(driver *d, uint64_t *bytes)
    bint driver_inside(driver *d)
    void driver_enter(driver *d) nogil
    void driver_leave(driver *d) nogil
    int driver_here(driver *d, const message *request, message *result) nogil
    int driver_call(driver *d, uint32_t peer, uint32_t channel, const message *request, message *reply) nogil
    int driver_call_ring(driver *d, uint32_t peer, const message *request, message *reply) nogil
    int driver_access(driver *d, uint32_t slot, uint32_t generation, uint64_t address, void *buffer, size_t length,
                      int write) nogil

cdef extern from "client.h":
    struct client:
        pass
    client *client_open(segment *s, int supervisor)
    void client_close(client *c)
    bint client_gone(const client *c)
    int client_send(client *c, uint32_t core, uint32_t channel, const message *request)
    bint client_wait(client *c, uint32_t core, uint32_t channel, uint32_t line, message *reply, uint64_t timeout_us) nogil
    void client_abandon(client *c, uint32_t core, uint32_t channel, uint32_t line)
    bint client_put(client *c, uint32_t core, const char *bytes, uint64_t size) nogil
    bint client_get(client *c, uint32_t core, char *bytes, uint64_t size) nogil

cdef extern from "probes/probes.h":
    void probe_floor(driver *d, uint32_t b, int role, uint32_t line, uint64_t base, uint64_t count, uint32_t batch,
                     histogram *h) nogil
    void probe_two_lines(driver *d, uint32_t a, uint32_t b, int role, uint32_t line, uint64_t base, uint64_t count,
                         uint32_t batch, histogram *h) nogil
    int probe_home(driver *d, uint32_t core, uint32_t line) nogil
    void probe_call_line(driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch, histogram *h) nogil
    void probe_message(driver *d, uint32_t peer, int role, uint32_t count, uint64_t *cycles) nogil
    int probe_spread(driver *d, const uint32_t *groups, uint32_t group_count, uint32_t count, uint64_t *cycles) nogil
    void probe_ring(driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch, histogram *h) nogil
    uint64_t probe_compute(driver *d, uint64_t *cycles) nogil
    uint64_t probe_turns(driver *d, uint32_t core) nogil
    struct hammer_probe:
        uint64_t address
        uint64_t poison
        uint32_t slot
        uint32_t generation
        int polling
    uint64_t probe_hammer(driver *d, const hammer_probe *p, uint64_t *loads) nogil
    struct stream_probe:
        void *memory
        uint64_t bytes
        uint64_t use
        uint64_t count
        uint32_t batch
        uint32_t form
        uint32_t slots
        int role
    enum:
        STREAM_EPOCH
        STREAM_USED
        STREAM_PLAIN
        STREAM_CALLS
    int64_t probe_stream(driver *d, const stream_probe *p, histogram *times, histogram *ahead) nogil
    int64_t probe_echo(driver *d, const stream_probe *p, histogram *times) nogil
    void probe_ping(driver *d, uint32_t peer, int via, uint64_t count, uint32_t batch, histogram *h) nogil
    struct unmap_probe:
        uint64_t frame
        uint64_t length
        uint32_t protocol
        uint32_t count
        uint32_t think_us
        uint64_t holders[16]
    int probe_unmap(driver *d, const unmap_probe *p, histogram *map, histogram *touch, histogram *unmap) nogil
    int probe_local(driver *d, uint64_t frame, uint32_t count, histogram *h) nogil
    int probe_own_pages(driver *d, uint64_t frame, uint32_t pages, uint32_t rounds, uint32_t protocol, uint64_t base,
                        uint64_t *cycles) nogil
    void probe_update_shared(driver *d, uint32_t lines, uint64_t count, uint32_t batch, histogram *h) nogil
    void probe_update_message(driver *d, uint32_t server, uint32_t lines, uint64_t count, uint32_t batch, histogram *h,
                              histogram *at_server) nogil
    void probe_here(driver *d, uint64_t count, uint32_t batch, histogram *h) nogil
    void probe_open_loop(driver *d, uint32_t peer, uint64_t count, uint64_t mean_cycles, uint64_t seed, histogram *h) nogil
    struct linux_probe:
        int memory
        const uint32_t *cpus
        uint32_t threads
        uint32_t count
        int idle
    int probe_linux_unmap(const linux_probe *p, histogram *h) nogil
    int probe_linux_own_pages(const linux_probe *p, uint32_t pages, uint32_t rounds, uint64_t *cycles) nogil


def adopt(str name):
    """Names this process and ties its life to the thread that forked it."""
    cdef bytes encoded = name.encode()
    cdef int error = process_adopt(encoded)
    if error:
        raise OSError(error, "prctl")


def adopt_name(str name):
    """Names this process."""
    cdef bytes encoded = name.encode()
    if process_name(encoded):
        raise OSError("prctl")


def tsc():
    """The time stamp counter, in cycles of its own constant rate (aarch64: the generic timer)."""
    return arch_cycles()


def build_info():
    """How the native core was built: compiler, flags, type, architecture, cython."""
    return {
        "compiler": build_compiler().decode(),
        "flags": build_flags().decode(),
        "type": build_type().decode(),
        "architecture": build_architecture().decode(),
        "cython": "%d.%d.%d" % (multikernel_cython() >> 24, multikernel_cython() >> 16 & 255, multikernel_cython() >> 8 & 255),
    }


cdef extern from *:
    """
    static unsigned long multikernel_cython(void) { return CYTHON_HEX_VERSION; }
    """
    unsigned long multikernel_cython()


cdef class Histogram:
    """A log-linear histogram of cycle counts; see histogram.h for the buckets. Supports the buffer protocol (uint64 counts)."""

    cdef histogram *h
    cdef Py_ssize_t _shape[1]

    def __cinit__(self):
        self.h = <histogram *>calloc(1, sizeof(histogram) + HISTOGRAM_BUCKETS * sizeof(uint64_t))
        if not self.h:
            raise MemoryError("histogram")

    def __dealloc__(self):
        free(self.h)

    def add(self, uint64_t value):
        histogram_add(self.h, value)

    @property
    def n(self):
        return self.h.n

    @property
    def sum(self):
        return self.h.sum

    @property
    def min(self):
        return self.h.min

    @property
    def max(self):
        return self.h.max

    def counts(self):
        """The buckets, as bytes of native-endian uint64."""
        return PyBytes_FromStringAndSize(<char *>self.h.count, HISTOGRAM_BUCKETS * sizeof(uint64_t))

    def __reduce__(self):
        return _histogram, (self.h.n, self.h.sum, self.h.min, self.h.max, self.counts())


def _histogram(n, total, least, most, bytes counts):
    cdef Histogram histogram = Histogram()
    histogram.h.n = n
    histogram.h.sum = total
    histogram.h.min = least
    histogram.h.max = most
    memcpy(histogram.h.count, PyBytes_AS_STRING(counts), HISTOGRAM_BUCKETS * sizeof(uint64_t))
    return histogram


# The numbers of the native headers, by name, so that Python has no copy of its own.
KINDS = {
    "PING": KIND_PING,
    "TOUCH": KIND_TOUCH,
    "READ": KIND_READ,
    "WRITE": KIND_WRITE,
    "ALLOCATE": KIND_ALLOCATE,
    "FREE": KIND_FREE,
    "HOLDERS": KIND_HOLDERS,
    "MAP": KIND_MAP,
    "UNMAP": KIND_UNMAP,
    "PROTECT": KIND_PROTECT,
    "PIN": KIND_PIN,
    "UNPIN": KIND_UNPIN,
    "DIGEST": KIND_DIGEST,
    "TREE": KIND_TREE,
    "TREES": KIND_TREES,
    "GROUP": KIND_GROUP,
    "GATHER": KIND_GATHER,
    "SPREAD": KIND_SPREAD,
    "ORDER": KIND_ORDER,
    "TAKE": KIND_TAKE,
    "POLICY": KIND_POLICY,
    "RUN_BEGIN": KIND_RUN_BEGIN,
    "RUN_DATA": KIND_RUN_DATA,
    "RUN_GO": KIND_RUN_GO,
    "RUN_FETCH": KIND_RUN_FETCH,
    "CAP_CREATE": KIND_CAP_CREATE,
    "CAP_COPY": KIND_CAP_COPY,
    "CAP_RETYPE": KIND_CAP_RETYPE,
    "CAP_REVOKE": KIND_CAP_REVOKE,
    "CAP_DELETE": KIND_CAP_DELETE,
    "CAP_LOOK": KIND_CAP_LOOK,
    "CAP_DIGEST": KIND_CAP_DIGEST,
}
VERDICTS = {
    "OK": VERDICT_OK,
    "BUSY": VERDICT_BUSY,
    "NOT_MAPPED": VERDICT_NOT_MAPPED,
    "PINNED": VERDICT_PINNED,
    "STALE_VIEW": VERDICT_STALE_VIEW,
    "NO_SLOT": VERDICT_NO_SLOT,
    "HOST": VERDICT_HOST,
    "BAD_REQUEST": VERDICT_BAD_REQUEST,
    "NO_MEMORY": VERDICT_NO_MEMORY,
    "FAULT": VERDICT_FAULT,
    "FRAME_IN_USE": VERDICT_FRAME_IN_USE,
    "NOT_A_FRAME": VERDICT_NOT_A_FRAME,
    "CORE_BUSY": VERDICT_CORE_BUSY,
    "OVERTAKEN": VERDICT_OVERTAKEN,
}
VERDICT_CAPABILITY_BASE = VERDICT_CAPABILITY
RIGHTS = {"read-only": RIGHTS_READ, "read-write": RIGHTS_WRITE}
PROTOCOLS = {"two-phase": TWO_PHASE, "one-phase": ONE_PHASE}


def kernel_segment_bytes(uint32_t cores, uint32_t window, uint32_t user_channels, uint32_t ring_slots, uint64_t shared_bytes):
    """Bytes of the kernel segment for that geometry."""
    cdef geometry g = geometry(cores, window, user_channels, ring_slots, shared_bytes)
    return segment_bytes(&g)


def shared_state_bytes(uint32_t cores, uint32_t slots_per_core, bint trees=False):
    """Bytes of state the shared kernel keeps in the segment."""
    return shared_kernel_bytes(cores, slots_per_core, trees)


cdef class Segment:
    """The kernel segment, mapped. `create` lays it out in a zeroed descriptor, `attach` checks what it finds."""

    cdef segment *s
    cdef uint64_t bytes

    def __dealloc__(self):
        if self.s:
            segment_unmap(self.s, self.bytes)

    @staticmethod
    def create(int fd, uint32_t cores, uint32_t window, uint32_t user_channels, uint32_t ring_slots, uint64_t shared_bytes):
        cdef geometry g = geometry(cores, window, user_channels, ring_slots, shared_bytes)
        cdef Segment self = Segment()
        self.bytes = segment_bytes(&g)
        self.s = segment_map(fd, self.bytes)
        if not self.s:
            raise OSError("the kernel segment cannot be mapped")
        segment_init(self.s, &g)
        return self

    @staticmethod
    def attach(int fd, uint64_t size):
        cdef Segment self = Segment()
        cdef const char *wrong
        self.s = segment_map(fd, size)
        if not self.s:
            raise OSError("the kernel segment cannot be mapped")
        self.bytes = size
        wrong = segment_check(self.s, size)
        if wrong:
            raise ValueError(f"not this system's kernel segment: {wrong.decode()}")
        return self

    @property
    def cores(self):
        return self.s.geometry.cores

    @property
    def size(self):
        return self.bytes

    def region(self, uint32_t core):
        """Offset and length of a core's region in the segment."""
        cdef region r
        segment_region(&self.s.geometry, &r)
        return segment_region_offset(self.s, core), r.bytes

    def go(self):
        segment_go(self.s)

    @property
    def going(self):
        return segment_going(self.s)

    def stop(self):
        """Every core leaves its waits; parked ones are woken."""
        segment_stop(self.s)

    @property
    def stopping(self):
        return segment_stopping(self.s)

    def core_state(self, uint32_t core):
        """(mode, pid, tid, requests served, interrupts, parks) as the core published them."""
        cdef uint64_t out[6]
        segment_core_state(self.s, core, out)
        return out[0], out[1], out[2], out[3], out[4], out[5]

    def scratch_store(self, uint32_t core, uint32_t line, uint64_t value):
        if line >= SCRATCH_LINES:
            raise IndexError(line)
        segment_scratch_store(self.s, core, line, value)


cdef message _message(int kind, tuple words) except *:
    cdef message m
    cdef int i
    memset(&m, 0, sizeof(m))
    m.word[0] = message_head(kind, 0, 0, 0, 0)
    for i in range(len(words)):
        m.word[i + 1] = words[i]
    return m


cdef tuple _reply(message *m):
    return (message_verdict(m), message_core(m),
            (m.word[1], m.word[2], m.word[3], m.word[4], m.word[5], m.word[6]))


cdef class Client:
    """The booting process's end of the channels to every core. Not thread-safe for one (core, channel): hold a lock."""

    cdef client *c
    cdef Segment segment

    def __cinit__(self, Segment segment, int supervisor):
        self.segment = segment
        self.c = client_open(segment.s, supervisor)
        if not self.c:
            raise MemoryError("client")

    def __dealloc__(self):
        client_close(self.c)

    @property
    def gone(self):
        return client_gone(self.c)

    def send(self, uint32_t core, uint32_t channel, int kind, tuple words):
        """Sends a request; returns its line, or -1 when all are in use."""
        cdef message m = _message(kind, words)
        return client_send(self.c, core, channel, &m)

    def wait(self, uint32_t core, uint32_t channel, uint32_t line, uint64_t timeout_us):
        """The reply as (verdict, core named, six words), or None after timeout_us microseconds."""
        cdef message reply
        cdef bint came
        with nogil:
            came = client_wait(self.c, core, channel, line, &reply, timeout_us)
        return _reply(&reply) if came else None

    def abandon(self, uint32_t core, uint32_t channel, uint32_t line):
        client_abandon(self.c, core, channel, line)

    def put(self, uint32_t core, bytes program):
        cdef const char *data = PyBytes_AS_STRING(program)
        cdef uint64_t size = len(program)
        cdef bint fine
        with nogil:
            fine = client_put(self.c, core, data, size)
        return fine

    def get(self, uint32_t core, uint64_t size):
        cdef bytes result = PyBytes_FromStringAndSize(NULL, size)
        cdef char *data = PyBytes_AS_STRING(result)
        cdef bint fine
        with nogil:
            fine = client_get(self.c, core, data, size)
        return result if fine else None


cdef class Exported:
    """Memory of a mapping, lent to Python: pins the page on this core for as long as any buffer of it lives."""

    cdef Driver driver
    cdef uint64_t address, length, handle
    cdef bint writable, pinned

    def __dealloc__(self):
        if self.pinned:
            self.driver.here(KIND_UNPIN, (self.handle,))

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *><uintptr_t>self.address, self.length, not self.writable, flags)


cdef class Driver:
    """The CPU driver of this process. One a process; everything else in a core process goes through it."""

    cdef driver *d
    cdef Segment segment
    cdef readonly uint32_t me

    def __cinit__(self, Segment segment, int memory, dict options, bytes trees=b"", bytes links=None):
        cdef driver_options o
        cdef const char *reason = NULL
        o.me = options["me"]
        o.shared_kernel = options["shared_kernel"]
        o.carrier = options["carrier"]
        o.crowded = options["crowded"]
        o.slots_per_core = options["slots_per_core"]
        o.cnodes = options["cnodes"]
        o.address_base = options["address_base"]
        o.address_size = options["address_size"]
        o.memory_bytes = options["memory_bytes"]
        o.cycles_per_us = options["cycles_per_us"]
        o.trees = <const uint32_t *>PyBytes_AS_STRING(trees)
        o.tree_count = len(trees) // (4 * segment.cores)
        if len(trees) % (4 * segment.cores):
            raise ValueError("a tree is its root and one edge for each other core")
        o.links = <const int *>PyBytes_AS_STRING(links) if links is not None else NULL
        if links is not None and len(links) != 2 * sizeof(int) * segment.cores:
            raise ValueError("not two descriptors for each core")
        self.segment = segment
        self.me = o.me
        self.d = driver_open(segment.s, memory, &o, &reason)
        if not self.d:
            raise OSError(reason.decode())

    def run(self):
        """The driver's loop; True when a program has arrived (`code`), False when the system stops."""
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
            raise RuntimeError("a thread of this core asked for a system call while the core is in its driver")
        driver_enter(self.d)

    def here(self, int kind, tuple words):
        """A system call: (verdict, core named, six words)."""
        cdef message request = _message(kind, words), reply
        self.enter()
        driver_here(self.d, &request, &reply)
        driver_leave(self.d)
        return _reply(&reply)

    def call(self, uint32_t peer, int kind, tuple words, bint ring=False):
        """A request to another core's driver, waited for."""
        cdef message request = _message(kind, words), reply
        self.enter()
        if ring:
            driver_call_ring(self.d, peer, &request, &reply)
        else:
            driver_call(self.d, peer, 0, &request, &reply)
        driver_leave(self.d)
        return _reply(&reply)

    def read(self, uint32_t slot, uint32_t generation, uint64_t address, uint64_t length):
        """Bytes of a mapping, or None for a page fault."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, length)
        self.enter()
        cdef int verdict = driver_access(self.d, slot, generation, address, PyBytes_AS_STRING(result), length, 0)
        driver_leave(self.d)
        return result if verdict == 0 else None

    def write(self, uint32_t slot, uint32_t generation, uint64_t address, const unsigned char[::1] data):
        """True, or False for a page fault."""
        if len(data) == 0:
            return True
        self.enter()
        cdef int verdict = driver_access(self.d, slot, generation, address, <void *>&data[0], len(data), 1)
        driver_leave(self.d)
        return verdict == 0

    def export(self, uint32_t slot, uint32_t generation, uint64_t address, uint64_t length, bint writable):
        """(verdict, object with the buffer protocol or None); the page is pinned here until the last buffer is gone."""
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

    def probe_floor(self, uint32_t b, int role, uint32_t line, uint64_t base, uint64_t count, uint32_t batch, Histogram h):
        if line >= 64:
            raise IndexError(line)
        with nogil:
            probe_floor(self.d, b, role, line, base, count, batch, h.h)

    def probe_two_lines(self, uint32_t asker, uint32_t answerer, int role, uint32_t line, uint64_t base, uint64_t count,
                        uint32_t batch, Histogram h):
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
        """Cycles: of role 0 its sends, then as many round trips; of role 1 its receives. See probes.h."""
        cdef array.array cycles = array.array("Q", bytes(8 * count * (1 if role else 2)))
        cdef uint64_t[::1] view = cycles
        if peer >= self.segment.cores or not count:
            raise IndexError(peer, count)
        with nogil:
            probe_message(self.d, peer, role, count, &view[0])
        return cycles

    def probe_spread(self, tuple groups, uint32_t count):
        """(verdict, cycles, the groups' values side by side)."""
        cdef array.array numbers = array.array("I", groups), cycles = array.array("Q", bytes(8 * count * len(groups)))
        cdef uint32_t[::1] which = numbers
        cdef uint64_t[::1] view = cycles
        cdef uint32_t many = len(groups)
        cdef int verdict
        with nogil:
            verdict = probe_spread(self.d, &which[0], many, count, &view[0])
        return verdict, cycles

    def probe_ring(self, uint32_t peer, int role, uint64_t count, uint32_t batch, Histogram h):
        with nogil:
            probe_ring(self.d, peer, role, count, batch, h.h)

    def probe_stream(self, memory, str form, int role, uint32_t slots, uint64_t use, uint64_t count, uint32_t batch, Histogram times,
                     Histogram ahead=None):
        """Messages that were wrong. memory: a shared buffer; role 0 sends, 1 receives, and takes how far the writer is ahead."""
        cdef stream_probe p
        cdef unsigned char[::1] view = memory
        cdef int64_t wrong
        if role and ahead is None:
            raise ValueError("the receiving side has a histogram for how far the writer is ahead")
        _stream(&p, view, form, role, slots, use, count, batch)
        with nogil:
            wrong = probe_stream(self.d, &p, times.h, ahead.h if ahead is not None else NULL)
        return _wrong(wrong, slots)

    def probe_echo(self, memory, str form, int role, uint32_t slots, uint64_t use, uint64_t count, uint32_t batch, Histogram times):
        """The same for messages that come straight back; role 0 asks."""
        cdef stream_probe p
        cdef unsigned char[::1] view = memory
        cdef int64_t wrong
        _stream(&p, view, form, role, slots, use, count, batch)
        with nogil:
            wrong = probe_echo(self.d, &p, times.h)
        return _wrong(wrong, slots)

    def probe_compute(self):
        """(turns, cycles) of a computing loop that the client stops by scratch_store(core, 127, 1)."""
        cdef uint64_t cycles, turns
        with nogil:
            turns = probe_compute(self.d, &cycles)
        return turns, cycles

    def probe_turns(self, uint32_t core):
        """Turns so far of the computing loop on a core; 0 when none runs there."""
        if core >= self.segment.cores:
            raise IndexError(core)
        return probe_turns(self.d, core)

    def probe_hammer(self, uint32_t slot, uint32_t generation, uint64_t address, uint64_t poison, bint polling):
        """(last value, loads): loads from a mapping until it is unmapped or the poison is read."""
        cdef hammer_probe p
        cdef uint64_t loads, value
        p.slot, p.generation, p.address, p.poison, p.polling = slot, generation, address, poison, polling
        with nogil:
            value = probe_hammer(self.d, &p, &loads)
        return value, loads

    def probe_ping(self, uint32_t peer, int via, uint64_t count, uint32_t batch, Histogram h):
        with nogil:
            probe_ping(self.d, peer, via, count, batch, h.h)

    def probe_unmap(self, uint64_t frame, uint64_t length, tuple holders, uint32_t protocol, uint32_t count, uint32_t think_us,
                    Histogram map_times, Histogram touch_times, Histogram unmap_times):
        """The verdict that ended it, 0 when all went well. holders: core-set words."""
        cdef unmap_probe p
        cdef int verdict, i
        memset(&p, 0, sizeof(p))
        p.frame, p.length, p.protocol, p.count, p.think_us = frame, length, protocol, count, think_us
        for i in range(len(holders)):
            p.holders[i] = holders[i]
        with nogil:
            verdict = probe_unmap(self.d, &p, map_times.h, touch_times.h, unmap_times.h)
        return verdict

    def probe_local(self, uint64_t frame, uint32_t count, Histogram h):
        cdef int verdict
        with nogil:
            verdict = probe_local(self.d, frame, count, h.h)
        return verdict

    def probe_own_pages(self, uint64_t frame, uint32_t pages, uint32_t rounds, uint32_t protocol, uint64_t base):
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

    def probe_update_message(self, uint32_t server, uint32_t lines, uint64_t count, uint32_t batch, Histogram h, Histogram at_server):
        with nogil:
            probe_update_message(self.d, server, lines, count, batch, h.h, at_server.h)

    def probe_here(self, uint64_t count, uint32_t batch, Histogram h):
        with nogil:
            probe_here(self.d, count, batch, h.h)

    def probe_open_loop(self, uint32_t peer, uint64_t count, uint64_t mean_cycles, uint64_t seed, Histogram h):
        with nogil:
            probe_open_loop(self.d, peer, count, mean_cycles, seed, h.h)


STREAMS = {"epoch-ring": STREAM_EPOCH, "used-ring": STREAM_USED, "plain": STREAM_PLAIN, "call-line": STREAM_CALLS}


cdef int _stream(stream_probe *p, unsigned char[::1] memory, str form, int role, uint32_t slots, uint64_t use, uint64_t count,
                 uint32_t batch) except -1:
    if form not in STREAMS:
        raise ValueError(f"no stream is measured over this form: {form}; one of {', '.join(STREAMS)}")
    p.memory, p.bytes, p.use, p.count, p.batch = &memory[0], len(memory), use, count, batch
    p.form, p.slots, p.role = STREAMS[form], slots, role
    return 0


cdef object _wrong(int64_t wrong, uint32_t slots):
    if wrong < 0:
        raise ValueError(f"no ring of {slots} slots can be measured there: a power of two from 4 on (1 to 32 of a call line), memory for it, "
                         "page-aligned, and echoes in whole batches")
    return wrong


def linux_unmap(int memory, list cpus, uint32_t count, bint idle, Histogram h):
    """mprotect of a page that threads on all cpus use; raises OSError when the host refuses."""
    cdef uint32_t *pinned = <uint32_t *>malloc(len(cpus) * sizeof(uint32_t))
    cdef linux_probe p
    cdef int error, i
    for i in range(len(cpus)):
        pinned[i] = cpus[i]
    p.memory, p.cpus, p.threads, p.count, p.idle = memory, pinned, len(cpus), count, idle
    with nogil:
        error = probe_linux_unmap(&p, h.h)
    free(pinned)
    if error:
        raise OSError(error, "the Linux arm of the unmap experiment")


def linux_own_pages(int memory, list cpus, uint32_t pages, uint32_t rounds):
    """Cycles of the slowest of the threads, which unmap pages of their own at once."""
    cdef uint32_t *pinned = <uint32_t *>malloc(len(cpus) * sizeof(uint32_t))
    cdef linux_probe p
    cdef int error, i
    cdef uint64_t cycles
    for i in range(len(cpus)):
        pinned[i] = cpus[i]
    p.memory, p.cpus, p.threads, p.count, p.idle = memory, pinned, len(cpus), 0, 0
    with nogil:
        error = probe_linux_own_pages(&p, pages, rounds, &cycles)
    free(pinned)
    if error:
        raise OSError(error, "the Linux arm of the own-pages experiment")
    return cycles


include "_ends.pxi"
include "_probes.pxi"
include "_capabilities.pxi"
