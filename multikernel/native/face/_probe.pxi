# The measuring loops for Python, included by _native.pyx: probes/table.c says which there are and
# what each takes. And what is measured without a driver: the Linux arms, and the processor's
# counters.

cdef extern from "probes/probes.h":
    enum:
        FREE_LINES, HOST_MEMORY, OPERATIONS_IN_FLIGHT, AT_ONCE_PAGES
    # One structure: what a dictionary converts to, and what is set beside it.
    struct probe_numbers "probe":
        uint64_t count, base, seed, sum, frame, frame_name, source, offset, cnode, to_cnode, cycles
        uint64_t edge, group
        uint32_t batch, form, role, core, line, slots, lines, shared_core, shared_line, below
        uint32_t timer, protocol, pages, think_us, index, to_index, copies, cores, in_flight
        uint32_t type, shape, forms
        int receive, send
    struct probe:
        histogram *times[3]
        channel *channel
        void *memory
        uint64_t bytes, each_count, result_count
        const uint64_t *each
        uint64_t *results
    struct probe_kind:
        const char *name, *takes, *forms, *must
    const probe_kind probe_kinds[]
    int64_t probe_run(driver *d, const probe_kind *kind, const probe *p) nogil
    uint64_t probe_sharing_bytes(uint32_t type, uint32_t shape, uint32_t cores)
    int probe_home(driver *d, uint32_t core, uint32_t line) nogil
    enum counter_event:
        COUNTER_L1D_READS, COUNTER_L1D_MISSES, COUNTER_L1I_MISSES, COUNTER_CONTEXT_SWITCHES
    int counter_open(counter_event event, bint kernel)
    enum step_of_linux "linux_step":
        LINUX_PREPARE, LINUX_TAKE, LINUX_REMOVE
    int probe_linux_team(int memory, uint32_t threads, bint idle)
    int probe_linux_unmap(uint32_t first, uint32_t count, histogram *const *times) nogil
    int probe_linux_step(uint32_t number, step_of_linux what) nogil
    void probe_linux_leave() nogil
    int probe_linux_life(uint32_t count, uint32_t batch, bint reused, histogram *h) nogil
    void probe_linux_hold() nogil
    int probe_linux_own_pages(uint32_t number, uint32_t pages, uint32_t rounds,
            uint64_t *cycles) nogil

HOST_BYTES_OF_MEMORY = HOST_MEMORY
IN_FLIGHT_MOST = OPERATIONS_IN_FLIGHT
PAGES_IN_FLIGHT = AT_ONCE_PAGES


cdef dict _blank_probe():
    """Every number that a loop can be given, as it is where none is given."""
    cdef probe_numbers p
    memset(&p, 0, sizeof(p))
    p.batch = 1
    return p


cdef dict _loops():
    """By name: the place in the table, what must be given, the forms, what has to hold."""
    cdef const probe_kind *kind = probe_kinds
    loops = {}
    while kind.name:
        takes = {*kind.takes.decode().split()} - {"form", "memory", "each", "results"}
        loops[kind.name.decode()] = (kind - probe_kinds, takes,
                tuple(kind.forms.decode().split()), kind.must.decode())
        kind += 1
    return loops

_BLANK = _blank_probe()
_LOOPS = _loops()
PROBE_FORMS = {name: forms for name, (_, _, forms, _) in _LOOPS.items()}


cdef int64_t _probe(driver *d, str name, str form, tuple times, _End end, memory, each,
        array.array results, dict given) except -1:
    if name not in _LOOPS:
        raise ValueError(f"no such loop: {name}; one of {', '.join(_LOOPS)}")
    place, takes, forms, must = _LOOPS[name]
    there = {*given, *(["times"] if times else []), *(["channel"] if end is not None else [])}
    if there != takes or len(times) > 3:
        raise TypeError(f"{name} takes {', '.join(sorted(takes))}, not {', '.join(sorted(there))}")
    if form not in forms and (form or forms):
        raise ValueError(f"the loop {name} has no form {form}; one of {', '.join(forms)}")
    cdef probe_numbers numbers = {**_BLANK, **given, "form": forms.index(form) if form else 0}
    cdef probe *p = <probe *>&numbers
    cdef const probe_kind *kind = &probe_kinds[<int>place]
    cdef array.array words = array.array("Q", each)
    cdef unsigned char[::1] view = memory
    cdef Py_ssize_t i
    cdef int64_t value
    for i in range(3):
        p.times[i] = (<Histogram?>times[i]).h if i < len(times) else NULL
    if end is not None and end.unusable:
        end.refuse()
    p.channel = &end.c if end is not None else NULL
    p.memory = &view[0] if view is not None else NULL
    p.bytes = len(view) if view is not None else 0
    p.each, p.each_count = <const uint64_t *>words.data.as_voidptr, len(words)
    p.results = <uint64_t *>results.data.as_voidptr if results is not None else NULL
    p.result_count = len(results) * results.itemsize // 8 if results is not None else 0
    with nogil:
        driver_keep_out(d, True)
        value = probe_run(d, kind, p)
        driver_keep_out(d, False)
    if value == -EINVAL:
        what = must or "cores of this system, lines 0 to 63, batches of one or more"
        raise ValueError(f"{what}: {name} {form} of {given}")
    if value < 0:
        raise OSError(-value, f"{name} {form or (end.form if end is not None else '')}")
    return value


def sharing_bytes(uint32_t kind, uint32_t shape, uint32_t cores):
    """Bytes of the block of an object of that type, by number, and shape, between so many cores; 0:
    there is none.
    """
    return probe_sharing_bytes(kind, shape, cores)


cdef int _linux(int error) except -1:
    if error:
        raise OSError(error, "the Linux arm of the unmap experiment")
    return 0


def linux_team(int memory, uint32_t threads, bint idle):
    """Begins a team: so many threads, each of which calls one of what follows."""
    _linux(probe_linux_team(memory, threads, idle))


def linux_unmap(uint32_t first, uint32_t count, times):
    """mprotect of a page that all other threads hold, so often; times: histograms of that, of the
    map and the touch before it, and of the removal behind it. The numbers of a team's operations
    grow. Raises OSError when the host refuses.
    """
    cdef Histogram taking, mapping, touching, removing
    taking, mapping, touching, removing = times
    cdef histogram *all_times[4]
    all_times[0], all_times[1] = taking.h, mapping.h
    all_times[2], all_times[3] = touching.h, removing.h
    cdef int error
    with nogil:
        error = probe_linux_unmap(first, count, all_times)
    _linux(error)


def linux_step(uint32_t number, str what):
    """One step of such an operation: "prepare" (map, and all touch it), "take", "remove"."""
    cdef step_of_linux step = {
        "prepare": LINUX_PREPARE, "take": LINUX_TAKE, "remove": LINUX_REMOVE,
    }[what]
    cdef int error
    with nogil:
        error = probe_linux_step(number, step)
    _linux(error)


def linux_leave():
    """The threads that hold the page end."""
    with nogil:
        probe_linux_leave()


def linux_life(uint32_t count, uint32_t batch, bint reused, Histogram h):
    """Whole lives of a page while the other threads hold; raises OSError when the host refuses."""
    cdef int error
    with nogil:
        error = probe_linux_life(count, batch, reused, h.h)
    _linux(error)


def linux_hold():
    """Uses the page, until the thread that unmaps it ends."""
    with nogil:
        probe_linux_hold()


def linux_own_pages(uint32_t number, uint32_t pages, uint32_t rounds):
    """Cycles in which this thread unmapped pages of its own, at once with all others."""
    cdef uint64_t cycles
    cdef int error
    with nogil:
        error = probe_linux_own_pages(number, pages, rounds, &cycles)
    _linux(error)
    return cycles


_COUNTERS = {
    "l1d-reads": COUNTER_L1D_READS, "l1d-misses": COUNTER_L1D_MISSES,
    "l1i-misses": COUNTER_L1I_MISSES, "context-switches": COUNTER_CONTEXT_SWITCHES,
}


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
