"""What cores do together: each operation by tree and cores, beside what needs no tree.

Guarantees: trees that were the same on some number of cores share their points there, and the note
says so. Answers: the paper's section 5.1, for programs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from multikernel.report.draw.bars import Group, Mark
from multikernel.report.draw.lines import lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, line_figure
from multikernel.report.say.table import number
from multikernel.report.say.wording import MODES, rate_of
from multikernel.results.document import Document, Mode, Series

BESIDES = ("operation", "kind", "same", "tree", "target", "told")
OPERATIONS = ("barrier", "all-reduce", "broadcast", "agreement")
DRIVERS = (
    "Multikernel: through the booted drivers, which poll all their channels, along a tree installed"
    " by agreement. Bare: loops that do nothing else, barriers over shared memory and the chosen"
    " tree's messages."
)
FROM_LAST = (
    "Barrier and all-reduce: from the last arrival to the last departure. Broadcast, agreement:"
    " until the sender knows that all have it."
)
IN_ROW = "One after the other, on the clock of one member."
EQUAL = "Trees that came to the same were measured once and share a value."


def draw(document: Document) -> list[Block]:
    """For each mode bars by operation; where there are several numbers of cores, lines over them,
    by operation.
    """
    ours = [
        one
        for one in document.series
        if one.measure == "completion"
        and one.parameters.get("operation") in OPERATIONS
        and not one.control
    ]
    rest = [one for one in document.series if one not in ours]
    found: list[Block] = []
    for mode in dict.fromkeys(one.mode for one in ours):
        measured = [one for one in ours if one.mode == mode]
        notes = (DRIVERS, FROM_LAST if mode == "single" else IN_ROW)
        operations = dict.fromkeys(str(one.parameters.get("operation")) for one in measured)
        for operation in operations if len({one.cores for one in measured}) > 1 else ():
            own = [one for one in measured if one.parameters.get("operation") == operation]
            every = _by_tree(own)
            several = generic.lines_over(every, generic.CORES, leaving=BESIDES)
            axis = axis_of(own[0])
            drawing = lines(several, "cores", axis, linear=True)
            title = f"{_capital(operation)}, by tree and cores, {MODES[mode]}"
            equal = (EQUAL,) if len(every) > len(own) else ()
            found.append(
                line_figure(title, drawing, several, "cores", axis, own, notes=(*notes, *equal))
            )
        found.append(_at_most_cores(document, measured, mode, notes))
    return [*found, *generic.of_series(document, rest)]


def _at_most_cores(
    document: Document, measured: Sequence[Series], mode: Mode, notes: tuple[str, ...]
) -> Block:
    cores = max(one.cores for one in measured)
    some = [one for one in measured if one.cores == cores]
    marks: tuple[Mark, ...] = ()
    if cores == 2 and document.floor:
        floor = document.floor[0]
        value = floor.back_to_back if mode == "back-to-back" else floor.single
        marks = (Mark(f"floor {number(value)}", value),)
    groups = []
    for operation in dict.fromkeys(str(one.parameters.get("operation")) for one in some):
        own = [_with_tree(one) for one in some if one.parameters.get("operation") == operation]
        bars = bars_of(own, rate_of(document), leaving=BESIDES)
        groups.append(Group(_capital(operation), bars, marks))
    return bar_figure(
        f"What {cores} cores do together, {MODES[mode]}",
        groups,
        axis_of(some[0]),
        some,
        notes=notes,
    )


def _with_tree(series: Series) -> Series:
    """Named by its tree too, and by those that are the same: by name if there is room, the document
    has all.
    """
    tree = series.parameters.get("tree")
    if tree is None:
        return series
    names = [str(tree), *filter(None, str(series.parameters.get("same", "")).split(","))]
    shown = " = ".join(names) if len(names) < 3 else f"{names[0]} = {len(names) - 1} others"
    return msgspec.structs.replace(series, variant=f"{series.variant}, {shown}")


def _by_tree(own: Sequence[Series]) -> list[Series]:
    """A series once for each name of its tree."""
    found = [
        msgspec.structs.replace(one, variant=f"{one.variant}, {name}") if name else one
        for one in own
        for name in (
            str(one.parameters.get("tree", "")),
            *filter(None, str(one.parameters.get("same", "")).split(",")),
        )
    ]
    order = list(dict.fromkeys(one.variant for one in found))
    return sorted(found, key=lambda one: (order.index(one.variant), one.cores))


def _capital(operation: str) -> str:
    return operation[:1].upper() + operation[1:]
