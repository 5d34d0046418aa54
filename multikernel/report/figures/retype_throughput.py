"""Retype and delete on all cores at once: a second, and the interval on a core, by memory; and by
how many cores do it.

Guarantees: bars of one group retype memory of one kind, so within a group they are to be compared.
Answers: the paper's figure 8, in throughput.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from multikernel.report.draw.bars import Group
from multikernel.report.draw.lines import lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, grouped, line_figure
from multikernel.report.say.wording import rate_of
from multikernel.results.document import Document, Series

BESIDES = ("operation", "memory", "target", "told", "in_flight", "cores")
MEMORIES: Mapping[str, str] = {
    "alone": "own memory, nobody else knows it",
    "copied": "own memory, all others have copies",
    "common": "a part of one memory that all have",
}
"""What each core retypes."""
HOW = (
    "An operation is a retype of a page and the deletion of what it made. Two-phase: all cores vote"
    " where others have copies. Owner: core 0 owns the one memory that all have, each core its own"
    " otherwise, and need ask nobody then. Shared kernel: nobody is asked, each waits for its"
    " locks."
)
REGIONS = (
    "A lock a region: each core's memory is a region, but the one memory that all have is one."
)
ONE = "One core: the others at most answer. Straight up is twice as much by twice as many."


def draw(document: Document) -> list[Block]:
    """Bars of all cores at once, then lines over the number of cores."""
    ours = [one for one in document.series if "memory" in one.parameters and not one.control]
    if not ours:
        return []
    found: list[Block] = []
    cores = max(one.cores for one in ours)
    for measure, title in (
        ("throughput", f"{cores} cores retype and delete at once"),
        ("interval", f"{cores} cores at once: the interval on each"),
    ):
        own = [one for one in ours if one.measure == measure and one.cores == cores]
        if own:
            groups = [
                Group(
                    _capital(name), bars_of(list(_named(some)), rate_of(document), leaving=BESIDES)
                )
                for name, some in _by_memory(own)
            ]
            found.append(bar_figure(title, groups, axis_of(own[0]), own, notes=(HOW, REGIONS)))
    rates = [one for one in ours if one.measure == "throughput"]
    for name, some in _by_memory(rates):
        if len({one.cores for one in some}) > 1:
            several = generic.lines_over(list(_named(some)), generic.CORES, leaving=BESIDES)
            axis = axis_of(some[0])
            drawing = lines(several, "cores that retype", axis, linear=True)
            title = f"By number of cores: {name}"
            found.append(line_figure(title, drawing, several, "cores", axis, some, notes=(ONE,)))
    rest = [one for one in document.series if one not in ours and not one.control]
    return [*found, *generic.of_series(document, rest)]


def _by_memory(several: Sequence[Series]) -> Iterable[tuple[str, list[Series]]]:
    for memory, some in grouped(several, "memory").items():
        yield MEMORIES.get(str(memory), str(memory)), some


def _named(several: Iterable[Series]) -> Iterable[Series]:
    """By how many were in flight, where that was chosen."""
    for one in several:
        flight = one.parameters.get("in_flight")
        name = one.variant if flight is None else f"{one.variant}, {flight} in flight"
        yield msgspec.structs.replace(one, variant=name)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
