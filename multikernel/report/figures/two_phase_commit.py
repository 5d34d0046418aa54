"""The retype of memory that all cores know: one alone and many in flight, by cores; and by how many
are in flight.

Guarantees: nothing is drawn that was not measured; trees that came to the same share their points,
as their series say. Answers: the paper's figure 8, which has the same two curves.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from multikernel.report.draw.bars import Group, Mark
from multikernel.report.draw.lines import lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, line_figure
from multikernel.report.say.table import number
from multikernel.report.say.wording import rate_of
from multikernel.results.document import Document, Series

BESIDES = ("operation", "same", "tree", "target", "told", "in_flight")
ALONE = "One alone"
IN_FLIGHT = "in_flight"
HOW = (
    "Two-phase: every core votes, then hears the outcome. Owner: the object's owner decides;"
    " foreign-owner: it has to be asked. Shared kernel: the core decides by itself, under a lock"
    " that nobody else wants."
)
COST = "In flight: the mean cost of one in batches with so many under way, each about other memory."


def draw(document: Document) -> list[Block]:
    """Over cores, one alone and the most in flight; over the number in flight, on all cores."""
    ours = [
        one
        for one in document.series
        if one.parameters.get("operation") == "retype" and not one.control
    ]
    rest = [one for one in document.series if one not in ours and not one.control]
    asked = [one for one in ours if one.variant != "local"]
    if not asked:
        return [*generic.of_series(document, document.series)]
    most = max((generic.choice_of(one, IN_FLIGHT) or 0 for one in asked), default=0)
    alone = [one for one in asked if one.mode == "single"]
    flying = [one for one in asked if generic.choice_of(one, IN_FLIGHT) == most]
    title = "Retype of memory that all cores know"
    axis = axis_of(asked[0])
    found: list[Block] = []
    if len({one.cores for one in asked}) > 1:
        measured = [*_named(alone, "alone"), *_named(flying, f"{most:.0f} in flight")]
        several = generic.lines_over(measured, generic.CORES, leaving=BESIDES)
        for some in generic.portions(several, generic.LINES):
            drawing = lines(some, "cores", axis, linear=True)
            found.append(
                line_figure(
                    f"{title}, by cores", drawing, some, "cores", axis, asked, notes=(HOW, COST)
                )
            )
    cores = max(one.cores for one in asked)
    local = [one for one in ours if one.variant == "local" and one.mode == "single"]
    groups = []
    for name, several_ways in ((ALONE, [*alone, *local]), (f"{most:.0f} in flight", flying)):
        own = [one for one in several_ways if one.cores in (cores, 1)]
        if own:
            bars = bars_of(list(_named(own, "")), rate_of(document), leaving=BESIDES)
            groups.append(Group(name, bars, _floors(document) if name == ALONE else ()))
    found.append(bar_figure(f"{title}, {cores} cores", groups, axis, asked, notes=(HOW, COST)))
    by_flight = [one for one in asked if one.cores == cores and IN_FLIGHT in one.parameters]
    if len({generic.choice_of(one, IN_FLIGHT) for one in by_flight}) > 1:
        several = generic.lines_over(list(_named(by_flight, "")), IN_FLIGHT, leaving=BESIDES)
        drawing = lines(several, "in flight", axis)
        name = f"Cost of a retype by how many are in flight, {cores} cores"
        found.append(
            line_figure(name, drawing, several, "in flight", axis, by_flight, notes=(COST,))
        )
    return [*found, *generic.of_series(document, rest)]


def _named(several: Iterable[Series], how: str) -> Iterable[Series]:
    """By tree, where there is one, and by how many were in flight."""
    for one in several:
        tree = one.parameters.get("tree")
        name = one.variant if tree is None else f"{one.variant}, {tree}"
        yield msgspec.structs.replace(one, variant=f"{name}, {how}" if how else name)


def _floors(document: Document) -> tuple[Mark, ...]:
    if not document.floor:
        return ()
    dearest = max(document.floor, key=lambda floor: floor.single)
    return (Mark(f"floor {number(dearest.single)}", dearest.single),)
