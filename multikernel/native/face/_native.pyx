# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The Python face of the native core: thin, typed in _native.pyi. Nothing here decides anything.

Everything that waits for another core releases the interpreter lock; short calls into the own
driver keep it.
"""

import array

from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport UINT64_MAX, int32_t, int64_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset


cdef extern from "arch/arch.h":
    uint64_t arch_cycles() nogil

cdef extern from "face/build.h":
    const char *build_compiler()
    const char *build_flags()
    const char *build_type()
    const char *build_architecture()

cdef extern from "face/process.h":
    int process_adopt(const char *name)
    int process_name(const char *name)

cdef extern from "base/message.h":
    struct message:
        uint64_t word[7]


def adopt(str name):
    """Names this process and ties its life to the thread that forked it."""
    cdef bytes encoded = name.encode()
    cdef int error = process_adopt(encoded)
    if error:
        raise OSError(error, "prctl")


def adopt_name(str name):
    """Names this process."""
    cdef bytes encoded = name.encode()
    if process_name(encoded):
        raise OSError("prctl")


def tsc():
    """The time stamp counter, in cycles of its own constant rate (aarch64: the generic timer)."""
    return arch_cycles()


def build_info():
    """How the native core was built: compiler, flags, type, architecture, cython."""
    return {
        "compiler": build_compiler().decode(),
        "flags": build_flags().decode(),
        "type": build_type().decode(),
        "architecture": build_architecture().decode(),
        "cython": "%d.%d.%d" % (multikernel_cython() >> 24, multikernel_cython() >> 16 & 255,
                multikernel_cython() >> 8 & 255),
    }


cdef extern from *:
    """
    static unsigned long multikernel_cython(void) { return CYTHON_HEX_VERSION; }
    """
    unsigned long multikernel_cython()


# From the bottom up. Included, not imported: one module, so that calls between them stay calls of
# C.
include "_numbers.pxi"
include "_histogram.pxi"
include "_segment.pxi"
include "_client.pxi"
include "_loops.pxi"
include "_driver.pxi"
include "_channels.pxi"
include "_ends.pxi"
include "_call_end.pxi"
include "_probes.pxi"
include "_operations.pxi"
include "_capabilities.pxi"
