# Channels for Python, included by _native.pyx: making them, and what a message is in Python. A
# message is seven words, given as a tuple of up to seven integers or as up to 56 bytes; what is
# missing is zero, and what is received is always whole. Several are the rows of an array.

cimport cython

from cpython.number cimport PyNumber_Index

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_WRITABLE, PyObject_CheckBuffer,
    PyObject_GetBuffer, PyBuffer_Release,
)
from posix.time cimport CLOCK_MONOTONIC
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

cdef extern from *:
    """
    /* Its bytes lie one behind the other, and it has not been released. */
    static inline int memoryview_is_open(PyObject *object)
    {
        const PyMemoryViewObject *view = (const PyMemoryViewObject *)object;
        return (view->flags & (_Py_MEMORYVIEW_RELEASED | _Py_MEMORYVIEW_C)) == _Py_MEMORYVIEW_C &&
               !(view->mbuf->flags & _Py_MANAGED_BUFFER_RELEASED);
    }
    """
    bint memoryview_is_open(object view)
    const Py_buffer *PyMemoryView_GET_BUFFER(object view)

cdef extern from "base/wait.h":
    struct wait_state "wait":
        uint32_t rounds, yielded, slept
    uint64_t clock_ns(int clock) noexcept nogil

cdef extern from "channel/channel.h":
    enum channel_status:
        CHANNEL_OK, CHANNEL_AGAIN, CHANNEL_CLOSED, CHANNEL_BROKEN
    enum:
        CHANNEL_SHORT_LOOKS
    enum channel_awaited:
        AWAIT_ROOM, AWAIT_MESSAGE, AWAIT_REPLY
    struct channel_form:
        channel_kind kind
        channel_status (*send_many)(channel *, const message *, uint32_t, uint32_t *) noexcept nogil
        channel_status (*receive_many)(channel *, message *, uint32_t, uint32_t *) noexcept nogil
    enum:
        CARRIES_NOTHING, CARRIES_WORDS, CARRIES_FRAMES
    struct channel_header:
        pass
    struct channel_bell:
        bint asked
    struct channel:
        const channel_form *form
        uint32_t slots
        channel_header *header
        channel_bell bell
    channel_status channel_try_send(channel *c, const message *m) noexcept nogil
    channel_status channel_try_receive(channel *c, message *m) noexcept nogil
    int channel_fileno(channel *c)
    void channel_arm(channel *c) noexcept nogil
    void channel_awake(channel *c) noexcept nogil
    void channel_blank(channel *c) noexcept nogil
    bint channel_other_closed(const channel *c) noexcept nogil
    bint channel_other_gone(channel *c) noexcept nogil
    uint64_t channel_memory_bytes(channel_kind kind, uint64_t slots, uint64_t arena)
    const char *channel_memory_create(void *memory, uint64_t size, channel_kind kind,
            uint64_t slots, uint64_t arena)
    const char *channel_memory_open(channel *c, void *memory, uint64_t size, channel_kind kind,
            uint32_t side)
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
    bint channel_wait(channel *c, channel_awaited awaited, wait_state *wait,
            uint32_t most_ms) noexcept nogil

cdef extern from "channel/holders.h":
    void channel_hold(channel_header *header, uint32_t side, uint32_t pid, int bell) nogil
    void channel_let_go(channel_header *header, uint32_t side, uint32_t pid, int bell) nogil
    void channel_never_held(channel_header *header, uint32_t side, uint32_t pid) nogil

cdef extern from "channel/frame.h":
    enum frame_kind:
        FRAME_BYTES, FRAME_OBJECT, FRAME_BUFFER, FRAME_PLAIN
    enum:
        FRAME_FIRST, FRAME_FOLLOWERS_MOST
    uint64_t FRAME_LENGTH_MOST
    struct frame:
        frame_kind kind
        uint32_t followers
        uint64_t length, done
        char *data
        bint begun
    void channel_speaks(channel *c, uint32_t dialect) noexcept nogil
    bint channel_understands(const channel *c, uint32_t dialect) noexcept nogil
    bint channel_carry(channel *c, uint32_t what) noexcept nogil
    uint32_t channel_carried(const channel *c) noexcept nogil
    uint64_t frame_messages(const channel *c, uint64_t length) nogil
    const char *frame_first(const channel *c) nogil
    channel_status frame_try_send(channel *c, frame *f) noexcept nogil
    channel_status frame_try_receive(channel *c, frame *f) noexcept nogil

cdef extern from "channel/side.h":
    enum:
        SIDE_DESCRIPTORS_MOST
    struct channel_side:
        channel_kind kind
        uint32_t side
        uint64_t bytes
        uint32_t count
        int *descriptor
    const char *const *channel_form_names
    const char *channel_side_parse(const char *text, channel_side *side)
    const char *channel_side_open(channel *c, const channel_side *side)
    void channel_close(channel *c) noexcept nogil
    void channel_drop(channel *c) noexcept nogil

cdef enum:
    SLICE_MS = 100
    LOOKS_A_CLOCK = 16
    LARGE = 1 << 15 # bytes: from here on, copying them is long enough to release the lock
    MANY = 256 # from so many messages on, moving them is long enough to release the lock


cdef channel_kind _kind(str form) except *:
    return <channel_kind>_number(CHANNELS, form, "no channel has this form")


def channel_bytes(str form, uint64_t slots, uint64_t arena=0):
    """Bytes of memory for a channel of that form with that many slots (lines) a direction, and as
    many bytes for long frames. Raises ValueError.
    """
    cdef uint64_t size = channel_memory_bytes(_kind(form), slots, arena)
    if not size:
        raise ValueError(f"no {form} channel has {slots} slots and {arena} bytes for long frames")
    return size


def channel_create(memory, str form, uint64_t slots, uint64_t arena=0):
    """Lays a channel out in zeroed, page-aligned memory (a writable buffer). Raises ValueError."""
    cdef Py_buffer view
    cdef channel_kind kind = _kind(form)
    PyObject_GetBuffer(memory, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    cdef const char *wrong = channel_memory_create(view.buf, view.len, kind, slots, arena)
    PyBuffer_Release(&view)
    if wrong:
        raise ValueError(f"no {form} channel of {slots} slots can be made: {wrong.decode()}")


def channel_holds(memory, uint32_t side, uint32_t pid, int bell, bint holds):
    """That process has this side of the channel that lies there, and may open it; or it has given
    it up. bell: the other side's, -1: none.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(memory, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    if holds:
        channel_hold(<channel_header *>view.buf, side & 1, pid, bell)
    else:
        channel_let_go(<channel_header *>view.buf, side & 1, pid, bell)
    PyBuffer_Release(&view)


def channel_not_for(memory, uint32_t side, uint32_t pid):
    """That process has inherited a side, but it is not meant for it."""
    cdef Py_buffer view
    PyObject_GetBuffer(memory, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    channel_never_held(<channel_header *>view.buf, side & 1, pid)
    PyBuffer_Release(&view)


def channel_parse(str text):
    """(form, side, bytes, descriptors) of a side's text. Raises ValueError."""
    cdef channel_side side
    cdef const char *wrong = channel_side_parse(text.encode(), &side)
    if wrong:
        raise ValueError(wrong.decode())
    return (channel_form_names[<int>side.kind].decode(), side.side, side.bytes,
            tuple([side.descriptor[i] for i in range(side.count)]))


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


cdef inline void _copy(void *to, const void *source) noexcept:
    """A message that was just written, word by word as it was (base/message.h), where both lie so
    that it can be.
    """
    if (<uintptr_t>to | <uintptr_t>source) % sizeof(uint64_t) == 0:
        message_copy(<message *>to, <const message *>source)
    else:
        memcpy(to, source, sizeof(message))


cdef inline void *_lies(object buffer, bint writable) noexcept:
    """Where 56 bytes of a bytearray or a memoryview lie, as long as the interpreter is held; NULL:
    it is something else, and has to be asked.
    """
    cdef const Py_buffer *view
    if type(buffer) is bytearray:
        if PyByteArray_GET_SIZE(buffer) == <Py_ssize_t>sizeof(message):
            return PyByteArray_AS_STRING(buffer)
    elif type(buffer) is memoryview:
        view = PyMemoryView_GET_BUFFER(buffer)
        if (view.len == <Py_ssize_t>sizeof(message) and not (writable and view.readonly)
                and memoryview_is_open(buffer)):
            return view.buf
    return NULL


cdef inline int _fill(message *m, object data) except -1:
    """A whole message in bytes is the usual case, and worth a path that is short enough to be
    inlined.
    """
    if type(data) is bytes and PyBytes_GET_SIZE(data) == <Py_ssize_t>sizeof(message):
        memcpy(m.word, PyBytes_AS_STRING(data), sizeof(message))
        return 0
    cdef void *place = _lies(data, False)
    if place:
        _copy(m.word, place)
        return 0
    return _fill_any(m, data)


cdef inline int _room(object buffer, const message *m) except -1:
    """Is that a buffer that takes a message? Then this one goes there, unless it is NULL."""
    cdef void *place = _lies(buffer, True)
    if not place:
        return _room_any(buffer, m)
    if m:
        _copy(place, m.word)
    return 0


cdef int _room_any(object buffer, const message *m) except -1:
    cdef Py_buffer view
    cdef Py_ssize_t size
    PyObject_GetBuffer(buffer, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    size = view.len
    if m and size == <Py_ssize_t>sizeof(message):
        _copy(view.buf, m.word)
    PyBuffer_Release(&view)
    if size != <Py_ssize_t>sizeof(message):
        raise ValueError(f"a message has 56 bytes, this buffer {size}")
    return 0


cdef inline object _whole_number(object word):
    """A float is none, whatever C would make of it."""
    return word if type(word) is int else PyNumber_Index(word)


_ANYTHING = "send() carries any object that can be pickled"
_LENGTH = "send_bytes() carries any length"


def _misused(str what, value=None, str where="", str hint=""):
    # not when this module is loaded: cores load it without
    from multikernel.errors import ChannelMisused
    raise ChannelMisused(what, value=value, where=where, hint=hint)


cdef int _refuse_word(object word, int index) except -1:
    _misused("a word is an integer from 0 to 2^64 - 1", value=repr(word)[:80],
            where=f"word {index}", hint=_ANYTHING)


cdef int _fill_any(message *m, object data) except -1:
    cdef Py_ssize_t i, n
    cdef Py_buffer view
    if type(data) is tuple:
        n = PyTuple_GET_SIZE(data)
        if n > 7:
            _misused("a message has at most seven words", value=f"{n} of them", hint=_ANYTHING)
        for i in range(n):
            try:
                m.word[i] = _whole_number(<object>PyTuple_GET_ITEM(data, i))
            except (TypeError, OverflowError):
                _refuse_word(<object>PyTuple_GET_ITEM(data, i), i)
        for i in range(n, 7):
            m.word[i] = 0
        return 0
    if not PyObject_CheckBuffer(data):
        _misused("a message is a tuple of up to seven integers, or 56 bytes", value=repr(data)[:80],
                hint=_ANYTHING)
    PyObject_GetBuffer(data, &view, PyBUF_C_CONTIGUOUS)
    try:
        if view.len > <Py_ssize_t>sizeof(message):
            _misused("a message has at most 56 bytes", value=f"{view.len} bytes", hint=_LENGTH)
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
    PyObject_GetBuffer(array, view,
            PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
    if view.ndim == 2 and view.shape[1] == 7 and view.itemsize == 8 and view.format[0] in (c"L",
            c"Q") and not view.format[1]:
        return 0
    PyBuffer_Release(view)
    raise ValueError("messages are a C-contiguous array of shape (n, 7) and type uint64")
