"""A message there and back, each mode with the floor that judges it drawn across.

Answers: the paper's table 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Group, Mark
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of
from multikernel.report.say.table import number
from multikernel.report.say.wording import MODES, rate_of
from multikernel.results.document import Document, Mode, Series

MODES_IN_ORDER: tuple[Mode, ...] = ("back-to-back", "single")


def draw(document: Document) -> list[Block]:
    """Bars by pair of CPUs and mode; what is no round trip in cycles is drawn as of any
    experiment.
    """
    trips = [
        one for one in document.series if one.measure == "round-trip" and one.unit == "tsc-cycles"
    ]
    others = [one for one in document.series if one not in trips]
    found: list[Block] = []
    pairs = list(dict.fromkeys(str(one.parameters.get("pair", "")) for one in trips))
    for pair in pairs:
        own = [one for one in trips if str(one.parameters.get("pair", "")) == pair]
        groups = [
            group for mode in MODES_IN_ORDER if (group := _group(document, own, pair, mode)).bars
        ]
        title = "A message there and back" + (f", CPUs {pair}" if pair else "")
        notes = (
            (
                "Dashed line: one cache line there and back on the same pair, in the same mode and"
                " the same slices. Bare: ends in a loop of their own; the others go through a"
                " booted driver's loop, its channels polled."
            ),
            "The paper gives the latency of a message (URPC); here a message goes there and one"
            " comes back. " + OTHERS,
        )
        values = () if found else paper("round-trip")
        found.append(bar_figure(title, groups, axis_of(own[0]), own, notes=notes, paper=values))
    return [*found, *generic.of_series(document, others)]


def _group(document: Document, own: Sequence[Series], pair: str, mode: Mode) -> Group:
    some = [one for one in own if one.mode == mode]
    marks = []
    for floor in document.floor:
        if pair in (f"{floor.pair[0]}-{floor.pair[1]}", ""):
            value = floor.back_to_back if mode == "back-to-back" else floor.single
            marks.append(Mark(f"floor {number(value)}", value))
    kept = tuple(marks[:1])
    bars = bars_of(some, rate_of(document), leaving=("pair", "mode", "polled_channels"), among=own)
    name = MODES[mode]
    return Group(name[:1].upper() + name[1:], bars, kept)
