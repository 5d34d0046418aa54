"""Shared memory or messages: the cost of an update of shared lines by the number of cores that make
it. Answers: the paper's figure 3 (SHM1 … SHM8, MSG1, MSG8, Server, over cores).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.lines import Line
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import CORES, line_figures, lines_over
from multikernel.report.say.wording import host_transport_of
from multikernel.results.document import Document

AXIS, AN_UPDATE = "cores that update", "TSC cycles an update"
HOW = (
    "shm: the cores update the lines themselves; msg: they send the update to one core, which makes"
    " it; server: what it costs that core. The number is how many lines an update touches."
)
BY_SOCKET = (
    "By socket: the same requests over channels that share no memory, each message a call of the"
    " host to send and another to receive. Where nothing is said they go by call lines in shared"
    " memory."
)


def draw(document: Document) -> list[Block]:
    timed = (one for one in document.series if one.unit == "tsc-cycles" and not one.control)
    drawn = [one for one in timed if one.measure != "throughput"]
    by_the_host = [one for one in drawn if host_transport_of(one) is not None]
    ours = [one for one in drawn if one not in by_the_host]
    # As briefly as in the paper, where every variant is of one system only.
    alone = len({one.variant for one in ours}) == len({(one.variant, one.system) for one in ours})
    leaving = ("lines",) if alone else ()
    found = []
    if ours:
        several = _named(lines_over(ours, CORES, leaving=leaving, systems=not alone))
        found = line_figures(
            "The cost of an update, by cores", several, AXIS, ours, y_axis=AN_UPDATE,
            linear=True, notes=(HOW, OTHERS), paper=paper("shared-memory"),
        )  # fmt: skip
    if by_the_host:
        both = [*(one for one in ours if one.variant.startswith("msg")), *by_the_host]
        several = _named(lines_over(both, CORES, leaving=("lines",), systems=False))
        found += line_figures(
            "The cost of an update by message, by transport", several, AXIS, both,
            y_axis=AN_UPDATE, linear=True, notes=(BY_SOCKET,),
        )  # fmt: skip
    return [*found, *generic.rest(document, drawn)]


def _named(several: Iterable[Line]) -> list[Line]:
    """As in the paper: shm1, msg8, server are SHM1, MSG8 and Server there."""
    return [
        replace(one, label=re.sub(r"\b(shm|msg)\S*", lambda found: found[0].upper(), one.label))
        for one in several
    ]
