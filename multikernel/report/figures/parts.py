"""What most figures are put together from: bars of series, lines over a choice, the floor across,
and descriptions in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from multikernel.catalogue import PaperValue
from multikernel.report.draw.bars import Bar, Group, Mark, bars
from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures.figure import Figure
from multikernel.report.say.wording import amount, assumed, interval_note, labels, number, unit_of
from multikernel.results.document import Document, Floor, Series

LINES = 8
"""Most in a figure."""
CORES = "cores"

T = TypeVar("T")


def bars_of(
    document: Document, several: Sequence[Series], *, leaving: Iterable[str] = (),
    systems: bool = True, among: Sequence[Series] = (),
) -> tuple[Bar, ...]:  # fmt: skip
    """A bar each, named by what differs (`wording.labels`). An interval of one boot is none."""
    named = labels(several, leaving=leaving, systems=systems, among=among)
    return tuple(
        Bar(label, one.p50, amount(document, one, one.p50), one.system, *_ends(one), one.control)
        for one, label in zip(several, named, strict=True)
    )


def paper_bar(value: PaperValue) -> Bar:
    assert value.value is not None
    ns = "" if value.ns is None else f" · {number(value.ns)} ns"
    text = f"{'≈ ' if value.approximate else ''}{number(value.value)} cycles{ns}"
    return Bar(f"{value.what}, 2009", value.value, text, "paper", paper=True)


def floor_mark(floor: Floor, mode: str) -> Mark:
    """What a line there and back costs in that mode."""
    value = floor.back_to_back if mode == "back-to-back" else floor.single
    return Mark(f"floor {number(value)}", value)


def bar_figure(
    title: str, groups: Sequence[Group], measured: Sequence[Series], *,
    notes: Iterable[str] = (), paper: tuple[PaperValue, ...] = (),
) -> Figure:  # fmt: skip
    """A figure of bars, described by every bar's name and value."""
    sentences = []
    for group in groups:
        words = [f"{bar.label} {bar.text}" for bar in group.bars]
        words += [f"line at {mark.label}" for mark in group.marks]
        sentences.append((f"{group.title}: " if group.title else "") + "; ".join(words))
    drawing = bars(groups, unit_of(measured[0]))
    described = "Bars. " + ". ".join(sentences) + "."
    return Figure(title, described, drawing, (interval_note(measured), *notes), paper)


def point_of(series: Series, x: float) -> Point:
    return Point(x, series.p50, *_ends(series), assumed(series))


def _ends(series: Series) -> tuple[float | None, float | None]:
    interval = series.median_interval
    return (interval.low, interval.high) if series.boots > 1 else (None, None)


def choice_of(series: Series, name: str) -> float | None:
    """Where a series stands on an axis."""
    value = series.cores if name == CORES else series.parameters.get(name)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else None


def lines_over(
    several: Sequence[Series], name: str, *, leaving: Iterable[str] = (), systems: bool = True
) -> list[Line]:
    """Lines over a choice: series that differ in nothing else are points of one."""
    # A point of fewer boots has the wider error bar; it is of the same line.
    named = labels(several, leaving=(name, "boots", *leaving), systems=systems)
    points: dict[str, list[Point]] = {}
    for series, label in zip(several, named, strict=True):
        x = choice_of(series, name)
        if x is not None:
            points.setdefault(label, []).append(point_of(series, x))
    return [
        Line(label, tuple(sorted(own, key=lambda point: point.x))) for label, own in points.items()
    ]


def line_figure(
    title: str, several: Sequence[Line], x_axis: str, measured: Sequence[Series], *,
    y_axis: str = "", linear: bool = False, logarithmic: bool = False, marks: Sequence[Mark] = (),
    standing: Sequence[Mark] = (), notes: Iterable[str] = (), paper: tuple[PaperValue, ...] = (),
) -> Figure:  # fmt: skip
    """A figure of lines, described by every point. y_axis: the series' unit if not given; linear,
    logarithmic, marks, standing: as `draw.lines` has them.
    """
    unit = y_axis or unit_of(measured[0])
    drawing = lines(
        several, x_axis, unit, marks=marks, standing=standing, linear=linear,
        logarithmic=logarithmic,
    )  # fmt: skip
    words = [
        f"{line.label}: " + ", ".join(f"{number(one.y)} at {number(one.x)}" for one in line.points)
        for line in several
    ]
    described = f"Lines over {x_axis}, in {unit}. " + ". ".join(words) + "."
    return Figure(title, described, drawing, (interval_note(measured), *notes), paper)


def line_figures(
    title: str, several: Sequence[Line], x_axis: str, measured: Sequence[Series], **options: Any
) -> list[Figure]:
    """The same, a figure for so many lines at most."""
    return [
        line_figure(name, some, x_axis, measured, **options)
        for name, some in portions(title, several, LINES)
    ]


def portions(title: str, every: Sequence[T], most: int) -> list[tuple[str, Sequence[T]]]:
    """Cut into pieces of so many at most, each with a title that says which it is."""
    pieces = [every[start : start + most] for start in range(0, len(every), most)]
    if len(pieces) < 2:
        return [(title, piece) for piece in pieces]
    return [(f"{title} ({at} of {len(pieces)})", piece) for at, piece in enumerate(pieces, 1)]


def renamed(series: Series, *more: object) -> Series:
    """With more words in its variant; empty ones are left out."""
    words = [series.variant, *(str(one) for one in more if one)]
    return replace(series, variant=", ".join(words))


def by_name(several: Iterable[Series]) -> list[Series]:
    """Those of a variant together, in order of first appearance, each by number of cores."""
    every = list(several)
    order = list(dict.fromkeys(one.variant for one in every))
    return sorted(every, key=lambda one: (order.index(one.variant), one.cores))
