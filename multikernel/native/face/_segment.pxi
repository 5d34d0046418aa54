# The kernel segment for Python, included by _native.pyx: laid out at boot, checked on attach, and
# looked into from outside. See segment.h; nothing here waits.

from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap

cdef extern from "segment/segment.h":
    struct geometry:
        uint32_t cores, window, user_channels, ring_slots
        uint64_t shared_bytes, trace_events
    struct segment:
        geometry geometry
        uint64_t regions_offset, region_bytes
    uint64_t segment_bytes(const geometry *g)
    void segment_init(segment *s, const geometry *g)
    int segment_keep_layout(segment *s, int file)
    const char *segment_check(const segment *s, uint64_t mapped)
    enum:
        HEADER_BYTES

cdef extern from "base/trace.h":
    struct trace_log:
        pass
    struct trace_event:
        pass
    uint64_t trace_read(const trace_log *log, uint64_t events, trace_event *to, uint64_t *count)
    enum:
        TRACE_BEGAN, TRACE_STEP, TRACE_STEPPED, TRACE_SENT, TRACE_DONE, TRACE_ENDED, TRACE_PARKS
        TRACE_WOKEN, TRACE_PROGRAM, TRACE_PROGRAM_ENDED

cdef extern from "face/segment_access.h":
    void segment_go(segment *s)
    bint segment_going(segment *s)
    void segment_stop(segment *s)
    void segment_core_state(segment *s, uint32_t core, uint64_t *out)
    const trace_log *segment_core_trace(segment *s, uint32_t core)

cdef extern from "probes/probes.h":
    void probe_stop_computing(segment *s, uint32_t core)

cdef extern from "shared/kernel.h":
    uint64_t shared_kernel_bytes(uint32_t cores, uint32_t slots_per_core, uint32_t cnodes,
            uint32_t scope, uint64_t memory_bytes)


SEGMENT_HEADER_BYTES = HEADER_BYTES
TRACE = {
    "began": TRACE_BEGAN, "step": TRACE_STEP, "stepped": TRACE_STEPPED, "sent": TRACE_SENT,
    "done": TRACE_DONE, "ended": TRACE_ENDED, "parks": TRACE_PARKS, "woken": TRACE_WOKEN,
    "program": TRACE_PROGRAM, "program-ended": TRACE_PROGRAM_ENDED,
}


def kernel_segment_bytes(uint32_t cores, uint32_t window, uint32_t user_channels,
        uint32_t ring_slots, uint64_t shared_bytes, uint64_t trace_events=0):
    """Bytes of the kernel segment for that geometry."""
    cdef geometry g = geometry(cores, window, user_channels, ring_slots, shared_bytes, trace_events)
    return segment_bytes(&g)


def shared_state_bytes(uint32_t cores, uint32_t slots_per_core, uint32_t cnodes,
        uint32_t lock_scope, uint64_t memory_bytes):
    """Bytes of state the shared kernel keeps in the segment."""
    return shared_kernel_bytes(cores, slots_per_core, cnodes, lock_scope, memory_bytes)


cdef tuple _trace(const trace_log *log, uint64_t events):
    """The last events (struct trace_event), and how many there were ever."""
    cdef uint64_t count = 0, kept = 0
    if not log or not events:
        return b"", 0
    cdef bytes to = PyBytes_FromStringAndSize(NULL, events * sizeof(trace_event))
    kept = trace_read(log, events, <trace_event *>PyBytes_AS_STRING(to), &count)
    return to[:kept * sizeof(trace_event)], count


cdef class Segment:
    """The kernel segment, mapped. `create` lays it out in a zeroed descriptor, `attach` checks what
    it finds.
    """

    cdef segment *s
    cdef uint64_t bytes

    def __dealloc__(self):
        if self.s:
            munmap(self.s, self.bytes)

    cdef int map(self, int fd, uint64_t size) except -1:
        cdef void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        if memory == MAP_FAILED:
            raise OSError(errno, "the kernel segment cannot be mapped")
        self.s, self.bytes = <segment *>memory, size
        return 0

    cdef int keep_layout(self, int fd) except -1:
        cdef int error = segment_keep_layout(self.s, fd)
        if error:
            raise OSError(error, "the kernel segment's header")
        return 0

    @staticmethod
    def create(int fd, uint32_t cores, uint32_t window, uint32_t user_channels,
            uint32_t ring_slots, uint64_t shared_bytes, uint64_t trace_events=0):
        cdef geometry g = geometry(cores, window, user_channels, ring_slots, shared_bytes, trace_events)
        cdef Segment self = Segment()
        self.map(fd, segment_bytes(&g))
        segment_init(self.s, &g)
        self.keep_layout(fd)
        return self

    @staticmethod
    def attach(int fd, uint64_t size):
        cdef Segment self = Segment()
        self.map(fd, size)
        if size >= HEADER_BYTES:
            self.keep_layout(fd)
        cdef const char *wrong = segment_check(self.s, size)
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
        return self.s.regions_offset + core * self.s.region_bytes, self.s.region_bytes

    def go(self):
        segment_go(self.s)

    @property
    def going(self):
        return segment_going(self.s)

    def stop(self):
        """Every core leaves its waits; parked ones are woken."""
        segment_stop(self.s)

    def core_state(self, uint32_t core):
        """(mode, pid, tid, requests served, interrupts, parks) as the core published them."""
        cdef uint64_t out[6]
        segment_core_state(self.s, core, out)
        return out[0], out[1], out[2], out[3], out[4], out[5]

    def trace(self, uint32_t core):
        """What a core has done, as _trace has it; (b"", 0) where that is not kept."""
        if core >= self.cores:
            raise IndexError(core)
        return _trace(segment_core_trace(self.s, core), self.s.geometry.trace_events)

    def stop_computing(self, uint32_t core):
        """Ends the core's computing loop (Driver.probe)."""
        if core >= self.cores:
            raise IndexError(core)
        probe_stop_computing(self.s, core)
