"""The one judge: is one side of a ratio better than the other, and is that known?

Guarantees: *same* only where the interval holds 1 and lies whole within the margin, which is what
the control differs from itself by, but at least `LEAST` and at most `MOST`; or nearer to 1 than
clocks are good for. *better* and *worse* only where the whole interval lies beyond 1. *unknown*
where the interval covers too little, is too wide, reaches to both sides of 1 and out of the margin,
or lies within what an unsteady control differs by; the reason says which, and so what would decide
it. Nothing is judged by a single boot, whose interval covers nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from multikernel.results.document import Document, Interval, Ratio

Outcome = Literal["better", "worse", "same", "unknown"]
Reason = Literal["", "few", "wide", "across", "noise"]
SURE = 0.7
"""An interval that covers less decides nothing: 3 boots or fewer."""
WIDE = 1.5
"""Nor one whose ends are so many times apart."""
LEAST, MOST = 0.03, 0.10
"""Of the margin. A control that differs from itself by more than `MOST` hides what is less."""
FINE = 0.01
"""What differs by less is the same, whatever interval it has."""
CONTROL = "control"
"""The kind of a control's ratio."""


class Finding(NamedTuple):
    """reason: why it is unknown. margin: within which both would be the same."""

    outcome: Outcome
    reason: Reason
    margin: float


def judge(interval: Interval, spread: float, *, more_is_better: bool = True) -> Finding:
    """What a ratio's interval says of its numerator. spread: of the control (`spread_of`)."""
    low, high = interval.low, interval.high
    margin = min(max(spread, LEAST), MOST)
    if interval.coverage < SURE:
        return Finding("unknown", "few", margin)
    if high > WIDE * low:
        return Finding("unknown", "wide", margin)
    if max(high, 1 / low) <= 1 + FINE:
        return Finding("same", "", margin)
    if low <= 1 <= high:
        within = low >= 1 / (1 + margin) and high <= 1 + margin
        return Finding("same", "", margin) if within else Finding("unknown", "across", margin)
    if spread > MOST and max(low, 1 / high) <= 1 + spread:
        return Finding("unknown", "noise", margin)
    return Finding("better" if (low > 1) == more_is_better else "worse", "", margin)


def spread_of(document: Document, ratio: Ratio | None = None) -> float:
    """What a configuration measured twice differs by: the farther end of the controls' ratios, less
    1; 0 without any. ratio: to be judged; controls measured as it was count alone, if there are.
    """
    how = {series.key: (series.measure, series.mode) for series in document.series}
    controls = [one for one in document.ratios if one.kind == CONTROL]
    if ratio is not None and ratio.under in how:
        alike = [one for one in controls if how.get(one.under) == how[ratio.under]]
        controls = alike or controls
    ends = [end for one in controls for end in (one.interval.low, one.interval.high)]
    return max((max(end, 1 / end) - 1 for end in ends if end > 0), default=0.0)
