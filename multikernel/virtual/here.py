"""This host as a modelled machine: from what was measured on it, none of which is what is to be
predicted.

Guarantees: a line's way there and back is the floor, of which each of its four transactions takes a
quarter; what software adds comes from the calibration; a page-table change is the host's own call.
"""

from __future__ import annotations

from multikernel.machine.models.model import Local, Message, Model, Number, Transfer
from multikernel.virtual.work import Work


def measured(value: float, source: str) -> Number:
    """A number of this host."""
    return Number(round(value, 1), "measured", source)


def model(
    work: Work, *, floor: float, local: float, ghz: float, topology: str, state: str
) -> Model:
    """floor: cycles of a line there and back between two cores, back-to-back; local: of the host's
    call that changes a page's rights; ghz: of the time stamp counter.
    """
    software = work.bare / 4
    line = measured(
        (floor - work.bare) / 4, f"a quarter of the floor without its software, {state}"
    )
    unused = Number(0, "measured", "two cores do not show it")
    looks = Number(0, "measured", "in the floor, whose loops look and relax as the drivers' do")
    half = measured(work.system_call / 2, "half of a program's request to its own driver")
    return Model(
        title=f"this host, {state}",
        topology=topology,
        chosen_after_seeing="",
        ghz=measured(ghz, "the time stamp counter"),
        message={
            "system": Message(
                send=measured(software, "half of a bare message, both ends in one process"),
                handle=measured(
                    work.call / 2 - software, "half of a call, both drivers in one process"
                ),
                own=line,
                fetch=line,
            )
        },
        transfer=Transfer(
            coherence="filter", coherence_source="the floor has it all", gap="receiver",
            lines_under_way=1, fences=True, hop=unused, home=unused, link=unused, line=unused,
        ),
        local=Local(
            look=looks, relax=looks, call=half,
            change=measured(local, "the host's call that changes a page's rights"),
            clear=measured(work.clear, "a page set to zero, in one process"),
            invalidate=unused, trap=unused, interrupt_send=unused, interrupt_delivery=unused,
            wake=unused, work_scale=measured(1, "steps are measured here"),
        ),
    )  # fmt: skip
