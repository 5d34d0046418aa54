"""Lines: values over something that was chosen (cores, sizes, budgets), with error bars; also
single points.

Guarantees: lines differ by colour, by the shape of their points and by name in the legend below; a
curve of the paper is dashed and without error bars; the axis of values begins at nought unless the
values span more than two powers of ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multikernel.report.bars import Mark
from multikernel.report.figure import WIDTH, Drawing, shortened, width_of
from multikernel.report.markup import Child, Markup, element, joined
from multikernel.report.scales import Linear, Log, Scale, from_nought, over_counts
from multikernel.report.wording import short

LEFT, RIGHT, TOP, PLOT = 46.0, 14.0, 24.0, 210.0
SPAN = 100.0
"""Values that differ by more get a logarithmic axis."""
COLOURS = 7
SHAPES = ("circle", "square", "triangle", "diamond", "down", "cross")


@dataclass(frozen=True, slots=True)
class Point:
    """low, high: of the error bar, None without one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """joined: whether the points are joined; paper: whether it is the paper's; kind: a class, else
    by its place.
    """

    label: str
    points: tuple[Point, ...]
    kind: str = ""
    joined: bool = True
    paper: bool = False


def lines(
    several: Sequence[Line],
    x_axis: str,
    y_axis: str,
    *,
    marks: Sequence[Mark] = (),
    standing: Sequence[Mark] = (),
    linear: bool = False,
) -> Drawing:
    """The drawing. marks: values drawn across; standing: choices drawn upright; linear: both axes
    are.
    """
    points = [point for line in several for point in line.points]
    xs = sorted({point.x for point in points} | {mark.value for mark in standing})
    ends = LEFT + 6, WIDTH - RIGHT - 6
    across = (
        Linear(min(xs), max(xs), *ends, 8) if linear and len(xs) > 1 else over_counts(xs, *ends)
    )
    ys = [end for point in points for end in (point.y, point.low or point.y, point.high or point.y)]
    up = _up([*ys, *(mark.value for mark in marks)], linear)
    parts: list[Child] = [_frame(across, up, xs, x_axis, y_axis)]
    parts += [_across(mark, up) for mark in marks]
    parts += [_standing(mark, across) for mark in standing]
    for index, line in enumerate(several):
        parts.append(_line(line, index, across, up))
    legend, below = _legend(several, TOP + PLOT + 50)
    return Drawing(below, joined([*parts, legend]))


def _up(values: Sequence[float], linear: bool) -> Scale:
    positive = [value for value in values if value > 0]
    if (
        not linear
        and positive
        and len(positive) == len(values)
        and max(positive) > SPAN * min(positive)
    ):
        return Log(min(positive) / 1.2, max(positive) * 1.2, TOP + PLOT, TOP)
    return from_nought(values, TOP + PLOT, TOP)


def _frame(across: Scale, up: Scale, xs: Sequence[float], x_axis: str, y_axis: str) -> Markup:
    right, bottom = WIDTH - RIGHT, TOP + PLOT
    parts: list[Child] = []
    for tick in up.ticks():
        y = up.at(tick)
        parts.append(element("line", x1=LEFT, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(
            element("text", short(tick), x=LEFT - 5, y=y + 3.5, class_="axis", text_anchor="end")
        )
    parts.append(element("line", x1=LEFT, x2=right, y1=bottom, y2=bottom, class_="base"))
    ticks = list(xs) if len(xs) <= 9 else across.ticks()
    last = -1e9
    for tick in ticks:
        x = across.at(tick)
        parts.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="base"))
        words = short(tick)
        if x - width_of(words, 10.5) / 2 > last + 3:
            parts.append(
                element("text", words, x=x, y=bottom + 15, class_="axis", text_anchor="middle")
            )
            last = x + width_of(words, 10.5) / 2
    parts.append(element("text", y_axis, x=4, y=13, class_="axis"))
    parts.append(element("text", x_axis, x=right, y=bottom + 31, class_="axis", text_anchor="end"))
    return joined(parts)


def _across(mark: Mark, up: Scale) -> Markup:
    y = up.at(mark.value)
    return joined([
        element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="mark"),
        element("text", mark.label, x=WIDTH - RIGHT, y=y - 4, class_="soft", text_anchor="end"),
    ])  # fmt: skip


def _standing(mark: Mark, across: Scale) -> Markup:
    x = across.at(mark.value)
    right = x > WIDTH * 0.6
    return joined([
        element("line", x1=x, x2=x, y1=TOP, y2=TOP + PLOT, class_="mark"),
        element("text", mark.label, x=x - 4 if right else x + 4, y=TOP + 9, class_="soft",
                text_anchor="end" if right else "start"),
    ])  # fmt: skip


def _kind(line: Line, index: int) -> str:
    return line.kind or f"c{index % COLOURS}"


def _line(line: Line, index: int, across: Scale, up: Scale) -> Markup:
    kind = _kind(line, index)
    places = [(across.at(point.x), up.at(point.y)) for point in line.points]
    parts: list[Child] = [element("title", line.label)]
    if line.joined and len(places) > 1:
        path = "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in places)
        parts.append(
            element(
                "path", d=path, class_="paper-line" if line.paper else f"joint {kind}", fill="none"
            )
        )
    for (x, y), point in zip(places, line.points, strict=True):
        if point.low is not None and point.high is not None and not line.paper:
            low, high = up.at(point.low), up.at(point.high)
            d = f"M{x - 3:.2f} {low:.2f}h6M{x:.2f} {low:.2f}V{high:.2f}M{x - 3:.2f} {high:.2f}h6"
            parts.append(element("path", d=d, class_="whisker"))
        parts.append(_shape(x, y, index, kind, line.paper))
    return element("g", *parts)


def _shape(x: float, y: float, index: int, kind: str, paper: bool) -> Markup:
    class_ = "paper-point" if paper else f"point {kind}"
    shape = SHAPES[index % len(SHAPES)]
    if shape == "circle":
        return element("circle", cx=x, cy=y, r=3.4, class_=class_)
    if shape == "square":
        return element("rect", x=x - 3, y=y - 3, width=6.0, height=6.0, class_=class_)
    paths = {
        "triangle": "M0-4L3.8 3H-3.8Z",
        "diamond": "M0-4.4L4 0L0 4.4L-4 0Z",
        "down": "M0 4L3.8-3H-3.8Z",
        "cross": "M-3.2-3.2L3.2 3.2M-3.2 3.2L3.2-3.2",
    }
    return element("path", d=paths[shape], transform=f"translate({x:.2f} {y:.2f})", class_=class_)


def _legend(several: Sequence[Line], top: float) -> tuple[Markup, float]:
    """Below the plot: in two columns where all names are short. Also how far down it reaches."""
    named = [(index, line) for index, line in enumerate(several) if line.label]
    room = (WIDTH - 16) / 2
    columns = (
        2
        if all(width_of(line.label, 12) < room - 34 for _, line in named) and len(named) > 2
        else 1
    )
    parts: list[Child] = []
    for place, (index, line) in enumerate(named):
        x, y = 8 + (place % columns) * room, top + (place // columns) * 17
        if line.joined:
            kind = "paper-line" if line.paper else f"joint {_kind(line, index)}"
            parts.append(element("path", d=f"M{x:.2f} {y:.2f}h22", class_=kind, fill="none"))
        parts.append(_shape(x + 11, y, index, _kind(line, index), line.paper))
        words = shortened(line.label, (room if columns == 2 else WIDTH - 16) - 30, 12)
        parts.append(element("text", words, x=x + 28, y=y + 3.8))
    rows = -(-len(named) // columns) if named else 0
    return joined(parts), top + rows * 17 - 4
