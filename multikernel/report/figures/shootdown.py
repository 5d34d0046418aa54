"""The messages of a shootdown: cycles until all have acknowledged, by protocol and cores.

Guarantees: a protocol that came to the same as another on some number of cores is drawn there as
that one, and the note says so; nothing is drawn that was not measured. Answers: the paper's figure
6.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from multikernel.catalogue import OTHERS, PLOT, paper
from multikernel.report.draw.bars import Group
from multikernel.report.draw.lines import lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, line_figure
from multikernel.report.say.wording import MODES, rate_of
from multikernel.results.document import Document, Series

BESIDES = ("tree", "depth", "same")
"""What a protocol's tree was: it changes with the number of cores, so it names no line."""
WHAT = (
    "Broadcast: all poll one line, each acknowledges on its own. Unicast: a line a core. Multicast:"
    " over a tree by the machine's parts. NUMA-aware: the same tree, farthest first, lines at the"
    " receiver. Chosen: of all cores the tree that the system has, of fewer the one predicted to be"
    " best."
)
BARE = "Bare loops on booted cores: no kernel, no page table."
EQUAL = "Protocols that came to the same tree were measured once and share a point."


def draw(document: Document) -> list[Block]:
    """A line a protocol, over cores, for each mode; bars where there is one number of cores."""
    ours = [
        one
        for one in document.series
        if one.measure == "completion"
        and one.parameters.get("operation") == "shootdown"
        and not one.control
    ]
    rest = [one for one in document.series if one not in ours]
    found: list[Block] = []
    for mode in dict.fromkeys(one.mode for one in ours):
        measured = [one for one in ours if one.mode == mode]
        every = _by_name(measured)
        title = f"Notifying all cores and hearing from all, {MODES[mode]}"
        notes = (WHAT, BARE, *([EQUAL] if len(every) > len(measured) else []), f"{PLOT} {OTHERS}")
        values = () if found else paper("shootdown")
        axis = axis_of(measured[0])
        if len({one.cores for one in every}) > 1:
            several = generic.lines_over(every, generic.CORES, leaving=BESIDES, systems=False)
            drawing = lines(several, "cores", axis, linear=True)
            found.append(
                line_figure(
                    title, drawing, several, "cores", axis, measured, notes=notes, paper=values
                )
            )
        else:
            groups = [Group("", bars_of(every, rate_of(document), leaving=BESIDES, systems=False))]
            found.append(bar_figure(title, groups, axis, measured, notes=notes, paper=values))
    return [*found, *generic.of_series(document, rest)]


def _by_name(measured: Sequence[Series]) -> list[Series]:
    """And once more under the name of each protocol that came to the same; protocols as they come
    first.
    """
    found = [
        msgspec.structs.replace(one, variant=name)
        for one in measured
        for name in (one.variant, *filter(None, str(one.parameters.get("same", "")).split(",")))
    ]
    order = list(dict.fromkeys(one.variant for one in found))
    return sorted(found, key=lambda one: (order.index(one.variant), one.cores))
