"""What cores do together, by tree and number of cores: the messages of a shootdown, and collective
operations beside what needs no tree. Names of the same tree share its points. Answers: the paper's
figure 6, and its section 5.1 for programs.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from multikernel.catalogue import OTHERS, PLOT, paper
from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic, parts
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.say.wording import MODES, capital, grouped, names_of
from multikernel.results.document import Document, Mode, Series

BESIDES = ("operation", "kind", "same", "tree", "target", "told", "depth")
"""What a protocol's tree was changes with the number of cores, so it names no line."""
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
PROTOCOLS = (
    "Broadcast: all poll one line, each acknowledges on its own. Unicast: a line a core. Multicast:"
    " over a tree by the machine's parts. NUMA-aware: the same tree, farthest first, lines at the"
    " receiver. Chosen: of all cores the tree that the system has, of fewer the one predicted to be"
    " best."
)
BARE = "Bare loops on booted cores: no kernel, no page table."
EQUAL = "What came to the same tree was measured once and shares a point."


def draw_shootdown(document: Document) -> list[Block]:
    ours = _completions(document, ("shootdown",))
    found: list[Block] = []
    for mode, measured in grouped(ours, lambda one: one.mode).items():
        every = parts.by_name(
            replace(one, variant=name) for one in measured for name in names_of(one, one.variant)
        )
        title = f"Notifying all cores and hearing from all, {MODES[mode]}"
        equal = (EQUAL,) if len(every) > len(measured) else ()
        notes = (PROTOCOLS, BARE, *equal, f"{PLOT} {OTHERS}")
        values = paper("shootdown")
        if len({one.cores for one in every}) > 1:
            several = parts.lines_over(every, parts.CORES, leaving=BESIDES, systems=False)
            figure = parts.line_figure(
                title, several, parts.CORES, measured, linear=True, notes=notes, paper=values
            )
        else:
            bars = parts.bars_of(document, every, leaving=BESIDES, systems=False)
            figure = parts.bar_figure(title, [Group("", bars)], measured, notes=notes, paper=values)
        found.append(figure)
    return [*found, *generic.rest(document, ours)]


def draw_collectives(document: Document) -> list[Block]:
    ours = _completions(document, OPERATIONS)
    found: list[Block] = []
    for mode, measured in grouped(ours, lambda one: one.mode).items():
        notes = (DRIVERS, FROM_LAST if mode == "single" else IN_ROW)
        if len({one.cores for one in measured}) > 1:
            for operation, own in grouped(measured, _operation).items():
                title = f"{capital(operation)}, by tree and cores, {MODES[mode]}"
                found.append(_by_tree(title, own, notes))
        found.append(_at_most_cores(document, measured, mode, notes))
    return [*found, *generic.rest(document, ours)]


def _completions(document: Document, operations: Sequence[str]) -> list[Series]:
    completed = (one for one in document.series if one.measure == "completion" and not one.control)
    return [one for one in completed if one.parameters.get("operation") in operations]


def _operation(series: Series) -> str:
    return str(series.parameters["operation"])


def _trees(series: Series) -> list[str]:
    """All names of its tree."""
    tree = series.parameters.get("tree")
    return [] if tree is None else names_of(series, str(tree))


def _by_tree(title: str, own: Sequence[Series], notes: tuple[str, ...]) -> Figure:
    every = parts.by_name(parts.renamed(one, name) for one in own for name in _trees(one) or [""])
    equal = (EQUAL,) if len(every) > len(own) else ()
    several = parts.lines_over(every, parts.CORES, leaving=BESIDES)
    return parts.line_figure(title, several, parts.CORES, own, linear=True, notes=(*notes, *equal))


def _at_most_cores(
    document: Document, measured: Sequence[Series], mode: Mode, notes: tuple[str, ...]
) -> Figure:
    cores = max(one.cores for one in measured)
    some = [one for one in measured if one.cores == cores]
    floors = document.floor[:1] if cores == 2 else []
    marks = tuple(parts.floor_mark(floor, mode) for floor in floors)
    groups = [
        Group(
            capital(operation),
            parts.bars_of(document, [_with_trees(one) for one in own], leaving=BESIDES),
            marks,
        )
        for operation, own in grouped(some, _operation).items()
    ]
    title = f"What {cores} cores do together, {MODES[mode]}"
    return parts.bar_figure(title, groups, some, notes=notes)


def _with_trees(series: Series) -> Series:
    """Named by its tree and by those that are the same: by name if there is room, the document has
    all.
    """
    names = _trees(series)
    if len(names) > 2:
        names = [names[0], f"{len(names) - 1} others"]
    return parts.renamed(series, " = ".join(names))
