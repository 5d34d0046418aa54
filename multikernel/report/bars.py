"""Bars: a row each, with its name and value written above it, in groups, on an axis that begins at
nought.

Guarantees: every bar's value stands beside it in figures, so nothing has to be read off the axis;
the error bar is the interval given; a bar of the paper is hollow and dashed, and says whose it is;
rows are wide enough for a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multikernel.report.figure import WIDTH, Drawing, shortened, width_of
from multikernel.report.markup import Child, Markup, element, joined
from multikernel.report.scales import Linear, from_nought
from multikernel.report.wording import short

LEFT, RIGHT = 8.0, 14.0
ROW, THICK, SECOND = 34.0, 10.0, 14.0
SIZE = 12.0
GROUP = 26.0


@dataclass(frozen=True, slots=True)
class Bar:
    """low, high: of the error bar, None without one; kind: a class of the style sheet."""

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


def bars(groups: Sequence[Group], axis: str) -> Drawing:
    """The drawing. axis: what the values are, with the unit."""
    values = [end for group in groups for bar in group.bars for end in (bar.value, bar.high or 0.0)]
    values += [mark.value for group in groups for mark in group.marks]
    scale = from_nought(values, LEFT, WIDTH - RIGHT)
    bottom = 4 + sum(_height(group) for group in groups)
    parts: list[Child] = [_grid(scale, 4, bottom)]
    top = 4.0
    for group in groups:
        parts.append(_group(group, scale, top))
        top += _height(group)
    for tick in scale.ticks():
        x = scale.at(tick)
        parts.append(
            element(
                "text",
                short(tick),
                x=x,
                y=bottom + 14,
                class_="axis",
                text_anchor=_anchor(tick, scale),
            )
        )
    parts.append(element("text", axis, x=LEFT, y=bottom + 29, class_="axis"))
    return Drawing(bottom + 36, joined(parts))


def _anchor(tick: float, scale: Linear) -> str:
    return "start" if tick <= scale.low else "end" if tick >= scale.high else "middle"


def _row(bar: Bar) -> float:
    """A name too long to stand beside the value has a line of its own."""
    room = WIDTH - LEFT - RIGHT - width_of(bar.text, SIZE) - 8
    return ROW + SECOND if width_of(bar.label, SIZE) > room else ROW


def _height(group: Group) -> float:
    return (
        (GROUP if group.title else 2.0)
        + (13.0 if group.marks else 0.0)
        + sum(map(_row, group.bars))
        + 6
    )


def _grid(scale: Linear, top: float, bottom: float) -> Markup:
    lines = [
        element(
            "line",
            x1=scale.at(tick),
            x2=scale.at(tick),
            y1=top,
            y2=bottom,
            class_="grid" if tick else "base",
        )
        for tick in scale.ticks()
    ]
    return joined(lines)


def _group(group: Group, scale: Linear, top: float) -> Markup:
    parts: list[Child] = []
    if group.title:
        title = shortened(group.title, WIDTH - LEFT - RIGHT, SIZE + 0.5)
        parts.append(element("text", title, x=LEFT, y=top + 17, class_="group"))
        top += GROUP
    else:
        top += 2
    if group.marks:
        top += 13
    bottom = top + sum(map(_row, group.bars))
    for mark in group.marks:
        x = scale.at(mark.value)
        right = x > WIDTH * 0.6
        words = shortened(mark.label, x - LEFT if right else WIDTH - x - RIGHT, 10)
        parts.append(element("line", x1=x, x2=x, y1=top - 8, y2=bottom, class_="mark"))
        # The words stand beside the line's head; whichever side has room.
        place = x - 4 if right else x + 4
        parts.append(
            element(
                "text",
                words,
                x=place,
                y=top - 3,
                class_="soft",
                text_anchor="end" if right else "start",
            )
        )
    for bar in group.bars:
        parts.append(_bar(bar, scale, top))
        top += _row(bar)
    return joined(parts)


def _bar(bar: Bar, scale: Linear, top: float) -> Markup:
    room = WIDTH - LEFT - RIGHT
    label = shortened(bar.label, room, SIZE)
    second = top + 12 + (_row(bar) - ROW)
    y, x0, x1 = second + 5, scale.at(0), scale.at(bar.value)
    kind = "paper" if bar.paper else f"bar {bar.kind}" + (" control" if bar.control else "")
    words = "soft" if bar.paper else "value"
    parts: list[Child] = [
        element("title", f"{bar.label}: {bar.text}"),
        element("text", label, x=LEFT, y=top + 12, class_=words),
        element("text", bar.text, x=WIDTH - RIGHT, y=second, text_anchor="end", class_=words),
        element("rect", x=x0, y=y, width=max(x1 - x0, 1.0), height=THICK, class_=kind),
    ]
    if bar.low is not None and bar.high is not None:
        parts.append(whisker(scale.at(bar.low), scale.at(bar.high), y + THICK / 2, THICK))
    return element("g", *parts)


def whisker(low: float, high: float, y: float, size: float) -> Markup:
    """An error bar along x."""
    half = size / 2
    path = (
        f"M{low:.2f} {y - half:.2f}v{size:.2f}M{low:.2f} {y:.2f}H{high:.2f}M{high:.2f}"
        f" {y - half:.2f}v{size:.2f}"
    )
    return element("path", d=path, class_="whisker")
