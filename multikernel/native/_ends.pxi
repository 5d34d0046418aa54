# Ends of channels for Python, included by _native.pyx. A message is seven words, given as a tuple of up to seven integers or as up to 56
# bytes; what is missing is zero, and what is received is always whole. An end belongs to one thread at a time.
#
# Who waits spins for a few microseconds with the interpreter lock, as long as a message takes from a side that is awake; only then is
# the lock released, and the rest of the wait is channel_wait's, in slices after which signals are handled.
#
# A call a message costs its parsing. Methods of one argument take it by position alone: CPython calls them with the object and nothing
# else. Those of none keep the usual convention, for which its interpreter has a short way and for theirs it has not (measured, 3.11:
# 20 cycles less each). Bytes that a message will come in are made before it is waited for, while it is on its way.

cimport cython

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyObject_GetBuffer, PyBuffer_Release
from cpython.exc cimport PyErr_CheckSignals
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

cdef extern from "arch.h":
    void arch_relax() nogil

cdef extern from "channel.h":
    enum channel_status:
        CHANNEL_OK
        CHANNEL_AGAIN
        CHANNEL_CLOSED
        CHANNEL_BROKEN
    enum channel_kind:
        CHANNEL_EPOCH_RING
        CHANNEL_USED_RING
        CHANNEL_CALL_LINE
        CHANNEL_CALLS
    enum:
        CHANNEL_SHORT_LOOKS
    enum channel_awaited:
        AWAIT_ROOM
        AWAIT_MESSAGE
        AWAIT_REPLY
    struct channel_form:
        channel_status (*send_many)(channel *, const message *, uint32_t, uint32_t *) noexcept nogil
        channel_status (*receive_many)(channel *, message *, uint32_t, uint32_t *) noexcept nogil
        int (*descriptor)(const channel *, bint) noexcept nogil
    struct channel:
        const channel_form *form
    channel_status channel_try_send(channel *c, const message *m) noexcept nogil
    channel_status channel_try_receive(channel *c, message *m) noexcept nogil
    void channel_close(channel *c) noexcept nogil
    uint64_t channel_memory_bytes(channel_kind kind, uint64_t slots)
    const char *channel_memory_create(void *memory, uint64_t size, channel_kind kind, uint64_t slots)
    const char *channel_memory_open(channel *c, void *memory, uint64_t size, channel_kind kind, uint32_t side)
    channel_status channel_call(channel *c, const message *request, uint32_t *line) noexcept nogil
    bint channel_call_outstanding(const channel *c, uint32_t line) noexcept nogil
    channel_status channel_take(channel *c, uint32_t line, message *reply) noexcept nogil
    channel_status channel_request(channel *c, message *request, uint32_t *line) noexcept nogil
    void channel_reply(channel *c, uint32_t line, const message *reply) noexcept nogil
    int channel_socket_pair(int *ends)
    int channel_socket_open(channel *c, int descriptor)
    int channel_pipe_pair(int (*ends)[2])
    int channel_pipe_open(channel *c, int receive, int send)
    channel_status channel_send_soon(channel *c, const message *m) noexcept nogil
    channel_status channel_receive_soon(channel *c, message *m) noexcept nogil
    channel_status channel_take_soon(channel *c, uint32_t line, message *reply) noexcept nogil
    channel_status channel_request_soon(channel *c, message *request, uint32_t *line) noexcept nogil
    bint channel_wait(channel *c, channel_awaited awaited, uint32_t *round) noexcept nogil
    uint64_t channel_now_ns() noexcept nogil

CHANNELS = {
    "epoch-ring": CHANNEL_EPOCH_RING,
    "used-ring": CHANNEL_USED_RING,
    "call-line": CHANNEL_CALL_LINE,
    "calls": CHANNEL_CALLS,
}

cdef enum:
    SLICE_NS = 20000000
    LOOKS_A_CLOCK = 16
    MANY = 256 # from so many messages on, moving them is long enough to release the lock


cdef int _kind(str form) except -1:
    if form not in CHANNELS:
        raise ValueError(f"no channel in memory has this form: {form}; one of {', '.join(CHANNELS)}")
    return CHANNELS[form]


def channel_bytes(str form, uint64_t slots):
    """Bytes of memory for a channel of that form with that many slots (lines) a direction. Raises ValueError."""
    cdef uint64_t size = channel_memory_bytes(<channel_kind>_kind(form), slots)
    if not size:
        raise ValueError(f"no {form} channel has {slots} slots")
    return size


def channel_create(memory, str form, uint64_t slots):
    """Lays a channel out in zeroed, page-aligned memory (a writable buffer). Raises ValueError."""
    cdef Py_buffer view
    cdef int kind = _kind(form)
    PyObject_GetBuffer(memory, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    cdef const char *wrong = channel_memory_create(view.buf, view.len, <channel_kind>kind, slots)
    PyBuffer_Release(&view)
    if wrong:
        raise ValueError(f"no {form} channel of {slots} slots can be made: {wrong.decode()}")


def socket_pair():
    """Descriptors of two connected SOCK_SEQPACKET sockets."""
    cdef int ends[2]
    cdef int error = channel_socket_pair(ends)
    if error:
        raise OSError(error, "socketpair")
    return ends[0], ends[1]


def pipe_pair():
    """((receive, send), (receive, send)): descriptors of two pipes, as each side has them."""
    cdef int ends[2][2]
    cdef int error = channel_pipe_pair(ends)
    if error:
        raise OSError(error, "pipe2")
    return (ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])


cdef inline int _fill(message *m, object data) except -1:
    """A whole message in bytes is the usual case, and worth a path that is short enough to be inlined."""
    if type(data) is bytes and PyBytes_GET_SIZE(data) == <Py_ssize_t>sizeof(message):
        memcpy(m.word, PyBytes_AS_STRING(data), sizeof(message))
        return 0
    return _fill_any(m, data)


cdef int _fill_any(message *m, object data) except -1:
    cdef Py_ssize_t i, n
    cdef Py_buffer view
    if type(data) is tuple:
        n = PyTuple_GET_SIZE(data)
        if n > 7:
            raise ValueError(f"a message has seven words, this one {n}")
        for i in range(n):
            m.word[i] = <object>PyTuple_GET_ITEM(data, i)
        for i in range(n, 7):
            m.word[i] = 0
        return 0
    if type(data) is bytes:
        n = len(<bytes>data)
        if n > <Py_ssize_t>sizeof(message):
            raise ValueError(f"a message has 56 bytes, this one {n}")
        memcpy(m.word, PyBytes_AS_STRING(<bytes>data), n)
        memset(<char *>m.word + n, 0, sizeof(message) - n)
        return 0
    PyObject_GetBuffer(data, &view, PyBUF_C_CONTIGUOUS)
    try:
        if view.len > <Py_ssize_t>sizeof(message):
            raise ValueError(f"a message has 56 bytes, this one {view.len}")
        memcpy(m.word, view.buf, view.len)
        memset(<char *>m.word + view.len, 0, sizeof(message) - view.len)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef inline tuple _words(message *m):
    return (m.word[0], m.word[1], m.word[2], m.word[3], m.word[4], m.word[5], m.word[6])


cdef inline bytes _blank():
    """Bytes that nobody has seen yet, for a message to be received into."""
    return PyBytes_FromStringAndSize(NULL, sizeof(message))


cdef inline message *_inside(bytes data):
    """Of what _blank made; in no other bytes is anything ever written."""
    return <message *>PyBytes_AS_STRING(data)


cdef int _rows(object array, Py_buffer *view, bint writable) except -1:
    """A buffer of n rows of seven 64-bit unsigned words."""
    PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
    if view.ndim == 2 and view.shape[1] == 7 and view.itemsize == 8 and view.format[0] in (c"L", c"Q") and not view.format[1]:
        return 0
    PyBuffer_Release(view)
    raise ValueError("messages are a C-contiguous array of shape (n, 7) and type uint64")


cdef class _End:
    """What all ends have: memory or descriptors, a side, closing."""

    cdef channel c
    cdef Py_buffer view
    cdef bint has_view
    cdef int unusable # 1: another thread waits with it; 2: closed
    cdef double _timeout
    cdef readonly str form
    cdef readonly int side

    def __cinit__(self):
        self._timeout = -1
        self.unusable = 2

    def __dealloc__(self):
        self.end()

    cdef void end(self) noexcept:
        if self.unusable != 2:
            channel_close(&self.c)
            self.unusable = 2
        if self.has_view:
            self.has_view = False
            PyBuffer_Release(&self.view)

    cdef int open(self, object memory, str form, uint32_t side) except -1:
        cdef int kind = _kind(form)
        cdef const char *wrong
        PyObject_GetBuffer(memory, &self.view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        self.has_view = True
        wrong = channel_memory_open(&self.c, self.view.buf, self.view.len, <channel_kind>kind, side)
        if wrong:
            raise ValueError(f"side {side} of a {form} channel cannot be opened: {wrong.decode()}")
        self.unusable = 0
        self.form = form
        self.side = side
        return 0

    cdef int refuse(self) except -1:
        if self.unusable == 1:
            raise RuntimeError("another thread waits with this end; an end belongs to one thread at a time")
        raise ValueError("this end is closed")

    @property
    def closed(self):
        """Whether close was called."""
        return self.unusable == 2

    @property
    def timeout(self):
        """Seconds that a call waits before it raises TimeoutError; None: as long as the other side lives."""
        return None if self._timeout < 0 else self._timeout

    @timeout.setter
    def timeout(self, seconds):
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"a timeout is not negative: {seconds}")
        self._timeout = -1 if seconds is None else seconds

    def close(self):
        """The other side is told, after what was sent. Idempotent."""
        if self.unusable == 1:
            self.refuse()
        self.end()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    cdef channel_status look(self, channel_awaited awaited, message *m, uint32_t *line) noexcept nogil:
        """One try. Where it calls, a request or its room; else a message or its room."""
        return CHANNEL_BROKEN

    cdef int finish(self, channel_status status, channel_awaited awaited, message *m, uint32_t *line) except -1:
        """Short looks have ended with that status: waits longer, raises what hinders it."""
        if status == CHANNEL_AGAIN:
            status = self.wait_long(awaited, m, line)
        if status != CHANNEL_OK:
            self.fail(status, awaited == AWAIT_ROOM)
        return 0

    cdef channel_status wait_long(self, channel_awaited awaited, message *m, uint32_t *line) except *:
        cdef channel_status status = CHANNEL_AGAIN
        cdef uint64_t began = channel_now_ns(), now = began, until, limit = UINT64_MAX
        cdef uint32_t waited = 0
        cdef bint there = True
        if self._timeout >= 0:
            limit = began + <uint64_t>(self._timeout * 1e9) if self._timeout < 1e9 else UINT64_MAX
        self.unusable = 1
        try:
            while True:
                until = min(now + SLICE_NS, limit)
                with nogil:
                    while status == CHANNEL_AGAIN and there and now < until:
                        there = channel_wait(&self.c, awaited, &waited)
                        status = self.look(awaited, m, line)
                        if waited % LOOKS_A_CLOCK == 0 or waited > 128:
                            now = channel_now_ns()
                if status != CHANNEL_AGAIN:
                    return status
                if not there:
                    return CHANNEL_CLOSED
                PyErr_CheckSignals()
                if now >= limit:
                    raise TimeoutError(f"nothing for {self._timeout} s on side {self.side} of a {self.form} channel")
        finally:
            self.unusable = 0

    cdef int fail(self, channel_status status, bint sending) except -1:
        if status == CHANNEL_CLOSED and sending:
            raise BrokenPipeError(f"the other side of this {self.form} channel has closed, or is gone")
        if status == CHANNEL_CLOSED:
            raise EOFError(f"the other side of this {self.form} channel has closed, or is gone; there is nothing left")
        raise OSError(f"the host broke this {self.form} channel, or somebody else sent on it")


@cython.final
cdef class ChannelEnd(_End):
    """One end of a FIFO of messages each way: epoch-ring, used-ring, call-line, socket or pipe."""

    @staticmethod
    def attach(memory, str form, uint32_t side):
        """Side 0 or 1 of what channel_create made in that memory. Each side is attached once."""
        cdef ChannelEnd self = ChannelEnd()
        if _kind(form) == CHANNEL_CALLS:
            raise ValueError("a calls channel is attached by CallEnd")
        self.open(memory, form, side)
        return self

    @staticmethod
    def socket(int descriptor):
        """Over one of socket_pair(); the end closes it."""
        cdef ChannelEnd self = ChannelEnd()
        cdef int error = channel_socket_open(&self.c, descriptor)
        if error:
            raise OSError(error, f"descriptor {descriptor} is no SOCK_SEQPACKET socket")
        self.form, self.side, self.unusable = "socket", -1, 0
        return self

    @staticmethod
    def pipe(int receive, int send):
        """Over one pair of pipe_pair(); the end closes both."""
        cdef ChannelEnd self = ChannelEnd()
        cdef int error = channel_pipe_open(&self.c, receive, send)
        if error:
            raise OSError(error, f"descriptors {receive} and {send} are not those of pipes")
        self.form, self.side, self.unusable = "pipe", -1, 0
        return self

    def fileno(self):
        """The descriptor that becomes readable with a message. Raises ValueError in shared memory, where there is none."""
        if self.unusable:
            self.refuse()
        cdef int descriptor = self.c.form.descriptor(&self.c, False)
        if descriptor < 0:
            raise ValueError(f"a {self.form} channel has no descriptor")
        return descriptor

    cdef channel_status look(self, channel_awaited awaited, message *m, uint32_t *line) noexcept nogil:
        if awaited == AWAIT_ROOM:
            return channel_try_send(&self.c, m)
        return channel_try_receive(&self.c, m)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def try_send(self, data):
        """True, or False when the channel is full. Raises BrokenPipeError when the other side has closed."""
        cdef message m
        cdef channel_status status
        if self.unusable:
            self.refuse()
        _fill(&m, data)
        status = channel_try_send(&self.c, &m)
        if status == CHANNEL_OK:
            return True
        if status != CHANNEL_AGAIN:
            self.fail(status, True)
        return False

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def send(self, data):
        """The same, waiting for room."""
        cdef message m
        if self.unusable:
            self.refuse()
        _fill(&m, data)
        cdef channel_status status = channel_send_soon(&self.c, &m)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_ROOM, &m, NULL)

    cdef bint got(self, message *m) except -1:
        cdef channel_status status
        if self.unusable:
            self.refuse()
        status = channel_try_receive(&self.c, m)
        if status == CHANNEL_OK:
            return True
        if status != CHANNEL_AGAIN:
            self.fail(status, False)
        return False

    cdef inline int wait(self, message *m) except -1:
        cdef channel_status status
        if self.unusable:
            self.refuse()
        status = channel_receive_soon(&self.c, m)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_MESSAGE, m, NULL)
        return 0

    @cython.binding(False)
    def try_receive(self):
        """Seven words, or None when there is nothing. Raises EOFError when the other side has closed and all is read."""
        cdef message m
        return _words(&m) if self.got(&m) else None

    @cython.binding(False)
    def try_receive_bytes(self):
        """56 bytes, or None."""
        cdef message m
        return PyBytes_FromStringAndSize(<char *>m.word, sizeof(message)) if self.got(&m) else None

    @cython.binding(False)
    def receive(self):
        """Seven words, waited for."""
        cdef message m
        self.wait(&m)
        return _words(&m)

    @cython.binding(False)
    def receive_bytes(self):
        """56 bytes, waited for."""
        cdef bytes data = _blank()
        self.wait(_inside(data))
        return data

    cdef uint32_t move(self, bint sending, void *rows, uint32_t count) except? 0xffffffff:
        """As many of the rows as go now."""
        cdef uint32_t done = 0
        cdef channel_status status
        if sending:
            status = self.c.form.send_many(&self.c, <const message *>rows, count, &done)
        else:
            status = self.c.form.receive_many(&self.c, <message *>rows, count, &done)
        if status > CHANNEL_AGAIN:
            self.fail(status, sending)
        return done

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def try_send_many(self, array):
        """Sends as many rows of an (n, 7) uint64 array, from the first, as there is room for; how many."""
        cdef Py_buffer view
        if self.unusable:
            self.refuse()
        _rows(array, &view, False)
        try:
            return self.move(True, view.buf, <uint32_t>min(view.shape[0], 1 << 30))
        finally:
            PyBuffer_Release(&view)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def try_receive_many(self, array):
        """Receives into an (n, 7) uint64 array as many as have come; how many."""
        cdef Py_buffer view
        if self.unusable:
            self.refuse()
        _rows(array, &view, True)
        try:
            return self.move(False, view.buf, <uint32_t>min(view.shape[0], 1 << 30))
        finally:
            PyBuffer_Release(&view)

    def send_many(self, array):
        """Sends every row, waiting for room."""
        self.all(array, True)

    def receive_many(self, array):
        """Fills the whole array, waiting for messages. What came before an error is in its first rows."""
        self.all(array, False)

    cdef int all(self, object array, bint sending) except -1:
        cdef Py_buffer view
        cdef uint64_t done = 0, count
        cdef uint32_t moved, looks
        cdef channel_status status = CHANNEL_OK
        cdef char *row
        if self.unusable:
            self.refuse()
        _rows(array, &view, not sending)
        try:
            count = view.shape[0]
            while done < count:
                row = <char *>view.buf + done * sizeof(message)
                moved = <uint32_t>min(count - done, 1 << 20)
                self.unusable = 1
                if moved >= MANY:
                    with nogil:
                        status = self.move_some(sending, row, &moved)
                else:
                    status = self.move_some(sending, row, &moved)
                self.unusable = 0
                done += moved
                if status == CHANNEL_AGAIN:
                    # Nothing for a while: one message, waited for as any other.
                    row = <char *>view.buf + done * sizeof(message)
                    self.finish(status, AWAIT_ROOM if sending else AWAIT_MESSAGE, <message *>row, NULL)
                    done += 1
                elif status != CHANNEL_OK:
                    self.fail(status, sending)
        finally:
            PyBuffer_Release(&view)
        return 0

    cdef channel_status move_some(self, bint sending, char *rows, uint32_t *count) noexcept nogil:
        """Moves on until nothing has moved for a while; *count says how many were moved."""
        cdef uint32_t wanted = count[0], moved = 0, looks = 0
        cdef channel_status status = CHANNEL_OK
        count[0] = 0
        while count[0] < wanted:
            if sending:
                status = self.c.form.send_many(&self.c, <const message *>rows + count[0], wanted - count[0], &moved)
            else:
                status = self.c.form.receive_many(&self.c, <message *>rows + count[0], wanted - count[0], &moved)
            count[0] += moved
            if status == CHANNEL_OK:
                looks = 0
                continue
            if status != CHANNEL_AGAIN or looks == CHANNEL_SHORT_LOOKS:
                return status
            looks += 1
            arch_relax()
        return CHANNEL_OK


@cython.final
cdef class CallEnd(_End):
    """One end of a calls channel: it calls the other side, and answers its calls. A round trip moves one cache line."""

    cdef uint32_t held[32] # lines whose requests are received and not answered, in order
    cdef uint32_t head, tail
    cdef uint32_t abandoned # a bit for each line whose call was given up: its reply is dropped when it comes

    @staticmethod
    def attach(memory, uint32_t side):
        """Side 0 or 1 of what channel_create made there of the form calls. Each side is attached once."""
        cdef CallEnd self = CallEnd()
        self.open(memory, "calls", side)
        return self

    cdef channel_status look(self, channel_awaited awaited, message *m, uint32_t *line) noexcept nogil:
        if awaited == AWAIT_REPLY:
            return channel_take(&self.c, line[0], m)
        if awaited == AWAIT_ROOM:
            if self.abandoned:
                self.drop()
            return channel_call(&self.c, m, line)
        return channel_request(&self.c, m, line)

    cdef void drop(self) noexcept nogil:
        cdef message dropped
        cdef uint32_t line
        for line in range(32):
            if self.abandoned >> line & 1 and channel_take(&self.c, line, &dropped) == CHANNEL_OK:
                self.abandoned &= ~(<uint32_t>1 << line)

    # --- calling ---

    cdef inline uint32_t ask(self, message *m, object data) except? 0xffffffff:
        """Sends a request, waiting for a free line: the line."""
        cdef uint32_t line = 0
        cdef channel_status status
        if self.unusable:
            self.refuse()
        _fill(m, data)
        if self.abandoned:
            self.drop()
        status = channel_call(&self.c, m, &line)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_ROOM, m, &line)
        return line

    cdef inline int answered(self, message *reply, uint32_t line) except -1:
        """Waits for the reply of a call that nobody else can take."""
        cdef channel_status status = channel_take_soon(&self.c, line, reply)
        if status != CHANNEL_OK:
            self.late(status, reply, line)
        return 0

    cdef int late(self, channel_status status, message *m, uint32_t line) except -1:
        try:
            self.finish(status, AWAIT_REPLY, m, &line)
        except BaseException:
            self.abandoned |= <uint32_t>1 << line
            raise
        return 0

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def call(self, data):
        """Calls the other side; the seven words of its reply. The reply of a call that timed out is dropped when it comes."""
        cdef message m
        self.answered(&m, self.ask(&m, data))
        return _words(&m)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def call_bytes(self, data):
        """The same; the 56 bytes of the reply."""
        cdef message m
        cdef bytes reply
        cdef uint32_t line = self.ask(&m, data)
        try:
            reply = _blank()
        except MemoryError:
            self.abandoned |= <uint32_t>1 << line
            raise
        self.answered(_inside(reply), line)
        return reply

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def begin(self, data):
        """Sends a request and does not wait for its reply: the line to take it from. Waits for a free line."""
        cdef message m
        return self.ask(&m, data)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def try_begin(self, data):
        """The same, or -1 when the next line is in use."""
        cdef message m
        cdef uint32_t line = 0
        cdef channel_status status
        if self.unusable:
            self.refuse()
        _fill(&m, data)
        status = self.look(AWAIT_ROOM, &m, &line)
        if status > CHANNEL_AGAIN:
            self.fail(status, True)
        return <int>line if status == CHANNEL_OK else -1

    cdef int outstanding(self, uint32_t line) except -1:
        if self.unusable:
            self.refuse()
        if not channel_call_outstanding(&self.c, line) or self.abandoned >> line & 1:
            raise ValueError(f"nothing was called on line {line}, or its reply is taken")
        return 0

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def take(self, uint32_t line):
        """The reply on that line, waited for."""
        cdef message m
        self.outstanding(line)
        cdef channel_status status = channel_take_soon(&self.c, line, &m)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_REPLY, &m, &line)
        return _words(&m)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def try_take(self, uint32_t line):
        """The reply on that line, or None."""
        cdef message m
        cdef channel_status status
        self.outstanding(line)
        status = channel_take(&self.c, line, &m)
        if status > CHANNEL_AGAIN:
            self.fail(status, False)
        return _words(&m) if status == CHANNEL_OK else None

    # --- answering: requests come in order, and are answered in order ---

    cdef inline int hold(self, message *m, bint wait) except -1:
        cdef uint32_t line = 0
        cdef channel_status status
        if self.unusable:
            self.refuse()
        status = channel_request_soon(&self.c, m, &line) if wait else channel_request(&self.c, m, &line)
        if status != CHANNEL_OK:
            if status == CHANNEL_AGAIN and not wait:
                return 0
            self.finish(status, AWAIT_MESSAGE, m, &line)
        self.held[self.head % 32] = line
        self.head += 1
        return 1

    cdef inline int answer(self, object data) except -1:
        cdef message m
        if self.unusable:
            self.refuse()
        if self.head == self.tail:
            raise ValueError("there is no request to reply to")
        _fill(&m, data)
        channel_reply(&self.c, self.held[self.tail % 32], &m)
        self.tail += 1
        return 0

    @cython.binding(False)
    def try_receive(self):
        """The next request's seven words, or None. Raises EOFError when the other side has closed."""
        cdef message m
        return _words(&m) if self.hold(&m, False) else None

    @cython.binding(False)
    def receive(self):
        """The next request's seven words, waited for."""
        cdef message m
        self.hold(&m, True)
        return _words(&m)

    @cython.binding(False)
    def receive_bytes(self):
        """The next request's 56 bytes, waited for."""
        cdef bytes request = _blank()
        self.hold(_inside(request), True)
        return request

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def reply(self, data):
        """Answers the oldest request that is received and not answered."""
        self.answer(data)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def reply_receive(self, data):
        """reply, then receive, in one call: what a server does all day."""
        cdef message m
        self.answer(data)
        self.hold(&m, True)
        return _words(&m)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def reply_receive_bytes(self, data):
        """The same in bytes."""
        self.answer(data)
        cdef bytes request = _blank()
        self.hold(_inside(request), True)
        return request
