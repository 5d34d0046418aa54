# Ends of channels for Python, included by _native.pyx: what all have in common, and those of FIFOs.
# Messages are those of _channels.pxi. An end belongs to one thread at a time.
#
# A call that waits spins for a few microseconds with the interpreter lock, as long as a message
# takes from a side that is awake; only then is the lock released, and the rest of the wait is
# channel_wait's, in slices after which signals are handled.
#
# A call a message costs its parsing. Methods of one argument take it by position alone; those of
# none keep the usual convention. Each was tried both ways under CPython 3.11 and is some 20 cycles
# a call faster as it is here; another interpreter may want it otherwise. Bytes that a message will
# come in are made before it is waited for, while it is on its way.

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
        cdef channel_kind kind = _kind(form)
        cdef const char *wrong
        PyObject_GetBuffer(memory, &self.view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        self.has_view = True
        wrong = channel_memory_open(&self.c, self.view.buf, self.view.len, kind, side)
        if wrong:
            raise ValueError(f"side {side} of a {form} channel cannot be opened: {wrong.decode()}")
        self.unusable = 0
        self.form = form
        self.side = side
        return 0

    @cython.final
    cdef inline int ready(self) except -1:
        """Raises where the end cannot be used now."""
        return self.refuse() if self.unusable else 0

    cdef int refuse(self) except -1:
        if self.unusable == 1:
            raise RuntimeError(
                "another thread waits with this end; an end belongs to one thread at a time"
            )
        raise ValueError("this end is closed")

    @property
    def closed(self):
        """Whether close was called."""
        return self.unusable == 2

    @property
    def timeout(self):
        """Seconds that a call waits before it raises TimeoutError; None: as long as the other side
        lives.
        """
        return None if self._timeout < 0 else self._timeout

    @timeout.setter
    def timeout(self, seconds):
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"a timeout is not negative: {seconds}")
        self._timeout = -1 if seconds is None else seconds

    def close(self):
        """The other side is notified, after what was sent. Idempotent."""
        if self.unusable == 1:
            self.refuse()
        self.end()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    cdef channel_status look(self, channel_awaited awaited, message *m,
            uint32_t *line) noexcept nogil:
        """One try. Where it calls, a request or its room; else a message or its room."""
        return CHANNEL_BROKEN

    cdef int finish(self, channel_status status, channel_awaited awaited, message *m,
            uint32_t *line) except -1:
        """Short looks have ended with that status: waits longer, raises what hinders it."""
        if status == CHANNEL_AGAIN:
            status = self.wait_long(awaited, m, line)
        if status != CHANNEL_OK:
            self.fail(status, awaited == AWAIT_ROOM)
        return 0

    cdef channel_status wait_long(self, channel_awaited awaited, message *m,
            uint32_t *line) except *:
        cdef channel_status status = CHANNEL_AGAIN
        cdef uint64_t began = clock_ns(CLOCK_MONOTONIC), now = began, until, limit = UINT64_MAX
        cdef wait_state waited
        cdef bint there = True
        if self._timeout >= 0:
            limit = began + <uint64_t>(self._timeout * 1e9) if self._timeout < 1e9 else UINT64_MAX
        memset(&waited, 0, sizeof(waited))
        self.unusable = 1
        try:
            while True:
                until = min(now + SLICE_NS, limit)
                with nogil:
                    while status == CHANNEL_AGAIN and there and now < until:
                        there = channel_wait(&self.c, awaited, &waited)
                        status = self.look(awaited, m, line)
                        if waited.rounds % LOOKS_A_CLOCK == 0 or waited.yielded or waited.slept:
                            now = clock_ns(CLOCK_MONOTONIC)
                if status != CHANNEL_AGAIN:
                    return status
                if not there:
                    return CHANNEL_CLOSED
                PyErr_CheckSignals()
                if now >= limit:
                    raise TimeoutError(
                        f"nothing for {self._timeout} s on side {self.side} of a {self.form} "
                        "channel"
                    )
        finally:
            self.unusable = 0

    @cython.final
    cdef inline bint went(self, channel_status status, bint sending) except -1:
        """Whether one try went; raises what hinders it for good."""
        if status > CHANNEL_AGAIN:
            self.fail(status, sending)
        return status == CHANNEL_OK

    cdef int fail(self, channel_status status, bint sending) except -1:
        if status == CHANNEL_CLOSED:
            # not when this module is loaded: cores load it without
            from multikernel.errors import ChannelClosed
            raise ChannelClosed(
                "the other side of this channel has closed, or is gone"
                + ("" if sending else ", and there is nothing left"),
                value=self.form)
        raise OSError(f"the host broke this {self.form} channel, or somebody else sent on it")


@cython.final
@cython.binding(False)
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
        self.carried("socket", channel_socket_open(&self.c, descriptor),
                f"descriptor {descriptor} is no SOCK_SEQPACKET socket")
        return self

    @staticmethod
    def pipe(int receive, int send):
        """Over one pair of pipe_pair(); the end closes both."""
        cdef ChannelEnd self = ChannelEnd()
        self.carried("pipe", channel_pipe_open(&self.c, receive, send),
                f"descriptors {receive} and {send} are not those of pipes")
        return self

    cdef int carried(self, str form, int error, str wrong) except -1:
        if error:
            raise OSError(error, wrong)
        self.form, self.side, self.unusable = form, -1, 0
        return 0

    def fileno(self):
        """The descriptor that becomes readable with a message. Raises ValueError in shared memory,
        where there is none.
        """
        self.ready()
        cdef int descriptor = channel_descriptor(&self.c, False)
        if descriptor < 0:
            raise ValueError(f"a {self.form} channel has no descriptor")
        return descriptor

    cdef channel_status look(self, channel_awaited awaited, message *m,
            uint32_t *line) noexcept nogil:
        if awaited == AWAIT_ROOM:
            return channel_try_send(&self.c, m)
        return channel_try_receive(&self.c, m)

    @cython.always_allow_keywords(False)
    def try_send(self, data):
        """True, or False when the channel is full. Raises ChannelClosed when the other side has
        closed.
        """
        cdef message m
        self.ready()
        _fill(&m, data)
        return self.went(channel_try_send(&self.c, &m), True)

    @cython.always_allow_keywords(False)
    def send(self, data):
        """The same, waiting for room."""
        cdef message m
        self.ready()
        _fill(&m, data)
        cdef channel_status status = channel_send_soon(&self.c, &m)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_ROOM, &m, NULL)

    cdef bint got(self, message *m) except -1:
        self.ready()
        return self.went(channel_try_receive(&self.c, m), False)

    cdef inline int wait(self, message *m) except -1:
        cdef channel_status status
        self.ready()
        status = channel_receive_soon(&self.c, m)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_MESSAGE, m, NULL)
        return 0

    def try_receive(self):
        """Seven words, or None when there is nothing. Raises ChannelClosed when the other side has
        closed and all is read.
        """
        cdef message m
        return _words(&m) if self.got(&m) else None

    def try_receive_bytes(self):
        """56 bytes, or None."""
        cdef message m
        return PyBytes_FromStringAndSize(<char *>m.word, sizeof(message)) if self.got(&m) else None

    def receive(self):
        """Seven words, waited for."""
        cdef message m
        self.wait(&m)
        return _words(&m)

    def receive_bytes(self):
        """56 bytes, waited for."""
        cdef bytes data = _blank()
        self.wait(_inside(data))
        return data

    cdef channel_status some(self, bint sending, void *rows, uint32_t count,
            uint32_t *done) noexcept nogil:
        """As many of the rows as go now."""
        if sending:
            return self.c.form.send_many(&self.c, <const message *>rows, count, done)
        return self.c.form.receive_many(&self.c, <message *>rows, count, done)

    cdef object move(self, bint sending, object array):
        """As many of the array's rows as go now; how many."""
        cdef Py_buffer view
        cdef uint32_t done = 0
        cdef channel_status status
        self.ready()
        _rows(array, &view, not sending)
        status = self.some(sending, view.buf, <uint32_t>min(view.shape[0], 1 << 30), &done)
        PyBuffer_Release(&view)
        self.went(status, sending)
        return done

    @cython.always_allow_keywords(False)
    def try_send_many(self, array):
        """Sends as many rows of an (n, 7) uint64 array, from the first, as there is room for; how
        many.
        """
        return self.move(True, array)

    @cython.always_allow_keywords(False)
    def try_receive_many(self, array):
        """Receives into an (n, 7) uint64 array as many as have come; how many."""
        return self.move(False, array)

    def send_many(self, array):
        """Sends every row, waiting for room."""
        self.all(array, True)

    def receive_many(self, array):
        """Fills the whole array, waiting for messages. What came before an error is in its first
        rows.
        """
        self.all(array, False)

    cdef int all(self, object array, bint sending) except -1:
        cdef Py_buffer view
        cdef uint64_t done = 0, count
        cdef uint32_t moved, looks
        cdef channel_status status = CHANNEL_OK
        cdef char *row
        self.ready()
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
                    self.finish(status, AWAIT_ROOM if sending else AWAIT_MESSAGE, <message *>row,
                            NULL)
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
            status = self.some(sending, <message *>rows + count[0], wanted - count[0], &moved)
            count[0] += moved
            if status == CHANNEL_OK:
                looks = 0
                continue
            if status != CHANNEL_AGAIN or looks == CHANNEL_SHORT_LOOKS:
                return status
            looks += 1
            arch_relax()
        return CHANNEL_OK
