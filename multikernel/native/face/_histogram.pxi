# Histograms of cycle counts for Python, included by _native.pyx: histogram.h has the buckets. The
# measuring loops fill them, multikernel/results reads them; they travel between processes by
# pickle.

cdef extern from "base/histogram.h":
    enum:
        HISTOGRAM_BUCKETS
    struct histogram:
        uint64_t n, sum, min, max
        uint64_t count[1]
    void histogram_add(histogram *h, uint64_t value) nogil


cdef class Histogram:
    """A log-linear histogram of cycle counts; see histogram.h for the buckets. Supports the buffer
    protocol (uint64 counts).
    """

    cdef histogram *h
    cdef Py_ssize_t _shape[1]

    def __cinit__(self):
        self.h = <histogram *>calloc(1, sizeof(histogram) + HISTOGRAM_BUCKETS * sizeof(uint64_t))
        if not self.h:
            raise MemoryError("histogram")

    def __dealloc__(self):
        free(self.h)

    def add(self, uint64_t value):
        histogram_add(self.h, value)

    @property
    def n(self):
        return self.h.n

    @property
    def sum(self):
        return self.h.sum

    @property
    def min(self):
        return self.h.min

    @property
    def max(self):
        return self.h.max

    def counts(self):
        """The buckets, as bytes of native-endian uint64."""
        return PyBytes_FromStringAndSize(<char *>self.h.count, HISTOGRAM_BUCKETS * sizeof(uint64_t))

    def __reduce__(self):
        return _histogram, (self.h.n, self.h.sum, self.h.min, self.h.max, self.counts())


def _histogram(n, total, least, most, bytes counts):
    cdef Histogram histogram = Histogram()
    histogram.h.n = n
    histogram.h.sum = total
    histogram.h.min = least
    histogram.h.max = most
    memcpy(histogram.h.count, PyBytes_AS_STRING(counts), HISTOGRAM_BUCKETS * sizeof(uint64_t))
    return histogram
