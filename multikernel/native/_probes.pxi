# The measuring loops over channels and over what the host offers, included by _native.pyx: probes/host.c, probes/counters.c.

cdef extern from "probes/probes.h":
    enum:
        HOST_BYTES
        HOST_EVENTFD
        HOST_FUTEX
        HOST_MEMORY
    struct host_probe:
        driver *driver
        void *memory
        int receive
        int send
        uint64_t first
        uint64_t count
        uint32_t batch
        uint32_t form
        int role
    int64_t probe_host_echo(const host_probe *p, histogram *times) nogil
    int64_t probe_host_stream(const host_probe *p, histogram *times) nogil
    int64_t probe_channel_echo(driver *d, channel *c, int role, uint64_t count, uint32_t batch, histogram *times) nogil
    int64_t probe_channel_stream(driver *d, channel *c, int role, uint64_t count, uint32_t batch, histogram *times) nogil
    enum counter_event:
        COUNTER_L1D_READS
        COUNTER_L1D_MISSES
        COUNTER_L1I_MISSES
        COUNTER_CONTEXT_SWITCHES
    int counter_open(counter_event event, bint kernel)

HOST_FORMS = {"bytes": HOST_BYTES, "eventfd": HOST_EVENTFD, "futex": HOST_FUTEX}
HOST_BYTES_OF_MEMORY = HOST_MEMORY
COUNTERS = {
    "l1d-reads": COUNTER_L1D_READS,
    "l1d-misses": COUNTER_L1D_MISSES,
    "l1i-misses": COUNTER_L1I_MISSES,
    "context-switches": COUNTER_CONTEXT_SWITCHES,
}


cdef object _checked(int64_t wrong, str what):
    if wrong < 0:
        raise OSError(-wrong, f"messages over {what}")
    return wrong


cdef int _host(host_probe *p, Driver driver, str form, unsigned char[::1] memory, tuple descriptors, int role, uint64_t first,
               uint64_t count, uint32_t batch) except -1:
    if form not in HOST_FORMS:
        raise ValueError(f"the host offers no {form}; one of {', '.join(HOST_FORMS)}")
    memset(p, 0, sizeof(host_probe))
    if memory is not None:
        if len(memory) < HOST_MEMORY:
            raise ValueError(f"{len(memory)} bytes of memory, not {HOST_MEMORY}")
        p.memory = &memory[0]
    p.driver, p.form, p.role, p.first, p.count, p.batch = driver.d, HOST_FORMS[form], role, first, count, batch
    p.receive, p.send = descriptors if descriptors else (-1, -1)
    return 0


def host_echo(Driver driver, str form, memory, tuple descriptors, int role, uint64_t first, uint64_t count, uint32_t batch,
              Histogram times):
    """Messages of 64 bytes that were wrong, of those that went there and back; role 0 asks. Raises OSError.

    descriptors: (receive, send), () for a futex; memory: of eventfd and futex, else None.
    """
    cdef host_probe p
    cdef unsigned char[::1] view = memory
    cdef int64_t wrong
    _host(&p, driver, form, view, descriptors, role, first, count, batch)
    with nogil:
        wrong = probe_host_echo(&p, times.h)
    return _checked(wrong, form)


def host_stream(Driver driver, tuple descriptors, int role, uint64_t count, uint32_t batch, Histogram times):
    """The same one way over a pipe or a socket; role 0 sends."""
    cdef host_probe p
    cdef int64_t wrong
    _host(&p, driver, "bytes", None, descriptors, role, 0, count, batch)
    with nogil:
        wrong = probe_host_stream(&p, times.h)
    return _checked(wrong, "bytes")


def channel_echo(Driver driver, _End end, int role, uint64_t count, uint32_t batch, Histogram times):
    """Messages that were wrong, of those that went there and back over a channel; role 0 asks. Raises OSError."""
    cdef int64_t wrong
    if end.unusable:
        end.refuse()
    with nogil:
        wrong = probe_channel_echo(driver.d, &end.c, role, count, batch, times.h)
    return _checked(wrong, end.form)


def channel_stream(Driver driver, _End end, int role, uint64_t count, uint32_t batch, Histogram times):
    """The same one way; role 0 sends. Not over "calls"."""
    cdef int64_t wrong
    if end.unusable:
        end.refuse()
    with nogil:
        wrong = probe_channel_stream(driver.d, &end.c, role, count, batch, times.h)
    return _checked(wrong, end.form)


def counter(str event, bint kernel):
    """A descriptor that counts an event of this thread from now on: os.read(…, 8) is the count. kernel: in the host's kernel too.

    Raises OSError where it is not counted: no counters (ENOENT, EOPNOTSUPP), or not allowed (EACCES, EPERM).
    """
    if event not in COUNTERS:
        raise ValueError(f"no such event: {event}; one of {', '.join(COUNTERS)}")
    cdef int descriptor = counter_open(<counter_event><int>COUNTERS[event], kernel)
    if descriptor < 0:
        raise OSError(-descriptor, f"perf_event_open for {event}")
    return descriptor
