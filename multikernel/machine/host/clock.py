"""How fast the time-stamp counter counts: cycles per second, and how sure that is.

Guarantees: the rate is measured against CLOCK_MONOTONIC_RAW, which no time daemon bends, and
carries a bound of its own error; on a quiet machine that bound is below 0.1 % in less than 50 ms. A
rate the processor or hypervisor states itself is preferred when the measurement agrees with it,
because it is the same in every run. The answer is kept for the life of the process.

The method: read counter, clock, counter; the clock was read somewhere between the two counter
values, so the narrower the bracket the surer the pair. Take the narrowest of many at the start and
again at the end: the error of the rate is half the two brackets over the distance. Being
interrupted in between costs nothing.

"Counter" means rdtsc on x86-64 and the generic timer on aarch64: TSC cycles, never core clock
cycles.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from multikernel.errors import MeasurementRefused

GOOD_ENOUGH = 1e-3
"""Relative error up to which a rate is called known (0.1 %)."""
_BRACKETS = 64
_LONGEST_S = 1.0


class Native(Protocol):
    """What is needed of the native module."""

    def tsc(self) -> int:
        """The counter now."""
        ...


@dataclass(frozen=True, slots=True)
class TscRate:
    """Counter cycles per second. error: relative bound (0.001 = 0.1 %). source: who says so."""

    hz: float
    error: float
    source: Literal["stated", "measured"]

    def to_ns(self, cycles: float) -> float:
        """Nanoseconds in that many counter cycles."""
        return cycles * 1e9 / self.hz


_cached: TscRate | None = None


def tsc_rate(native: Native | None = None) -> TscRate:
    """The rate of this machine's counter; measured at the first call in a process, remembered
    afterwards.

    native: the module with `tsc()` and, if it knows, `tsc_hz_hint()` (Hz, 0 or None for unknown);
    by default multikernel's own, whose absence raises ImportError. Passing one measures anew and
    remembers nothing. Raises MeasurementRefused for a counter that stands still or runs backwards.
    """
    global _cached
    if native is not None:
        return _rate_of(native)
    if _cached is None:
        _cached = _rate_of(cast(Native, importlib.import_module("multikernel.native._native")))
    return _cached


def _rate_of(native: Native) -> TscRate:
    rate = measure(native.tsc)
    stated = getattr(native, "tsc_hz_hint", lambda: None)()
    # A stated rate is a claim (after a live migration even of another machine): the measurement
    # must agree.
    if stated and abs(stated / rate.hz - 1) <= max(rate.error, GOOD_ENOUGH):
        return TscRate(hz=float(stated), error=0.0, source="stated")
    return rate


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
                hint=(
                    "the virtual machine's counter is not usable; nothing can be measured in cycles"
                    " here"
                ),
            )
        # One clock tick of 1 ns at either end belongs to the error too.
        error = (first.width + last.width) / 2 / cycles + 2 / elapsed
        if error <= GOOD_ENOUGH or seconds >= _LONGEST_S:
            return TscRate(hz=cycles * 1e9 / elapsed, error=error, source="measured")
        seconds = min(2 * seconds, _LONGEST_S)


@dataclass(frozen=True, slots=True)
class _Bracket:
    """A clock reading (ns) between two counter readings: their middle and distance, in cycles."""

    ns: int
    middle: float
    width: int


def _narrowest(read_counter: Callable[[], int], read_ns: Callable[[], int]) -> _Bracket:
    best: _Bracket | None = None
    for _ in range(_BRACKETS):
        before, now, after = read_counter(), read_ns(), read_counter()
        if after < before:
            raise MeasurementRefused(
                "the time-stamp counter runs backwards",
                value=f"{after - before} cycles",
                hint=(
                    "the counters of this machine's CPUs are not synchronised; pin the process to"
                    " one CPU"
                ),
            )
        if best is None or after - before < best.width:
            best = _Bracket(now, (before + after) / 2, after - before)
    assert best is not None
    return best
