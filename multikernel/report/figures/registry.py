"""Which figures belong to which experiment, and in what order they stand.

Guarantees: a name that is not here is drawn by `generic`. A document whose series are not what a
figure expects is drawn by `generic` too, so a newer experiment's document still appears.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from multikernel.report.figures import (
    capabilities,
    collectives,
    distributions,
    floor,
    generic,
    latency,
    local_call,
    message,
    poll_or_block,
    retype_throughput,
    round_trip,
    shared_memory,
    shootdown,
    transport,
    two_phase_commit,
    unmap,
)
from multikernel.report.figures.figure import Block, Table
from multikernel.results.document import Document

Draw = Callable[[Document], list[Block]]
DrawTogether = Callable[[Sequence[Document]], list[Block]]

FIGURES: Mapping[str, Draw] = {
    "floor": floor.draw,
    "latency": latency.draw,
    "shared-memory": shared_memory.draw,
    "local-call": local_call.draw,
    "round-trip": round_trip.draw,
    "message": message.draw,
    "transport": transport.draw,
    "poll-or-block": poll_or_block.draw,
    "shootdown": shootdown.draw,
    "collectives": collectives.draw,
    "unmap": unmap.draw,
    "two-phase-commit": two_phase_commit.draw,
    "retype-throughput": retype_throughput.draw,
    "capabilities": capabilities.draw,
}
TOGETHER: Mapping[str, DrawTogether] = {"unmap": unmap.draw_together}
"""What only several documents of an experiment show, such as a growth with the number of cores."""

ORDER = tuple(FIGURES)
"""As the paper has them."""


def place_of(experiment: str) -> tuple[int, str]:
    """The known ones as the paper has them, then the others by name."""
    return (ORDER.index(experiment) if experiment in ORDER else len(ORDER), experiment)


def draw(document: Document) -> list[Block]:
    """All figures and tables of a document; at least one if it has any series."""
    if not document.series:
        return _missing(document)
    found: list[Block] = FIGURES.get(document.experiment, generic.draw)(document)
    return [
        *(found or generic.draw(document)), *distributions.draw(document), *_missing(document)
    ]  # fmt: skip


def _missing(document: Document) -> list[Block]:
    """What there should be and is not has its row too, without a number."""
    if not document.unmeasured:
        return []
    rows = tuple(
        (one.key, one.system, str(one.cores), "–", str(one.slices), ", ".join(one.why) or "refused")
        for one in document.unmeasured
    )
    headings = ("series", "system", "cores", "median", "slices", "why not")
    note = "Slices that ran where cores share CPUs, else those of which none could be trusted."
    return [Table("Not measured", headings, rows, frozenset({2, 4}), (note,))]


def draw_together(documents: Sequence[Document]) -> list[Block]:
    """What documents of one experiment show together; often nothing."""
    if len(documents) < 2 or documents[0].experiment not in TOGETHER:
        return []
    return TOGETHER[documents[0].experiment](documents)
