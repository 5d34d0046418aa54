"""Medians over boots, their intervals, and ratios.

Guarantees: the spread that counts is between boots, so every function takes one number a boot.
Intervals assume nothing about the distribution: the k-th smallest and k-th largest of n values hold
the true median with a probability that is binomial and known, and is reported with them. What is
compared was interleaved within a boot, so ratios are taken within each boot, and what disturbed
both cancels.

Source: order-statistic intervals for a quantile: David and Nagaraja, Order Statistics, 3rd edition,
section 7.1.
"""

from collections.abc import Sequence
from math import comb, isfinite
from statistics import median

from multikernel.results.document import Interval

COVERAGE = 0.95
"""Intervals cover at least this much wherever there are enough values (6 or more)."""


def coverage_of(n: int, k: int) -> float:
    """Probability that the k-th smallest to the k-th largest of n independent values hold the true
    median: 1 <= k <= n/2; 0 for a single value. A lower bound with ties.
    """
    outside = sum(comb(n, i) for i in range(k)) / float(2**n)  # fewer than k values on one side
    return max(1.0 - 2.0 * outside, 0.0)


def median_interval(values: Sequence[float]) -> Interval:
    """Interval of the median of `values`, one a boot: the narrowest order-statistic one that covers
    enough.

    Where none does (5 values or fewer) it is their smallest and largest, and says what that covers
    (5 values: 93.75 %). Raises ValueError for no values, or one that is not finite.
    """
    ordered = sorted(map(float, values))
    n = len(ordered)
    if not ordered:
        raise ValueError("there are no values to take a median of")
    if not all(map(isfinite, ordered)):
        raise ValueError("a value is not finite")
    enough = [k for k in range(1, n // 2 + 1) if coverage_of(n, k) >= COVERAGE]
    k = enough[-1] if enough else 1
    return Interval(
        low=ordered[k - 1],
        high=ordered[n - k],
        coverage=coverage_of(n, k),
        method="order-statistic" if enough else "min-max",
    )


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, Interval]:
    """How many times the one is the other: the median, over boots, of numerator over denominator;
    and its interval. Both hold one positive number a boot, in the same order (ValueError
    otherwise).
    """
    if len(numerators) != len(denominators) or not numerators:
        raise ValueError(
            f"series of {len(numerators)} and {len(denominators)} boots cannot be paired"
        )
    if min(*numerators, *denominators) <= 0:
        raise ValueError("a ratio needs positive values")
    ratios = [over / under for over, under in zip(numerators, denominators, strict=True)]
    return median(ratios), median_interval(ratios)
