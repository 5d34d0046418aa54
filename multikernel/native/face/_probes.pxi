# The measuring loops over channels and over what the host offers, included by _native.pyx:
# probes/host.c, probes/counters.c, probes/shootdown.c, probes/barriers.c, probes/collectives.c.

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
    int64_t probe_channel_echo(driver *d, channel *c, int role, uint64_t count, uint32_t batch,
            histogram *times) nogil
    int64_t probe_channel_stream(driver *d, channel *c, int role, uint64_t count, uint32_t batch,
            histogram *times) nogil
    enum counter_event:
        COUNTER_L1D_READS
        COUNTER_L1D_MISSES
        COUNTER_L1I_MISSES
        COUNTER_CONTEXT_SWITCHES
    int counter_open(counter_event event, bint kernel)

    struct scratch_line:
        uint32_t core
        uint32_t line
    struct shootdown_probe:
        scratch_line up
        const scratch_line *child
        uint32_t children
        uint32_t below
        uint64_t sum
        scratch_line shared
        uint64_t use
        uint64_t count
        uint32_t batch
    int64_t probe_shootdown(driver *d, const shootdown_probe *p, histogram *times) nogil

    enum:
        BARRIER_CENTRAL
        BARRIER_DISSEMINATION
        COLLECTIVE_BARRIER
        COLLECTIVE_REDUCE
        COLLECTIVE_BROADCAST
        COLLECTIVE_ORDER
    struct barrier_probe:
        const uint32_t *member
        uint32_t members
        uint32_t form
        uint32_t timer
        uint32_t batch
        uint64_t use
        uint64_t count
    int64_t probe_barrier(driver *d, const barrier_probe *p, histogram *times) nogil
    struct collective_probe:
        const uint32_t *member
        uint32_t members
        uint32_t operation
        uint32_t group
        uint32_t root
        uint32_t timer
        uint32_t batch
        uint64_t sum
        uint64_t use
        uint64_t count
    int64_t probe_collective(driver *d, const collective_probe *p, histogram *times) nogil

BARRIERS = {"central": BARRIER_CENTRAL, "dissemination": BARRIER_DISSEMINATION}
COLLECTIVES = {
    "barrier": COLLECTIVE_BARRIER,
    "all-reduce": COLLECTIVE_REDUCE,
    "broadcast": COLLECTIVE_BROADCAST,
    "agreement": COLLECTIVE_ORDER,
}
_HOST_FORMS = {"bytes": HOST_BYTES, "eventfd": HOST_EVENTFD, "futex": HOST_FUTEX}
HOST_BYTES_OF_MEMORY = HOST_MEMORY
_COUNTERS = {
    "l1d-reads": COUNTER_L1D_READS,
    "l1d-misses": COUNTER_L1D_MISSES,
    "l1i-misses": COUNTER_L1I_MISSES,
    "context-switches": COUNTER_CONTEXT_SWITCHES,
}


cdef object _checked(int64_t wrong, str what):
    if wrong < 0:
        raise OSError(-wrong, f"messages over {what}")
    return wrong


cdef int _host(host_probe *p, Driver driver, str form, unsigned char[::1] memory,
        tuple descriptors, int role, uint64_t first,
               uint64_t count, uint32_t batch) except -1:
    if form not in _HOST_FORMS:
        raise ValueError(f"the host offers no {form}; one of {', '.join(_HOST_FORMS)}")
    memset(p, 0, sizeof(host_probe))
    if memory is not None:
        if len(memory) < HOST_MEMORY:
            raise ValueError(f"{len(memory)} bytes of memory, not {HOST_MEMORY}")
        p.memory = &memory[0]
    p.driver, p.form, p.role = driver.d, _HOST_FORMS[form], role
    p.first, p.count, p.batch = first, count, batch
    p.receive, p.send = descriptors if descriptors else (-1, -1)
    return 0


def host_echo(Driver driver, str form, memory, tuple descriptors, int role, uint64_t first,
        uint64_t count, uint32_t batch,
              Histogram times):
    """Messages of 64 bytes that were wrong, of those that went there and back; role 0 asks. Raises
    OSError.

    descriptors: (receive, send), () for a futex; memory: of eventfd and futex, else None.
    """
    cdef host_probe p
    cdef unsigned char[::1] view = memory
    cdef int64_t wrong
    _host(&p, driver, form, view, descriptors, role, first, count, batch)
    with nogil:
        wrong = probe_host_echo(&p, times.h)
    return _checked(wrong, form)


def host_stream(Driver driver, tuple descriptors, int role, uint64_t count, uint32_t batch,
        Histogram times):
    """The same one way over a pipe or a socket; role 0 sends."""
    cdef host_probe p
    cdef int64_t wrong
    _host(&p, driver, "bytes", None, descriptors, role, 0, count, batch)
    with nogil:
        wrong = probe_host_stream(&p, times.h)
    return _checked(wrong, "bytes")


def channel_echo(Driver driver, _End end, int role, uint64_t count, uint32_t batch,
        Histogram times):
    """Messages that were wrong, of those that went there and back over a channel; role 0 asks.
    Raises OSError.
    """
    cdef int64_t wrong
    if end.unusable:
        end.refuse()
    with nogil:
        wrong = probe_channel_echo(driver.d, &end.c, role, count, batch, times.h)
    return _checked(wrong, end.form)


def channel_stream(Driver driver, _End end, int role, uint64_t count, uint32_t batch,
        Histogram times):
    """The same one way; role 0 sends. Not over "calls"."""
    cdef int64_t wrong
    if end.unusable:
        end.refuse()
    with nogil:
        wrong = probe_channel_stream(driver.d, &end.c, role, count, batch, times.h)
    return _checked(wrong, end.form)


def counter(str event, bint kernel):
    """A descriptor that counts an event of this thread from now on: os.read(…, 8) is the count.
    kernel: in the host's kernel too.

    Raises OSError where it is not counted: no counters (ENOENT, EOPNOTSUPP), or not allowed
    (EACCES, EPERM).
    """
    if event not in _COUNTERS:
        raise ValueError(f"no such event: {event}; one of {', '.join(_COUNTERS)}")
    cdef int descriptor = counter_open(<counter_event><int>_COUNTERS[event], kernel)
    if descriptor < 0:
        raise OSError(-descriptor, f"perf_event_open for {event}")
    return descriptor


cdef scratch_line _line(Driver driver, tuple place) except *:
    cdef scratch_line found
    found.core, found.line = place
    if found.core >= driver.segment.cores or not 1 <= found.line < 63:
        raise IndexError(f"no scratch line {place[1]} of core {place[0]}")
    return found


def shootdown(Driver driver, tuple up, list children, tuple shared, list told, uint64_t use,
        uint64_t count, uint32_t batch,
              Histogram times):
    """Requests and acknowledgements that were wrong, of `count` shootdowns in whole batches.

    up, children (in sending order), shared (broadcast, else None): scratch lines (core, line 1 …
    62); up is None at the root, which alone fills `times`. told: all the others, as the root
    expects to hear of. use: as large as all operations these lines have seen.
    """
    cdef shootdown_probe p
    cdef scratch_line *lines = <scratch_line *>malloc((len(children) + 1) * sizeof(scratch_line))
    cdef int64_t wrong
    if lines == NULL:
        raise MemoryError
    try:
        memset(&p, 0, sizeof(p))
        for i, place in enumerate(children):
            lines[i] = _line(driver, place)
        if up is not None:
            p.up = _line(driver, up)
        else:
            p.up.core = driver.me
        if shared is not None:
            p.shared = _line(driver, shared)
        p.child, p.children, p.below, p.sum = lines, len(children), len(told), sum(told)
        p.use, p.count, p.batch = use, count, batch
        with nogil:
            wrong = probe_shootdown(driver.d, &p, times.h)
    finally:
        free(lines)
    if wrong < 0:
        raise MemoryError
    return wrong


cdef uint32_t *_members(Driver driver, list members, int timer) except NULL:
    if (
        driver.me not in members or timer not in members
        or max(members) >= driver.segment.cores or min(members) < 0
    ):
        raise ValueError(f"cores {members}, of which {timer} times and {driver.me} is one")
    cdef uint32_t *found = <uint32_t *>malloc(len(members) * sizeof(uint32_t))
    if found == NULL:
        raise MemoryError
    for i, core in enumerate(members):
        found[i] = core
    return found


def barriers(Driver driver, str form, list members, int timer, uint64_t use, uint64_t count,
        uint32_t batch, Histogram times):
    """How often a core left one of `count` shared-memory barriers before all members had come;
    always 0, if the CPUs' time stamp counters agree. timer: the member that comes last and alone
    fills `times`; use: as of `shootdown`.
    """
    if form not in BARRIERS:
        raise ValueError(f"no such barrier: {form}; one of {', '.join(BARRIERS)}")
    cdef barrier_probe p
    cdef int64_t wrong
    cdef uint32_t *member = _members(driver, members, timer)
    memset(&p, 0, sizeof(p))
    p.member, p.members, p.form, p.timer, p.use, p.count, p.batch = (
        member, len(members), BARRIERS[form], timer, use, count, batch)
    with nogil:
        wrong = probe_barrier(driver.d, &p, times.h)
    free(member)
    return wrong


def collectives(Driver driver, str operation, list members, uint32_t group, uint32_t root,
        int timer, uint64_t use, uint64_t count,
                uint32_t batch, Histogram times):
    """Outcomes and messages that were wrong, of `count` operations of an open group. timer, use: as
    of `barriers`; of a broadcast the timer is the root, of an agreement it is the one that sends.
    """
    if operation not in COLLECTIVES:
        raise ValueError(f"no such collective: {operation}; one of {', '.join(COLLECTIVES)}")
    cdef collective_probe p
    cdef int64_t wrong
    cdef uint32_t *member = _members(driver, members, timer)
    memset(&p, 0, sizeof(p))
    p.member, p.members, p.operation, p.group, p.root, p.timer, p.use, p.count, p.batch = (
        member, len(members), COLLECTIVES[operation], group, root, timer, use, count, batch)
    p.sum = sum(members) + len(members)
    with nogil:
        wrong = probe_collective(driver.d, &p, times.h)
    free(member)
    return wrong
