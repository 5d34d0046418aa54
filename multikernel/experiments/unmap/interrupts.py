"""The interrupt kernel, on modelled machines alone: how Linux 2.6 and Windows took a page from
other cores, without what else such a system does.

Guarantees: its numbers are the machine's; what it costs to send an interrupt is in no source, so it
is run for both ends of the range that the machine's file gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.modelled import ModelledBench
from multikernel.virtual.kernel import machine

ORDERS = {"at-once": False, "one-by-one": True}
"""One interrupt sent behind the other, or each when the last has answered."""
SEND = "local.interrupt_send"


def key(order: str, cores: int, end: str = "") -> str:
    """Of a series. end: "low" or "high", of the range of what sending takes."""
    return f"interrupts-{order}{f'-{end}' if end else ''}-on-{cores}"


def arms(request: Request, counts: Iterable[int]) -> Iterator[Arm]:
    """By order, number of cores, and what it takes to send one."""
    assert request.model is not None
    number = dict(request.model.numbers())[SEND]
    ends = {"": number.value, "low": number.low, "high": number.high}
    for cores in counts:
        for order in ORDERS:
            for end, send in ends.items():
                if send is not None:
                    yield _arm(order, cores, end, send, request.cores)


def _arm(order: str, cores: int, end: str, send: float, booted: int) -> Arm:
    spec = Spec(
        key(order, cores, end), "interrupts", order, cores, "completion", "single",
        parameters={
            "operation": "unmap", "target": "computing", "told": "interrupt",
            "send": round(send), "range": end or "nominal", "booted": booted,
        },
    )  # fmt: skip

    def slice_of(bench: Bench) -> Outcome:
        assert isinstance(bench, ModelledBench)
        model = bench.model.varied({SEND: send})
        native = machine(model, bench.cores, "machine")
        return Outcome({spec.key: one_number(native.interrupts(cores, ORDERS[order]))})

    return Arm(spec.key.replace("-", " "), (spec,), Booted(), slice_of)
