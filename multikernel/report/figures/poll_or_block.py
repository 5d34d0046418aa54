"""Poll or block: latency, CPU time lost and their sum, over the poll budget P; upright at P = C the
measured cost C of blocking, by which the loss is bounded there. Answers: the paper's section 4.6.
"""

from __future__ import annotations

from itertools import islice

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Mark
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import choice_of, line_figures, lines_over
from multikernel.report.say.wording import grouped, number
from multikernel.results.document import Document, Series

BUDGET = "budget"
TITLES = {
    "latency": "Latency",
    "cpu-lost": "CPU time lost for each message",
    "loss": "Loss, latency and CPU time together,",
}
"""By variant."""


def draw(document: Document) -> list[Block]:
    free = [one for one in document.series if not one.control]
    over = [one for one in free if choice_of(one, BUDGET) is not None]
    costs = (one.p50 for one in free if one.variant == "block" and one.unit == "tsc-cycles")
    standing = [Mark(f"P = C = {number(cost)}", cost) for cost in islice(costs, 1)]
    families = grouped(over, lambda one: (_title(one), one.measure, one.unit, one.mode))
    found: list[Block] = []
    for (what, *_), family in families.items():
        found += line_figures(
            f"{what} over the poll budget", lines_over(family, BUDGET), "poll budget P, cycles",
            family, standing=standing, notes=(OTHERS,), paper=paper("poll-or-block"),
        )  # fmt: skip
    return [*found, *generic.rest(document, over)]


def _title(series: Series) -> str:
    return TITLES.get(series.variant) or series.measure.replace("-", " ").capitalize()
