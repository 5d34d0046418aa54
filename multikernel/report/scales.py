"""Scales: from measured values to places in a drawing, and the round numbers that are written along
them.

Guarantees: every value between the ends lies between the ends of the drawing; ticks are round
numbers within the scale, at least two of them. A linear scale that bars stand on begins at nought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Protocol


class Scale(Protocol):
    """What a chart asks of a scale."""

    def at(self, value: float) -> float:
        """Where a value lies in the drawing."""
        ...

    def ticks(self) -> list[float]:
        """The values to write along it."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """low … high is drawn from start to end."""

    low: float
    high: float
    start: float
    end: float
    wanted: int = 5

    def at(self, value: float) -> float:
        """Where a value lies in the drawing; values beyond an end lie on it."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers, about as many as wanted."""
        step = round_step((self.high - self.low) / self.wanted)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Log:
    """low … high, both above nought, is drawn from start to end, equal factors at equal
    distances.
    """

    low: float
    high: float
    start: float
    end: float
    base: float = 10.0

    def at(self, value: float) -> float:
        """Where a value lies in the drawing; values beyond an end lie on it."""
        share = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        return self.start + min(share, 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of the base, every second or third where there are many."""
        unit = log10(self.base)
        first, last = ceil(log10(self.low) / unit - 1e-9), floor(log10(self.high) / unit + 1e-9)
        step = max(1, -(-(last - first) // 7))
        found = [self.base**power for power in range(first, last + 1, step)]
        return found if len(found) > 1 else [self.low, self.high]


@dataclass(frozen=True, slots=True)
class LogBesideNought:
    """Nought at the start, and beside it, after a gap, a logarithmic scale: for choices of which
    one is none at all.
    """

    low: float
    high: float
    start: float
    end: float
    gap: float = 0.12

    def _rest(self) -> Log:
        return Log(self.low, self.high, self.start + self.gap * (self.end - self.start), self.end)

    def at(self, value: float) -> float:
        """Where a value lies in the drawing."""
        return self.start if value <= 0 else self._rest().at(value)

    def ticks(self) -> list[float]:
        """Nought, and those of the rest."""
        return [0.0, *self._rest().ticks()]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, … (and their fractions) that is not below."""
    power = 10.0 ** floor(log10(least)) if least > 0 else 1.0
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def from_nought(values: Sequence[float], start: float, end: float, wanted: int = 5) -> Linear:
    """A linear scale that begins at nought and ends at a round number not below the largest
    value.
    """
    most = max((value for value in values if value > 0), default=1.0)
    step = round_step(most / wanted)
    high = ceil(most / step - 1e-9) * step
    return Linear(0.0, high, start, end, max(round(high / step), 1))


def over_counts(values: Sequence[float], start: float, end: float) -> Scale:
    """For what was chosen (cores, sizes, budgets): by factors where the choices were made so, else
    linear.
    """
    low, high = float(min(values)), float(max(values))
    if low > 0 and high / low >= 16:
        doubling = all(
            float(value).is_integer() and _is_power_of_two(int(value)) for value in values
        )
        return Log(low, high, start, end, 2.0 if doubling else 10.0)
    positive = [value for value in values if value > 0]
    if low == 0 and len(positive) > 1 and high / min(positive) >= 16:
        return LogBesideNought(min(positive), high, start, end)
    if high <= low:
        beside = max(1.0, abs(low) * 1e-6)  # one more is the same number, of very large ones
        return Linear(low - beside, low + beside, start, end, 2)
    return Linear(low, high, start, end)


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0
