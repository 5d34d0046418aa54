# The client's channels for Python, included by _native.pyx: how the booting process, which is no
# core, asks the cores; and what a request and a reply look like to Python, for the client and the
# driver both.

cdef extern from "base/core_set.h":
    enum:
        CORE_SET_WORDS_MAX
    uint64_t cores_word_ "cores_word"(const uint64_t *set, uint32_t cores)

cdef extern from "monitor/monitor.h":
    uint64_t message_head(uint32_t kind, uint32_t operation, uint32_t verdict,
            uint32_t core, uint32_t view) nogil
    int message_verdict(const message *m) nogil
    uint32_t message_core(const message *m) nogil

cdef extern from "client/client.h":
    struct client:
        pass
    client *client_open(segment *s, int supervisor)
    void client_close(client *c)
    bint client_gone(const client *c)
    int client_send(client *c, uint32_t core, uint32_t channel, const message *request,
            const uint64_t *kept)
    bint client_wait(client *c, uint32_t core, uint32_t channel, uint32_t line, message *reply,
            uint64_t timeout_us) nogil
    void client_abandon(client *c, uint32_t core, uint32_t channel)
    struct transfer:
        char *bytes
        uint64_t size
        bint fetch
    enum transfer_state:
        TRANSFER_MORE, TRANSFER_DONE
    transfer_state client_transfer(client *c, uint32_t core, transfer *t) nogil


cdef message _message(int kind, tuple words) except *:
    cdef message m
    cdef int i
    memset(&m, 0, sizeof(m))
    m.word[0] = message_head(kind, 0, 0, 0, 0)
    for i in range(len(words)):
        m.word[i + 1] = words[i]
    return m


def cores_word(object mask, uint32_t cores):
    """A set of cores (an int, a bit each) as requests name it: a word, and the set itself where it
    fits into none, else nothing.
    """
    cdef bytes kept = mask.to_bytes(8 * CORE_SET_WORDS_MAX, "little")
    cdef uint64_t word = cores_word_(<const uint64_t *>PyBytes_AS_STRING(kept), cores)
    return word, kept if word >> 60 == 3 else b""


cdef tuple _reply(message *m):
    return (message_verdict(m), message_core(m),
            (m.word[1], m.word[2], m.word[3], m.word[4], m.word[5], m.word[6]))


cdef class Client:
    """The booting process's end of the channels to every core. Not thread-safe for one (core,
    channel): hold a lock.
    """

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

    def send(self, uint32_t core, uint32_t channel, int kind, tuple words, bytes kept=b""):
        """Sends a request; returns its line, or -1 when all are in use. kept: see cores_word."""
        cdef message m = _message(kind, words)
        cdef const uint64_t *cores = <const uint64_t *>PyBytes_AS_STRING(kept) if kept else NULL
        return client_send(self.c, core, channel, &m, cores)

    def wait(self, uint32_t core, uint32_t channel, uint32_t line, uint64_t timeout_us):
        """The reply as (verdict, core named, six words), or None after timeout_us microseconds."""
        cdef message reply
        cdef bint came
        with nogil:
            came = client_wait(self.c, core, channel, line, &reply, timeout_us)
        return _reply(&reply) if came else None

    def abandon(self, uint32_t core, uint32_t channel):
        client_abandon(self.c, core, channel)

    cdef bint transfer(self, uint32_t core, char *data, uint64_t size, bint fetch) except *:
        """False: the system is gone, or the core refused. Between its steps signals are heard."""
        cdef transfer t
        cdef transfer_state state = TRANSFER_MORE
        memset(&t, 0, sizeof(t))
        t.bytes, t.size, t.fetch = data, size, fetch
        while state == TRANSFER_MORE:
            with nogil:
                state = client_transfer(self.c, core, &t)
            PyErr_CheckSignals()
        return state == TRANSFER_DONE

    def put(self, uint32_t core, const unsigned char[::1] program):
        """Whether the core has taken it. Ctrl-C is heard meanwhile, and leaves it half there."""
        return self.transfer(core, <char *><uintptr_t>&program[0], len(program), False)

    def get(self, uint32_t core, uint64_t size):
        """The result of the core's last program, None if it does not give it. Ctrl-C as above."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, size)
        return result if self.transfer(core, PyBytes_AS_STRING(result), size, True) else None
