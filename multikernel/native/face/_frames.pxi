# Bytes and objects of any length over a FIFO, included by _native.pyx: what frame.h has, for Python.
# An object is a frame with its pickle, and one more for each buffer that the pickle leaves out
# (PEP 574): those are copied once by each side, and not pickled.

from cpython.bytearray cimport PyByteArray_FromStringAndSize

cdef extern from "marshal.h":
    int Py_MARSHAL_VERSION
    bytes PyMarshal_WriteObjectToString(object value, int version)
    object PyMarshal_ReadObjectFromString(const char *data, Py_ssize_t size)

cdef extern from "Python.h":
    uint32_t PY_VERSION_HEX

cdef object _dumps = None, _loads = None


cdef int _pickling() except -1:
    global _dumps, _loads
    import pickle
    _dumps, _loads = pickle.dumps, pickle.loads
    return 0


cdef inline bint _plain(object message):
    """Numbers and texts, alone or a few of them. Between two interpreters of the same version they
    need no pickle: they go as the interpreter writes its own constants, which is several times as
    fast.
    """
    cdef Py_ssize_t i
    if type(message) is not tuple:
        return _is_scalar(message)
    if PyTuple_GET_SIZE(message) > 8:
        return False
    for i in range(PyTuple_GET_SIZE(message)):
        if not _is_scalar(<object>PyTuple_GET_ITEM(message, i)):
            return False
    return True


cdef inline bint _is_scalar(object one):
    return (one is None or type(one) is int or type(one) is str or type(one) is float
            or type(one) is bytes or type(one) is bool)


cdef class _FrameEnd(_End):
    """An end that sends and receives frames."""

    cdef frame incoming
    cdef object room # what the frame that is being received comes in
    cdef list parts # of the object that is being received, those that are there
    cdef uint32_t kind, expected # of its first frame: kind, and how many frames there will be
    cdef bint torn # a part of a frame was sent, and the rest was not

    # --- Sending ---

    cdef int put(self, frame *f, double limit) except -1:
        """The whole frame, waiting for room."""
        cdef channel_status status = CHANNEL_AGAIN
        cdef uint32_t looks = CHANNEL_SHORT_LOOKS
        if f.length < LARGE:
            while status == CHANNEL_AGAIN and looks:
                status = frame_try_send(&self.c, f)
                looks -= 1
                if status == CHANNEL_AGAIN:
                    arch_relax()
        if status != CHANNEL_OK:
            self.moving = f
            try:
                self.finish(status, AWAIT_ROOM, NULL, NULL, limit)
            except BaseException:
                self.torn = self.torn or f.begun
                raise
            finally:
                self.moving = NULL
        return 0

    cdef int speak(self) except -1:
        self.ready()
        if self.torn:
            from multikernel.errors import ChannelBroken
            raise ChannelBroken("a wait ended when a part of a message was sent",
                    value=repr(self), hint="close this channel, and use another one")
        if self.carries != CARRIES_FRAMES:
            self.carry(CARRIES_FRAMES)
        return 0

    cdef inline bint put_short(self, bytes data, uint32_t kind) except -1:
        """What goes in one message, where there is room for it: the usual case."""
        cdef frame f
        if PyBytes_GET_SIZE(data) > FRAME_FIRST:
            return False
        memset(&f, 0, sizeof(f))
        f.kind, f.length, f.data = <frame_kind>kind, PyBytes_GET_SIZE(data), PyBytes_AS_STRING(data)
        return frame_try_send(&self.c, &f) == CHANNEL_OK

    cdef int check_fits(self, uint64_t length) except -1:
        """That there is room again comes with the other side's messages, and who sends one of ours
        does not look for those.
        """
        if frame_messages(&self.c, length) >= self.c.slots:
            _misused("this is too long for one message on an epoch ring of so few slots",
                    value=f"{length} bytes", where=repr(self),
                    hint='a pair of the form "used-ring" carries any length')
        return 0

    cdef int put_buffer(self, object data, uint32_t kind, uint32_t followers,
            double limit) except -1:
        cdef Py_buffer view
        cdef frame f
        memset(&f, 0, sizeof(f))
        f.kind, f.followers = <frame_kind>kind, followers
        PyObject_GetBuffer(data, &view, PyBUF_C_CONTIGUOUS)
        f.length, f.data = view.len, <char *>view.buf
        try:
            if self.c.form.kind == CHANNEL_EPOCH_RING:
                self.check_fits(f.length)
            self.put(&f, limit)
        finally:
            PyBuffer_Release(&view)
        return 0

    def send_bytes(self, data, timeout=None):
        """Sends bytes of any length (any buffer that lies in one piece), waiting for room. Raises
        ChannelClosed, ChannelTimeout, ChannelMisused.
        """
        self.speak()
        if type(data) is bytes and self.put_short(data, FRAME_BYTES):
            return
        if not PyObject_CheckBuffer(data):
            _misused("only what lies in memory as bytes is sent by send_bytes",
                    value=repr(data)[:80], hint=_ANYTHING)
        self.put_buffer(data, FRAME_BYTES, 0, self.limit(timeout))

    def send(self, object message, timeout=None):
        """Sends any object that can be pickled, waiting for room; the data of numpy arrays and the
        like are not pickled but copied as they lie. Raises what pickle raises, before anything is
        sent, ChannelClosed, ChannelTimeout, ChannelMisused.
        """
        cdef list buffers
        self.speak()
        if _plain(message) and channel_understands(&self.c, PY_VERSION_HEX):
            data = PyMarshal_WriteObjectToString(message, Py_MARSHAL_VERSION)
            if not self.put_short(data, FRAME_PLAIN):
                self.put_buffer(data, FRAME_PLAIN, 0, self.limit(timeout))
            return
        if _dumps is None:
            _pickling()
        buffers = []
        data = _dumps(message, 5, buffer_callback=buffers.append)
        if not buffers:
            self.put_buffer(data, FRAME_OBJECT, 0, self.limit(timeout))
            return
        if len(buffers) > FRAME_FOLLOWERS_MOST:
            buffers, data = [], _dumps(message, 5)
        parts = [buffer.raw() for buffer in buffers]
        limit = self.limit(timeout)
        self.put_buffer(data, FRAME_OBJECT, <uint32_t>len(parts), limit)
        try:
            for part in parts:
                self.put_buffer(part, FRAME_BUFFER, 0, limit)
        except BaseException:
            self.torn = True
            raise

    # --- Receiving ---

    cdef channel_status step(self) noexcept nogil:
        """One try at what is being received."""
        cdef channel_status status = self.hears(CARRIES_FRAMES)
        return frame_try_receive(&self.c, &self.incoming) if status == CHANNEL_OK else status

    cdef bint begun(self) except -1:
        """A frame has begun: room is made for it. Raises ChannelBroken for what is no frame."""
        if not self.incoming.begun or self.room is not None:
            return False
        if self.incoming.kind == FRAME_BUFFER:
            self.room = PyByteArray_FromStringAndSize(NULL, self.incoming.length)
            self.incoming.data = PyByteArray_AS_STRING(self.room)
        else:
            self.room = PyBytes_FromStringAndSize(NULL, self.incoming.length)
            self.incoming.data = PyBytes_AS_STRING(self.room)
        return True

    cdef bint ended(self) except -1:
        """A frame is whole: true when with it the object is."""
        if self.parts is None:
            self.kind, self.expected = self.incoming.kind, self.incoming.followers + 1
            self.parts = []
        self.parts.append(self.room)
        self.room = None
        memset(&self.incoming, 0, sizeof(self.incoming))
        return <uint32_t>len(self.parts) == self.expected

    cdef bint whole(self) except -1:
        return self.parts is not None and <uint32_t>len(self.parts) == self.expected

    cdef inline object get_short(self, uint32_t kind):
        """A frame of one message, where that is the next one and comes soon, else None."""
        cdef channel_status status = CHANNEL_AGAIN
        cdef uint32_t looks = CHANNEL_SHORT_LOOKS
        if (self.unusable or self.forks != _forks or self.carried != CARRIES_FRAMES
                or self.parts is not None or self.incoming.begun):
            return None
        while status == CHANNEL_AGAIN and looks:
            status = frame_try_receive(&self.c, &self.incoming)
            looks -= 1
            if status == CHANNEL_AGAIN:
                arch_relax()
        if (status != CHANNEL_OK or self.incoming.length > FRAME_FIRST or self.incoming.followers
                or self.incoming.kind != kind):
            return None
        data = PyBytes_FromStringAndSize(frame_first(&self.c), self.incoming.length)
        self.incoming.begun = False
        return data

    cdef bint get(self, bint wait, double limit) except -1:
        """Goes on with what is being received until it is whole, or without waiting until nothing
        more is there.
        """
        cdef channel_status status
        cdef uint32_t looks
        self.ready()
        if self.carried != CARRIES_FRAMES:
            self.check_hears(CARRIES_FRAMES)
        self.begun() # by get_short
        while not self.whole():
            status, looks = CHANNEL_AGAIN, CHANNEL_SHORT_LOOKS if wait else 1
            if self.incoming.length < LARGE or not wait:
                while status == CHANNEL_AGAIN and looks:
                    status = self.step()
                    looks -= 1
                    if status == CHANNEL_AGAIN and looks:
                        arch_relax()
            if status == CHANNEL_AGAIN:
                self.moving = &self.incoming
                try:
                    status = self.wait_long(AWAIT_MESSAGE, NULL, NULL, limit) if wait else (
                            self.again(status, AWAIT_MESSAGE, NULL, NULL))
                finally:
                    self.moving = NULL
                if status == CHANNEL_AGAIN:
                    return False
            if status != CHANNEL_OK:
                self.check_hears(CARRIES_FRAMES)
                self.fail(status, False)
            if not self.begun():
                self.ended()
        return True

    cdef object taken(self):
        """What is whole, which is then no longer kept."""
        cdef list parts = self.parts
        self.parts = None
        if self.kind == FRAME_BYTES:
            return parts[0]
        if self.kind == FRAME_PLAIN:
            return PyMarshal_ReadObjectFromString(parts[0], PyBytes_GET_SIZE(parts[0]))
        if _loads is None:
            _pickling()
        return _loads(parts[0], buffers=parts[1:]) if len(parts) > 1 else _loads(parts[0])

    def receive_bytes(self, timeout=None):
        """The bytes of the next send_bytes, waited for. Raises ChannelClosed, ChannelTimeout;
        ChannelMisused when it is an object, which stays for receive().
        """
        data = self.get_short(FRAME_BYTES)
        if data is not None:
            return data
        self.get(True, self.limit(timeout))
        if self.kind != FRAME_BYTES:
            _misused("the next message is an object", value=repr(self), hint="receive() takes it")
        return self.taken()

    def receive(self, timeout=None):
        """The next object, waited for; of send_bytes its bytes. Raises ChannelClosed,
        ChannelTimeout, and what unpickling raises: it runs what the other side says, so that must
        be trusted.
        """
        data = self.get_short(FRAME_PLAIN)
        if data is not None:
            return PyMarshal_ReadObjectFromString(data, PyBytes_GET_SIZE(data))
        self.get(True, self.limit(timeout))
        return self.taken()
