"""How latencies are distributed: the share of operations that were done within so many cycles, of
every experiment that times them one by one, from the histograms of its document.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures.figure import Figure
from multikernel.report.say.wording import MEASURES, amount, grouped, labels, unit_of
from multikernel.results.document import Document, Series

PERCENTILES = (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9)
MOST, FIGURES = 6, 4
"""Lines in a figure, and figures of a document."""
LEAST = 20
"""Samples of which a distribution can be drawn."""
LATENCIES = ("round-trip", "one-way", "completion")
TITLE = "How latencies are distributed"
NOTE = "Each operation by itself; of 1 to 99.9 % of them, from the documents' histograms."


def draw(document: Document) -> list[Figure]:
    """The first few, by measure and operation: these are what the experiment is about."""
    families = grouped(
        filter(is_one_by_one, document.series),
        lambda one: (one.unit, one.measure, one.parameters.get("operation")),
    )
    found = []
    for (_, measure, what), family in families.items():
        title = f"{TITLE}: {str(what or MEASURES[measure]).replace('-', ' ')}"
        for start in range(0, len(family), MOST):
            found.append(_figure(document, title, family[start : start + MOST], family))
    return found[:FIGURES]


def is_one_by_one(series: Series) -> bool:
    """Whether its histogram is of single operations, and not of means or rates."""
    latency = series.measure in LATENCIES and series.unit in ("tsc-cycles", "ns")
    return latency and series.batch == 1 and not series.control and series.samples >= LEAST


def _figure(
    document: Document, title: str, some: Sequence[Series], family: Sequence[Series]
) -> Figure:
    named = labels(some, leaving=("boots", "operation", "cores"), among=family)
    several, words = [], []
    for label, one in zip(named, some, strict=True):
        within = one.dense().percentile
        points = (Point(max(within(share), 1.0), share) for share in PERCENTILES)
        several.append(Line(label, tuple(points), bare=True))
        half, most = (amount(document, one, value) for value in (one.p50, one.p99))
        words.append(f"{label}: half within {half}, 99 of 100 within {most}")
    drawing = lines(several, unit_of(some[0]), "% of operations within", steps=True)
    return Figure(title, "Distributions. " + ". ".join(words) + ".", drawing, (NOTE,))
