# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The Python face of the native core: thin, typed in _native.pyi. Nothing here decides anything.

Everything that waits for another core releases the interpreter lock; short calls into the own
driver keep it.
"""

import array
from contextlib import suppress as _suppress

from multikernel.errors import Cancelled as _Cancelled, SystemClosed as _SystemClosed

from cpython cimport array
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINVAL, errno
from libc.signal cimport SIGKILL
from libc.stdint cimport UINT64_MAX, int64_t, uint16_t, uint32_t, uint64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset


cdef extern from "arch/arch.h":
    const char *ARCH_NAME
    uint64_t arch_cycles() nogil
    void arch_relax() nogil

cdef extern from *:
    """
    #include <sched.h>
    #include <sys/prctl.h>
    static unsigned long multikernel_cython(void) { return CYTHON_HEX_VERSION; }
    """
    unsigned long multikernel_cython()
    const char *MK_BUILD_COMPILER, *MK_BUILD_FLAGS, *MK_BUILD_TYPE
    int PR_SET_NAME, PR_SET_PDEATHSIG
    int prctl(int option, ...)
    int sched_getcpu()

cdef extern from "base/message.h":
    struct message:
        uint64_t word[7]
    void message_copy(message *to, const message *source)


def adopt(str name):
    """Names this process (at most 15 bytes), and asks the host to kill it when the thread that
    forked it ends.
    """
    adopt_name(name)
    if prctl(PR_SET_PDEATHSIG, <unsigned long>SIGKILL):
        raise OSError(errno, "prctl(PR_SET_PDEATHSIG)")


def adopt_name(str name):
    """Names this process, where the host lets it."""
    cdef bytes encoded = name.encode()
    if prctl(PR_SET_NAME, PyBytes_AS_STRING(encoded)):
        with _suppress(OSError), open("/proc/self/comm", "wb") as file:
            file.write(encoded)


def current_cpu():
    """The CPU that the calling thread runs on, now."""
    return sched_getcpu()


def tsc():
    """The time stamp counter, in cycles of its own constant rate (aarch64: the generic timer)."""
    return arch_cycles()


def build_info():
    """How the native core was built: compiler, flags, type, architecture, cython."""
    return {
        "compiler": MK_BUILD_COMPILER.decode(),
        "flags": MK_BUILD_FLAGS.decode(),
        "type": MK_BUILD_TYPE.decode(),
        "architecture": ARCH_NAME.decode(),
        "cython": "%d.%d.%d" % (multikernel_cython() >> 24, multikernel_cython() >> 16 & 255,
                multikernel_cython() >> 8 & 255),
    }


# From the bottom up. Included, not imported: one module, so that calls between them stay calls of
# C.
include "_numbers.pxi"
include "_histogram.pxi"
include "_locks.pxi"
include "_segment.pxi"
include "_client.pxi"
include "_channels.pxi"
include "_ends.pxi"
include "_frames.pxi"
include "_fifo_end.pxi"
include "_call_end.pxi"
include "_driver.pxi"
include "_objects.pxi"
include "_probe.pxi"
include "_capabilities.pxi"
include "_virtual.pxi"
