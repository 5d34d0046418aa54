"""The floor, line by line: what a cache line costs there and back depends on which line it is.

Answers: the part of the paper's table 2 that the hardware takes.
"""

from __future__ import annotations

from multikernel.report.draw.bars import Mark
from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.say.table import number
from multikernel.report.say.wording import rate_of
from multikernel.results.document import Document, Floor

PAIRS = 6
"""Most pairs that are drawn line by line; all of them are bars."""


def draw(document: Document) -> list[Block]:
    """By line for some pairs, then all series as bars."""
    found: list[Block] = [_by_line(floor, rate_of(document)) for floor in document.floor[:PAIRS]]
    if len(document.floor) > PAIRS and isinstance(found[-1], Figure):
        last = found[-1]
        note = f"{len(document.floor) - PAIRS} more pairs are in the table and in the raw data."
        found[-1] = Figure(
            last.title, last.description, last.drawing, (*last.notes, note), last.paper
        )
    return [*found, *generic.of_series(document, document.series, title="One line there and back")]


def _by_line(floor: Floor, rate: float | None) -> Figure:
    a, b = floor.pair
    modes = (
        ("back-to-back", floor.back_to_back, floor.by_line.back_to_back, "c0"),
        ("single", floor.single, floor.by_line.single, "c1"),
    )
    several = [
        Line(
            f"{mode}: median {number(median)} cycles"
            + (f" · {number(median * 1e9 / rate)} ns" if rate else ""),
            tuple(Point(index + 1, value) for index, value in enumerate(by_line)),
            kind,
            joined=False,
        )
        for mode, median, by_line, kind in modes
    ]
    marks = [Mark("", median) for _, median, _, _ in modes]
    spread = [
        f"{mode} {number(min(by_line))} to {number(max(by_line))} cycles, median {number(median)}"
        for mode, median, by_line, _ in modes
        if by_line
    ]
    count = max(len(floor.by_line.back_to_back), len(floor.by_line.single))
    return Figure(
        title=f"Floor by line, CPUs {a} and {b}",
        description=f"Points, one a cache line, {count} lines: {'; '.join(spread)}.",
        drawing=lines(
            several, "cache line", "TSC cycles, there and back", marks=marks, linear=True
        ),
        notes=(
            (
                "Each point is one cache line: the median over boots of its round trips; it has no"
                " error bar: the lines' own differences are the spread. Dashed: the median over the"
                " lines, by which × floor divides."
            ),
        ),
    )
