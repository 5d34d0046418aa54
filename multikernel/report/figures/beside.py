"""Measured and simulated in one figure, where that is asked for: over cores, in ns, since each
has a clock of its own.

Guarantees: what is measured is drawn solid; what is simulated is dashed and hollow, in the colour
of what it is held against, and named. Only what both have is drawn; controls are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from multikernel.report.draw.lines import Line, Point
from multikernel.report.figures.figure import Figure
from multikernel.report.figures.parts import CORES, LINES, line_figure, point_of, portions
from multikernel.report.say.wording import MEASURES, grouped, labels, nanoseconds
from multikernel.results.document import Document, Series

ABOUT = (
    "Solid: measured. Dashed: simulated, on a model of {}; no hardware of that kind was measured."
    " Shaded: as far as one number of the machine that nobody knows moves the median."
)
LEAVING = (CORES, "mode", "boots", "booted", "equal_trees", "same", "pair")
"""What both need not have in common."""


def draw(documents: Sequence[Document]) -> list[tuple[str, Figure]]:
    """By experiment, each simulated document beside the latest measured one."""
    latest = sorted(documents, key=lambda one: one.environment.time, reverse=True)
    found = []
    for name, several in grouped(latest, lambda one: one.experiment).items():
        measured = next((one for one in several if not one.simulated), None)
        simulated = grouped((one for one in several if one.simulated), lambda one: one.machine)
        for other, *_ in simulated.values():
            if measured is not None:
                found += [(name, one) for one in _figures(measured, other)]
    return found


def _figures(measured: Document, simulated: Document) -> Iterator[Figure]:
    families = [
        grouped((one for one in document.series if not one.control), _family)
        for document in (measured, simulated)
    ]
    for family in families[0].keys() & families[1].keys():
        ours, theirs = families[0][family], families[1][family]
        named = labels([*ours, *theirs], leaving=LEAVING)
        solid = _lines(measured, ours, named[: len(ours)])
        dashed = _lines(simulated, theirs, named[len(ours) :])
        pairs = [
            (solid[label], replace(dashed[label], dashed=True, label=f"{label}, simulated"))
            for label in solid
            if label in dashed
        ]
        measure, mode, unit = family
        title = f"{measured.experiment}: {MEASURES[measure]}, {mode}, measured and simulated"
        title += f" ({simulated.machine})"
        for name, some in portions(title, pairs, LINES // 2):
            yield line_figure(
                name, [line for pair in some for line in pair], CORES, [*ours, *theirs],
                y_axis="ns" if unit == "tsc-cycles" else unit, linear=True,
                notes=(ABOUT.format(simulated.machine),),
            )  # fmt: skip


def _family(series: Series) -> tuple[str, str, str]:
    return series.measure, series.mode, series.unit


def _lines(
    document: Document, several: Sequence[Series], named: Sequence[str]
) -> dict[str, Line]:  # fmt: skip
    """By label, over cores."""
    points: dict[str, list[Point]] = {}
    for series, label in zip(several, named, strict=True):
        factor = nanoseconds(document, series, 1.0) or 1.0
        own = point_of(series, series.cores)
        low, high = (None if end is None else end * factor for end in (own.low, own.high))
        band = None if own.band is None else (own.band[0] * factor, own.band[1] * factor)
        points.setdefault(label, []).append(Point(own.x, own.y * factor, low, high, band))
    return {
        label: Line(label, tuple(sorted(own, key=lambda point: point.x)))
        for label, own in points.items()
    }
