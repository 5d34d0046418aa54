"""Retypes: of memory that all cores know, one alone and many in flight, by cores and by how many
are in flight; and by all cores at once, a second and the interval on a core, by memory.

Guarantees: nothing is drawn that was not measured; bars of one group retype memory of one kind, so
within a group they are to be compared. Answers: the paper's figure 8, which has the same two
curves, and the same in throughput.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import (
    CORES,
    bar_figure,
    bars_of,
    choice_of,
    floor_mark,
    line_figure,
    lines_over,
    portions,
    renamed,
)
from multikernel.report.say.wording import capital, grouped
from multikernel.results.document import Document, Series

BESIDES = ("operation", "same", "tree", "memory", "target", "told", "in_flight")
ALONE = "One alone"
IN_FLIGHT = "in_flight"
HOW = (
    "Two-phase: every core votes, then hears the outcome. Owner: the object's owner decides;"
    " foreign-owner: it has to be asked. Shared kernel: the core decides by itself, under a lock"
    " that nobody else wants."
)
COST = "In flight: the mean cost of one in batches with so many under way, each about other memory."
MEMORIES: Mapping[str, str] = {
    "alone": "own memory, nobody else knows it",
    "copied": "own memory, all others have copies",
    "common": "a part of one memory that all have",
}
"""What each core retypes."""
AT_ONCE = (
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
    """Over cores, one alone and the most in flight; over the number in flight, on all cores."""
    ours = [
        one
        for one in document.series
        if one.parameters.get("operation") == "retype" and not one.control
    ]
    asked = [one for one in ours if one.variant != "local"]
    if not asked:
        return [*generic.of_series(document, document.series)]
    most = max(choice_of(one, IN_FLIGHT) or 0 for one in asked)
    alone = [one for one in asked if one.mode == "single"]
    flying = [one for one in asked if choice_of(one, IN_FLIGHT) == most]
    flight = f"{most:.0f} in flight"
    title = "Retype of memory that all cores know"
    cores = max(one.cores for one in asked)
    found: list[Block] = []
    if len({one.cores for one in asked}) > 1:
        measured = [*_by_tree(alone, "alone"), *_by_tree(flying, flight)]
        found += [
            line_figure(name, some, CORES, asked, linear=True, notes=(HOW, COST))
            for name, some in portions(
                f"{title}, by cores", lines_over(measured, CORES, leaving=BESIDES)
            )
        ]
    local = [one for one in ours if one.variant == "local" and one.mode == "single"]
    dearest = max(document.floor, key=lambda floor: floor.single, default=None)
    floors = () if dearest is None else (floor_mark(dearest, "single"),)
    groups = []
    for name, several, marks in ((ALONE, [*alone, *local], floors), (flight, flying, ())):
        own = [one for one in several if one.cores in (cores, 1)]
        if own:
            groups.append(Group(name, bars_of(document, _by_tree(own), leaving=BESIDES), marks))
    found.append(bar_figure(f"{title}, {cores} cores", groups, asked, notes=(HOW, COST)))
    by_flight = [one for one in asked if one.cores == cores and IN_FLIGHT in one.parameters]
    if len({choice_of(one, IN_FLIGHT) for one in by_flight}) > 1:
        lines = lines_over(_by_tree(by_flight), IN_FLIGHT, leaving=BESIDES)
        name = f"Cost of a retype by how many are in flight, {cores} cores"
        found.append(line_figure(name, lines, "in flight", by_flight, notes=(COST,)))
    return [*found, *generic.rest(document, ours)]


def _by_tree(several: Iterable[Series], how: str | None = None) -> list[Series]:
    """Named by tree, where there is one, and by how many were in flight."""
    return [renamed(one, one.parameters.get("tree"), how) for one in several]


def draw_throughput(document: Document) -> list[Block]:
    """Bars of all cores at once, then lines over the number of cores."""
    ours = [one for one in document.series if "memory" in one.parameters and not one.control]
    cores = max((one.cores for one in ours), default=0)
    found: list[Block] = []
    for measure, title in (
        ("throughput", f"{cores} cores retype and delete at once"),
        ("interval", f"{cores} cores at once: the interval on each"),
    ):
        own = [one for one in ours if one.measure == measure and one.cores == cores]
        groups = [
            Group(capital(memory), bars_of(document, _by_flight(some), leaving=(*BESIDES, CORES)))
            for memory, some in grouped(own, _memory).items()
        ]
        if own:
            found.append(bar_figure(title, groups, own, notes=(AT_ONCE, REGIONS)))
    rates = [one for one in ours if one.measure == "throughput"]
    for memory, some in grouped(rates, _memory).items():
        if len({one.cores for one in some}) > 1:
            lines = lines_over(_by_flight(some), CORES, leaving=BESIDES)
            title = f"By number of cores: {memory}"
            axis = "cores that retype"
            found.append(line_figure(title, lines, axis, some, linear=True, notes=(ONE,)))
    return [*found, *generic.rest(document, ours)] if found else []


def _memory(series: Series) -> str:
    memory = str(series.parameters["memory"])
    return MEMORIES.get(memory, memory)


def _by_flight(several: Iterable[Series]) -> list[Series]:
    """Named by how many were in flight, where that was chosen."""
    named = []
    for one in several:
        flight = one.parameters.get(IN_FLIGHT)
        named.append(renamed(one, None if flight is None else f"{flight} in flight"))
    return named
