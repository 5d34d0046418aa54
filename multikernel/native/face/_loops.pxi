# The measuring loops between cores, included by _native.pyx before the driver whose methods run
# them: their declarations, what is checked before a stream is measured, and the Linux arms, which
# need no driver.

cdef extern from "probes/probes.h":
    void probe_floor(driver *d, uint32_t b, int role, uint32_t line, uint64_t base, uint64_t count,
            uint32_t batch, histogram *h) nogil
    void probe_two_lines(driver *d, uint32_t a, uint32_t b, int role, uint32_t line, uint64_t base,
            uint64_t count, uint32_t batch, histogram *h) nogil
    int probe_home(driver *d, uint32_t core, uint32_t line) nogil
    void probe_call_line(driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch,
            histogram *h) nogil
    void probe_message(driver *d, uint32_t peer, int role, uint32_t count, uint64_t *cycles) nogil
    int probe_spread(driver *d, const uint32_t *groups, uint32_t group_count, uint32_t count,
            uint64_t *cycles) nogil
    void probe_ring(driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch,
            histogram *h) nogil
    uint64_t probe_compute(driver *d, uint64_t *cycles) nogil
    uint64_t probe_turns(driver *d, uint32_t core) nogil
    struct stream_probe:
        void *memory
        uint64_t bytes, use, count
        uint32_t batch, form, slots
        int role
    int64_t probe_stream(driver *d, const stream_probe *p, histogram *times, histogram *ahead) nogil
    int64_t probe_echo(driver *d, const stream_probe *p, histogram *times) nogil
    void probe_ping(driver *d, uint32_t peer, int via, uint64_t count, uint32_t batch,
            histogram *h) nogil
    int probe_unmap(driver *d, uint64_t frame, uint64_t length, const uint64_t *holders,
            uint32_t protocol, uint32_t count, uint32_t think_us, histogram *map, histogram *touch,
            histogram *unmap) nogil
    int probe_local(driver *d, uint64_t frame, uint32_t count, histogram *h) nogil
    int probe_own_pages(driver *d, uint64_t frame, uint32_t pages, uint32_t rounds,
            uint32_t protocol, uint64_t base, uint64_t *cycles) nogil
    void probe_update_shared(driver *d, uint32_t lines, uint64_t count, uint32_t batch,
            histogram *h) nogil
    void probe_update_serve(driver *d) nogil
    int probe_update_message(driver *d, uint32_t server, uint32_t lines, uint64_t count,
            uint32_t batch, histogram *h, histogram *at_server) nogil
    void probe_here(driver *d, uint64_t count, uint32_t batch, histogram *h) nogil
    void probe_open_loop(driver *d, uint32_t peer, uint64_t count, uint64_t mean_cycles,
            uint64_t seed, histogram *h) nogil
    int probe_linux_unmap(int memory, const uint32_t *cpus, uint32_t threads, uint32_t count,
            bint idle, histogram *h) nogil
    int probe_linux_own_pages(int memory, const uint32_t *cpus, uint32_t threads, uint32_t pages,
            uint32_t rounds, uint64_t *cycles) nogil


cdef stream_probe _stream(unsigned char[::1] memory, str form, int role, uint32_t slots,
        uint64_t use, uint64_t count, uint32_t batch) except *:
    cdef int number = _number(STREAMS, form, "no stream is measured over this form")
    return stream_probe(&memory[0], len(memory), use, count, batch, number, slots, role)


cdef object _wrong(int64_t wrong, uint32_t slots):
    if wrong < 0:
        raise ValueError(
            f"no ring of {slots} slots can be measured there: a power of two from 4 on (1 to 32 of "
            "a call line), memory for it, page-aligned, and echoes in whole batches"
        )
    return wrong


def linux_unmap(int memory, list cpus, uint32_t count, bint idle, Histogram h):
    """mprotect of a page that threads on all cpus use; raises OSError when the host refuses."""
    cdef array.array pinned = array.array("I", cpus)
    cdef uint32_t threads = len(cpus)
    cdef int error
    with nogil:
        error = probe_linux_unmap(memory, pinned.data.as_uints, threads, count, idle, h.h)
    if error:
        raise OSError(error, "the Linux arm of the unmap experiment")


def linux_own_pages(int memory, list cpus, uint32_t pages, uint32_t rounds):
    """Cycles of the slowest of the threads, which unmap pages of their own at once."""
    cdef array.array pinned = array.array("I", cpus)
    cdef uint32_t threads = len(cpus)
    cdef int error
    cdef uint64_t cycles
    with nogil:
        error = probe_linux_own_pages(memory, pinned.data.as_uints, threads, pages, rounds, &cycles)
    if error:
        raise OSError(error, "the Linux arm of the own-pages experiment")
    return cycles
