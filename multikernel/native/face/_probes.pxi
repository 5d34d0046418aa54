# The measuring loops over channels and over what the host offers, included by _native.pyx:
# probes/host.c, probes/counters.c, probes/shootdown.c, probes/barriers.c, probes/collectives.c.

cdef extern from "probes/probes.h":
    enum:
        HOST_BYTES, HOST_MEMORY
    struct host_probe:
        driver *driver
        void *memory
        int receive, send
        uint64_t first, count
        uint32_t batch, form
        int role
    int64_t probe_host_echo(const host_probe *p, histogram *times) nogil
    int64_t probe_host_stream(const host_probe *p, histogram *times) nogil
    int64_t probe_channel_echo(driver *d, channel *c, int role, uint64_t count, uint32_t batch,
            histogram *times) nogil
    int64_t probe_channel_stream(driver *d, channel *c, int role, uint64_t count, uint32_t batch,
            histogram *times) nogil
    enum counter_event:
        pass
    int counter_open(counter_event event, bint kernel)
    struct scratch_line:
        uint32_t core, line
    struct shootdown_probe:
        scratch_line up
        const scratch_line *child
        uint32_t children, below
        uint64_t sum
        scratch_line shared
        uint64_t use, count
        uint32_t batch
    int64_t probe_shootdown(driver *d, const shootdown_probe *p, histogram *times) nogil
    struct together_probe:
        const uint32_t *member
        uint32_t members, timer, batch
        uint64_t use, count
    int64_t probe_barrier(driver *d, const together_probe *p, uint32_t form,
            histogram *times) nogil
    int64_t probe_collective(driver *d, const together_probe *p, uint32_t operation,
            uint32_t group, uint32_t root, histogram *times) nogil

HOST_BYTES_OF_MEMORY = HOST_MEMORY


cdef object _checked(int64_t wrong, str what):
    if wrong < 0:
        raise OSError(-wrong, f"messages over {what}")
    return wrong


def host_echo(Driver driver, str form, memory, tuple descriptors, int role, uint64_t first,
        uint64_t count, uint32_t batch, Histogram times):
    """Messages of 64 bytes that were wrong, of those that went there and back; role 0 asks. Raises
    OSError.

    descriptors: (receive, send), () for a futex; memory: of eventfd and futex, else None.
    """
    cdef unsigned char[::1] view = memory
    cdef int number = _number(_HOST_FORMS, form, "the host does not offer this")
    cdef int64_t wrong
    receive, send = descriptors or (-1, -1)
    cdef host_probe p = host_probe(driver.d, NULL, receive, send, first, count, batch, number, role)
    if view is not None:
        if len(view) < HOST_MEMORY:
            raise ValueError(f"{len(view)} bytes of memory, not {HOST_MEMORY}")
        p.memory = &view[0]
    with nogil:
        wrong = probe_host_echo(&p, times.h)
    return _checked(wrong, form)


def host_stream(Driver driver, tuple descriptors, int role, uint64_t count, uint32_t batch,
        Histogram times):
    """The same one way over a pipe or a socket; role 0 sends."""
    receive, send = descriptors
    cdef host_probe p = host_probe(driver.d, NULL, receive, send, 0, count, batch, HOST_BYTES, role)
    cdef int64_t wrong
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
    cdef int number = _number(_COUNTERS, event, "no such event")
    cdef int descriptor = counter_open(<counter_event>number, kernel)
    if descriptor < 0:
        raise OSError(-descriptor, f"perf_event_open for {event}")
    return descriptor


cdef scratch_line _line(Driver driver, tuple place) except *:
    core, line = place
    if core >= driver.segment.cores or not 1 <= line < 63:
        raise IndexError(f"no scratch line {line} of core {core}")
    return scratch_line(core, line)


def shootdown(Driver driver, tuple up, list children, tuple shared, list targets, uint64_t use,
        uint64_t count, uint32_t batch, Histogram times):
    """Requests and acknowledgements that were wrong, of `count` shootdowns in whole batches.

    up, children (in sending order), shared (broadcast, else None): scratch lines (core, line 1 …
    62); up is None at the root, which alone fills `times`. targets: at the root, all the
    others, each of which must acknowledge. use: as large as all operations these lines have seen.
    """
    cdef scratch_line parent = scratch_line(driver.me, 0), polled = scratch_line(0, 0)
    cdef array.array child = array.array("I", [number for place in children for number in place])
    cdef int64_t wrong
    for place in children:
        _line(driver, place)
    if up is not None:
        parent = _line(driver, up)
    if shared is not None:
        polled = _line(driver, shared)
    cdef shootdown_probe p = shootdown_probe(parent, <scratch_line *>child.data.as_voidptr,
            len(children), len(targets), sum(targets), polled, use, count, batch)
    with nogil:
        wrong = probe_shootdown(driver.d, &p, times.h)
    if wrong < 0:
        raise MemoryError
    return wrong


cdef together_probe _together(Driver driver, list members, array.array member, int timer,
        uint64_t use, uint64_t count, uint32_t batch) except *:
    if (
        driver.me not in members or timer not in members
        or max(members) >= driver.segment.cores or min(members) < 0
    ):
        raise ValueError(f"cores {members}, of which {timer} times and {driver.me} is one")
    array.extend(member, array.array("I", members))
    return together_probe(member.data.as_uints, len(members), timer, batch, use, count)


def barriers(Driver driver, str form, list members, int timer, uint64_t use, uint64_t count,
        uint32_t batch, Histogram times):
    """How often a core left one of `count` shared-memory barriers before all members had come;
    always 0, if the CPUs' time stamp counters agree. timer: the member that comes last and alone
    fills `times`; use: as of `shootdown`.
    """
    cdef int number = _number(BARRIERS, form, "no such barrier")
    cdef array.array member = array.array("I")
    cdef together_probe p = _together(driver, members, member, timer, use, count, batch)
    cdef int64_t wrong
    with nogil:
        wrong = probe_barrier(driver.d, &p, number, times.h)
    return wrong


def collectives(Driver driver, str operation, list members, uint32_t group, uint32_t root,
        int timer, uint64_t use, uint64_t count, uint32_t batch, Histogram times):
    """Outcomes and messages that were wrong, of `count` operations of an open group. timer, use: as
    of `barriers`; of a broadcast the timer is the root, of an agreement it is the one that sends.
    """
    cdef int number = _number(COLLECTIVES, operation, "no such collective")
    cdef array.array member = array.array("I")
    cdef together_probe p = _together(driver, members, member, timer, use, count, batch)
    cdef int64_t wrong
    with nogil:
        wrong = probe_collective(driver.d, &p, number, group, root, times.h)
    return wrong
