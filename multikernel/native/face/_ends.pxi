# Ends of channels for Python, included by _native.pyx: what all have in common. Messages are those
# of _channels.pxi. An end belongs to one thread at a time, in the process that opened it.
#
# A call that waits spins for a few microseconds with the interpreter lock, as long as a message
# takes from a side that is awake; only then is the lock released, and the rest of the wait is
# channel_wait's, in slices after which signals are handled.
#
# A call a message costs its parsing. Each was tried with and without keywords under CPython 3.11.
# Bytes that a message will come in are made before it is waited for, while it is on its way.

cdef uint32_t _forks = 0
cdef object _before_asking = None


def channels_forked():
    """In a child: the ends that its parent opened are the parent's."""
    global _forks
    _forks += 1


def channels_before_asking(function):
    """Called before a wait asks whether the other side's process is there, each time."""
    global _before_asking
    _before_asking = function


cdef class _End:
    """What all ends have: memory or descriptors, a side, closing."""

    cdef channel c
    cdef Py_buffer view
    cdef bint has_view
    cdef int unusable # 1: another thread waits with it; 2: closed
    cdef uint32_t forks # of this process when it was opened
    cdef double _timeout
    cdef frame *moving # what is waited for is a frame's next part
    cdef uint32_t carries, carried # by this side and by the other, once known
    cdef bint unheard # what is waited for is to know what the other side carries
    cdef bint has_held # a message was received to find out whether there is one
    cdef message held_message
    cdef uint32_t held_line
    cdef readonly str form
    cdef readonly int side
    cdef object __weakref__

    def __cinit__(self):
        self._timeout = -1
        self.unusable = 2
        self.side = -1
        channel_blank(&self.c)

    def __dealloc__(self):
        self.end()

    cdef void end(self) noexcept:
        if self.unusable != 2:
            if self.forks == _forks:
                channel_close(&self.c)
            else:
                channel_drop(&self.c)
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
            PyBuffer_Release(&self.view)
            self.has_view = False
        self.opened(wrong, form, side)
        return 0

    cdef int take_side(self, str form, uint32_t side, uint64_t size, tuple descriptors) except -1:
        """What channel_parse gives: the end takes the descriptors."""
        cdef channel_side given
        given.kind, given.side, given.bytes = _kind(form), side, size
        given.count = <uint32_t>min(len(descriptors), SIDE_DESCRIPTORS_MOST)
        for i in range(given.count):
            given.descriptor[i] = descriptors[i]
        self.opened(channel_side_open(&self.c, &given), form, side)
        return 0

    cdef int opened(self, const char *wrong, str form, uint32_t side) except -1:
        if wrong:
            _misused(wrong.decode(), value=f"side {side} of a {form} channel",
                    where="open", hint="a side is opened once, in the process that was given it")
        self.unusable, self.form, self.side, self.forks = 0, form, side, _forks
        channel_speaks(&self.c, PY_VERSION_HEX)
        return 0

    @cython.final
    cdef inline int ready(self) except -1:
        """Raises where the end cannot be used now."""
        return self.refuse() if self.unusable or self.forks != _forks else 0

    cdef int refuse(self) except -1:
        if self.unusable == 2:
            _misused("this end is closed", value=repr(self), hint="open another pair")
        if self.forks != _forks:
            _misused("this end was opened by the parent of this process", value=self.form,
                    hint="give the child a side, which it opens itself")
        _misused("another thread waits with this end", value=repr(self),
                hint="an end belongs to one thread at a time: give each thread a pair")

    @property
    def closed(self):
        """Whether close was called."""
        return self.unusable == 2

    @property
    def timeout(self):
        """Seconds that a call waits before it raises ChannelTimeout, where it does not say itself;
        None: as long as the other side lives.
        """
        return None if self._timeout < 0 else self._timeout

    @timeout.setter
    def timeout(self, seconds):
        self._timeout = -1 if seconds is None else self.limit(seconds)

    cdef double limit(self, object timeout) except -2:
        """Of one call; -1: none."""
        if timeout is None:
            return self._timeout
        try:
            seconds = float(timeout)
        except (TypeError, ValueError):
            seconds = -1
        if not seconds >= 0:
            _misused("a timeout is a number of seconds from 0 on", value=repr(timeout))
        return seconds

    def close(self):
        """The other side is notified, after what was sent. Idempotent."""
        if self.unusable == 1:
            self.refuse()
        self.end()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        if self.unusable == 2:
            return f"<{self.form or 'channel'} end, closed>"
        side = "" if self.side < 0 else f", side {self.side}"
        if self.forks != _forks:
            return f"<{self.form} end{side}, opened by the parent process>"
        return f"<{self.form} end{side}, open>"

    def fileno(self):
        """A descriptor that is readable when something may have come, or the other side is gone:
        for select, poll and event loops. Once it was asked for, each call that finds nothing has
        the other side notify this one. Raises ChannelMisused for a channel in a page, which has
        none.
        """
        self.ready()
        cdef int descriptor = channel_fileno(&self.c)
        if descriptor < 0:
            _misused("this end has no descriptor", value=repr(self), where="fileno",
                    hint="channels.pair() makes channels that have one")
        return descriptor

    # --- Waiting ---

    cdef channel_status look(self, channel_awaited awaited, message *m,
            uint32_t *line) noexcept nogil:
        """One try. Where it calls, a request or its room; else a message or its room."""
        return CHANNEL_BROKEN

    cdef int finish(self, channel_status status, channel_awaited awaited, message *m,
            uint32_t *line, double limit) except -1:
        """Short looks have ended with that status: waits longer, raises what hinders it."""
        if status == CHANNEL_AGAIN:
            status = self.wait_long(awaited, m, line, limit)
        if status != CHANNEL_OK:
            self.fail(status, awaited == AWAIT_ROOM)
        return 0

    cdef channel_status wait_long(self, channel_awaited awaited, message *m,
            uint32_t *line, double seconds) except *:
        cdef channel_status status = CHANNEL_AGAIN
        cdef uint64_t began = clock_ns(CLOCK_MONOTONIC), now = began, until, limit = UINT64_MAX
        cdef wait_state waited
        cdef uint32_t slept
        cdef bint there = True
        if seconds >= 0:
            limit = began + <uint64_t>(seconds * 1e9) if seconds < 1e9 else UINT64_MAX
        memset(&waited, 0, sizeof(waited))
        self.unusable = 1
        try:
            while True:
                until = min(now + SLICE_MS * 1000000, limit)
                slept = waited.slept
                if slept and _before_asking is not None:
                    _before_asking()
                with nogil:
                    while (status == CHANNEL_AGAIN and there and now < until
                            and waited.slept - slept < 4):
                        there = channel_wait(&self.c, awaited, &waited,
                                1 + <uint32_t>((until - now) / 1000000))
                        status = self.look(awaited, m, line)
                        if waited.rounds % LOOKS_A_CLOCK == 0 or waited.yielded or waited.slept:
                            now = clock_ns(CLOCK_MONOTONIC)
                if status != CHANNEL_AGAIN:
                    return status
                if not there:
                    return CHANNEL_CLOSED
                PyErr_CheckSignals()
                if now >= limit:
                    from multikernel.errors import ChannelTimeout
                    raise ChannelTimeout(
                        "room" if awaited == AWAIT_ROOM else "a reply" if awaited == AWAIT_REPLY
                        else "a message", value=f"none within {seconds:g} s", where=repr(self))
        finally:
            self.unusable = 0
            channel_awake(&self.c)

    @cython.final
    cdef inline channel_status again(self, channel_status status, channel_awaited awaited,
            message *m, uint32_t *line):
        """One try found nothing. Where the caller polls for the descriptor, from here on it says
        when there is something: so one more look.
        """
        if status != CHANNEL_AGAIN or not self.c.bell.asked or awaited == AWAIT_ROOM:
            return status
        channel_arm(&self.c)
        status = self.look(awaited, m, line)
        if status == CHANNEL_AGAIN:
            return CHANNEL_CLOSED if channel_other_gone(&self.c) else status
        channel_awake(&self.c)
        return status

    @cython.final
    cdef inline bint went(self, channel_status status, bint sending) except -1:
        """Whether one try went; raises what hinders it for good."""
        if status > CHANNEL_AGAIN:
            self.fail(status, sending)
        return status == CHANNEL_OK

    cdef int fail(self, channel_status status, bint sending) except -1:
        from multikernel.errors import ChannelBroken, ChannelClosed
        if status == CHANNEL_CLOSED:
            raise ChannelClosed(
                "the other side of this channel has closed, or is gone"
                + ("" if sending else ", and there is nothing left"),
                value=repr(self))
        raise ChannelBroken("the host broke this channel, or somebody else sent on it",
                value=repr(self))

    # --- What a direction carries ---

    @cython.final
    cdef int carry(self, uint32_t what) except -1:
        """Before this side's first message."""
        if self.c.header and not channel_carry(&self.c, what):
            _misused(_MIXED_SENDING, value=repr(self), hint=_MIXED_HINT)
        self.carries = what
        return 0

    @cython.final
    cdef channel_status hears(self, uint32_t what) noexcept nogil:
        """Before a look for the other side's first message: is it what is waited for?"""
        cdef uint32_t carried
        if self.carried == what or not self.c.header:
            return CHANNEL_OK
        carried = channel_carried(&self.c)
        if carried == CARRIES_NOTHING:
            return CHANNEL_CLOSED if channel_other_closed(&self.c) else CHANNEL_AGAIN
        self.carried = carried
        return CHANNEL_OK if carried == what else CHANNEL_BROKEN

    @cython.final
    cdef int check_hears(self, uint32_t what) except -1:
        """Raises where the other side is known to send something else."""
        if self.carried and self.carried != what:
            _misused("the other side sends "
                    + ("words" if self.carried == CARRIES_WORDS else "objects or bytes")
                    + " on this channel", value=repr(self), hint=_MIXED_HINT)
        return 0


_MIXED_SENDING = "this side has sent otherwise on this channel"
_MIXED_HINT = (
    "a direction carries words, or objects and bytes: receive it as it is sent, or use two channels"
)
