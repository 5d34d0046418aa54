"""What most figures are put together from: bars of series, lines over a parameter, and descriptions
of both in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from multikernel.catalogue import PaperValue
from multikernel.report.draw.bars import Bar, Group, bars
from multikernel.report.draw.chart import Chart
from multikernel.report.draw.lines import Line, Point
from multikernel.report.figures.figure import Figure
from multikernel.report.say.table import number
from multikernel.report.say.wording import amount, interval_note, labels, unit_of
from multikernel.results.document import Document, Series


def bar_of(series: Series, label: str, rate: float | None) -> Bar:
    """A series as a bar. An interval of one boot is none."""
    interval = series.median_interval if series.boots > 1 else None
    return Bar(
        label=label,
        value=series.p50,
        text=amount(series, series.p50, rate),
        kind=series.system,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        control=series.control,
    )


def bars_of(
    several: Sequence[Series], rate: float | None, *, leaving: Iterable[str] = (),
    systems: bool = True,
    among: Sequence[Series] = (),
) -> tuple[Bar, ...]:  # fmt: skip
    """A bar each, named by what differs."""
    named = labels(several, leaving=leaving, systems=systems, among=among)
    return tuple(bar_of(series, label, rate) for series, label in zip(several, named, strict=True))


def paper_bar(value: PaperValue) -> Bar:
    """A value of the paper as a hollow bar."""
    assert value.value is not None
    about = "≈ " if value.approximate else ""
    ns = "" if value.ns is None else f" · {number(value.ns)} ns"
    return Bar(
        label=f"{value.what}, 2009",
        value=value.value,
        text=f"{about}{number(value.value)} cycles{ns}",
        kind="paper",
        paper=True,
    )


def point_of(series: Series, x: float) -> Point:
    """A series as a point of a line."""
    interval = series.median_interval if series.boots > 1 else None
    if interval is None:
        return Point(x, series.p50)
    return Point(x, series.p50, interval.low, interval.high)


def bar_figure(
    title: str, groups: Sequence[Group], axis: str, measured: Sequence[Series], *,
    notes: Sequence[str] = (),
    paper: tuple[PaperValue, ...] = (),
) -> Figure:  # fmt: skip
    """A figure of bars, described in words."""
    return Figure(
        title=title,
        description=describe(groups),
        drawing=bars(groups, axis),
        notes=(interval_note(measured), *notes),
        paper=paper,
    )


def describe(groups: Sequence[Group]) -> str:
    """Every bar's name and value."""
    sentences = []
    for group in groups:
        words = "; ".join(f"{bar.label} {bar.text}" for bar in group.bars)
        marks = "; ".join(f"line at {mark.label}" for mark in group.marks)
        sentences.append(
            (f"{group.title}: " if group.title else "") + "; ".join(filter(None, (words, marks)))
        )
    return "Bars. " + ". ".join(sentences) + "."


def line_figure(
    title: str, drawing: Chart, several: Sequence[Line], x_name: str, unit: str,
    measured: Sequence[Series], *,
    notes: Sequence[str] = (), paper: tuple[PaperValue, ...] = (),
) -> Figure:  # fmt: skip
    """A figure of lines, described in words."""
    words = [
        f"{line.label}: "
        + ", ".join(f"{number(point.y)} at {number(point.x)}" for point in line.points)
        for line in several
    ]
    description = f"Lines over {x_name}, in {unit}. " + ". ".join(words) + "."
    return Figure(title, description, drawing, (interval_note(measured), *notes), paper)


def axis_of(series: Series) -> str:
    """What the values are, as written along an axis."""
    return unit_of(series)


def grouped(several: Iterable[Series], key: str) -> Mapping[object, list[Series]]:
    """Series by a parameter, in order of first appearance."""
    found: dict[object, list[Series]] = {}
    for series in several:
        found.setdefault(series.parameters.get(key), []).append(series)
    return found


def size_sentence(document: Document) -> str:
    """How many cores took part."""
    cores = sorted({series.cores for series in document.series})
    return f"{cores[-1]} cores" if cores and cores[-1] > 1 else "1 core"
