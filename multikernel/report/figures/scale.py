"""What cores do together, from two of them to thousands: cycles by tree, messages, and lines on the
busiest link. Both axes are logarithmic, so what grows with the cores is a slope and what grows with
the depth of a tree is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multikernel.report.draw.lines import Line, Point
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.figures.parts import CORES, line_figure, point_of
from multikernel.report.say import scale
from multikernel.report.say.wording import capital
from multikernel.results.document import Document, Series

AXES = {
    "broadcast": "cycles until the root has heard from all",
    "agreement": "cycles until all know the outcome",
    "unmap": "cycles until no core can read the page",
    "retype": "cycles until the memory is retyped",
}
HOW = {
    "broadcast": "Bare messages down the tree, and one back along each of its edges.",
    "agreement": "The unmap, in two phases, of a page that all cores hold.",
    "unmap": "In one phase, of a page that all cores hold.",
    "retype": "In two phases, of memory that all cores have a capability to.",
}
EQUAL = "Names of the same tree share its points; the chosen one is drawn last."
MESSAGES = "Until the last has been handled; a broadcast's are those of its tree."
LINK = "Transactions of cache lines or packets on the link that has most of them, until the answer."


def draw(document: Document) -> list[Block]:
    """A figure an operation, the agreement first; messages; and the busiest link."""
    by_operation = {
        operation: trees for operation, trees in scale.curves(document).items() if operation in AXES
    }
    found: list[Block] = []
    for operation in sorted(by_operation, key=lambda one: one != scale.AGREEMENT):
        trees = by_operation[operation]
        several = [
            Line(name, tuple(point_of(one, cores) for cores, one in sorted(curve.items())))
            for name, curve in trees.items()
        ]
        notes = (HOW[operation], EQUAL, *scale.paragraph(document, operation))
        title = f"{capital(operation)} by tree and cores"
        found.append(_figure(title, several, AXES[operation], trees, notes))
    chosen = {name: trees.get(scale.CHOSEN, {}) for name, trees in by_operation.items()}
    several = [_counts(name, curve, "messages") for name, curve in chosen.items()]
    if any(line.points for line in several):
        title = "Messages of an operation, by cores"
        found.append(_figure(title, several, "messages", chosen, (MESSAGES,)))
    trees = by_operation.get(scale.AGREEMENT, {})
    several = [_counts(name, curve, "link_lines") for name, curve in trees.items()]
    if any(line.points for line in several):
        title = "The busiest link in an agreement, by tree and cores"
        found.append(_figure(title, several, "lines on the busiest link", trees, (LINK,)))
    drawn = [one for curves in by_operation.values() for curve in curves.values()
             for one in curve.values()]  # fmt: skip
    return [*found, *generic.rest(document, drawn)]


def _counts(name: str, curve: Mapping[int, Series], what: str) -> Line:
    known = ((cores, one.parameters.get(what)) for cores, one in sorted(curve.items()))
    return Line(
        name, tuple(Point(cores, float(value)) for cores, value in known if value is not None)
    )


def _figure(
    title: str, several: Iterable[Line], axis: str, trees: Mapping[str, Mapping[int, Series]],
    notes: Iterable[str],
) -> Figure:  # fmt: skip
    measured = [one for curve in trees.values() for one in curve.values()]
    return line_figure(
        title, [line for line in several if line.points], CORES, measured, y_axis=axis,
        logarithmic=True, notes=notes,
    )  # fmt: skip
