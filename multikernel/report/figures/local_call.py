"""A request that stays on its CPU, and a message beside it: bars, and which boundary each crosses.

Answers: the paper's table 1.
"""

from __future__ import annotations

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of
from multikernel.report.say.wording import MODES, rate_of
from multikernel.results.document import Document

BESIDES = ("boundary", "pair", "target", "told", "woken_by", "cores")
"""A variant says it all; what it crosses is said below."""


def draw(document: Document) -> list[Block]:
    """Bars for each mode, with the paper's values; the rest as of any experiment."""
    ours = [
        one
        for one in document.series
        if one.measure == "round-trip" and "boundary" in one.parameters
    ]
    rest = [one for one in document.series if one not in ours]
    crossed = {one.variant: str(one.parameters["boundary"]) for one in ours}
    notes = (*(f"{variant}: {boundary}." for variant, boundary in crossed.items()), OTHERS)
    found: list[Block] = []
    for mode in dict.fromkeys(one.mode for one in ours):
        measured = [one for one in ours if one.mode == mode]
        bars = bars_of(measured, rate_of(document), leaving=BESIDES)
        values = () if found else paper("local-call")
        title = f"A request there and back, {MODES[mode]}"
        found.append(
            bar_figure(
                title, [Group("", bars)], axis_of(measured[0]), measured, notes=notes, paper=values
            )
        )
    return [*found, *generic.of_series(document, rest)]
