"""Operations on capabilities: bars by operation; lines by the number of copies, of descendants, and
of capabilities.

Answers: section 4.7 of the paper.
"""

from __future__ import annotations

from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import (
    bar_figure,
    bars_of,
    line_figure,
    lines_over,
    portions,
)
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


def draw(document: Document) -> list[Block]:
    """Operations that go with no number as bars, the others as lines."""
    ours = [one for one in document.series if one.parameters.get("operation") and not one.control]
    by_number = grouped(ours, _over)
    found: list[Block] = []
    plain = grouped(by_number.get(None, ()), lambda one: str(one.parameters["operation"]))
    for operation, own in plain.items():
        groups = [
            Group(f"Elsewhere: {elsewhere}", bars_of(document, some, leaving=BESIDES))
            for elsewhere, some in grouped(
                own, lambda one: one.parameters.get("elsewhere", "nothing")
            ).items()
        ]
        found.append(bar_figure(capital(operation), groups, own, notes=(HOW,)))
    for name, title in OVER.items():
        own = by_number.get(name, [])
        several = lines_over(own, name, leaving=("target", "told"))
        found += [line_figure(part, some, name, own) for part, some in portions(title, several)]
    return [*found, *generic.rest(document, ours)] if ours else []


def _over(series: Series) -> str | None:
    """The number that a series was measured by. One of the inheriting deletion's copies is no
    choice.
    """
    if series.parameters.get("operation") == "delete" and "capabilities" not in series.parameters:
        return None
    return next((name for name in OVER if name in series.parameters), None)
