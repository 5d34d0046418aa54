"""How latencies are distributed: the share of operations that were done within so many cycles.

Guarantees: of every experiment that times operations one by one; the lines come from the histograms
of the documents, so what was rare is there as well. Controls are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures.figure import Figure
from multikernel.report.figures.generic import portions
from multikernel.report.say.wording import MEASURES, amount, labels, rate_of, unit_of
from multikernel.results.document import Document, Series

PERCENTILES = (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9)
MOST, FIGURES = 6, 4
"""Lines in a figure, and figures of a document."""
LEAST = 20
"""Samples of which a distribution can be drawn."""
LATENCIES = ("round-trip", "one-way", "completion")
TITLE = "How latencies are distributed"


def draw(document: Document) -> Iterator[Figure]:
    """By measure and operation, those of one kind together."""
    families: dict[tuple[object, ...], list[Series]] = {}
    for one in document.series:
        if is_one_by_one(one):
            operation = one.parameters.get("operation")
            families.setdefault((one.unit, one.measure, operation), []).append(one)
    # The first are what the experiment is about.
    drawn = 0
    for (_, measure, what), family in families.items():
        for some in portions(family, MOST):
            if drawn == FIGURES:
                return
            drawn += 1
            name = str(what or MEASURES[str(measure)]).replace("-", " ")
            yield _figure(document, f"{TITLE}: {name}", some, family)


def is_one_by_one(series: Series) -> bool:
    """Whether its histogram is of single operations, and not of means or rates."""
    latency = series.measure in LATENCIES and series.unit in ("tsc-cycles", "ns")
    return latency and series.batch == 1 and not series.control and series.samples >= LEAST


def _figure(
    document: Document, title: str, some: Sequence[Series], family: Sequence[Series]
) -> Figure:
    named = labels(some, leaving=("boots", "operation", "cores"), among=family)
    several = [
        Line(label, tuple(_points(one)), bare=True) for label, one in zip(named, some, strict=True)
    ]
    rate = rate_of(document)
    words = [
        f"{label}: half within {amount(one, one.p50, rate)}, 99 of 100 within"
        f" {amount(one, one.p99, rate)}"
        for label, one in zip(named, some, strict=True)
    ]
    drawing = lines(several, unit_of(some[0]), "% of operations within", steps=True)
    note = "Each operation by itself; of 1 to 99.9 % of them, from the documents' histograms."
    return Figure(title, "Distributions. " + ". ".join(words) + ".", drawing, (note,))


def _points(series: Series) -> Iterator[Point]:
    histogram = series.dense()
    for share in PERCENTILES:
        yield Point(max(histogram.percentile(share), 1.0), share)
