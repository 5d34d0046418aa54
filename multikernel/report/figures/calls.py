"""A request there and back: what a cache line costs by which line it is, a message with that floor
across, and a request that stays on its CPU with the boundary that it crosses. Answers: the paper's
tables 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Group, Mark
from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.figures.parts import bar_figure, bars_of, floor_mark
from multikernel.report.say.wording import MODES, capital, grouped, number
from multikernel.results.document import Document, Floor, Series

PAIRS = 6
"""Most pairs that are drawn line by line; all of them are bars."""
BY_LINE = (
    "Each point is one cache line: the median over boots of its round trips; it has no error bar:"
    " the lines' own differences are the spread. Dashed: the median over the lines, by which"
    " × floor divides."
)
DASHED = (
    "Dashed line: one cache line there and back on the same pair, in the same mode and the same"
    " slices. Bare: ends in a loop of their own; the others go through a booted driver's loop, its"
    " channels polled."
)
THERE_AND_BACK = (
    "The paper gives the latency of a message (URPC); here a message goes there and one comes back."
    f" {OTHERS}"
)
BESIDES = ("boundary", "pair", "target", "told", "woken_by", "cores")
"""A local call's variant says it all; what it crosses is said below."""


def draw_floor(document: Document) -> list[Block]:
    found = [_by_line(document, floor) for floor in document.floor[:PAIRS]]
    if len(document.floor) > PAIRS:
        note = f"{len(document.floor) - PAIRS} more pairs are in the table and in the raw data."
        found[-1] = replace(found[-1], notes=(*found[-1].notes, note))
    return [*found, *generic.of_series(document, document.series, title="One line there and back")]


def _by_line(document: Document, floor: Floor) -> Figure:
    modes = (
        ("back-to-back", floor.back_to_back, floor.by_line.back_to_back),
        ("single", floor.single, floor.by_line.single),
    )
    rate = document.environment.tsc_hz
    several, spread = [], []
    for mode, median, values in modes:
        ns = f" · {number(median * 1e9 / rate)} ns" if rate else ""
        points = tuple(Point(place, value) for place, value in enumerate(values, 1))
        label = f"{mode}: median {number(median)} cycles{ns}"
        several.append(Line(label, points, joined=False))
        if values:
            ends = f"{number(min(values))} to {number(max(values))}"
            spread.append(f"{mode} {ends} cycles, median {number(median)}")
    marks = [Mark("", median) for _, median, _ in modes]
    axis = "TSC cycles, there and back"
    count = max(len(values) for _, _, values in modes)
    return Figure(
        "Floor by line, CPUs {} and {}".format(*floor.pair),
        f"Points, one a cache line, {count} lines: {'; '.join(spread)}.",
        lines(several, "cache line", axis, marks=marks, linear=True),
        (BY_LINE,),
    )


def draw_round_trip(document: Document) -> list[Block]:
    timed = (one for one in document.series if one.unit == "tsc-cycles")
    trips = [one for one in timed if one.measure == "round-trip"]
    found: list[Block] = []
    for pair, own in grouped(trips, lambda one: str(one.parameters.get("pair", ""))).items():
        groups = [group for mode in MODES if (group := _group(document, own, pair, mode)).bars]
        title = "A message there and back" + (f", CPUs {pair}" if pair else "")
        notes = (DASHED, THERE_AND_BACK)
        found.append(bar_figure(title, groups, own, notes=notes, paper=paper("round-trip")))
    return [*found, *generic.rest(document, trips)]


def _group(document: Document, own: Sequence[Series], pair: str, mode: str) -> Group:
    some = [one for one in own if one.mode == mode]
    marks = [
        floor_mark(floor, mode)
        for floor in document.floor
        if pair in ("{}-{}".format(*floor.pair), "")
    ]
    bars = bars_of(document, some, leaving=("pair", "mode", "polled_channels"), among=own)
    return Group(capital(MODES[mode]), bars, tuple(marks[:1]))


def draw_local_call(document: Document) -> list[Block]:
    trips = (one for one in document.series if one.measure == "round-trip")
    ours = [one for one in trips if "boundary" in one.parameters]
    crossed = {one.variant: one.parameters["boundary"] for one in ours}
    notes = (*(f"{variant}: {boundary}." for variant, boundary in crossed.items()), OTHERS)
    found = [
        bar_figure(
            f"A request there and back, {MODES[mode]}",
            [Group("", bars_of(document, some, leaving=BESIDES))],
            some, notes=notes, paper=paper("local-call"),
        )
        for mode, some in grouped(ours, lambda one: one.mode).items()
    ]  # fmt: skip
    return [*found, *generic.rest(document, ours)]
