"""Poll or block: latency and CPU time lost, over the poll budget P.

Guarantees: where the document names the measured cost C of blocking (a series of variant `block`,
or a parameter `block_cost`), it is drawn upright at P = C, where the loss is bounded by C. Latency,
CPU time lost and their sum are figures of their own, each called what it is. Answers: the paper's
section 4.6.
"""

from __future__ import annotations

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Mark
from multikernel.report.draw.lines import lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, line_figure
from multikernel.report.say.table import number
from multikernel.results.document import Document, Series

BUDGETS = ("budget", "poll_budget", "p", "poll_cycles", "budget_cycles")
TITLES = {
    "latency": "Latency",
    "cpu-lost": "CPU time lost for each message",
    "loss": "Loss, latency and CPU time together,",
}
"""By variant."""
COSTS = ("block_cost", "c", "block_cycles")


def draw(document: Document) -> list[Block]:
    """A line a variant, over the budget, a figure for each thing measured; the rest as of any
    experiment.
    """
    name = next(
        (one for one in BUDGETS if any(one in series.parameters for series in document.series)),
        None,
    )
    name = name or generic.varied(document.series)
    if name is None:
        return generic.draw(document)
    over = [
        one
        for one in document.series
        if generic.choice_of(one, name) is not None and not one.control
    ]
    rest = [one for one in document.series if one not in over]
    cost = _cost(document)
    standing = [] if cost is None else [Mark(f"P = C = {number(cost)}", cost)]
    found: list[Block] = []
    families: dict[tuple[str, str, str, str], list[Series]] = {}
    for one in over:
        families.setdefault((_title(one), one.measure, one.unit, one.mode), []).append(one)
    for (what, *_), family in families.items():
        for several in generic.portions(generic.lines_over(family, name), generic.LINES):
            unit = axis_of(family[0])
            drawing = lines(several, "poll budget P, cycles", unit, standing=standing)
            values = () if found else paper("poll-or-block")
            title = f"{what} over the poll budget"
            found.append(
                line_figure(
                    title,
                    drawing,
                    several,
                    "poll budget",
                    unit,
                    family,
                    notes=(OTHERS,),
                    paper=values,
                )
            )
    return [*found, *generic.of_series(document, rest)]


def _title(series: Series) -> str:
    return TITLES.get(series.variant) or series.measure.replace("-", " ").capitalize()


def _cost(document: Document) -> float | None:
    for one in document.series:
        for name in COSTS:
            value = one.parameters.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                return float(value)
        if one.variant == "block" and one.unit == "tsc-cycles":
            return one.p50
    return None
