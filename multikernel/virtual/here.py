"""This host as a modelled machine: from what was measured on it, none of which is what is to be
predicted.

Guarantees: a line's way there and back is the floor, of which each of its four transactions takes a
quarter; what software adds comes from the calibration; a page-table change is the host's own call.
What cores that poll do not need is assumed, as on a machine like it.
"""

from __future__ import annotations

from collections.abc import Mapping

from multikernel.machine.models.model import Local, Message, Model, Number, Transfer
from multikernel.machine.models.reading import LIKE, shipped
from multikernel.virtual.work import Work


def measured(value: float, source: str) -> Number:
    """A number of this host."""
    return Number(round(value, 1), "measured", source)


def model(
    work: Work, *, floors: Mapping[str, float], local: float, ghz: float, topology: str, state: str
) -> Model:
    """floors: by how two cores stand to each other, cycles of a line there and back, back-to-back;
    local: of the host's call that changes a page's rights; ghz: of the time stamp counter.
    """
    software = work.bare / 4
    unused = Number(0, "measured", "two cores do not show it")
    looks = Number(0, "measured", "in the floor, whose loops look and relax as the drivers' do")
    half = measured(work.system_call / 2, "half of a program's request to its own driver")
    like = shipped(LIKE).local
    return Model(
        title=f"this host, {state}",
        topology=topology,
        chosen_after_seeing="",
        ghz=measured(ghz, "the time stamp counter"),
        message={
            relation: _message(work, software, floor, state) for relation, floor in floors.items()
        },
        transfer=Transfer(
            coherence="filter", coherence_source="the floor has it all", gap="receiver",
            lines_under_way=1, fences=True, hop=unused, home=unused, link=unused, line=unused,
        ),
        local=Local(
            look=looks, relax=looks, call=half,
            change=measured(local, "the host's call that changes a page's rights"),
            clear=measured(work.clear, "a page set to zero, in one process"),
            invalidate=Number(0, "measured", "in the host's call"),
            trap=_assumed(like.trap), interrupt_send=_assumed(like.interrupt_send),
            interrupt_delivery=_assumed(like.interrupt_delivery), wake=_assumed(like.wake),
            work_scale=measured(1, "steps are measured here"),
        ),
    )  # fmt: skip


def _message(work: Work, software: float, floor: float, state: str) -> Message:
    line = measured(
        (floor - work.bare) / 4, f"a quarter of the floor without its software, {state}"
    )
    return Message(
        send=measured(software, "half of a bare message, both ends in one process"),
        handle=measured(
            work.call / 2 - software - work.doorbell,
            "half of a call, both drivers in one process, without the look at the doorbell, whose "
            "fence waits while the line is under way",
        ),
        own=line,
        fetch=line,
    )


def _assumed(number: Number) -> Number:
    """What two cores that poll do not show."""
    low, high = number.low or number.value, number.high or number.value
    return Number(number.value, "assumed", f"that of {LIKE}: {number.source}", low, high)
