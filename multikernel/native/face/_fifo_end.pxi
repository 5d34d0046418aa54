# The ends of FIFOs for Python, included by _native.pyx: words and arrays of them, in every form.

@cython.binding(False)
cdef class ChannelEnd(_FrameEnd):
    """One end of a FIFO each way: epoch-ring, used-ring, call-line, socket or pipe. A direction
    carries messages of seven words, or frames: bytes of any length, and objects.
    """

    @staticmethod
    def attach(memory, str form, uint32_t side):
        """Side 0 or 1 of what channel_create made in that memory. Each side is attached once."""
        return ChannelEnd()._attach(memory, form, side)

    def _attach(self, memory, str form, uint32_t side):
        if _kind(form) == CHANNEL_CALLS:
            _misused("a calls channel has no FIFO", value=form, hint='attach it as form "calls"')
        self.open(memory, form, side)
        return self

    def _take(self, str form, uint32_t side, uint64_t size, tuple descriptors):
        self.take_side(form, side, size, descriptors)
        return self

    @staticmethod
    def socket(int descriptor):
        """Over one of socket_pair(); the end closes it."""
        cdef ChannelEnd self = ChannelEnd()
        self.carried_by("socket", channel_socket_open(&self.c, descriptor),
                f"descriptor {descriptor} is no SOCK_SEQPACKET socket")
        return self

    @staticmethod
    def pipe(int receive, int send):
        """Over one pair of pipe_pair(); the end closes both."""
        cdef ChannelEnd self = ChannelEnd()
        self.carried_by("pipe", channel_pipe_open(&self.c, receive, send),
                f"descriptors {receive} and {send} are not those of pipes")
        return self

    cdef int carried_by(self, str form, int error, str wrong) except -1:
        if error:
            raise OSError(error, wrong)
        self.form, self.unusable, self.forks = form, 0, _forks
        return 0

    cdef channel_status look(self, channel_awaited awaited, message *m,
            uint32_t *line) noexcept nogil:
        cdef channel_status status
        if self.unheard:
            self.carried = channel_carried(&self.c)
            return CHANNEL_OK if self.carried else self.hears(CARRIES_WORDS)
        if self.moving:
            return self.step() if awaited == AWAIT_MESSAGE else frame_try_send(&self.c, self.moving)
        if awaited == AWAIT_ROOM:
            return channel_try_send(&self.c, m)
        status = self.hears(CARRIES_WORDS)
        return channel_try_receive(&self.c, m) if status == CHANNEL_OK else status

    # --- Words, the fast path ---

    cdef inline int say(self, message *m, object data) except -1:
        self.ready()
        _fill(m, data)
        return self.carry(CARRIES_WORDS) if self.carries != CARRIES_WORDS else 0

    def try_send_words(self, data, /):
        """True, or False when the channel is full. Raises ChannelClosed when the other side has
        closed.
        """
        cdef message m
        self.say(&m, data)
        return self.went(channel_try_send(&self.c, &m), True)

    def send_words(self, data, timeout=None):
        """Sends up to seven 64-bit integers, a tuple, or up to 56 bytes, waiting for room; what is
        missing is 0. Raises ChannelClosed, ChannelTimeout; ChannelMisused for anything else.
        """
        cdef message m
        self.say(&m, data)
        cdef channel_status status = channel_send_soon(&self.c, &m)
        if status != CHANNEL_OK:
            self.finish(status, AWAIT_ROOM, &m, NULL, self.limit(timeout))

    cdef inline bint held(self, message *m) except -1:
        """Before the first message, and after poll: is one here already?"""
        self.check_hears(CARRIES_WORDS)
        if not self.has_held:
            return False
        m[0] = self.held_message
        self.has_held = False
        return True

    cdef bint got(self, message *m) except -1:
        self.ready()
        if (self.carried != CARRIES_WORDS or self.has_held) and self.held(m):
            return True
        return self.heard(self.again(self.look(AWAIT_MESSAGE, m, NULL), AWAIT_MESSAGE, m, NULL))

    cdef bint heard(self, channel_status status) except -1:
        if status > CHANNEL_AGAIN:
            self.check_hears(CARRIES_WORDS)
        return self.went(status, False)

    cdef inline int wait(self, message *m, object timeout) except -1:
        cdef channel_status status = CHANNEL_AGAIN
        self.ready()
        if self.carried != CARRIES_WORDS or self.has_held:
            if self.held(m):
                return 0
        else:
            status = channel_receive_soon(&self.c, m)
        if status != CHANNEL_OK:
            if status == CHANNEL_AGAIN:
                status = self.wait_long(AWAIT_MESSAGE, m, NULL, self.limit(timeout))
            self.heard(status)
        return 0

    def try_receive_words(self):
        """Seven words, or None when there is nothing. Raises ChannelClosed when the other side has
        closed and all is read.
        """
        cdef message m
        return _words(&m) if self.got(&m) else None

    def try_receive_message(self):
        """The same as 56 bytes, or None."""
        cdef message m
        return PyBytes_FromStringAndSize(<char *>m.word, sizeof(message)) if self.got(&m) else None

    def receive_words(self, timeout=None):
        """Seven words, waited for. Raises ChannelClosed, ChannelTimeout; ChannelMisused where the
        other side sends objects or bytes.
        """
        cdef message m
        self.wait(&m, timeout)
        return _words(&m)

    def receive_message(self, timeout=None):
        """The same as 56 bytes."""
        cdef bytes data = _blank()
        self.wait(_inside(data), timeout)
        return data

    def poll(self):
        """Would receive return at once, or raise at once that nothing more will come? Of an object
        or of bytes: is all of it here? Never waits.
        """
        self.ready()
        if self.has_held or self.whole():
            return True
        if not self.c.header:
            self.carried = CARRIES_WORDS
        elif self.carried == CARRIES_NOTHING:
            self.carried = channel_carried(&self.c)
        try:
            if self.carried == CARRIES_FRAMES:
                return self.get(False, 0)
            if self.got(&self.held_message):
                self.has_held = True
            return self.has_held
        except EOFError:
            return True

    def carries_frames(self, timeout=None):
        """Does the other side send objects and bytes, and not words? Waits for its first message.
        Raises ChannelClosed, ChannelTimeout.
        """
        cdef message m
        cdef channel_status status = CHANNEL_OK
        self.ready()
        if not self.carried and self.c.header:
            self.unheard = True
            try:
                status = self.wait_long(AWAIT_MESSAGE, &m, NULL, self.limit(timeout))
            finally:
                self.unheard = False
            if status != CHANNEL_OK:
                self.fail(status, False)
        return self.carried == CARRIES_FRAMES

    # --- Rows of an array ---

    cdef channel_status some(self, bint sending, void *rows, uint32_t count,
            uint32_t *done) noexcept nogil:
        """As many of the rows as go now."""
        if sending:
            return self.c.form.send_many(&self.c, <const message *>rows, count, done)
        done[0] = 0
        cdef channel_status status = self.hears(CARRIES_WORDS)
        if status != CHANNEL_OK:
            return status
        return self.c.form.receive_many(&self.c, <message *>rows, count, done)

    cdef int begin_rows(self, bint sending) except -1:
        self.ready()
        if not sending:
            return self.check_hears(CARRIES_WORDS)
        return self.carry(CARRIES_WORDS) if self.carries != CARRIES_WORDS else 0

    cdef object move(self, bint sending, object array):
        """As many of the array's rows as go now; how many."""
        cdef Py_buffer view
        cdef uint32_t done = 0
        cdef channel_status status = CHANNEL_OK
        self.begin_rows(sending)
        _rows(array, &view, not sending)
        if not sending and self.has_held and view.shape[0]:
            self.held(<message *>view.buf)
            done = 1
        else:
            status = self.some(sending, view.buf, <uint32_t>min(view.shape[0], 1 << 30), &done)
        PyBuffer_Release(&view)
        if not sending:
            self.heard(status)
        else:
            self.went(status, sending)
        return done

    def try_send_many(self, array, /):
        """Sends as many rows of an (n, 7) uint64 array, from the first, as there is room for; how
        many.
        """
        return self.move(True, array)

    def try_receive_many(self, array, /):
        """Receives into an (n, 7) uint64 array as many as have come; how many."""
        return self.move(False, array)

    def send_many(self, array, timeout=None):
        """Sends every row, waiting for room. timeout: for each wait."""
        self.all(array, True, self.limit(timeout))

    def receive_many(self, array, timeout=None):
        """Fills the whole array, waiting for messages. What came before an error is in its first
        rows. timeout: for each wait.
        """
        self.all(array, False, self.limit(timeout))

    cdef int all(self, object array, bint sending, double limit) except -1:
        cdef Py_buffer view
        cdef uint64_t done = 0, count
        cdef uint32_t moved, looks
        cdef channel_status status = CHANNEL_OK
        cdef char *row
        self.begin_rows(sending)
        _rows(array, &view, not sending)
        try:
            count = view.shape[0]
            if count and not sending and self.has_held:
                self.held(<message *>view.buf)
                done = 1
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
                    status = self.wait_long(AWAIT_ROOM if sending else AWAIT_MESSAGE,
                            <message *>row, NULL, limit)
                    if status == CHANNEL_OK:
                        done += 1
                if status != CHANNEL_OK:
                    if not sending:
                        self.check_hears(CARRIES_WORDS)
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
