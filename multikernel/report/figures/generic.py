"""The figures of any experiment: lines where something was varied, else bars.

Guarantees: every series of the document is drawn, but a control that stands alone. Series of one
measure and unit share a figure; where one numeric choice (cores, size, budget, …) was made in at
least three ways it becomes the axis.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel import catalogue
from multikernel.catalogue import PaperValue
from multikernel.report.draw.bars import Group
from multikernel.report.figures import parts
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.say.wording import MEASURES, MODES, capital, grouped
from multikernel.results.document import Document, Series

VARIED = 3
BARS = 24
"""Most in a figure."""
Paper = tuple[PaperValue, ...]


def draw(document: Document) -> list[Block]:
    return [*of_series(document, document.series, paper=catalogue.paper(document.experiment))]


def rest(document: Document, drawn: Sequence[Series]) -> list[Figure]:
    """What is not drawn yet; controls only beside what they repeat."""
    left = [one for one in document.series if one not in drawn]
    repeated = {(one.system, one.variant) for one in left if not one.control}
    return of_series(document, [one for one in left if (one.system, one.variant) in repeated])


def of_series(
    document: Document, several: Sequence[Series], *, title: str = "", paper: Paper = ()
) -> list[Figure]:
    """Figures of some series; a family of controls alone has none."""
    families = grouped(several, lambda one: (one.unit, one.measure, one.mode))
    kept = {how: own for how, own in families.items() if not all(one.control for one in own)}
    found = []
    for (_, measure, mode), family in kept.items():
        name = title or capital(MEASURES[measure])
        if len(kept) > 1 and measure != "throughput":
            name += f", {MODES[mode]}"
        choice = varied(family)
        over = _over(document, family, choice, name, paper) if choice else []
        found += over or _bars(document, family, name, paper)
    return found


def varied(several: Sequence[Series]) -> str | None:
    """The numeric choice that was made in most ways, if in enough of them."""
    names = dict.fromkeys((parts.CORES, *(name for one in several for name in one.parameters)))
    ways = {name: len({parts.choice_of(one, name) for one in several} - {None}) for name in names}
    name = max(ways, key=ways.__getitem__)
    return name if ways[name] >= VARIED else None


def _over(
    document: Document, family: Sequence[Series], choice: str, title: str, paper: Paper
) -> list[Figure]:
    axis, several = choice.replace("_", " "), parts.lines_over(family, choice)
    linear = choice == parts.CORES
    found = parts.line_figures(title, several, axis, family, linear=linear, paper=paper)
    without = [one for one in family if parts.choice_of(one, choice) is None]
    return found + (_bars(document, without, f"{title}, without {axis}", paper) if without else [])


def _bars(document: Document, family: Sequence[Series], title: str, paper: Paper) -> list[Figure]:
    return [
        parts.bar_figure(name, [Group("", tuple(some))], family, paper=paper)
        for name, some in parts.portions(title, parts.bars_of(document, family), BARS)
    ]
