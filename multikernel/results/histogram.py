"""Log-linear histograms: how samples are counted, merged, kept and turned into percentiles.

Guarantees: a value below 2**sub_bits is counted exactly, any other to better than 2**-sub_bits of
itself (0.8 % for the usual 7); minimum, maximum and sum are kept exactly beside the counts; merging
is exact. Percentiles are those of the samples by nearest rank, to within half a bucket.

The layout, which the native counters share. With s = sub_bits, the bucket of value v is

    v < 2**s :  index = v
    else     :  e = floor(log2 v) - s;  index = (e + 1) * 2**s + ((v >> e) - 2**s)

so every power of two from 2**s on is cut into 2**s equal buckets. A bucket of index i >= 2**s
begins at (2**s + i mod 2**s) << e with e = i // 2**s - 1, and is 2**e wide. Values of 2**48 and
above are counted in the last bucket; there are (49 - s) * 2**s buckets (5376 for s = 7). A
percentile is given as the middle of its bucket's whole numbers, drawn into [minimum, maximum].

Idea: HdrHistogram's buckets; nearest rank, numpy's "inverted_cdf".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

SUB_BITS = 7
"""Linear buckets per power of two, as a power of two, by default."""
VALUE_BITS = 48
"""Values of 2**VALUE_BITS and above are counted in the last bucket."""
PERCENTILES = {"p5": 5.0, "p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
"""The percentiles of a result document, by field name."""

Counts = npt.NDArray[np.uint64]


def bucket_count(sub_bits: int = SUB_BITS) -> int:
    return (VALUE_BITS - sub_bits + 1) << sub_bits


def bucket_index(value: int, sub_bits: int = SUB_BITS) -> int:
    """Bucket of a whole number; raises ValueError for a negative one."""
    if value < 0:
        raise ValueError(f"a histogram counts no negative values: {value}")
    value = min(value, (1 << VALUE_BITS) - 1)
    if value < 1 << sub_bits:
        return value
    exponent = value.bit_length() - 1 - sub_bits
    return ((exponent + 1) << sub_bits) + (value >> exponent) - (1 << sub_bits)


def bucket_bounds(index: int, sub_bits: int = SUB_BITS) -> tuple[int, int]:
    """Smallest and largest whole number counted in a bucket (the last also counts all above)."""
    if index < 1 << sub_bits:
        return index, index
    exponent = (index >> sub_bits) - 1
    low = ((1 << sub_bits) + (index & ((1 << sub_bits) - 1))) << exponent
    return low, low + (1 << exponent) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counted samples of one quantity, never empty. counts: dense, shape (bucket_count(sub_bits),),
    uint64. minimum, maximum, total (the sum): exact, in the samples' unit. Raises ValueError when
    these contradict each other.
    """

    counts: Counts
    minimum: int
    maximum: int
    total: int
    sub_bits: int = SUB_BITS

    def __post_init__(self) -> None:
        if self.counts.shape != (bucket_count(self.sub_bits),) or self.counts.dtype != np.uint64:
            raise ValueError(
                f"counts must be uint64 of shape ({bucket_count(self.sub_bits)},), "
                f"not {self.counts.dtype} of shape {self.counts.shape}"
            )
        filled = np.flatnonzero(self.counts)
        if not filled.size:
            raise ValueError("a histogram needs at least one sample")
        ends = bucket_index(self.minimum, self.sub_bits), bucket_index(self.maximum, self.sub_bits)
        if (int(filled[0]), int(filled[-1])) != ends:
            raise ValueError(
                f"minimum {self.minimum} and maximum {self.maximum} are not those of the counts"
            )
        if not self.minimum * self.samples <= self.total <= self.maximum * self.samples:
            raise ValueError(f"the sum {self.total} is not one of {self.samples} such samples")

    @classmethod
    def from_dense(cls, counts: npt.ArrayLike, minimum: int, maximum: int, total: int) -> Histogram:
        """From the counters of a native loop, bucket_count of them, which are copied."""
        return cls(np.array(counts, dtype=np.uint64), minimum, maximum, total)

    @classmethod
    def from_values(cls, values: Iterable[int], sub_bits: int = SUB_BITS) -> Histogram:
        """From the samples themselves: whole numbers, none negative."""
        samples = [int(value) for value in values]
        if not samples:
            raise ValueError("a histogram needs at least one sample")
        indexes = [bucket_index(value, sub_bits) for value in samples]
        counts = np.bincount(indexes, minlength=bucket_count(sub_bits)).astype(np.uint64)
        return cls(counts, min(samples), max(samples), sum(samples), sub_bits)

    @classmethod
    def merge(cls, histograms: Sequence[Histogram]) -> Histogram:
        """All samples of all of them; they must have the same sub_bits (ValueError)."""
        if not histograms or len({one.sub_bits for one in histograms}) > 1:
            raise ValueError("only one or several histograms of the same sub_bits can be merged")
        return cls(
            np.sum([one.counts for one in histograms], axis=0, dtype=np.uint64),
            min(one.minimum for one in histograms),
            max(one.maximum for one in histograms),
            sum(one.total for one in histograms),
            histograms[0].sub_bits,
        )

    @property
    def samples(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        return self.total / self.samples

    def percentile(self, percent: float) -> float:
        """By nearest rank, of 0 … 100: the middle of the bucket that holds it."""
        # In fractions: 99.9 % of 1000 samples is rank 999, and floating point may make 1000 of it.
        rank = max(ceil(Fraction(str(percent)) / 100 * self.samples), 1)
        index = int(np.searchsorted(np.cumsum(self.counts), np.uint64(rank)))
        low, high = bucket_bounds(index, self.sub_bits)
        return float(min(max((low + high) / 2, self.minimum), self.maximum))

    def within(self, percent: float, step: float) -> float:
        """As `percentile`, by a clock that moves in steps: equal readings are taken to lie evenly
        within a step around them, unless buckets are as wide as a step.
        """

        def bucket(value: float) -> int:
            return bucket_index(max(round(value), 0), self.sub_bits)

        middle = self.percentile(percent)
        low, high = bucket_bounds(bucket(middle), self.sub_bits)
        first, last = bucket(middle - step / 2), bucket(middle + step / 2)
        below = int(self.counts[: first + 1].sum())
        inside = int(self.counts[first + 1 : last + 1].sum())
        if high - low + 1 >= step or not inside:
            return middle
        share = (percent / 100 * self.samples - below) / inside
        value = middle + step * (min(max(share, 0.0), 1.0) - 0.5)
        return float(min(max(value, self.minimum), self.maximum))

    def summary(self, step: float | None = None) -> dict[str, Any]:
        """The fields of a document's series: samples, min, p5 … p999, max, mean. step: of the clock
        that timed each sample by itself.
        """
        at = self.percentile if step is None else partial(self.within, step=step)
        return {
            "samples": self.samples,
            "min": float(self.minimum),
            **{name: at(percent) for name, percent in PERCENTILES.items()},
            "max": float(self.maximum),
            "mean": self.mean,
        }

    def to_sparse(self) -> dict[str, Any]:
        """{"sub_bits": s, "counts": [(bucket, count), …]}: the filled buckets, in order."""
        filled = np.flatnonzero(self.counts)
        counts = zip(filled.tolist(), self.counts[filled].tolist(), strict=True)
        return {"sub_bits": self.sub_bits, "counts": list(counts)}

    @classmethod
    def from_sparse(
        cls, sparse: Mapping[str, Any], minimum: float, maximum: float, mean: float
    ) -> Histogram:
        """Back from the sparse form (`check_sparse`) and the exact values kept beside it.

        Minimum and maximum are rounded, and drawn into the first and last filled bucket; the sum is
        the mean times the samples.
        """
        sub_bits, pairs = sparse["sub_bits"], np.array(sparse["counts"], dtype=np.uint64)
        counts = np.zeros(bucket_count(sub_bits), dtype=np.uint64)
        counts[pairs[:, 0]] = pairs[:, 1]
        first, last = pairs[[0, -1], 0].tolist()
        (least, most), (least_last, most_last) = (
            bucket_bounds(index, sub_bits) for index in (first, last)
        )
        low = min(max(round(minimum), least), most)
        high = max(round(maximum), least_last, low)
        if last < bucket_count(sub_bits) - 1:
            high = min(high, most_last)
        samples = int(counts.sum())
        total = min(max(round(mean * samples), low * samples), high * samples)
        return cls(counts, low, high, total, sub_bits)


def check_sparse(sub_bits: int, pairs: Sequence[Sequence[int]]) -> int:
    """How many samples. Raises ValueError unless all buckets are known, in order and filled."""
    if not 1 <= sub_bits <= 16:
        raise ValueError(f"sub_bits must be 1 to 16, not {sub_bits}")
    previous, samples = -1, 0
    for index, count in pairs:
        if not previous < index < bucket_count(sub_bits):
            raise ValueError(
                f"bucket {index} is out of order or beyond the last of {bucket_count(sub_bits)}"
            )
        if not 1 <= count < 1 << 63:
            raise ValueError(f"bucket {index} holds {count} samples")
        previous, samples = index, samples + count
    if not samples:
        raise ValueError("the histogram is empty")
    return samples
