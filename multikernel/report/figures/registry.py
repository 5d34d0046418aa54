"""Which figures belong to which experiment, and in what order they stand. A document of another
name, or whose series are not what its figure expects, is drawn by `generic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from multikernel.report.draw.chart import Chart
from multikernel.report.figures import (
    calls,
    capabilities,
    collectives,
    distributions,
    generic,
    latency,
    message,
    scale,
    shared_memory,
    sharing,
    transport,
    unmap,
    unmap_by_cores,
)
from multikernel.report.figures.figure import Block, Table
from multikernel.report.say.wording import assumed
from multikernel.results.document import Document

Draw = Callable[[Document], list[Block]]

FIGURES: Mapping[str, Draw] = {
    "floor": calls.draw_floor,
    "latency": latency.draw,
    "shared-memory": shared_memory.draw,
    "local-call": calls.draw_local_call,
    "round-trip": calls.draw_round_trip,
    "message": message.draw_message,
    "transport": transport.draw,
    "poll-or-block": message.draw_poll_or_block,
    "shootdown": collectives.draw_shootdown,
    "collectives": collectives.draw_collectives,
    "unmap": unmap.draw,
    "two-phase-commit": capabilities.draw_retype,
    "retype-throughput": capabilities.draw_throughput,
    "capabilities": capabilities.draw_operations,
    "sharing-or-messages": sharing.draw,
    "scale": scale.draw,
}

UNDISTRIBUTED = ("scale", "sharing-or-messages")
"""What is about growth, or rates, alone: how its operations are distributed says nothing."""


def place_of(experiment: str) -> tuple[int, str]:
    """The known ones as the paper has them, then the others by name."""
    known = list(FIGURES)
    return (known.index(experiment) if experiment in known else len(known), experiment)


def draw(document: Document) -> list[Block]:
    """All figures and tables of a document; at least one if it has any series. Each of a simulated
    one says so.
    """
    missing = _missing(document)
    own: list[Block] = []
    if document.series:
        own = FIGURES.get(document.experiment, generic.draw)(document) or generic.draw(document)
        if document.experiment not in UNDISTRIBUTED:
            own = [*own, *distributions.draw(document)]
    found = [*own, *missing]
    return [_as_simulated(block, document) for block in found] if document.simulated else found


def _as_simulated(block: Block, document: Document) -> Block:
    said = f"simulated: {document.machine}"
    title = f"{block.title} ({said})"
    note = f"Simulated on a model of {document.machine}: no hardware was measured. Boots are seeds."
    if any(map(assumed, document.series)):
        note += (
            " Shaded: as far as one number of the machine that nobody knows moves the median; the"
            " warnings say which."
        )
    if isinstance(block, Table):
        return replace(block, title=title, notes=(note, *block.notes))
    drawing = block.drawing
    if isinstance(drawing, Chart):
        drawing = replace(drawing, stamp=said)
    described = f"{note} {block.description}"
    return replace(
        block, title=title, description=described, drawing=drawing, notes=(note, *block.notes)
    )


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
    return [Table("Not measured", headings, rows, (2, 4), (note,))]


def draw_together(documents: Sequence[Document]) -> list[Block]:
    """What only several documents of an experiment show; often nothing."""
    unmaps = documents[0].experiment == "unmap"
    return unmap_by_cores.draw_together(documents) if unmaps else []
