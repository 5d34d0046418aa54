"""How fast the time-stamp counter counts: cycles per second, and how sure that is; and the steps in
which it moves.

Guarantees: the rate is measured against CLOCK_MONOTONIC_RAW, which no time daemon bends, and
carries a bound of its own error; on a quiet machine that bound is below 0.1 % in less than 50 ms.
The answer is kept for the life of the process.

The method: read counter, clock, counter; the clock was read somewhere between the two counter
values, so the narrower the bracket the surer the pair. Take the narrowest of many at the start and
again at the end: the error of the rate is half the two brackets over the distance. Being
interrupted in between costs nothing.

"Counter" means rdtsc on x86-64 and the generic timer on aarch64: TSC cycles, never core clock
cycles.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from multikernel.errors import MeasurementRefused

GOOD_ENOUGH = 1e-3
"""Relative error up to which a rate is called known (0.1 %)."""
_BRACKETS = 64
_LONGEST_S = 1.0
_STEP_READS = 2000


@dataclass(frozen=True, slots=True)
class TscRate:
    """Counter cycles per second. error: relative bound (0.001 = 0.1 %). source: who says so."""

    hz: float
    error: float
    source: Literal["stated", "measured"]

    def to_ns(self, cycles: float) -> float:
        """Nanoseconds in that many counter cycles."""
        return cycles * 1e9 / self.hz


@functools.cache
def tsc_rate() -> TscRate:
    """The rate of this machine's counter; measured at the first call in a process, remembered
    afterwards.

    Raises ImportError without the native module, MeasurementRefused for a counter that stands
    still or runs backwards.
    """
    from multikernel.native._native import tsc

    return measure(tsc)


def tsc_step() -> float | None:
    """Cycles by which the time stamp counter moves at least between two reads that differ; None
    without the native module.
    """
    try:
        from multikernel.native._native import tsc
    except ImportError:
        return None
    reads = [tsc() for _ in range(_STEP_READS)]
    steps = sorted({b - a for a, b in pairwise(reads) if b > a})
    # What all reads lie apart by is a whole number of steps: the least difference of differences.
    apart = [b - a for a, b in pairwise(steps)]
    return float(min([*steps[:1], *apart])) if steps else None


def _raw_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def measure(
    read_counter: Callable[[], int], read_ns: Callable[[], int] = _raw_ns, seconds: float = 0.02
) -> TscRate:
    """Measure a counter against a clock in ns for about `seconds`.

    Goes on, doubling the time up to a second, while the error bound is above 0.1 %; what comes back
    then says how large it is. Raises MeasurementRefused for a counter that stands still or runs
    backwards.
    """
    first = _narrowest(read_counter, read_ns)
    while True:
        # Spin: a counter that stops while the CPU sleeps deeply would be measured too slow across a
        # sleep.
        deadline = first.ns + int(seconds * 1e9)
        while read_ns() < deadline:
            pass
        last = _narrowest(read_counter, read_ns)
        elapsed, cycles = last.ns - first.ns, last.middle - first.middle
        if cycles <= 0 or elapsed <= 0:
            raise MeasurementRefused(
                "the time-stamp counter does not advance",
                value=f"{cycles:.0f} cycles in {elapsed} ns",
                hint="the virtual machine's counter is not usable; nothing can be measured in"
                " cycles here",
            )
        # One clock tick of 1 ns at either end belongs to the error too.
        error = (first.width + last.width) / 2 / cycles + 2 / elapsed
        if error <= GOOD_ENOUGH or seconds >= _LONGEST_S:
            return TscRate(hz=cycles * 1e9 / elapsed, error=error, source="measured")
        seconds = min(2 * seconds, _LONGEST_S)


class _Bracket(NamedTuple):
    """Two counter readings around a clock reading (ns): their distance and middle, in cycles."""

    width: int
    ns: int
    middle: float


def _narrowest(read_counter: Callable[[], int], read_ns: Callable[[], int]) -> _Bracket:
    found = []
    for _ in range(_BRACKETS):
        before, now, after = read_counter(), read_ns(), read_counter()
        if after < before:
            raise MeasurementRefused(
                "the time-stamp counter runs backwards",
                value=f"{after - before} cycles",
                hint="the counters of this machine's CPUs are not synchronised; pin the process to"
                " one CPU",
            )
        found.append(_Bracket(after - before, now, (before + after) / 2))
    return min(found)
