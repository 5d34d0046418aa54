"""Operations on capabilities: bars by operation; lines by the number of copies, of descendants, and
of capabilities.

Answers: section 4.7 of the paper.
"""

from __future__ import annotations

from multikernel.report.draw.bars import Group
from multikernel.report.draw.lines import lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, line_figure
from multikernel.report.say.wording import rate_of
from multikernel.results.document import Document, Series

BESIDES = ("operation", "target", "told")
OVER = {"copies": "copies", "descendants": "descendants", "capabilities": "capabilities"}
"""Numbers that an operation was measured by, and the axis' name."""
HOW = "Elsewhere: what other cores have of the memory when the operation begins."


def draw(document: Document) -> list[Block]:
    """Operations that go with no number as bars, the others as lines."""
    ours = [one for one in document.series if one.parameters.get("operation") and not one.control]
    if not ours:
        return []
    plain = [one for one in ours if not _over(one)]
    found: list[Block] = []
    for operation in dict.fromkeys(str(one.parameters["operation"]) for one in plain):
        own = [one for one in plain if one.parameters["operation"] == operation]
        groups = [
            Group(
                f"Elsewhere: {elsewhere}",
                bars_of(some, rate_of(document), leaving=(*BESIDES, "elsewhere")),
            )
            for elsewhere, some in _by(own, "elsewhere").items()
        ]
        title = f"{operation[:1].upper()}{operation[1:]}"
        found.append(bar_figure(title, groups, axis_of(own[0]), own, notes=(HOW,)))
    for name, axis_name in OVER.items():
        own = [one for one in ours if _over(one) == name]
        if not own:
            continue
        several = generic.lines_over(own, name, leaving=("target", "told"))
        titles = {
            "copies": "Revoke by the number of copies",
            "descendants": "Revoke by the number of descendants",
            "capabilities": "Local operations by the number of capabilities in the database",
        }
        axis = axis_of(own[0])
        for some in generic.portions(several, generic.LINES):
            drawing = lines(some, axis_name, axis)
            found.append(line_figure(titles[name], drawing, some, axis_name, axis, own))
    rest = [one for one in document.series if one not in ours and not one.control]
    return [*found, *generic.of_series(document, rest)]


def _over(series: Series) -> str | None:
    """The number that a series was measured by. One of the inheriting deletion's copies is no
    choice.
    """
    if series.parameters.get("operation") == "delete" and "capabilities" not in series.parameters:
        return None
    return next((name for name in OVER if name in series.parameters), None)


def _by(several: list[Series], key: str) -> dict[str, list[Series]]:
    found: dict[str, list[Series]] = {}
    for one in several:
        found.setdefault(str(one.parameters.get(key, "nothing")), []).append(one)
    return found
