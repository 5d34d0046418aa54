"""Operations on capabilities: bars by operation, lines by the number of copies, of descendants and
of capabilities; retypes of memory that all cores know, one alone and many in flight; and retypes by
all cores at once. Answers: section 4.7 and figure 8 of the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic, parts
from multikernel.report.figures.figure import Block
from multikernel.report.say.wording import capital, grouped
from multikernel.results.document import Document, Series

BESIDES = ("operation", "target", "told", "elsewhere")
OVER = {
    "copies": "Revoke by the number of copies",
    "descendants": "Revoke by the number of descendants",
    "capabilities": "Local operations by the number of capabilities in the database",
}
"""Numbers that an operation was measured by, and the figure's title."""
HOW = "Elsewhere: what other cores have of the memory when the operation begins."
OF_A_RETYPE = ("operation", "same", "tree", "memory", "target", "told", "in_flight")
IN_FLIGHT = "in_flight"
RETYPE = (
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


def draw_operations(document: Document) -> list[Block]:
    ours = [one for one in document.series if one.parameters.get("operation") and not one.control]
    by_number = grouped(ours, _over)
    found: list[Block] = []
    plain = grouped(by_number.get(None, ()), lambda one: str(one.parameters["operation"]))
    for operation, own in plain.items():
        by_holders = grouped(own, lambda one: one.parameters.get("elsewhere", "nothing"))
        groups = [
            Group(f"Elsewhere: {elsewhere}", parts.bars_of(document, some, leaving=BESIDES))
            for elsewhere, some in by_holders.items()
        ]
        found.append(parts.bar_figure(capital(operation), groups, own, notes=(HOW,)))
    for name, title in OVER.items():
        own = by_number.get(name, [])
        several = parts.lines_over(own, name, leaving=("target", "told"))
        found += parts.line_figures(title, several, name, own)
    return [*found, *generic.rest(document, ours)] if ours else []


def _over(series: Series) -> str | None:
    """The number that a series was measured by. One of the inheriting deletion's copies is no
    choice.
    """
    if series.parameters.get("operation") == "delete" and "capabilities" not in series.parameters:
        return None
    return next((name for name in OVER if name in series.parameters), None)


def draw_retype(document: Document) -> list[Block]:
    free = [one for one in document.series if not one.control]
    ours = [one for one in free if one.parameters.get("operation") == "retype"]
    asked = [one for one in ours if one.variant != "local"]
    if not asked:
        return []
    most = max(parts.choice_of(one, IN_FLIGHT) or 0 for one in asked)
    alone = [one for one in asked if one.mode == "single"]
    flying = [one for one in asked if parts.choice_of(one, IN_FLIGHT) == most]
    flight = f"{most:.0f} in flight"
    title = "Retype of memory that all cores know"
    cores = max(one.cores for one in asked)
    found: list[Block] = []
    if len({one.cores for one in asked}) > 1:
        measured = [*_by_tree(alone, "alone"), *_by_tree(flying, flight)]
        curves = parts.lines_over(measured, parts.CORES, leaving=OF_A_RETYPE)
        found += parts.line_figures(
            f"{title}, by cores", curves, parts.CORES, asked, linear=True, notes=(RETYPE, COST)
        )
    local = [one for one in ours if one.variant == "local" and one.mode == "single"]
    dearest = max(document.floor, key=lambda floor: floor.single, default=None)
    floors = () if dearest is None else (parts.floor_mark(dearest, "single"),)
    groups = []
    for name, several, marks in (("One alone", [*alone, *local], floors), (flight, flying, ())):
        own = [one for one in several if one.cores in (cores, 1)]
        bars = parts.bars_of(document, _by_tree(own), leaving=OF_A_RETYPE)
        groups += [Group(name, bars, marks)] if bars else []
    found.append(parts.bar_figure(f"{title}, {cores} cores", groups, asked, notes=(RETYPE, COST)))
    by_flight = [one for one in asked if one.cores == cores and IN_FLIGHT in one.parameters]
    if len({parts.choice_of(one, IN_FLIGHT) for one in by_flight}) > 1:
        lines = parts.lines_over(_by_tree(by_flight), IN_FLIGHT, leaving=OF_A_RETYPE)
        name = f"Cost of a retype by how many are in flight, {cores} cores"
        found.append(parts.line_figure(name, lines, "in flight", by_flight, notes=(COST,)))
    return [*found, *generic.rest(document, ours)]


def _by_tree(several: Iterable[Series], how: str | None = None) -> list[Series]:
    return [parts.renamed(one, one.parameters.get("tree"), how) for one in several]


def draw_throughput(document: Document) -> list[Block]:
    ours = [one for one in document.series if "memory" in one.parameters and not one.control]
    cores = max((one.cores for one in ours), default=0)
    found: list[Block] = []
    for measure, title in (
        ("throughput", f"{cores} cores retype and delete at once"),
        ("interval", f"{cores} cores at once: the interval on each"),
    ):
        own = [one for one in ours if one.measure == measure and one.cores == cores]
        leaving = (*OF_A_RETYPE, parts.CORES)
        groups = [
            Group(capital(memory), parts.bars_of(document, _by_flight(some), leaving=leaving))
            for memory, some in grouped(own, _memory).items()
        ]
        if own:
            found.append(parts.bar_figure(title, groups, own, notes=(AT_ONCE, REGIONS)))
    rates = [one for one in ours if one.measure == "throughput"]
    for memory, some in grouped(rates, _memory).items():
        if len({one.cores for one in some}) > 1:
            lines = parts.lines_over(_by_flight(some), parts.CORES, leaving=OF_A_RETYPE)
            title, axis = f"By number of cores: {memory}", "cores that retype"
            found.append(parts.line_figure(title, lines, axis, some, linear=True, notes=(ONE,)))
    return [*found, *generic.rest(document, ours)] if found else []


def _memory(series: Series) -> str:
    memory = str(series.parameters["memory"])
    return MEMORIES.get(memory, memory)


def _by_flight(several: Iterable[Series]) -> list[Series]:
    flights = ((one, one.parameters.get(IN_FLIGHT)) for one in several)
    return [parts.renamed(one, f"{flight} in flight" if flight else "") for one, flight in flights]
