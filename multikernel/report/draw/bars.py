"""Bars, in groups: a row each, with name and value above it, on an axis that begins at nought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

from multikernel.report.draw import chart
from multikernel.report.say.wording import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE, ROW, SECOND, GROUP, MARKS, THICK, FOOT = 0.06, 0.27, 0.11, 0.2, 0.12, 0.085, 0.34
"""Inches: margin, a row, a second line, a group's heading, its marks' names, a bar, the axis."""
ACROSS = chart.WIDTH - 2 * SIDE
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
    title: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...] = ()


def bars(groups: Sequence[Group], axis: str) -> chart.Chart:
    """The chart. axis: what the values are, with the unit."""
    values = [end for group in groups for bar in group.bars for end in (bar.value, bar.high or 0.0)]
    values += [mark.value for group in groups for mark in group.marks]
    high = 1.02 * (max(values, default=1.0) or 1.0)
    height = max(sum(map(_height, groups)), ROW) + FOOT

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = chart.axes_in(figure, height, left=SIDE, right=SIDE, top=0, bottom=FOOT)
        axes.set_xlim(0, high)
        axes.set_ylim(height - FOOT, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel(chart.shortened(axis, ACROSS, chart.SMALL), loc="left")
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        # At the ends the numbers stay within the figure.
        for place, label in enumerate(axes.get_xticklabels()):
            label.set_horizontalalignment("left" if place == 0 else "center")
        top = 0.0
        for group in groups:
            _group(axes, group, top, high)
            top += _height(group)

    return chart.Chart(height, paint)


def _row(bar: Bar) -> float:
    """A name too long to stand beside the value has a line of its own."""
    room = ACROSS - chart.width_of(bar.text) - 0.1
    return ROW + SECOND if chart.width_of(bar.label) > room else ROW


def _above(group: Group) -> float:
    return GROUP if group.title else 0.03


def _height(group: Group) -> float:
    return _above(group) + MARKS * len(group.marks) + sum(map(_row, group.bars)) + 0.05


def _group(axes: Axes, group: Group, top: float, high: float) -> None:
    bottom = top + _height(group) - 0.05
    if group.title:
        axes.text(0, top + 0.14, chart.shortened(group.title, ACROSS), fontweight="bold")
    top += _above(group)
    for mark in group.marks:
        share = mark.value / high
        right = share > 0.6
        room = ACROSS * (share if right else 1 - share)
        name = ("" if right else " ") + chart.shortened(mark.label, room, chart.SMALL)
        side = "right" if right else "left"
        axes.text(mark.value, top + 0.085, name, ha=side, size=chart.SMALL, color=chart.SOFT)
        axes.plot([mark.value] * 2, [top, bottom], **chart.DASHED)
        top += MARKS
    for bar in group.bars:
        _bar(axes, bar, top, high)
        top += _row(bar)


def _bar(axes: Axes, bar: Bar, top: float, high: float) -> None:
    second = top + 0.11 + _row(bar) - ROW
    middle, colour = second + 0.085, chart.SOFT if bar.paper else chart.INK
    # A mark is interrupted where it crosses them.
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    label, text = (chart.shortened(one, ACROSS) for one in (bar.label, bar.text))
    axes.text(0, top + 0.11, label, color=colour, bbox=clear)
    axes.text(high, second, text, ha="right", color=colour, bbox=clear)
    edge = chart.SOFT if bar.paper else chart.SYSTEMS.get(bar.kind, chart.SOFT)
    looks: dict[str, Any] = {"color": edge, "linewidth": 0.6}
    if bar.paper:
        looks = {"color": "white", "linewidth": 0.8, "linestyle": (0, (3, 2))}
    elif bar.control:
        looks["color"] = "white"
    axes.barh(middle, bar.value, THICK, edgecolor=edge, **looks)
    if bar.paper:
        return
    if bar.control:
        _hatch(axes, bar.value, middle, high, edge)
    chart.error_bar(axes, middle, (bar.low, bar.high), "x")


def _hatch(axes: Axes, value: float, middle: float, high: float, colour: str) -> None:
    """Slanting lines, each by itself: what fills with a pattern is black in some readers."""
    length = value / high * ACROSS
    lines = []
    for place in range(int((length + THICK) / HATCH) + 1):
        start = place * HATCH - THICK
        low, up = max(-start, 0.0), min(length - start, THICK)
        if low < up:
            ends = [((start + end) / ACROSS * high, middle + THICK / 2 - end) for end in (low, up)]
            lines += [*ends, (nan, nan)]
    axes.plot(*zip(*lines, strict=True), color=colour, linewidth=0.6, solid_capstyle="butt")
