"""Shared memory or messages: the cost of an update of shared lines by the number of cores that make
it.

Answers: the paper's figure 3 (SHM1 … SHM8, MSG1, MSG8, Server, over cores).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.lines import Line, lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, line_figure
from multikernel.report.say.wording import host_transport_of
from multikernel.results.document import Document, Series


def draw(document: Document) -> list[Block]:
    """A line a variant, over cores; throughput and the rest as of any experiment."""
    ours = [
        one
        for one in document.series
        if one.measure != "throughput" and one.unit == "tsc-cycles" and not one.control
    ]
    rest = [one for one in document.series if one not in ours]
    by_the_host = [one for one in ours if host_transport_of(one) is not None]
    found: list[Block] = []
    ours = [one for one in ours if one not in by_the_host]
    every = [replace(line, label=_as_in_the_paper(line.label)) for line in _lines(ours)]
    for some in generic.portions(every, generic.LINES):
        title = "The cost of an update, by cores" + (
            f" ({len(found) + 1})" if len(every) > len(some) else ""
        )
        drawing = lines(some, "cores that update", f"{axis_of(ours[0])} an update", linear=True)
        values = () if found else paper("shared-memory")
        notes = (
            (
                "shm: the cores update the lines themselves; msg: they send the update to one core,"
                " which makes it; server: what it costs that core. The number is how many lines an"
                " update touches."
            ),
            OTHERS,
        )
        found.append(
            line_figure(
                title, drawing, some, "cores", axis_of(ours[0]), ours, notes=notes, paper=values
            )
        )
    if by_the_host:
        found.append(
            _by_transport([one for one in ours if one.variant.startswith("msg")], by_the_host)
        )
    return [*found, *generic.of_series(document, rest)]


def _by_transport(by_memory: Sequence[Series], by_the_host: Sequence[Series]) -> Block:
    """Messages alone, by transport."""
    both = [*by_memory, *by_the_host]
    named = generic.lines_over(both, generic.CORES, leaving=("lines",), systems=False)
    every = [replace(line, label=_as_in_the_paper(line.label)) for line in named]
    axis = f"{axis_of(both[0])} an update"
    drawing = lines(every, "cores that update", axis, linear=True)
    note = (
        "By socket: the same requests over channels that share no memory, each message a"
        " call of the host to send and another to receive. Where nothing is said they go by call"
        " lines in shared memory."
    )
    return line_figure(
        "The cost of an update by message, by transport", drawing, every, "cores",
        axis_of(both[0]), both,
        notes=(note,),
    )  # fmt: skip


def _lines(ours: Sequence[Series]) -> list[Line]:
    """Named as briefly as in the paper, where every variant is of one system only."""
    alone = len({one.variant for one in ours}) == len({(one.variant, one.system) for one in ours})
    return generic.lines_over(
        ours, generic.CORES, leaving=("lines",) if alone else (), systems=not alone
    )


def _as_in_the_paper(label: str) -> str:
    """shm1, msg8, server are SHM1, MSG8 and Server there."""
    words = label.split(" ")
    named = {word: word.upper() for word in words if word.startswith(("shm", "msg"))}
    return " ".join(named.get(word, word) for word in words)
