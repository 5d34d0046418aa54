# The end of a calls channel for Python, included by _native.pyx: requests and replies over call
# lines (call_line.h). How it waits, and is called, is that of all ends: _ends.pxi.

@cython.binding(False)
cdef class CallEnd(_End):
    """One end of a calls channel: it calls the other side, and answers its calls. A round trip
    moves one cache line.
    """

    cdef uint32_t lines[32] # whose requests are received and not answered, in order
    cdef uint32_t head, tail
    # a bit for each line whose call was given up: its reply is dropped when it comes
    cdef uint32_t abandoned

    @staticmethod
    def attach(memory, uint32_t side):
        """Side 0 or 1 of what channel_create made there of the form calls. Each side is attached
        once.
        """
        return CallEnd()._attach(memory, side)

    def _attach(self, memory, uint32_t side):
        self.open(memory, "calls", side)
        return self

    def _take(self, uint32_t side, uint64_t size, tuple descriptors):
        self.take_side("calls", side, size, descriptors)
        return self

    cdef channel_status look(self, channel_awaited awaited, message *m,
            uint32_t *line) noexcept nogil:
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

    cdef inline uint32_t ask(self, message *m, object data, object timeout) except? 0xffffffff:
        """Sends a request, waiting for a free line: the line."""
        cdef uint32_t line = 0
        cdef channel_status status
        self.ready()
        _fill(m, data)
        if self.abandoned:
            self.drop()
        status = channel_call(&self.c, m, &line)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_ROOM, m, &line, self.limit(timeout))
        return line

    cdef inline int answered(self, message *reply, uint32_t line, object timeout) except -1:
        """Waits for the reply of a call that nobody else can take."""
        cdef channel_status status = channel_take_soon(&self.c, line, reply)
        if status != CHANNEL_OK:
            self.late(status, reply, line, timeout)
        return 0

    cdef int late(self, channel_status status, message *m, uint32_t line,
            object timeout) except -1:
        try:
            self.finish(status, AWAIT_REPLY, m, &line, self.limit(timeout))
        except BaseException:
            self.abandoned |= <uint32_t>1 << line
            raise
        return 0

    def call(self, data, timeout=None):
        """Calls the other side; the seven words of its reply. The reply of a call that timed out is
        dropped when it comes.
        """
        cdef message m
        self.answered(&m, self.ask(&m, data, timeout), timeout)
        return _words(&m)

    def call_message(self, data, timeout=None):
        """The same; the 56 bytes of the reply."""
        cdef message m
        cdef bytes reply
        cdef uint32_t line = self.ask(&m, data, timeout)
        try:
            reply = _blank()
        except MemoryError:
            self.abandoned |= <uint32_t>1 << line
            raise
        self.answered(_inside(reply), line, timeout)
        return reply

    @cython.always_allow_keywords(False)
    def call_into(self, request, reply, /):
        """The same from one buffer of 56 bytes into another, or into the same: memoryviews and
        bytearrays. Nothing is allocated; with serve_into on the other side it is the fast pair.
        Raises ValueError for a buffer of another size, and BufferError for one that cannot be
        written to, before anything is sent.
        """
        cdef message m
        cdef uint32_t line
        _room(reply, NULL)
        line = self.ask(&m, request, None)
        self.answered(&m, line, None)
        _room(reply, &m)

    def begin(self, data, timeout=None):
        """Sends a request and does not wait for its reply: the line to take it from. Waits for a
        free line.
        """
        cdef message m
        return self.ask(&m, data, timeout)

    @cython.always_allow_keywords(False)
    def try_begin(self, data):
        """The same, or -1 when the next line is in use."""
        cdef message m
        cdef uint32_t line = 0
        self.ready()
        _fill(&m, data)
        return <int>line if self.went(self.look(AWAIT_ROOM, &m, &line), True) else -1

    cdef int outstanding(self, uint32_t line) except -1:
        self.ready()
        if not channel_call_outstanding(&self.c, line) or self.abandoned >> line & 1:
            _misused("nothing was called on this line, or its reply is taken", value=line)
        return 0

    def take(self, uint32_t line, timeout=None):
        """The reply on that line, waited for."""
        cdef message m
        self.outstanding(line)
        cdef channel_status status = channel_take_soon(&self.c, line, &m)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_REPLY, &m, &line, self.limit(timeout))
        return _words(&m)

    @cython.always_allow_keywords(False)
    def try_take(self, uint32_t line):
        """The reply on that line, or None."""
        cdef message m
        self.outstanding(line)
        return _words(&m) if self.went(channel_take(&self.c, line, &m), False) else None

    # --- answering: requests come in order, and are answered in order ---

    cdef inline int hold(self, message *m, object timeout) except -1:
        """The next request, waited for."""
        cdef uint32_t line = 0
        cdef channel_status status
        self.ready()
        if self.has_held:
            m[0], line, self.has_held = self.held_message, self.held_line, False
        else:
            status = channel_request_soon(&self.c, m, &line)
            if status != CHANNEL_OK:
                self.finish(status, AWAIT_MESSAGE, m, &line, self.limit(timeout))
        return self.due(line)

    cdef inline int due(self, uint32_t line) except -1:
        self.lines[self.head % 32] = line
        self.head += 1
        return 0

    cdef inline int answer(self, object data) except -1:
        cdef message m
        self.ready()
        if self.head == self.tail:
            _misused("there is no request to reply to", value=repr(self))
        _fill(&m, data)
        channel_reply(&self.c, self.lines[self.tail % 32], &m)
        self.tail += 1
        return 0

    def poll(self):
        """Would receive_words return at once, or raise at once that nothing more will come? Never
        waits.
        """
        cdef channel_status status
        self.ready()
        if self.has_held:
            return True
        status = channel_request(&self.c, &self.held_message, &self.held_line)
        status = self.again(status, AWAIT_MESSAGE, &self.held_message, &self.held_line)
        self.has_held = status == CHANNEL_OK
        return status != CHANNEL_AGAIN

    def try_receive_words(self):
        """The next request's seven words, or None. Raises ChannelClosed when the other side has
        closed.
        """
        cdef message m
        cdef uint32_t line = 0
        self.ready()
        if self.has_held:
            self.hold(&m, None)
            return _words(&m)
        if not self.went(self.again(channel_request(&self.c, &m, &line), AWAIT_MESSAGE, &m, &line),
                False):
            return None
        self.due(line)
        return _words(&m)

    def receive_words(self, timeout=None):
        """The next request's seven words, waited for."""
        cdef message m
        self.hold(&m, timeout)
        return _words(&m)

    def receive_message(self, timeout=None):
        """The next request's 56 bytes, waited for."""
        cdef bytes request = _blank()
        self.hold(_inside(request), timeout)
        return request

    def reply(self, data, /):
        """Answers the oldest request that is received and not answered."""
        self.answer(data)

    def reply_receive(self, data, timeout=None):
        """reply, then receive_words, in one call: what a server does all day."""
        cdef message m
        self.answer(data)
        self.hold(&m, timeout)
        return _words(&m)

    @cython.always_allow_keywords(False)
    def serve_into(self, buffer, /):
        """Answers the request that was received before, if there is one, with the buffer's 56
        bytes, and receives the next one into it, waited for. Nothing is allocated, as in call_into,
        and errors are the same.
        """
        cdef message m
        _room(buffer, NULL)
        if self.head != self.tail:
            self.answer(buffer)
        self.hold(&m, None)
        _room(buffer, &m)

    def reply_receive_message(self, data, timeout=None):
        """The same in bytes."""
        self.answer(data)
        cdef bytes request = _blank()
        self.hold(_inside(request), timeout)
        return request
