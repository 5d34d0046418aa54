/* A log-linear histogram of cycle counts: values below 2^7 exactly, above that 128 buckets an
 * octave, so a bucket is less than 1 % wide; up to 2^48. The layout is that of
 * results/histogram.py, which turns counts into percentiles. Single writer. */
#pragma once

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_VALUE_BITS = 48,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t n, sum, min, max; /* min and max exact; both 0 while n is 0 */
    uint64_t count[HISTOGRAM_BUCKETS];
};

static inline uint32_t histogram_bucket(uint64_t value)
{
    if (value >> HISTOGRAM_SUB_BITS == 0)
        return (uint32_t)value;
    if (value >> HISTOGRAM_VALUE_BITS)
        return HISTOGRAM_BUCKETS - 1;
    uint32_t exponent = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((exponent + 1) << HISTOGRAM_SUB_BITS) +
           (uint32_t)((value >> exponent) - (1u << HISTOGRAM_SUB_BITS));
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    if (!histogram->n || value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->n++;
    histogram->sum += value;
    histogram->count[histogram_bucket(value)]++;
}
