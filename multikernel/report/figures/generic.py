"""The figures of any experiment: lines where something was varied, else bars.

Guarantees: every series of the document is drawn, whatever the experiment, but a control that
stands alone. Series of one measure and unit share a figure; where one numeric choice (cores, size,
budget, rate, …) was made in at least three ways it becomes the axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from multikernel import catalogue
from multikernel.catalogue import PaperValue
from multikernel.report.draw.bars import Group
from multikernel.report.draw.lines import Line, lines
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, line_figure, point_of
from multikernel.report.say.wording import MEASURES, MODES, labels, rate_of
from multikernel.results.document import Document, Series

VARIED = 3
BARS, LINES = 24, 8
"""Most in a figure."""
CORES = "cores"

T = TypeVar("T")


def draw(document: Document) -> list[Block]:
    """All of it."""
    return [*of_series(document, document.series, paper=catalogue.paper(document.experiment))]


def of_series(
    document: Document,
    several: Sequence[Series],
    *,
    title: str = "",
    paper: tuple[PaperValue, ...] = (),
) -> list[Figure]:
    """Figures of some series of a document; controls only beside what they repeat."""
    found: list[Figure] = []
    families: dict[tuple[str, str, str], list[Series]] = {}
    for series in several:
        families.setdefault((series.unit, series.measure, series.mode), []).append(series)
    families = {
        key: family for key, family in families.items() if not all(one.control for one in family)
    }
    for (_, measure, mode), family in families.items():
        name = title or f"{MEASURES[measure][:1].upper()}{MEASURES[measure][1:]}"
        if len(families) > 1 and measure != "throughput":
            name += f", {MODES[mode]}"
        axis = varied(family)
        new = _over(family, axis, name) if axis else _bars(document, family, name)
        found += new
    # The paper's values stand once, beside the first.
    if found and paper:
        first = found[0]
        found[0] = Figure(first.title, first.description, first.drawing, first.notes, paper)
    return found


def varied(several: Sequence[Series]) -> str | None:
    """The numeric choice that was made in most ways, if in enough of them."""
    ways: dict[str, set[float]] = {CORES: {float(series.cores) for series in several}}
    for series in several:
        for name, value in series.parameters.items():
            # Numbers with a fraction are counts taken while measuring.
            if isinstance(value, int) and not isinstance(value, bool):
                ways.setdefault(name, set()).add(float(value))
    name = max(ways, key=lambda one: len(ways[one]))
    return name if len(ways[name]) >= VARIED else None


def choice_of(series: Series, name: str) -> float | None:
    """Where a series stands on the axis."""
    if name == CORES:
        return float(series.cores)
    value = series.parameters.get(name)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else None


def lines_over(
    several: Sequence[Series], name: str, *, leaving: tuple[str, ...] = (), systems: bool = True
) -> list[Line]:
    """Lines over a choice: series that differ in nothing else are points of one."""
    # A point of fewer boots has the wider error bar; it is of the same line.
    named = labels(several, leaving=(name, "boots", *leaving), systems=systems)
    points: dict[str, list[tuple[float, Series]]] = {}
    for series, label in zip(several, named, strict=True):
        x = choice_of(series, name)
        if x is not None:
            points.setdefault(label, []).append((x, series))
    return [
        Line(label, tuple(point_of(series, x) for x, series in sorted(own, key=lambda one: one[0])))
        for label, own in points.items()
    ]


def _over(family: Sequence[Series], name: str, title: str) -> list[Figure]:
    every = lines_over(family, name)
    axis = name.replace("_", " ")
    found = []
    for some in portions(every, LINES):
        drawing = lines(some, axis, axis_of(family[0]), linear=name == CORES)
        found.append(
            line_figure(
                _numbered(title, every, some, LINES),
                drawing,
                some,
                axis,
                axis_of(family[0]),
                family,
            )
        )
    rest = [series for series in family if choice_of(series, name) is None]
    if rest:
        groups = [Group("", bars_of(rest, None))]
        found.append(bar_figure(f"{title}, without {axis}", groups, axis_of(rest[0]), rest))
    return found


def _bars(document: Document, family: Sequence[Series], title: str) -> list[Figure]:
    every = bars_of(family, rate_of(document))
    found = []
    for some in portions(every, BARS):
        name = _numbered(title, every, some, BARS)
        found.append(bar_figure(name, [Group("", tuple(some))], axis_of(family[0]), family))
    return found


def portions(every: Sequence[T], most: int) -> list[list[T]]:
    """Cut into pieces of so many at most."""
    return [list(every[start : start + most]) for start in range(0, len(every), most)]


def _numbered(title: str, every: Sequence[T], some: Sequence[T], most: int) -> str:
    if len(every) <= most:
        return title
    first = every.index(some[0])
    return f"{title} ({first // most + 1} of {-(-len(every) // most)})"
