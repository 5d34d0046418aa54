"""Bars: a row each, with its name and value written above it, in groups, on an axis that begins at
nought.

Guarantees: every bar's value stands beside it in figures, so nothing has to be read off the axis;
the error bar is the interval given; a bar of the paper is hollow and dashed, and says whose it is;
one that was refused says so in place of its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from multikernel.report.draw.chart import (
    INK,
    SMALL,
    SOFT,
    SYSTEMS,
    WIDTH,
    Chart,
    axes_in,
    shortened,
    width_of,
)
from multikernel.report.say.wording import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

SIDE, ROW, SECOND, GROUP, MARKS, THICK, FOOT = 0.06, 0.27, 0.11, 0.2, 0.12, 0.085, 0.34
"""Inches: margin, a row, a second line, a group's heading, its marks' names, a bar, the axis."""
HATCH = 0.06
"""From one line of a control's hatching to the next."""


@dataclass(frozen=True, slots=True)
class Bar:
    """low, high: of the error bar, None without one; kind: a system."""

    label: str
    value: float
    text: str
    kind: str
    low: float | None = None
    high: float | None = None
    control: bool = False
    paper: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A value drawn across a group, such as a floor."""

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Group:
    """Bars under one heading."""

    title: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...] = ()


def bars(groups: Sequence[Group], axis: str) -> Chart:
    """The chart. axis: what the values are, with the unit."""
    values = [end for group in groups for bar in group.bars for end in (bar.value, bar.high or 0.0)]
    values += [mark.value for group in groups for mark in group.marks]
    high = max(values, default=1.0) or 1.0
    height = max(sum(map(_height, groups)), ROW) + FOOT

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, height, left=SIDE, right=SIDE, top=0, bottom=FOOT)
        axes.set_xlim(0, high * 1.02)
        axes.set_ylim(height - FOOT, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel(shortened(axis, WIDTH - 2 * SIDE, SMALL), loc="left")
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
        axes.xaxis.set_major_locator(_round_numbers())
        # At the ends the numbers stay within the figure.
        for place, label in enumerate(axes.get_xticklabels()):
            label.set_horizontalalignment("left" if place == 0 else "center")
        top = 0.0
        for group in groups:
            _group(axes, group, top, high * 1.02)
            top += _height(group)

    return Chart(height, paint)


def _round_numbers() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])


def _row(bar: Bar) -> float:
    """A name too long to stand beside the value has a line of its own."""
    room = WIDTH - 2 * SIDE - width_of(bar.text) - 0.1
    return ROW + SECOND if width_of(bar.label) > room else ROW


def _height(group: Group) -> float:
    rows = sum(map(_row, group.bars))
    return (GROUP if group.title else 0.03) + MARKS * len(group.marks) + rows + 0.05


def _group(axes: Axes, group: Group, top: float, high: float) -> None:
    whole = WIDTH - 2 * SIDE
    if group.title:
        axes.text(0, top + 0.14, shortened(group.title, whole), fontweight="bold")
    top += GROUP if group.title else 0.03
    bottom = top + MARKS * len(group.marks) + sum(map(_row, group.bars))
    for mark in group.marks:
        share = mark.value / high
        right = share > 0.6
        room = whole * (share if right else 1 - share)
        axes.text(
            mark.value, top + 0.085, ("" if right else " ") + shortened(mark.label, room, SMALL),
            ha="right" if right else "left", size=SMALL, color=SOFT,
        )  # fmt: skip
        axes.plot([mark.value] * 2, [top, bottom], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        top += MARKS
    for bar in group.bars:
        _bar(axes, bar, top, high)
        top += _row(bar)


def _bar(axes: Axes, bar: Bar, top: float, high: float) -> None:
    second = top + 0.11 + _row(bar) - ROW
    middle, colour = second + 0.085, SOFT if bar.paper else INK
    # A mark is interrupted where it crosses them.
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    label, text = (shortened(one, WIDTH - 2 * SIDE) for one in (bar.label, bar.text))
    axes.text(0, top + 0.11, label, color=colour, bbox=clear)
    axes.text(high, second, text, ha="right", color=colour, bbox=clear)
    if bar.paper:
        axes.barh(
            middle, bar.value, THICK, color="white", edgecolor=SOFT, linestyle=(0, (3, 2)),
            linewidth=0.8,
        )  # fmt: skip
        return
    face = SYSTEMS.get(bar.kind, SOFT)
    axes.barh(
        middle, bar.value, THICK, color="white" if bar.control else face, edgecolor=face,
        linewidth=0.6,
    )  # fmt: skip
    if bar.control:
        _hatch(axes, bar.value, middle, high, face)
    if bar.low is not None and bar.high is not None:
        half = abs(bar.high - bar.low) / 2
        axes.errorbar(
            [min(bar.low, bar.high) + half], [middle], xerr=[half], fmt="none",
            ecolor=INK, elinewidth=0.8, capsize=1.8, capthick=0.8,
        )  # fmt: skip


def _hatch(axes: Axes, value: float, middle: float, high: float, colour: str) -> None:
    """Slanting lines, each by itself: what fills with a pattern is black in some readers."""
    whole = WIDTH - 2 * SIDE
    length = value / high * whole
    xs: list[float] = []
    ys: list[float] = []
    for place in range(int((length + THICK) / HATCH) + 1):
        start = place * HATCH - THICK
        low, up = max(-start, 0.0), min(length - start, THICK)
        if low < up:
            xs += [(start + end) / whole * high for end in (low, up)] + [float("nan")]
            ys += [middle + THICK / 2 - end for end in (low, up)] + [float("nan")]
    axes.plot(xs, ys, color=colour, linewidth=0.6, solid_capstyle="butt")
